"""The agent as the till of a ZVT terminal: what it can ask, and that it can never pay."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from agent.contract import Mode, Recovering, Report, Side
from agent.errors import UsageError
from drivers.framing import ACK, NAK
from drivers.simulators import zvt_terminal as sim
from drivers.terminals import zvt_ecr
from drivers.terminals.zvt import driver
from drivers.terminals.zvt_ecr import EcrLine, Question
from drivers.terminals.zvt_wire import encode, parse, wrap_serial
from tests.drivers.test_zvt import ABORTED, AT, DONE, OK, TOLD

ASKABLE = {0x0600, 0x0620, 0x0650}


def line(**settings: object) -> EcrLine:
    talk = driver.converse(Mode.ECR, settings)
    assert isinstance(talk, EcrLine)
    return talk


def test_recovering_registers_and_asks_for_the_last_payment():
    talk = line()
    assert isinstance(talk, Recovering)
    talk.recover()
    assert talk.outgoing() == bytes.fromhex("06 00 0E 00 00 00 00 09 78 06 06 26 04 0A 02 06 D3")
    talk.receive(OK)
    assert talk.outgoing() == b"", "the next question waits for the end of the first"
    talk.receive(DONE)
    assert talk.outgoing() == OK + bytes.fromhex("06 20 05 00 00 00 03 03")
    talk.receive(OK)
    [payment] = talk.receive(TOLD)
    assert payment.fields["amount_minor"] == 12850
    assert talk.outgoing() == b"", "nothing is acknowledged before it is recorded"
    talk.confirm(payment)
    assert talk.outgoing() == OK


def test_a_terminal_that_has_no_last_payment_declined_none():
    talk = line()
    talk.ask_last()
    talk.receive(OK)
    [told] = talk.receive(encode(0x040F, b"\x27\x64"))
    assert told.kind == "notice"
    [told] = talk.receive(encode(0x061E, b"\x64"))
    assert told.kind == "notice"
    assert "outcome" not in told.fields


def test_receipts_for_the_agent_come_as_text():
    talk = line(receipts="agent", password="123456")
    talk.recover()
    assert talk.outgoing()[3:7] == bytes.fromhex("123456 86")
    talk.receive(OK + DONE)
    assert talk.outgoing().endswith(bytes.fromhex("06 20 05 123456 03 01"))


def test_the_end_of_day_is_only_ordered():
    talk = line()
    talk.recover()
    talk.wake(3600.0)
    assert b"\x06\x50" not in talk.outgoing()
    talk = line()
    talk.ask_settlement()
    assert talk.outgoing() == bytes.fromhex("06 50 03 00 00 00")
    [totals] = talk.receive(OK + sim.totals(AT, 1, 9, 2, 3000))
    assert totals.kind == "settlement"


def test_a_refused_question_lets_the_next_go():
    talk = line()
    talk.recover()
    talk.outgoing()
    talk.receive(encode(0x8483))  # this terminal knows no registration
    assert talk.outgoing()[:2] == b"\x06\x20"


def test_an_aborted_question_lets_the_next_go():
    talk = line()
    talk.recover()
    talk.outgoing()
    [told] = talk.receive(OK + ABORTED)
    assert talk.outgoing()[:2] == b"\x06\x20"
    talk.confirm(told)
    assert talk.outgoing() == OK


def test_after_the_line_was_lost_nothing_old_is_asked():
    talk = line()
    talk.recover()
    talk.outgoing()
    talk.wake(math.inf)
    talk.receive(DONE)
    assert talk.outgoing() == OK


def test_a_nak_makes_it_ask_again_twice_and_no_more():
    talk = line(transport="serial")
    talk.ask_last()
    asked = talk.outgoing()
    for again in (asked, asked, b""):
        talk.receive(NAK)
        assert talk.outgoing() == again
    talk.receive(ACK)
    assert talk.outgoing() == b""


def test_over_tcp_a_byte_that_looks_like_a_nak_is_none():
    talk = line()
    talk.ask_last()
    talk.outgoing()
    talk.receive(NAK)
    assert talk.outgoing() == b""


def test_silence_to_what_was_not_recorded():
    talk = line(transport="serial")
    [told] = talk.receive(wrap_serial(TOLD))
    assert talk.outgoing() == ACK
    talk.abandon(told)
    talk.confirm(told)
    assert talk.outgoing() == b""


@pytest.mark.parametrize("password", ["", "12345", "1234567", "abcdef", "１２３４５６"])
def test_a_password_is_six_digits(password: str):
    with pytest.raises(UsageError) as error:
        line(password=password)
    assert error.value.hint


def test_it_registers_with_the_currency_of_the_terminal():
    talk = line(currency="CHF")
    talk.recover()
    assert talk.outgoing()[7:9] == bytes.fromhex("0756")
    with pytest.raises(UsageError) as error:
        line(currency="XXX")
    assert "CHF" in error.value.hint.format(**error.value.values)


def test_nothing_that_can_be_asked_is_a_payment():
    """By construction: questions are an enumeration, none takes an amount, and every one is looked at here."""
    assert {question.value for question in Question} == ASKABLE
    for receipts in ("terminal", "agent"):
        for question in Question:
            talk = line(receipts=receipts)
            talk.ask(question)
            sent = parse(talk.outgoing())
            assert sent is not None
            assert sent.code in ASKABLE
            assert b"\x04" + bytes(3) not in sent.data, "an amount"
            assert len(sent.data) <= 14


@pytest.mark.parametrize("call", ["ask_last", "ask_settlement", "recover"])
def test_every_byte_of_every_question_is_accounted_for(call: str):
    """Whatever the terminal answers, what goes out are questions, block bytes and `80 00 00`."""
    talk = line()
    getattr(talk, call)()
    out = talk.outgoing()
    for message in (OK, sim.pay(100), sim.refund(100), sim.reverse(1), TOLD, DONE, ABORTED, encode(0x8483)):
        reports: list[Report] = talk.receive(message)
        for report in reports:
            talk.confirm(report)
        out += talk.outgoing()
    codes = set()
    while out:
        head = out[:2]
        codes.add(int.from_bytes(head, "big"))
        out = out[3 + out[2] :]
    assert codes <= ASKABLE | {0x8000}


def test_no_source_of_the_driver_builds_a_payment():
    """Commands that move money are named in one table that only reads them; nothing encodes them."""
    sources = sorted(Path(zvt_ecr.__file__).parent.glob("zvt*.py"))
    assert len(sources) >= 8
    calls = [
        (source.name, call)
        for source in sources
        for call in re.findall(r"(?<!def )\bencode\(([^)\n]*)", source.read_text())
    ]
    assert sorted(calls) == [("zvt_ecr.py", "0x8000"), ("zvt_ecr.py", "question.value, self._words(question")]
    assert Side.TILL not in {side for side in Side if line().outgoing(side)}


def test_the_scan_above_would_find_one():
    assert re.findall(r"(?<!def )\bencode\(([^)\n]*)", "x = encode(0x0601, amount)") == ["0x0601, amount"]
