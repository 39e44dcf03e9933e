"""The figures of a day: only approved money counts, currencies never mix, ours stands beside the terminal's own."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fields import TransactionType
from agent.settlement import Doubts, Period, against_terminals, counts, day_list, methods, net, totals, unknown

PERIOD = Period("饺子馆", "2026-11-22", 7, "2026-11-23T04:00:00+08:00", 1, 9, "00" * 32)


def paid(amount_minor: int = 100, kind: str = "sale", **fields: object) -> dict:
    return {
        "transaction_type": kind,
        "outcome": "approved",
        "amount_minor": amount_minor,
        "currency": "CNY",
        "terminal_id": "10000001",
        "batch_no": "000001",
        **fields,
    }


def settled(*lines: tuple[str, int, int], group: str = "all", **fields: object) -> dict:
    told = [{"group": group, "transaction_type": k, "count": c, "amount_minor": m} for k, c, m in lines]
    return {"terminal_id": "10000001", "batch_no": "000001", "currency": "CNY", "totals": told, **fields}


payments = st.lists(
    st.builds(
        paid,
        st.integers(0, 10**9),
        st.sampled_from([*TransactionType]),
        outcome=st.sampled_from(["approved", "declined", "unknown"]),
        currency=st.sampled_from(["CNY", "JPY"]),
        method=st.sampled_from(["card", "wechat"]),
    ),
    max_size=12,
)


@given(payments)
def test_every_approved_cent_is_in_the_totals_once(found: list[dict]):
    approved = [p for p in found if p["outcome"] == "approved"]
    by_currency: Counter[str] = Counter()
    for row in totals(found):
        by_currency[row["currency"]] += row["amount_minor"]
    assert by_currency == Counter(
        {c: s for c in ("CNY", "JPY") if (s := sum(p["amount_minor"] for p in approved if p["currency"] == c))}
    )
    assert sum(row["count"] for row in totals(found)) == len(approved)
    assert {r["currency"]: r["amount_minor"] for r in net(found)} == {
        currency: sum(r["amount_minor"] for r in methods(found) if r["currency"] == currency)
        for currency in {r["currency"] for r in methods(found)}
    }
    assert totals(list(reversed(found))) == totals(found)


def test_directions():
    found = [paid(1000), paid(300, "void"), paid(50, "refund"), paid(7, "preauth"), paid(5, "balance"), paid(1, "tip")]
    assert net(found) == [{"currency": "CNY", "amount_minor": 651}]
    assert net([paid(100, "something new")]) == []
    assert net([]) == []


def test_the_order_of_the_types_and_what_has_none():
    found = [paid(1, "refund"), paid(2, "void"), paid(3, "sale"), paid(4, "???"), {**paid(5), "transaction_type": ""}]
    assert [row.get("transaction_type") for row in totals(found)] == ["sale", "void", "refund", None, "???"]


@pytest.mark.parametrize(
    "fields",
    [
        paid(outcome="declined"),
        paid(outcome="unknown"),
        {},
        {"outcome": "approved"},
        {"outcome": "approved", "amount_minor": 5},
    ],
)
def test_what_does_not_count(fields: dict):
    assert not counts(fields)
    assert totals([fields]) == []


def test_nobody_knows_is_listed_not_guessed():
    doubtful = [paid(outcome="unknown"), {"amount_minor": 5}, paid(outcome="odd")]
    assert unknown([paid(), paid(outcome="declined"), *doubtful]) == doubtful


# -- ours against the terminal's own ------------------------------------------------------------------------------


def difference(ours: list[dict], *theirs: dict) -> list[dict]:
    [row] = against_terminals(ours, theirs)
    return row["difference"]


def test_equal_is_an_empty_difference():
    assert difference([paid(100), paid(200), paid(50, "void")], settled(("sale", 2, 300), ("void", 1, 50))) == []


def test_a_sale_we_never_heard_of_and_one_the_terminal_does_not_know():
    assert difference([paid(100)], settled(("sale", 2, 300))) == [{"currency": "CNY", "amount_minor": -200}]
    assert difference([paid(100), paid(5)], settled(("sale", 1, 100))) == [{"currency": "CNY", "amount_minor": 5}]


def test_totals_by_direction_only():
    assert difference([paid(100), paid(30, "refund")], settled(("debit", 1, 100), ("credit", 1, 30))) == []


def test_domestic_and_foreign_are_added_an_all_beside_them_is_not():
    parts = settled(("sale", 1, 100), group="domestic")["totals"] + settled(("sale", 1, 50), group="foreign")["totals"]
    told = settled(("sale", 2, 150))["totals"]
    assert difference([paid(100), paid(50)], settled() | {"totals": parts}) == []
    assert difference([paid(100), paid(50)], settled() | {"totals": parts + told}) == []
    assert difference([paid(100), paid(50)], settled() | {"totals": told}) == []


def test_the_tills_answer_and_the_printed_slip_tell_of_one_settlement():
    assert difference([paid(100)], settled(("sale", 1, 100)), settled(("sale", 1, 100), text="slip")) == []
    both = settled(("sale", 1, 100)), settled(("sale", 1, 70), batch_no="000002")
    assert difference([paid(100), paid(70, batch_no="000002")], *both) == []


def test_a_batch_that_began_on_the_list_before():
    """The terminal settles at ten, the day ends at four: sales in between stand on another list, not in the difference."""
    earlier = paid(900)

    def batch(terminal_id: str, batch_no: str) -> list[dict]:
        assert (terminal_id, batch_no) == ("10000001", "000001")
        return [earlier, paid(100)]

    [row] = against_terminals([paid(100), paid(5, batch_no="000002")], [settled(("sale", 2, 1000))], batch)
    assert row["difference"] == []
    assert difference([paid(100)], settled(("sale", 2, 1000))) != []  # the control


def test_not_settled_yet_and_settled_without_figures():
    [row] = against_terminals([paid(100)], [])
    assert (row["theirs"], row["difference"]) == (None, [])
    [row] = against_terminals([paid(100)], [settled()])
    assert row["theirs"] is None


def test_terminals_do_not_mix():
    rows = against_terminals(
        [paid(100), paid(70, terminal_id="2"), {"outcome": "approved", "amount_minor": 5, "currency": "CNY"}],
        [
            settled(("sale", 1, 100)),
            settled(("sale", 1, 60), terminal_id="2"),
            settled(("sale", 1, 9), terminal_id="3"),
        ],
    )
    assert [(row["terminal_id"], row["difference"]) for row in rows] == [
        ("10000001", []),
        ("2", [{"currency": "CNY", "amount_minor": 10}]),
        ("3", [{"currency": "CNY", "amount_minor": -9}]),
    ]


def test_a_settlement_without_currency_has_that_of_its_payments():
    told = settled(("sale", 1, 100))
    del told["currency"]
    assert difference([paid(100)], told) == []
    assert difference([paid(100), paid(1, currency="USD")], told) != []  # two currencies: nobody can say


# -- the whole list -----------------------------------------------------------------------------------------------


@given(payments)
def test_a_list_is_plain_data(found: list[dict]):
    listed = day_list(PERIOD, found, [settled(("sale", 1, 100))], Doubts())
    assert json.loads(json.dumps(listed, allow_nan=False)) == listed
    assert listed["count"] == sum(p["outcome"] == "approved" for p in found)
    assert len(listed["transactions"]) == len(found)
    assert len(listed["unknown"]) == sum(p["outcome"] == "unknown" for p in found)


def test_a_day_without_sales_is_a_list():
    listed = day_list(PERIOD, [], [], Doubts(clock=["+2 s"], blind=[{"from": "a", "to": "b"}]))
    assert (listed["number"], listed["count"], listed["totals"], listed["net"]) == (7, 0, [], [])
    assert (listed["clock"], listed["blind"]) == (["+2 s"], [{"from": "a", "to": "b"}])
    assert listed["unsynced"] == {"count": 0, "since": ""}
