"""The one search box: whatever a cashier types, it finds what she means or nothing, and never an error."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.entries import Stamp, seal
from agent.projections import project
from agent.schema import migrate
from agent.search import searchable, wanted
from tests.fakes.drafts import sale

STAMP = Stamp("2026-11-22T04:00:00.000Z", 1000, "boot", "ok", "2026-11-22")
PAYMENTS = {
    345: {"amount_minor": 12850, "terminal_time": "2026-11-22T13:14:05", "card_masked": "622202******8888"},
    346: {"amount_minor": 12800, "method": "wechat", "merchant_name": "王府井饺子馆", "rrn": "220102000346"},
    347: {"amount_minor": 888800, "transaction_type": "refund", "issuer": "中国工商银行", "auth_code": "A1B2C3"},
    348: {"amount_minor": 1, "outcome": "declined", "order_no": "OX-2026/77", "operator": "01", "card_scheme": "VISA"},
    349: {
        "amount_minor": 34500,
        "outcome": "unknown",
        "acquirer": "Café Zürich ＡＢＣ",
        "terminal_time": "--11-22T09:05",
    },
}


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, "index")
    connection.execute("begin")
    for number, (trace, fields) in enumerate(PAYMENTS.items(), 1):
        project(connection, number, seal(sale(trace, **{"card_masked": "0001", **fields}), STAMP, number, "00" * 16))
    connection.execute("commit")
    yield connection
    connection.close()


def found(index: sqlite3.Connection, text: str, currency: str = "CNY") -> set[int]:
    where, values = wanted(text, currency).sql()
    rows = index.execute(f"select number from transactions where {where}", values)
    return {list(PAYMENTS)[number - 1] for (number,) in rows}


@pytest.mark.parametrize(
    ("text", "traces"),
    [
        ("", {345, 346, 347, 348, 349}),
        ("   ", {345, 346, 347, 348, 349}),
        ("128.50", {345}),
        ("￥128.50", {345}),
        ("128.5", {345}),
        ("128", {345, 346}),
        ("１２８．５０", {345}),
        ("0.01", {348}),
        ("8888", {345, 347}),  # last four, or the amount
        ("000345", {345}),
        ("345", {345, 349}),  # a trace number, or the amount
        ("0345", {345}),
        ("13:14", {345}),
        ("13：14", {345}),
        ("9:05", {349}),
        ("13:", {345}),
        ("220102", {346}),
        ("2201020003466", set()),
        ("a1b2", {347}),
        ("王府", {346}),
        ("府井饺子", {346}),
        ("饺", {346}),
        ("王井", set()),
        ("微信", {346}),
        ("退货", {347}),
        ("消费", {345, 346, 348, 349}),
        ("失败", {348}),
        ("未知", {349}),
        ("refund", {347}),
        ("工商", {347}),
        ("工商 退货", {347}),
        ("工商 消费", set()),
        ("128.50 8888", {345}),
        ("128.50 13:14 消费 345", {345}),
        ("visa", {348}),
        ("VISA", {348}),
        ("ox-2026/77", {348}),
        ("OX", {348}),
        ("abc", {349}),
        ("zürich", {349}),
        ("26:99", set()),
        ("-5", set()),
        ("1e5", set()),
        ("128.505", set()),
        ("*", set()),
        ("%", set()),
        ("_", set()),
        ('"', set()),
        ("' or 1=1 --", set()),
        ("AND", set()),
        ("NEAR(a b)", set()),
    ],
)
def test_what_is_typed_and_what_is_found(index: sqlite3.Connection, text: str, traces: set[int]):
    assert found(index, text) == traces


def test_amounts_in_other_currencies(index: sqlite3.Connection):
    assert found(index, "12850", "JPY") == {345}
    assert found(index, "128.5", "JPY") == set()
    assert found(index, "12.850", "KWD") == {345}


@given(st.text(st.characters(), max_size=60))
@example("\x00")
@example("\ud800")
@example("ᦰaᦰ")
@example("İ" * 40)
@example("a" * 5000)
@example("9" * 4000)
@example("٤٥")
@example("²³")
@example("㍿")
@example('""*')
@example("(((((")
def test_no_text_is_an_error(index: sqlite3.Connection, text: str):
    assert found(index, text) <= set(PAYMENTS)


@given(st.text(st.sampled_from("0123456789.:￥消费退货ab'\"*% "), max_size=40))
def test_nothing_typed_in_a_hurry_is_an_error(index: sqlite3.Connection, text: str):
    assert found(index, text) <= set(PAYMENTS)


@given(st.text(max_size=30), st.sampled_from(["merchant_name", "issuer", "rrn", "operator", "order_no"]))
def test_every_word_of_a_slip_is_found_by_itself(text: str, name: str):
    """What stands on the paper is found when it is typed off, whatever its letters."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, "index")
    value = text.strip() or "x"
    project(connection, 1, seal(sale(1, **{name: value}), STAMP, 1, "00" * 16))
    for word in value.split():
        where, values = wanted(word[:40], "CNY").sql()
        if searchable({name: word[:40]}).words and wanted(word, "CNY").words == (word[:40].lower(),):
            assert connection.execute(f"select 1 from transactions where {where}", values).fetchone(), (value, word)
    connection.close()


def test_many_words_are_bounded():
    assert len(wanted("a " * 100, "CNY").words) == 8
    assert all(len(word) <= 40 for word in wanted("b" * 1000, "CNY").words)


@pytest.mark.parametrize(
    ("fields", "last_four", "trace", "time"),
    [
        ({}, None, None, None),
        ({"card_masked": "622202******"}, None, None, None),
        ({"card_masked": "0007", "trace_no": "000000", "terminal_time": "T09:05:01"}, "0007", "0", "09:05"),
        ({"trace_no": "00A7"}, None, "a7", None),
        ({"terminal_time": "nonsense"}, None, None, None),
    ],
)
def test_columns(fields: dict, last_four: str | None, trace: str | None, time: str | None):
    got = searchable(fields)
    assert (got.last_four, got.trace_no, got.time) == (last_four, trace, time)
