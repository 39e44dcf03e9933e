"""The projection is pure: any order of parts gives the same transaction, and rebuilt rows equal live ones."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.entries import Draft, Stamp, restated, seal
from tests.upstream.box import Journal, sale
from upstream.ledger.project import Part, facts_of, identity_of, maybe_heard, maybe_part, merge
from upstream.receiving.inspection import is_day, is_time, shown


def entry(body, *, seq=1, kind="transaction", source="till-1", key="k", second=0):
    stamp = Stamp(f"2026-10-03T08:00:{second:02}.000Z", 1, "b", "ok", "2026-10-03")
    return seal(Draft(kind, source, key, body), stamp, seq, "s" * 32)


def part(body, **words) -> Part:
    journal_id = words.pop("journal_id", "j")
    found = maybe_part(journal_id, entry(body, **words))
    assert found
    return found


def test_a_slip_and_an_answer_are_one_payment():
    answer = part(sale(1, rrn=None, card_scheme=None), source="ecr", second=1)
    slip = part(sale(1, auth_code="A1"), source="printer", second=2, journal_id="other")
    whole = merge("x", [slip, answer])
    assert whole.sources == ("ecr", "printer")
    assert (whole.facts["rrn"], whole.facts["auth_code"], whole.facts["amount_minor"]) == ("261003000001", "A1", 101)
    assert (whole.copies, whole.conflicts, whole.disputed) == (0, 0, ())


def test_the_first_word_stands_and_a_later_one_disputes_it():
    whole = merge("x", [part(sale(1, amount_minor=999), seq=2, second=2), part(sale(1), second=1)])
    assert whole.facts["amount_minor"] == 101
    assert whole.disputed == ("amount_minor",)


def test_knowledge_replaces_unknown():
    whole = merge("x", [part(sale(1, outcome="unknown"), second=1), part(sale(1), seq=2, second=2)])
    assert (whole.facts["outcome"], whole.disputed) == ("approved", ())


def test_what_the_journal_restates_is_counted():
    first = entry(sale(1), key="10011001:000001:000001:sale")
    copy = restated(Draft("transaction", "till-1", first.key, sale(1, copy="customer"), b"paper"), first)
    conflict = restated(Draft("transaction", "till-1", first.key, sale(1, amount_minor=7)), first)
    assert copy
    assert conflict
    told = [
        entry(copy.body, kind=copy.kind, key=copy.key, seq=2, second=1),
        entry(conflict.body, kind=conflict.kind, key=conflict.key, seq=3),
    ]
    parts = [maybe_part("j", one) for one in (first, *told)]
    whole = merge("x", [one for one in parts if one])
    assert (whole.copies, whole.conflicts, whole.disputed) == (1, 1, ("amount_minor",))
    assert whole.facts["amount_minor"] == 101
    assert {identity_of("j", one, facts_of(one.body)) for one in (first, *told)} == {"10011001:000001:000001:sale"}


def test_without_a_full_identity_the_sources_own_key_serves():
    body = sale(1, batch_no=None)
    first = entry(body, key="sha256:ab")
    copy = restated(Draft("transaction", "till-1", first.key, body, b"paper"), first)
    assert copy
    second = entry(copy.body, kind=copy.kind, key=copy.key, seq=2)
    assert {identity_of("j", one, facts_of(one.body)) for one in (first, second)} == {"j/till-1/sha256:ab"}
    assert identity_of("other", first, facts_of(body)) != identity_of("j", first, facts_of(body))
    strange = entry(body, key="k\u202e" * 200)
    assert identity_of("j", strange, {}).startswith("sha256:")


@pytest.mark.parametrize("kind", ["slip", "settlement", "start", "from_the_future"])
def test_other_kinds_are_no_payment(kind):
    assert maybe_part("j", entry(sale(1), kind=kind)) is None


def test_a_copy_of_a_settlement_is_no_payment():
    assert maybe_part("j", entry(sale(1), kind="copy", key="settlement:x:0123456789abcdef")) is None


def test_misshapen_facts_are_unknown():
    facts = facts_of(
        {"amount_minor": -5, "currency": "CNY", "outcome": "perhaps", "rrn": " x", "method": "card", "new": 1}
    )
    assert facts == {"currency": "CNY", "method": "card"}
    assert facts_of({"amount_minor": 5}) == {}


def test_terminals_are_heard_of_by_reports_only():
    heard = maybe_heard(entry(sale(1)))
    assert heard
    assert heard.facts["merchant_name"] == "好又多便利店"
    assert maybe_heard(entry({}, kind="start")) is None
    assert maybe_heard(entry(sale(1), source="")) is None


_bodies = st.builds(
    lambda amount, outcome, rrn, copy: sale(1, amount_minor=amount, outcome=outcome, rrn=rrn, copy=copy),
    st.sampled_from([101, 102]),
    st.sampled_from(["approved", "declined", "unknown", None]),
    st.sampled_from(["1", "2", None]),
    st.sampled_from(["merchant", None]),
)
_parts = st.lists(
    st.tuples(_bodies, st.sampled_from(["transaction", "copy", "conflict"]), st.integers(0, 5)), min_size=1, max_size=5
)


@given(_parts, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_gives_the_same(told, dice):
    parts = [
        part(
            body,
            seq=seq,
            kind=kind,
            key="transaction:k:0123456789abcdef" if kind != "transaction" else "k",
            second=second,
        )
        for seq, (body, kind, second) in enumerate(told, 1)
    ]
    mixed = [*parts, dice.choice(parts)]
    dice.shuffle(mixed)
    assert merge("x", mixed) == merge("x", parts)


@given(st.text())
def test_what_is_shown_can_be_stored(text):
    safe = shown(text)
    safe.encode()
    assert "\0" not in safe
    assert shown(safe) == safe


@pytest.mark.parametrize("text", ["", "2026-13-01", "20261003", "2026-W40-6", "9999-99-99", "2026-10-03T00:00"])
def test_no_days(text):
    assert not is_day(text)


@pytest.mark.parametrize(("text", "fits"), [("2026-10-03T08:00:00.000Z", True), ("2026-10-03", False), ("Z", False)])
def test_times(text, fits):
    assert is_time(text) is fits


def ledger(server, journals):
    """The projections of some journals, as the tables have them."""
    kept = {}
    ids = [journal.journal_id for journal in journals]
    marks = ",".join("?" * len(ids))
    for table, order in (
        ("ledger_transaction", "identity"),
        ("ledger_terminal", "source"),
        ("ledger_bookmark", "journal_id"),
        ("quarantine", "seq"),
    ):
        kept[table] = server.rows(
            f"SELECT * FROM {table} WHERE journal_id IN ({marks}) ORDER BY journal_id, {order}", *ids
        )
    return kept


def test_rebuilt_rows_equal_live_ones(server, client):
    dice = random.Random(3)
    name = f"rebuild-{server.dsn}"
    bodies = {
        seq: dice.choice([sale(seq, "20012001"), sale(seq // 2, "20012001"), {}, {"amount_minor": "x"}])
        for seq in range(1, 61)
    }
    kinds = {seq: dice.choice(["transaction", "transaction", "notice", "start", "new"]) for seq in range(1, 61)}
    boxes = [
        client(server, Journal(f"{name}-{number}", bodies=bodies, kinds=kinds, source=f"s{number}"))
        for number in (1, 2)
    ]
    at = [0, 0]
    while min(at) < 60:  # two boxes tell of the same payments, in turns
        which = dice.randrange(2)
        upto = min(at[which] + dice.randint(1, 9), 60)
        if upto > at[which]:
            assert boxes[which].send(at[which] + 1, upto).status_code == 200
            at[which] = upto
    journals = [box.journal for box in boxes]
    live = ledger(server, journals)
    shared = server.rows("SELECT count(*) FROM ledger_transaction WHERE sources = 's1,s2' OR sources = 's2,s1'")
    assert shared[0][0] > 5
    server.write("DELETE FROM ledger_transaction WHERE trace_no = '000004'")
    server.write("UPDATE ledger_terminal SET merchant_name = 'wrong'")
    done = server.run("rebuild", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["entries"] >= 120
    assert ledger(server, journals) == live
