"""concert-eplus against the contract, its traces, and the question of two equal payments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import Mode, Report, Side
from agent.errors import UsageError
from agent.fields import problems
from drivers.framing import ACK, NAK
from drivers.simulators.concert_terminal import answer, question, short_answer
from drivers.terminals.concert_eplus import driver
from drivers.text_frames import encode
from tests.drivers import traces
from tests.drivers.contract_suite import Case, Check, pairs, resent

PAN = "4111111111111111"  # published test number
TERMINAL, TILL = Side.TERMINAL, Side.TILL
ENQ, EOT = b"\x05", b"\x04"
ASKED = question(1250)
TOLD = answer(1250, card=PAN + " 2512")
DAMAGED = TOLD[:-1] + bytes((TOLD[-1] ^ 1,))
SALE = {
    "outcome": "approved",
    "amount_minor": 1250,
    "currency": "EUR",
    "method": "card",
    "card_masked": "411111******1111",
}

ANSWER = Case(
    "answer",
    driver,
    Mode.PROXY,
    ((TERMINAL, TOLD),),
    (SALE,),
    confirmed={TILL: TOLD},
    abandoned={TILL: TOLD},
    secrets=(PAN,),
)
EXCHANGE = Case(
    "exchange",
    driver,
    Mode.PROXY,
    (
        (TILL, ENQ),
        (TERMINAL, ACK),
        (TILL, ASKED),
        (TERMINAL, ACK),
        (TILL, EOT),
        (TERMINAL, ENQ),
        (TILL, ACK),
        (TERMINAL, TOLD),
    ),
    ({**SALE, "transaction_type": "sale"},),
    early={TERMINAL: ENQ + ASKED + EOT + ACK, TILL: ACK + ACK + ENQ},
    confirmed={TILL: TOLD},
    abandoned={TILL: TOLD},
    secrets=(PAN,),
)
DAMAGE = Case(
    "damaged", driver, Mode.PROXY, ((TERMINAL, DAMAGED), (TILL, NAK)), (), early={TILL: DAMAGED, TERMINAL: NAK}
)


@pytest.mark.parametrize(("case", "check"), pairs((ANSWER, DAMAGE)))
def test_contract(case: Case, check: Check):
    check(case)


# An exchange begun anew with a question is another payment, not the same said again: see below.
@pytest.mark.parametrize(("case", "check"), [pair for pair in pairs((EXCHANGE,)) if pair.values[1] is not resent])
def test_contract_of_a_whole_exchange(case: Case, check: Check):
    check(case)


def play(trace: traces.Trace, size: int) -> list[Report]:
    talk = driver.converse(Mode.PROXY, trace.settings)
    reports = []
    for step in trace.steps:
        heard = []
        if step is None:
            heard = talk.wake(1.0)
        else:
            side, data = step
            for start in range(0, len(data), size):
                heard += talk.receive(data[start : start + size], side)
        for report in heard:
            talk.confirm(report)
        reports += heard
    return reports


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("path", traces.of("concert-eplus"), ids=lambda path: path.stem)
def test_trace(path: Path, size: int):
    trace = traces.load(path)
    reports = play(trace, size)
    assert [traces.told(report) for report in reports] == trace.expected, "what came:\n" + traces.lines(reports)


def test_there_are_traces():
    assert len(traces.of("concert-eplus")) >= 4


def test_there_is_no_other_mode():
    for mode in set(Mode) - {Mode.PROXY}:
        with pytest.raises(UsageError):
            driver.converse(mode, {})


def exchange(talk, asked: bytes = ASKED, told: bytes = TOLD, *, acknowledged: bool = True) -> str:
    """One payment on the line; its key."""
    for side, data in ((TILL, ENQ), (TERMINAL, ACK), (TILL, asked), (TERMINAL, ACK), (TILL, EOT)):
        talk.receive(data, side)
    return answered(talk, told, acknowledged=acknowledged)


def answered(talk, told: bytes = TOLD, *, acknowledged: bool = True) -> str:
    talk.receive(ENQ, TERMINAL)
    talk.receive(ACK, TILL)
    [report] = talk.receive(told, TERMINAL)
    talk.confirm(report)
    talk.receive(ACK if acknowledged else NAK, TILL)
    talk.receive(EOT, TERMINAL)
    return report.key


def test_two_equal_payments_are_two():
    talk = driver.converse(Mode.PROXY, {})
    keys = [exchange(talk) for _ in range(5)]
    assert len(set(keys)) == 5


def test_an_answer_that_was_not_acknowledged_is_said_again_as_the_same():
    talk = driver.converse(Mode.PROXY, {})
    first = exchange(talk, acknowledged=False)
    assert answered(talk, acknowledged=False) == first
    assert answered(talk) == first
    assert exchange(talk) != first, "the next payment is another"


def test_a_restart_begins_a_new_row_and_equal_first_payments_look_the_same():
    """The limit that docs/terminals/concert-eplus.md names; what differs in the question keeps them apart."""

    def fresh():
        return driver.converse(Mode.PROXY, {})

    assert exchange(fresh()) == exchange(fresh())
    assert exchange(fresh(), question(1250, private="0000000042")) != exchange(fresh())
    one, other = fresh(), fresh()
    exchange(one, question(300), answer(300))
    assert exchange(one) != exchange(other)


def told(asked: bytes | None, said: bytes) -> Report:
    talk = driver.converse(Mode.PROXY, {})
    if asked is not None:
        talk.receive(asked, TILL)
    [report] = talk.receive(said)
    return report


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        (question(1250), answer(1250, status="7"), {"outcome": "declined", "transaction_type": "sale"}),
        (question(1250), answer(1250, status="9"), {"outcome": "unknown"}),
        (question(1250, kind="1"), answer(1250), {"outcome": "approved", "transaction_type": "refund"}),
        (question(1250, wait=False), answer(1250), {"outcome": "unknown", "transaction_type": "sale"}),
        (question(1250, full=False), short_answer(1250), {"outcome": "approved", "profile": "short"}),
        (question(1250), answer(999), {"transaction_type": None, "amount_minor": 999}),
        (None, answer(1250), {"outcome": "approved", "transaction_type": None}),
        (question(1250), answer(1250, mode="C", card=PAN), {"method": "other", "card_masked": None}),
        (question(1250), answer(1250, mode="U"), {"card_scheme": "UNIONPAY"}),
    ],
)
def test_what_an_answer_says(asked: bytes | None, said: bytes, expected: dict):
    report = told(asked, said)
    assert {name: report.fields.get(name) for name in expected} == expected
    assert problems(report.fields) == []
    assert PAN not in f"{report!r}{report.raw!r}"


REP = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=55) | st.sampled_from(
    [PAN, PAN + "=2512101", "  " + PAN, f"{PAN} {PAN}", PAN * 3, "X" + PAN]
)


@settings(max_examples=200, deadline=None, database=None)
@given(st.integers(0, 99_999_999), st.sampled_from("0123456789"), REP, st.sampled_from("01CU2 "))
def test_no_card_number_leaves_whatever_the_report_field_holds(amount: int, status: str, rep: str, mode: str):
    said = answer(amount, status=status, card=rep, mode=mode)
    report = told(question(amount), said)
    assert problems(report.fields) == []
    assert report.fields["amount_minor"] == amount
    assert report.raw is not None
    assert len(report.raw) == len(said)
    assert PAN not in f"{report!r}{report.raw!r}"
    assert PAN[6:-4] not in report.raw.decode("latin-1")


@settings(max_examples=200, deadline=None, database=None)
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=90))
def test_any_text_is_an_answer_or_none(text: str):
    for report in driver.converse(Mode.PROXY, {}).receive(encode(text.encode())):
        assert problems(report.fields) == []
