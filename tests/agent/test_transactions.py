"""Which entries speak of one payment: counted once, whoever tells of it, and never merged with another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.entries import Draft, Entry, Kind, Stamp, restated, seal
from agent.transactions import Transaction, fold, is_paper, names, tells_of_payment
from tests.fakes.drafts import sale

STAMP = Stamp("2026-11-22T04:00:00.000Z", 1000, "boot", "ok", "2026-11-22")


def kept(drafts: list[Draft]) -> list[tuple[int, Entry]]:
    """The entries a journal makes of drafts: repeats recognised, copies and conflicts as such."""
    held: dict[tuple[str, str, str], Entry] = {}
    found: list[tuple[int, Entry]] = []
    for draft in drafts:
        new: Draft | None = draft
        while new is not None and (new.source, new.kind, new.key) in held:
            new = restated(new, held[new.source, new.kind, new.key])
        if new is not None:
            entry = seal(new, STAMP, len(found) + 1, "00" * 16)
            held[new.source, new.kind, new.key] = entry
            found.append((entry.seq, entry))
    return found


def told(*drafts: Draft) -> list[Transaction]:
    return fold(kept(list(drafts)))


def keyed(key: str, source: str = "counter", **fields: object) -> Draft:
    return Draft(Kind.TRANSACTION, source, key, sale(1).body | fields)  # type: ignore[operator]


def without(draft: Draft, *gone: str, **fields: object) -> Draft:
    body = {name: value for name, value in draft.body.items() if name not in gone} | fields
    return Draft(draft.kind, draft.source, draft.key, body, draft.raw)  # type: ignore[arg-type]


def test_one_report_is_one_payment():
    [payment] = told(sale(1, raw=b"x", text="a\nb"))
    assert (payment.number, payment.entries, payment.raw, payment.conflict, payment.counted) == (1, (1,), 1, False, 1)


def test_copies_and_repeats_are_the_same_payment():
    [payment] = told(
        sale(1, raw=b"merchant", text="a\nb", copy="merchant"),
        sale(1, raw=b"customer", text="a\nb", copy="customer"),
        sale(1),
        sale(1, rrn="123456789012"),
    )
    assert payment.entries == (1, 2, 3)
    assert (payment.raw, payment.fields["copy"], payment.fields["rrn"]) == (1, "merchant", "123456789012")
    assert not payment.conflict


def test_two_drivers_tell_of_one_payment():
    [payment] = told(sale(1, source="till"), sale(1, source="printer", raw=b"x", text="a\nb", merchant_name="M"))
    assert (payment.source, payment.raw, payment.fields["text"]) == ("till", 2, "a\nb")


def test_detail_that_comes_later_never_makes_a_second_payment():
    """The batch was unknown at first: the natural name is learnt later. Counting it twice would be a sale too many."""
    first = without(sale(1), "batch_no")
    later = sale(1)
    assert names(kept([first])[0][1]).known_as == ()
    [payment] = told(first, Draft(first.kind, first.source, first.key, later.body))
    assert payment.entries == (1, 2)
    assert payment.fields["batch_no"] == "000001"


def test_two_that_turn_out_to_be_one_are_joined():
    vague = keyed("ref:77", source="printer", batch_no="000001")
    vague = without(vague, "batch_no")
    clear = sale(1, source="till", rrn="123456789012")
    linking = keyed("ref:77", source="printer", batch_no="000001")
    first, second = told(vague, clear)
    assert (first.counted, second.counted) == (1, 2)
    [payment] = told(vague, clear, linking)
    assert (payment.number, payment.entries, payment.counted) == (1, (1, 2, 3), 1)
    assert payment.fields["rrn"] == "123456789012"
    [after] = told(vague, clear, linking, sale(1, source="third"))
    assert after.entries == (1, 2, 3, 4)


def test_contradictions_are_never_joined_away():
    vague = without(keyed("ref:77", source="printer", amount_minor=999), "batch_no")
    clear = sale(1, source="till")
    linking = keyed("ref:77", source="printer", amount_minor=999)
    found = told(vague, clear, linking)
    assert sorted(payment.fields["amount_minor"] for payment in found) == [100, 999]


def test_a_contradiction_is_shown_and_the_first_word_stands():
    [payment] = told(sale(1), sale(1, amount_minor=200))
    assert (payment.fields["amount_minor"], payment.conflict, payment.entries) == (100, True, (1, 2))


def test_a_sale_and_its_void_are_two():
    found = told(sale(1), Draft(Kind.TRANSACTION, "counter", "v", sale(1, transaction_type="void").body))
    assert [payment.fields["transaction_type"] for payment in found] == ["sale", "void"]


def test_an_answer_without_a_type_fits_the_payment_with_these_numbers():
    untyped = without(keyed("last:1", source="till"), "transaction_type")
    [payment] = told(sale(1), untyped)
    assert payment.entries == (1, 2)
    [payment] = told(untyped, sale(1))
    assert payment.fields["transaction_type"] == "sale"
    found = told(untyped, sale(1), Draft(Kind.TRANSACTION, "counter", "v", sale(1, transaction_type="void").body))
    assert [payment.fields["transaction_type"] for payment in found] == ["sale", "void"]


def test_an_unknown_outcome_is_learnt_and_counts_from_then_on():
    [payment] = told(sale(1, outcome="unknown"), sale(1))
    assert (payment.fields["outcome"], payment.conflict, payment.counted) == ("approved", False, 2)
    [payment] = told(sale(1, outcome="unknown"), sale(1, outcome="declined"))
    assert (payment.fields["outcome"], payment.counted) == ("declined", None)
    [payment] = told(sale(1), sale(1, outcome="unknown"))
    assert (payment.fields["outcome"], payment.conflict, payment.counted) == ("approved", False, 1)


def test_an_amount_that_comes_later_counts_from_then_on():
    [payment] = told(without(sale(1), "amount_minor", "currency"), sale(1))
    assert payment.counted == 2


def test_numbers_given_a_second_time_are_another_payment():
    """A terminal that was reset begins at batch 1, trace 1 again. That sale must not vanish behind an old one."""
    old = sale(1, terminal_time="2025-03-01T10:00:00")
    new = sale(1, 4200, terminal_time="2026-11-22T10:00:00")
    first, second = told(old, new)
    assert (first.fields["amount_minor"], second.fields["amount_minor"]) == (100, 4200)
    assert second.counted == 2
    first, second = told(old, new, sale(1, 4200, source="printer", terminal_time="2026-11-22T10:00"))
    assert second.entries == (2, 3)


def test_the_same_numbers_and_amount_but_another_reference_by_the_same_teller():
    first, second = told(sale(1, rrn="111111111111"), sale(1, rrn="222222222222"))
    assert (first.counted, second.counted) == (1, 2)
    [payment] = told(sale(1, rrn="111111111111"), sale(1, rrn="000000000011", source="printer"))
    assert payment.conflict  # two tellers may call different numbers a reference


def test_what_is_no_payment():
    entries = kept(
        [
            Draft(Kind.SETTLEMENT, "counter", "s", {"terminal_id": "1"}),
            Draft(Kind.SETTLEMENT, "counter", "s", {"terminal_id": "1", "batch_no": "2"}),
            Draft(Kind.NOTICE, "counter", "n", {}),
        ]
    )
    assert [entry.kind for _, entry in entries] == ["settlement", "copy", "notice"]
    assert not any(tells_of_payment(entry) for _, entry in entries)
    assert fold(entries) == []


@pytest.mark.parametrize(
    ("draft", "paper"),
    [
        (sale(1), False),
        (sale(1, raw=b"\x02frame"), False),
        (sale(1, raw=b"x", text="one line"), False),
        (sale(1, raw=b"x", text="a\nb"), True),
        (sale(1, raw=b"x", text="a\n" * 20_000), True),  # too long for the line, still a paper
        (Draft(Kind.SLIP, "counter", "k", {}, b"picture"), True),
        (Draft(Kind.SLIP, "counter", "k", {}), False),
    ],
)
def test_what_is_a_paper(draft: Draft, paper: bool):
    assert is_paper(kept([draft])[0][1]) is paper


reports = st.builds(
    lambda number, source, extra, gone, raw: without(sale(number, source=source, raw=raw), *gone, **extra),
    st.integers(1, 2),
    st.sampled_from(["till", "printer"]),
    st.sampled_from([{}, {"rrn": "1"}, {"outcome": "unknown"}, {"terminal_time": "2026-11-22T10:00"}]),
    st.sampled_from([(), ("batch_no",), ("transaction_type",), ("amount_minor", "currency")]),
    st.sampled_from([None, b"a", b"b"]),
)


@given(st.lists(reports, max_size=8))
def test_no_contradiction_no_doubt_then_as_many_payments_as_there_were(drafts: list[Draft]):
    """Every entry belongs to exactly one payment; nothing said twice counts twice."""
    entries = kept(drafts)
    found = fold(entries)
    members = [number for payment in found for number in payment.entries]
    assert sorted(members) == [number for number, _ in entries]
    assert [payment.number for payment in found] == sorted(min(payment.entries) for payment in found)
    assert fold(kept([*drafts, *drafts])) == found
    for payment in found:
        numbers = {entry.body["trace_no"] for number, entry in entries if number in payment.entries}
        assert len(numbers) == 1, "two payments became one"
