"""ecr17 against the contract and against its traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import Conversation, Mode, Report, Side
from drivers.framing import ACK, NAK
from drivers.simulators import ecr17_terminal as sim
from drivers.terminals import ecr17_wire as wire
from drivers.terminals.ecr17 import driver
from drivers.terminals.ecr17_receipt import lines
from tests.drivers import traces
from tests.drivers.contract_suite import Case, Check, pairs

TERMINAL, TILL = Side.TERMINAL, Side.TILL
STD, STX = wire.Mode.STD, wire.Mode.STX
PAN = "4111111111111111"  # published test number
WHEN = b"0121314"


def framed(payload: bytes, mode: wire.Mode = STD) -> bytes:
    return wire.encode(payload, mode)


ASKED = framed(sim.pay(12850))
WAIT = wire.progress(b"ATTENDERE PREGO")
TOLD = framed(sim.result(WHEN, 345, PAN.encode()))
DENIED = framed(sim.denied(346, f"KO {PAN}".encode()))
CLOSED = framed(sim.closed(3000, 3000))
DAMAGED = TOLD[:-1] + bytes((TOLD[-1] ^ 0x40,))
PIECES = [framed(piece) for piece in sim.receipt(b"ACQUISTO}PAN " + PAN.encode() + b"}\x7fEUR 128,50", 40)]
OK, NO = wire.answer(ACK, STD), wire.answer(NAK, STD)

UNTYPED = {
    "outcome": "approved",
    "terminal_id": "12345678",
    "trace_no": "000345",
    "auth_code": "A12345",
    "card_masked": "411111******1111",
    "entry_mode": "contactless",
    "terminal_time": "--01-12T13:14",
}
SALE = {**UNTYPED, "transaction_type": "sale", "amount_minor": 12850, "currency": "EUR"}
TOTALS = {"kind": "settlement", "verdict": {"all": "balanced"}, "currency": "EUR"}
PAPER = {"kind": "slip", "text": "ACQUISTO\nPAN 411111******1111\nEUR 128,50"}

CASES = (
    Case(
        "proxy-sale",
        driver,
        Mode.PROXY,
        ((TILL, ASKED), (TERMINAL, OK + WAIT), (TERMINAL, TOLD)),
        (SALE,),
        early={TERMINAL: ASKED, TILL: OK + WAIT},
        confirmed={TILL: TOLD},
        abandoned={TILL: TOLD},
        secrets=(PAN,),
    ),
    Case(
        "proxy-order",  # what comes behind a held result waits with it
        driver,
        Mode.PROXY,
        ((TERMINAL, OK), (TERMINAL, TOLD), (TERMINAL, WAIT + DENIED), (TERMINAL, CLOSED)),
        (UNTYPED, {"outcome": "declined"}, TOTALS),
        early={TILL: OK},
        confirmed={TILL: TOLD + WAIT + DENIED + CLOSED},
        abandoned={TILL: TOLD + WAIT + DENIED + CLOSED},
        secrets=(PAN,),
    ),
    Case(
        "proxy-receipt",  # the pieces before the last pass, or the terminal would never send the next
        driver,
        Mode.PROXY,
        tuple((TERMINAL, piece) for piece in PIECES),
        (PAPER,),
        early={TILL: PIECES[0]},
        confirmed={TILL: PIECES[1]},
        abandoned={TILL: PIECES[1]},
        secrets=(PAN,),
    ),
    Case(
        "proxy-damaged",
        driver,
        Mode.PROXY,
        ((TERMINAL, DAMAGED), (TILL, NO)),
        (),
        early={TILL: DAMAGED, TERMINAL: NO},
        secrets=(PAN,),
    ),
    Case("ecr-result", driver, Mode.ECR, ((TERMINAL, TOLD),), (UNTYPED,), confirmed={TERMINAL: OK}, secrets=(PAN,)),
    Case(
        "ecr-damaged",
        driver,
        Mode.ECR,
        ((TERMINAL, DAMAGED), (TERMINAL, TOLD)),
        (UNTYPED,),
        {"lrc": "std"},
        early={TERMINAL: NO},
        confirmed={TERMINAL: OK},
        secrets=(PAN,),
    ),
    Case(
        "ecr-receipt",
        driver,
        Mode.ECR,
        tuple((TERMINAL, piece) for piece in PIECES),
        (PAPER,),
        early={TERMINAL: OK},
        confirmed={TERMINAL: OK},
        secrets=(PAN,),
    ),
    Case(
        "ecr-stx",  # the mode is learnt from the message, and answered in
        driver,
        Mode.ECR,
        ((TERMINAL, framed(sim.closed(3000, 2900), STX)),),
        ({"kind": "settlement", "verdict": {"all": "unbalanced"}},),
        confirmed={TERMINAL: wire.answer(ACK, STX)},
    ),
)


@pytest.mark.parametrize(("case", "check"), pairs(CASES))
def test_contract(case: Case, check: Check):
    check(case)


def play(talk: Conversation, trace: traces.Trace, size: int) -> list[Report]:
    reports = []
    for step in trace.steps:
        if step is None:
            reports += talk.wake(1.0)
            continue
        side, data = step
        for start in range(0, len(data), size):
            reports += talk.receive(data[start : start + size], side)
    return reports


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("path", traces.of("ecr17"), ids=lambda path: path.stem)
def test_trace(path: Path, size: int):
    trace = traces.load(path)
    reports = play(driver.converse(Mode.PROXY, trace.settings), trace, size)
    assert [traces.told(report) for report in reports] == trace.expected, "what came:\n" + traces.lines(reports)


def test_there_are_traces():
    """A wrong folder name would make the test above pass by finding nothing."""
    assert len(traces.of("ecr17")) >= 12


@pytest.mark.parametrize(
    ("frame", "payload"),
    [
        ("02313233343536373830730334", b"123456780s"),
        ("0231323334353637383043303030303030303130303030303030300305", b"123456780C0000000100000000"),
        ("02313233343536373830473030303030303031303030300301", b"123456780G000000010000"),
    ],
)
def test_frames_of_the_public_library(frame: str, payload: bytes):
    """padosoft/react-native-ecr17-protocol package/cpp, compiled."""
    assert wire.encode(payload, STD) == bytes.fromhex(frame)
    assert bytes.fromhex("060379") == OK
    assert bytes.fromhex("15036a") == NO


def heard(*messages: bytes, mode: Mode = Mode.PROXY, **settings: object) -> list[Report]:
    talk = driver.converse(mode, settings)
    return [report for message in messages for report in talk.receive(message)]


def asking(payload: bytes, *messages: bytes) -> list[Report]:
    talk = driver.converse(Mode.PROXY, {})
    talk.receive(framed(payload), TILL)
    return [report for message in messages for report in talk.receive(message)]


def test_a_result_asked_for_again_has_the_key_it_had():
    """G gives the very message again, without the till's amount."""
    [told] = asking(sim.pay(12850), TOLD)
    [again] = asking(sim.TERMINAL + b"0G" + sim.TILL + b"0000", TOLD)
    assert told.key == again.key
    assert "amount_minor" not in again.fields
    assert "transaction_type" not in again.fields


def test_a_receipt_is_a_paper_of_the_payment_told_before_it():
    payment, paper = asking(sim.pay(12850), TOLD, *PIECES)
    assert (paper.kind, paper.key) == (payment.kind, payment.key)
    assert paper.fields["amount_minor"] == 12850
    assert "ACQUISTO" in str(paper.fields["text"])


def test_the_receipt_of_a_closing_is_a_notice():
    _, paper = asking(sim.close(), CLOSED, *PIECES)
    assert paper.kind == "notice"


def test_totals_that_are_equal_on_two_days_are_two():
    """No message names a day; what was paid in between does."""
    one, first, two, second = heard(TOLD, CLOSED, framed(sim.result(b"0131314", 346, PAN.encode())), CLOSED)
    assert one.key != two.key
    assert first.key != second.key


@pytest.mark.parametrize(
    ("digits", "time", "warns"),
    [
        (b"0010000", "--01-01T00:00", False),
        (b"0592359", "--02-28T23:59", False),
        (b"0600000", "T00:00", True),
        (b"2111520", "T15:20", True),
        (b"3661520", "T15:20", True),
        (b"3671520", "T15:20", False),
        (b"0001520", "T15:20", False),
        (b"0012460", None, False),
        (b"0000000", None, False),
    ],
)
def test_a_day_of_a_year_nobody_named(digits: bytes, time: str | None, warns: bool):
    [report] = heard(framed(sim.result(digits, 1, b"1111")))
    assert report.fields.get("terminal_time") == time
    said = report.fields.get("warnings")
    assert any("leap year" in str(warning) for warning in said if isinstance(said, list)) is warns


def test_verifying_a_card_is_no_payment():
    [report] = asking(sim.TERMINAL + b"0H" + sim.TILL + b"0" * 21, TOLD)
    assert report.kind == "notice"


def test_lines_end_where_the_specification_says():
    full = "A" * 24
    assert lines(full + "B") == [full, "B"], "a full line ends by itself"
    assert lines(full + "\x7dB") == [full, "", "B"], "so a new line behind it is an empty one"
    assert lines("\x7f" + full + "B") == [full, "B"]
    assert lines("\x7c" + "A" * 13) == ["A" * 12, "A"]
    assert lines("\x5e" + "A" * 43) == ["A" * 42, "A"]
    assert lines("A\x7d\x7dB\x7d\x1b") == ["A", "", "B"]


def test_a_till_that_refuses_a_piece_gets_it_once_more_and_the_receipt_has_it_once():
    talk = driver.converse(Mode.PROXY, {})
    talk.receive(PIECES[0])
    talk.receive(NO, TILL)
    talk.receive(PIECES[0])
    [receipt] = talk.receive(PIECES[1])
    assert str(receipt.fields["text"]).count("ACQUISTO") == 1
