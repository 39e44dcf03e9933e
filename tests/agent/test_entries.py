"""Lines, the chain over them, and what is new in what is said again."""

from __future__ import annotations

import contextlib
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.entries import (
    LINE_LIMIT,
    Draft,
    Entry,
    Kind,
    Stamp,
    canonical,
    follow,
    genesis,
    line_digest,
    link,
    parse,
    restated,
    same_facts,
    seal,
)
from agent.errors import DamagedJournal
from tests.fakes.drafts import sale

STAMP = Stamp("2026-11-22T04:00:00.000Z", 1000, "boot", "ok", "2026-11-22")
SALT = "00" * 16


def sealed(draft: Draft, seq: int = 1, stamp: Stamp = STAMP) -> Entry:
    return seal(draft, stamp, seq, SALT)


def text(*parts: str) -> bytes:
    return hashlib.sha256("\n".join(parts).encode()).digest()


# -- the published formulas, written a second time by hand ---------------------------------------------------------


def test_the_chain_is_what_the_module_says():
    entry = sealed(sale(1))
    assert entry.line is not None
    assert entry.digest == hashlib.sha256(b"slipkeeper/line/1\n" + entry.line).digest()
    zero = genesis("abc")
    assert zero == text("slipkeeper/journal/1", "abc", "", "")
    assert genesis("abc", b"\x01\xff") == text("slipkeeper/journal/1", "abc", "01ff", "")
    expected = text("slipkeeper/entry/1", zero.hex(), "1", "transaction", STAMP.at, entry.digest.hex(), "")
    assert link(zero, 1, "transaction", STAMP.at, entry.digest) == expected


def test_a_line_is_canonical_and_comes_back():
    draft = sale(1, merchant_name="饺子馆", raw=b"\x1b@slip")
    entry = sealed(draft)
    assert entry.line == canonical(json.loads(entry.line))
    assert b" " not in entry.line.replace("饺子馆".encode(), b"")
    assert parse(entry.line) == entry
    assert entry.raw_sha256 == hashlib.sha256(b"\x1b@slip").hexdigest()
    members = json.loads(entry.line)
    assert members["raw"] == entry.raw_sha256
    assert (members["v"], members["seq"], members["salt"]) == (1, 1, SALT)


def test_the_salt_hides_what_a_purged_line_said():
    one, other = seal(sale(1), STAMP, 1, "00" * 16), seal(sale(1), STAMP, 1, "01" + "00" * 15)
    assert one.digest != other.digest


def test_a_purged_line_leaves_the_chain_whole():
    entries = [sealed(sale(n), n) for n in range(1, 5)]
    whole = list(follow(genesis("j"), 1, [e.wire() for e in entries]))
    purged = [Entry(e.seq, e.kind, "", "", e.at, "", {}, "", None, e.digest) if e.seq == 2 else e for e in entries]
    after = list(follow(genesis("j"), 1, [e.wire() for e in purged]))
    assert [hash_ for _, hash_ in whole] == [hash_ for _, hash_ in after]
    stand_in = json.loads(purged[1].wire())
    assert stand_in == {
        "v": 1,
        "seq": 2,
        "kind": "transaction",
        "at": STAMP.at,
        "purged": True,
        "digest": entries[1].digest.hex(),
    }
    assert after[1][0].line is None


# -- tampering a chain must catch (faults.md §2) -------------------------------------------------------------------


def heads(lines: list[bytes]) -> list[bytes]:
    return [hash_ for _, hash_ in follow(genesis("j"), 1, lines)]


LINES = [sealed(sale(n, amount_minor=n * 100), n).wire() for n in range(1, 9)]


def test_every_changed_bit_changes_the_head():
    honest = heads(LINES)[-1]
    line = LINES[3]
    for place in range(len(line)):
        spoilt = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
        try:
            assert heads([*LINES[:3], spoilt, *LINES[4:]])[-1] != honest
        except DamagedJournal:
            continue


@pytest.mark.parametrize(
    "order", [(0, 2, 1, 3, 4, 5, 6, 7), (0, 1, 3, 4, 5, 6, 7), (0, 0, 1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6, 7)]
)
def test_a_missing_swapped_or_doubled_line_is_a_hole(order):
    with pytest.raises(DamagedJournal, match="is missing"):
        heads([LINES[place] for place in order])


def test_the_same_entries_behind_another_beginning_have_another_head():
    assert [h for _, h in follow(genesis("j"), 1, LINES)] != [h for _, h in follow(genesis("k"), 1, LINES)]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"seq":"1"}',
        canonical({"seq": True, "kind": "a", "source": "b", "key": "c", "at": "d", "day": "e", "body": {}}),
        canonical({"seq": 1.0, "kind": "a", "source": "b", "key": "c", "at": "d", "day": "e", "body": {}}),
        canonical({"seq": 1, "kind": "a\nb", "source": "b", "key": "c", "at": "d", "day": "e", "body": {}}),
        canonical({"seq": 1, "kind": "", "source": "b", "key": "c", "at": "d", "day": "e", "body": {}}),
        canonical({"seq": 1, "kind": "a", "source": 5, "key": "c", "at": "d", "day": "e", "body": {}}),
        canonical({"seq": 1, "kind": "a", "source": "b", "key": "c", "at": "d", "day": None, "body": {}}),
        canonical({"seq": 1, "kind": "a", "source": "b", "key": "c", "at": "d", "day": "e", "body": []}),
        canonical({"seq": 1, "kind": "a", "source": "b", "key": "c", "at": "d", "day": "e", "body": {}, "raw": 7}),
        canonical({"seq": 1, "kind": "a", "source": "b", "key": "c", "at": "d", "day": "e", "body": {}, "raw": "zz"}),
        canonical({"seq": "1", "kind": "a", "at": "d", "purged": True, "digest": "00" * 32}),
        canonical({"seq": 1, "kind": "a", "at": "d", "purged": True, "digest": "00"}),
        canonical({"seq": 1, "kind": "a", "at": "d", "purged": True, "digest": 5}),
        canonical({"seq": 1, "kind": "a\n", "at": "d", "purged": True, "digest": "00" * 32}),
        b'{"seq":' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_line_is_said_to_be_none(line):
    with pytest.raises(DamagedJournal):
        parse(line)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_are_a_line_or_damage(data):
    with contextlib.suppress(DamagedJournal):
        assert parse(data).digest


def test_an_unknown_kind_is_kept_as_it_is():
    entry = parse(sealed(Draft("kind_of_2031", "x", "k", {"new": [1]})).wire())
    assert (entry.kind, entry.body) == ("kind_of_2031", {"new": [1]})


# -- the line limit -----------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_left_out_and_named():
    entry = sealed(sale(1, text="长" * 9000, merchant_name="M"))
    assert entry.line is not None
    assert len(entry.line) <= LINE_LIMIT
    assert entry.body["cut"] == ["text"]
    assert "text" not in entry.body
    assert entry.body["amount_minor"] == 100


def test_as_much_as_fits_stays():
    small = sealed(sale(1, text="x"))
    room = LINE_LIMIT - len(small.line or b"")
    full = sealed(sale(1, text="x" * (room + 1)))
    assert len(full.line or b"") == LINE_LIMIT
    assert "cut" not in full.body
    assert "cut" in sealed(sale(1, text="x" * (room + 2))).body


def test_several_giants():
    entry = sealed(sale(1, text="x" * 20_000, merchant_name="y" * 20_000, acquirer="z" * 17_000))
    assert set(entry.body["cut"]) == {"text", "merchant_name", "acquirer"}
    assert len(entry.line or b"") <= LINE_LIMIT


# -- said again ---------------------------------------------------------------------------------------------------


def test_the_same_again_is_nothing_new():
    assert restated(sale(1), sealed(sale(1))) is None
    assert restated(sale(1, raw=b"a"), sealed(sale(1, raw=b"a"))) is None
    assert restated(sale(1), sealed(sale(1, raw=b"a"))) is None  # less than we have


def test_another_paper_is_a_copy():
    again = restated(sale(1, raw=b"customer", copy="customer"), sealed(sale(1, raw=b"merchant", copy="merchant")))
    assert again is not None
    assert again.kind == Kind.COPY
    assert again.key.startswith("transaction:10000001:000001:000001:sale:")
    assert restated(again, sealed(again)) is None


def test_more_detail_is_a_copy():
    again = restated(sale(1, rrn="123456789012"), sealed(sale(1)))
    assert again is not None
    assert again.kind == Kind.COPY


@pytest.mark.parametrize(
    "change", [{"amount_minor": 101}, {"outcome": "declined"}, {"card_masked": "622202******0008"}]
)
def test_a_contradiction_is_a_conflict(change):
    again = restated(sale(1, **change), sealed(sale(1)))
    assert again is not None
    assert again.kind == Kind.CONFLICT
    assert restated(again, sealed(again)) is None


def test_two_different_contradictions_are_two():
    held = sealed(sale(1))
    keys = {restated(sale(1, amount_minor=n), held).key for n in (101, 102, 103)}
    assert len(keys) == 3


def test_an_unknown_outcome_that_becomes_known_is_news_and_no_conflict():
    again = restated(sale(1), sealed(sale(1, outcome="unknown")))
    assert again is not None
    assert again.kind == Kind.COPY
    assert restated(sale(1, outcome="unknown"), sealed(sale(1))) is None


def test_less_precise_is_no_conflict():
    held = sealed(sale(1, terminal_time="2026-11-22T13:14:05"))
    assert restated(sale(1, terminal_time="2026-11-22T13:14"), held) is None


def test_what_did_not_fit_into_the_line_is_not_new_for_ever():
    """A settlement with long totals comes again and again: it is recognised, not written again, deeper each time."""
    totals = [{"transaction_type": "sale", "count": n, "amount_minor": n} for n in range(400)]
    draft = Draft(Kind.SETTLEMENT, "counter", "s:1", {"terminal_id": "1", "totals": totals}, b"raw")
    held = sealed(draft)
    assert held.body["cut"] == ["totals"]
    assert restated(draft, held) is None
    other = Draft(Kind.SETTLEMENT, "counter", "s:1", {"terminal_id": "1", "totals": totals[1:]}, b"other")
    again = restated(other, held)
    assert again is not None
    assert restated(again, sealed(again)) is None


def test_a_purged_entry_keeps_its_identity():
    purged = Entry(1, "transaction", "counter", "k", STAMP.at, "2026-11-22", {}, "", None, b"\0" * 32)
    assert restated(sale(1, amount_minor=5), purged) is None


facts = st.dictionaries(
    st.sampled_from(["amount_minor", "rrn", "outcome", "terminal_time", "text", "copy", "card_masked"]),
    st.sampled_from(["unknown", "approved", "T13:14", "2026-11-22T13:14:05", "0007", "6222***0007", 1, 2]),
)


@given(facts, facts)
def test_agreeing_is_mutual(one, other):
    assert same_facts(one, other) == same_facts(other, one)
    assert same_facts(one, one)


@given(facts, facts, st.none() | st.binary(max_size=3), st.none() | st.binary(max_size=3))
def test_what_was_written_is_recognised(first, second, raw, other_raw):
    """Whatever `restated` has written comes back as nothing new, so repeats end."""
    held = sealed(Draft("transaction", "s", "k", first, raw))
    draft = Draft("transaction", "s", "k", second, other_raw)
    again = restated(draft, held)
    assert restated(Draft("transaction", "s", "k", first, raw), held) is None
    if again is not None:
        assert again.kind in {Kind.COPY, Kind.CONFLICT}
        assert (again.kind == Kind.COPY) == same_facts(first, second)
        assert restated(again, sealed(again)) is None
        assert restated(draft, held) == again


def test_digest_of_a_line():
    assert line_digest(b"") == hashlib.sha256(b"slipkeeper/line/1\n").digest()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1, 2}, b"x", "\ud800"])
def test_what_cannot_be_written_is_refused(bad):
    with pytest.raises((ValueError, TypeError)):
        canonical({"a": bad})
