"""The agent as the till of an ECR17 terminal: what it can ask, the four check bytes, and that it can never pay."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from agent.contract import Mode, Recovering
from agent.errors import UsageError
from drivers.framing import ACK, NAK, Frame
from drivers.simulators import ecr17_terminal as sim
from drivers.terminals import ecr17_ecr
from drivers.terminals import ecr17_wire as wire
from drivers.terminals.ecr17 import driver
from drivers.terminals.ecr17_ecr import EcrLine, Question
from tests.drivers.test_ecr17 import DENIED, NO, OK, PIECES, TOLD, framed

STATUS = framed(sim.TERMINAL + b"0s" + b"0" * 10 + b"06052413142SIM")


def line(**settings: object) -> EcrLine:
    talk = driver.converse(Mode.ECR, settings)
    assert isinstance(talk, EcrLine)
    return talk


def test_recovering_asks_for_the_status_and_the_last_result():
    talk = line(terminal_id="12345678")
    assert isinstance(talk, Recovering)
    talk.recover()
    assert talk.outgoing() == framed(b"123456780s")
    talk.receive(OK)
    assert talk.outgoing() == b""
    assert talk.receive(STATUS) == [], "a status tells of no money, and tills ask for it all day"
    assert talk.outgoing() == OK + framed(b"123456780G000000010000")
    [result] = talk.receive(OK + TOLD)
    assert talk.outgoing() == b"", "nothing is acknowledged before it is recorded"
    talk.confirm(result)
    assert talk.outgoing() == OK


@pytest.mark.parametrize("mode", wire.Mode)
def test_the_mode_is_learnt_from_the_first_refusal(mode: wire.Mode):
    """A terminal in another mode refuses the first question, and its NAK says how it computes."""
    talk = line()
    talk.recover()
    assert talk.outgoing() == wire.encode(b"000000000s", wire.Mode.STD)
    talk.receive(wire.answer(NAK, mode))
    assert talk.outgoing() == wire.encode(b"000000000s", mode)
    talk.receive(wire.answer(ACK, mode) + wire.encode(STATUS[1:-2], mode))
    assert talk.outgoing() == wire.answer(ACK, mode) + wire.encode(b"000000000G000000010000", mode)


def test_a_terminal_that_is_another_one_next_time_is_learnt_anew():
    talk = line()
    talk.receive(wire.encode(STATUS[1:-2], wire.Mode.STX))
    assert talk.outgoing() == wire.answer(ACK, wire.Mode.STX)
    talk.wake(math.inf)
    talk.receive(STATUS)
    assert talk.outgoing() == OK


def test_one_damaged_message_does_not_change_the_mode_but_two_do():
    talk = line()
    talk.receive(STATUS)
    talk.outgoing()
    other = wire.encode(STATUS[1:-2], wire.Mode.NOEXT)  # or STD with a bit turned over: nobody can tell
    talk.receive(other)
    assert talk.outgoing() == NO
    talk.receive(STATUS)
    assert talk.outgoing() == OK
    talk.receive(other)
    assert talk.outgoing() == NO
    talk.receive(other)
    assert talk.outgoing() == wire.answer(ACK, wire.Mode.NOEXT)


def test_a_mode_that_was_set_is_kept():
    talk = line(lrc="std")
    for _ in range(3):
        talk.receive(wire.encode(STATUS[1:-2], wire.Mode.NOEXT))
        assert talk.outgoing() == NO


def test_a_refused_question_is_asked_three_times_and_then_the_next():
    talk = line()
    talk.recover()
    asked = talk.outgoing()
    for again in (asked, asked, framed(b"000000000G000000010000")):
        talk.receive(NO)
        assert talk.outgoing() == again


def test_silence_to_what_was_not_recorded():
    talk = line()
    [told] = talk.receive(DENIED)
    talk.abandon(told)
    talk.confirm(told)
    assert talk.outgoing() == b""


def test_a_receipt_asked_for_again_is_a_reprint():
    talk = line(terminal_id="12345678")
    talk.ask(Question.REPRINT)
    assert talk.outgoing() == bytes.fromhex("02") + b"123456780R10" + b"0" * 10 + bytes.fromhex("0314")
    assert talk.receive(OK + PIECES[0]) == []
    assert talk.outgoing() == OK
    [slip] = talk.receive(PIECES[1])
    assert slip.kind == "slip"
    assert slip.fields["reprint"] is True
    assert talk.outgoing() == b""


def test_totals_leave_the_session_open():
    talk = line()
    talk.ask(Question.TOTALS)
    assert talk.outgoing() == framed(b"000000000T0000000100000000")
    [told] = talk.receive(OK + framed(sim.totals(4200)))
    assert told.kind == "detail_list"
    assert told.fields["totals"] == [{"group": "all", "transaction_type": "debit", "amount_minor": 4200}]


@pytest.mark.parametrize("setting", ["terminal_id", "till_id"])
@pytest.mark.parametrize("number", ["", "1234567", "123456789", "1234567x", "１２３４５６７８"])
def test_numbers_have_eight_digits(setting: str, number: str):
    with pytest.raises(UsageError) as error:
        line(**{setting: number})
    assert error.value.hint


def test_nothing_that_can_be_asked_is_a_payment():
    """By construction: questions are an enumeration, none takes an amount, and every one is looked at here."""
    assert {question.value for question in Question} == {"s", "G", "T", "R"}
    check = wire.Check()
    for question in Question:
        talk = line()
        talk.ask(question)
        _, frame = check.decode(talk.outgoing())
        assert isinstance(frame, Frame)
        said = wire.payload(frame)
        assert chr(said[9]) in "sGTR"
        assert len(said) <= 26, "a payment has 167 signs"


def test_whatever_is_answered_nothing_else_is_ever_sent():
    talk, sent, frames = line(), b"", wire.Check()
    talk.recover()
    talk.ask(Question.TOTALS)
    talk.ask(Question.REPRINT)
    for message in (OK, STATUS, framed(sim.pay(100)), framed(sim.reverse(1)), TOLD, framed(sim.totals(1)), *PIECES, NO):
        for report in talk.receive(message):
            talk.confirm(report)
        sent += talk.outgoing()
    codes = set()
    while sent:
        used, frame = frames.decode(sent)
        assert isinstance(frame, Frame)
        codes.add(chr(frame.raw[10]) if len(frame.raw) > 3 else "")
        sent = sent[used:]
    assert codes == {"", "s", "G", "T", "R"}


def test_no_source_of_the_driver_builds_a_payment():
    """Requests that move money are named in one table that only reads them; nothing encodes them."""
    sources = sorted(Path(ecr17_ecr.__file__).parent.glob("ecr17*.py"))
    assert len(sources) >= 6
    found = [(source.name, call) for source in sources for call in CALLS.findall(source.read_text())]
    assert found == [("ecr17_ecr.py", "self._words(self._asked), self._mode")] * 2


CALLS = re.compile(r"(?<!def )(?<!\.)\bencode\((\S.*)\)\n")


def test_the_scan_above_would_find_one():
    assert CALLS.findall("self._out += encode(pay(100), mode)\n") == ["pay(100), mode"]
