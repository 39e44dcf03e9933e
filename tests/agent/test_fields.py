"""The table of names: what may stand in a report, and when two tellers of one payment say the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fields import BY_NAME, PAPER, TABLE, Outcome, TransactionType, agree, fits, problems

GOOD = {
    "transaction_type": "sale",
    "outcome": "approved",
    "amount_minor": 12850,
    "currency": "CNY",
    "tip_minor": 0,
    "total_minor": 12850,
    "terminal_id": "10000001",
    "merchant_name": "饺子馆",
    "card_masked": "622202******0007",
    "method": "wechat",
    "entry_mode": "qr",
    "card_type": "debit",
    "terminal_time": "2026-11-22T13:14:05",
    "settle_date": "--11-22",
    "copy": "merchant",
    "reprint": False,
    "text": "",
    "totals": [{"group": "domestic", "transaction_type": "sale", "count": 2, "amount_minor": 300}],
    "verdict": {"domestic": "balanced", "foreign": "error"},
    "raw_sha256": "0" * 64,
    "warnings": ["something"],
}


def test_a_good_report_has_no_problem():
    assert problems(GOOD) == []
    assert problems({}) == []


def test_every_name_once_with_words_in_both_languages():
    assert len(BY_NAME) == len(TABLE)
    assert all(field.en and field.zh and field.name == field.name.lower() for field in TABLE)
    assert set(BY_NAME) >= PAPER
    assert all(not name.endswith("_minor") for name in PAPER)  # money is never a matter of paper


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount_minor", 1.0),
        ("amount_minor", True),
        ("amount_minor", -1),
        ("amount_minor", "100"),
        ("amount_minor", 10**15),
        ("amount_minor", None),
        ("currency", "cny"),
        ("currency", "RMB￥"),
        ("transaction_type", "Sale"),
        ("outcome", "ok"),
        ("outcome", ["approved"]),
        ("terminal_id", ""),
        ("terminal_id", " 1"),
        ("terminal_id", 1),
        ("merchant_name", "half \ud83d"),
        ("text", "half \udc00"),
        ("text", None),
        ("card_masked", "4111111111111111"),
        ("card_masked", "4111111*1111"),
        ("card_masked", "٤١١١*1111"),
        ("terminal_time", "2026-11-22 13:14"),
        ("terminal_time", "2026-11-22T13:14Z"),
        ("terminal_time", "13:14"),
        ("settle_date", "11-22"),
        ("raw_sha256", "0" * 63),
        ("raw_sha256", "A" * 64),
        ("reprint", 1),
        ("copy", "Merchant"),
        ("totals", [{"amount_minor": 1.5}]),
        ("totals", [{"count": "2"}]),
        ("totals", [{"surprise": 1}]),
        ("totals", [[]]),
        ("totals", {"all": 1}),
        ("verdict", {"domestic": float("nan")}),
        ("verdict", {"everything": "balanced"}),
        ("verdict", ["balanced"]),
        ("verdict", {"domestic": ["balanced"]}),
        ("totals", [{"group": []}]),
        ("warnings", "one"),
        ("warnings", ["\ud800"]),
        ("amout_minor", 1),
    ],
)
def test_what_may_not_be_journalled(name, value):
    assert not fits(name, value)
    found = problems({name: value, "currency": "CNY"} if name != "currency" else {name: value})
    assert len(found) == 1
    assert name in found[0]


def test_an_amount_without_currency_is_a_problem():
    assert problems({"amount_minor": 1}) == ["amount_minor without currency"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(BY_NAME)), json_values)
def test_whatever_fits_can_be_written_down(name, value):
    """What the table lets through, the journal can write: no half characters, no floats, no NaN."""
    if fits(name, value):
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    assert bool(problems({name: value, "currency": "CNY"} | ({name: value}))) is not fits(name, value)


@pytest.mark.parametrize("wrong", [{1: 2}, {"": ""}, {"\ud800": "x"}])
def test_names_that_are_none(wrong):
    assert problems(wrong)


@pytest.mark.parametrize(
    ("name", "one", "other", "same"),
    [
        ("terminal_time", "2026-11-22T13:14:05", "2026-11-22T13:14", True),
        ("terminal_time", "2026-11-22T13:14:05", "--11-22T13:14", True),
        ("terminal_time", "2026-11-22T13:14:05", "T13:14:05", True),
        ("terminal_time", "--11-22T13:14", "T13:14:05", True),
        ("terminal_time", "2026-11-22T13:14:05", "2026-11-22T13:14:06", False),
        ("terminal_time", "2026-11-22T13:14", "2025-11-22T13:14", False),
        ("terminal_time", "2026-11-22T13:14", "--11-23T13:14", False),
        ("terminal_time", "2026-11-22T13:14", "T13:15", False),
        ("card_masked", "622202******0007", "0007", True),
        ("card_masked", "622202******0007", "************0007", True),
        ("card_masked", "622202******0007", "6222********0007", True),
        ("card_masked", "622202******", "************0007", True),
        ("card_masked", "622202******0007", "0008", False),
        ("card_masked", "622202******0007", "622203******0007", False),
        ("outcome", "unknown", "approved", True),
        ("outcome", "declined", "approved", False),
        ("amount_minor", 100, 101, False),
        ("amount_minor", 100, 100, True),
        ("rrn", "123456789012", "23456789012", False),
        ("trace_no", "000345", "345", False),
        ("terminal_time", 5, "T13:14", False),
        ("card_masked", None, "0007", False),
    ],
)
def test_vaguer_words_agree_with_clearer_ones(name, one, other, same):
    assert agree(name, one, other) is same
    assert agree(name, other, one) is same


def test_the_enumerations_are_the_table():
    assert all(fits("transaction_type", kind) for kind in TransactionType)
    assert all(fits("outcome", outcome) for outcome in Outcome)
