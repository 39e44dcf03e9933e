"""zvt against the contract and against its traces."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from agent.contract import Conversation, Mode, Report, Side
from drivers.framing import ACK, NAK
from drivers.simulators import zvt_terminal as sim
from drivers.terminals.zvt import driver
from drivers.terminals.zvt_wire import encode, wrap_serial
from tests.drivers import contract_suite, traces
from tests.drivers.contract_suite import Case, Check, pairs

TERMINAL, TILL = Side.TERMINAL, Side.TILL
PAN = "4111111111111111"  # published test number
AT = dt.datetime(2024, 5, 6, 13, 14, 15)
OK = sim.PROCESSED
ASKED = sim.pay(12850)
TOLD = sim.status(AT, 12850, 345, "4111111111111111", b3C=sim.counted(f"PAN {PAN} GENEHMIGT".encode(), 3))
BUSY = encode(0x04FF, b"\x0e")
DONE = encode(0x060F)
ABORTED = encode(0x061E, b"\x6c")
CLOSED = sim.totals(AT, 1, 9, 2, 3000)
RECEIPT = sim.print_block([b"** KUNDENBELEG **", f"PAN: {PAN}".encode(), b"BETRAG:  EUR      128,50"], 2)
LINES = [
    sim.print_line(b"** H\x8eNDLERBELEG **", 0x40, 1),
    sim.print_line(f"Karte {PAN}".encode(), 2, 1),
    sim.print_line(b"", 0x81, 1),
]
SALE = {
    "transaction_type": "sale",
    "outcome": "approved",
    "amount_minor": 12850,
    "currency": "EUR",
    "terminal_id": "40000123",
    "trace_no": "000345",
    "card_masked": "411111******1111",
    "card_scheme": "GIROCARD",
    "terminal_time": "--05-06T13:14:15",
    "text": "PAN 411111******1111 GENEHMIGT",
}
UNTYPED = {name: value for name, value in SALE.items() if name != "transaction_type"}
PAPER = {
    "kind": "slip",
    "copy": "customer",
    "text": "** KUNDENBELEG **\nPAN: 411111******1111\nBETRAG:  EUR      128,50",
}
PAPER_BY_LINES = {"kind": "slip", "copy": "merchant", "text": "** HÄNDLERBELEG **\n  Karte 411111******1111"}
TOTALS = {"kind": "settlement", "currency": "EUR", "terminal_id": "40000123"}
SERIAL = {"transport": "serial"}
BLOCK = wrap_serial(TOLD)
DAMAGED = BLOCK[:-1] + bytes((BLOCK[-1] ^ 1,))
OKS = wrap_serial(OK)

CASES = (
    Case(
        "proxy-sale",
        driver,
        Mode.PROXY,
        ((TILL, ASKED), (TERMINAL, OK + BUSY), (TILL, OK), (TERMINAL, TOLD)),
        (SALE,),
        early={TERMINAL: ASKED + OK, TILL: OK + BUSY},
        confirmed={TILL: TOLD},
        abandoned={TILL: TOLD},
        framed=False,
        secrets=(PAN,),
    ),
    Case(
        "proxy-order",  # what comes behind a held message waits with it
        driver,
        Mode.PROXY,
        ((TERMINAL, BUSY), (TERMINAL, TOLD + DONE + CLOSED), (TERMINAL, ABORTED)),
        (UNTYPED, TOTALS, {"kind": "notice", "response_code": "6C"}),
        early={TILL: BUSY},
        confirmed={TILL: TOLD + DONE + CLOSED + ABORTED},
        abandoned={TILL: TOLD + DONE + CLOSED + ABORTED},
        framed=False,
        secrets=(PAN,),
    ),
    Case(
        "proxy-lines",  # the lines before the last pass, or the terminal would never send the next
        driver,
        Mode.PROXY,
        tuple((TERMINAL, line) for line in LINES),
        (PAPER_BY_LINES,),
        early={TILL: LINES[0] + LINES[1]},
        confirmed={TILL: LINES[2]},
        abandoned={TILL: LINES[2]},
        framed=False,
        secrets=(PAN,),
    ),
    Case(
        "proxy-serial",
        driver,
        Mode.PROXY,
        ((TILL, wrap_serial(ASKED)), (TERMINAL, ACK + OKS), (TILL, ACK), (TERMINAL, BLOCK)),
        (SALE,),
        SERIAL,
        early={TERMINAL: wrap_serial(ASKED) + ACK, TILL: ACK + OKS},
        confirmed={TILL: BLOCK},
        abandoned={TILL: BLOCK},
        secrets=(PAN,),
    ),
    Case(
        "proxy-serial-damaged",
        driver,
        Mode.PROXY,
        ((TERMINAL, DAMAGED), (TILL, NAK)),
        (),
        SERIAL,
        early={TILL: DAMAGED, TERMINAL: NAK},
        secrets=(PAN,),
    ),
    Case(
        "ecr-sale",
        driver,
        Mode.ECR,
        ((TERMINAL, TOLD),),
        (UNTYPED,),
        confirmed={TERMINAL: OK},
        framed=False,
        secrets=(PAN,),
    ),
    Case(
        "ecr-receipt",
        driver,
        Mode.ECR,
        ((TERMINAL, BUSY), (TERMINAL, RECEIPT)),
        (PAPER,),
        early={TERMINAL: OK},
        confirmed={TERMINAL: OK},
        framed=False,
        secrets=(PAN,),
    ),
    Case(
        "ecr-serial",
        driver,
        Mode.ECR,
        ((TERMINAL, BLOCK),),
        (UNTYPED,),
        SERIAL,
        early={TERMINAL: ACK},
        confirmed={TERMINAL: OKS},
        secrets=(PAN,),
    ),
    Case(
        "ecr-serial-damaged",
        driver,
        Mode.ECR,
        ((TERMINAL, DAMAGED), (TERMINAL, BLOCK)),
        (UNTYPED,),
        SERIAL,
        early={TERMINAL: NAK + ACK},
        confirmed={TERMINAL: OKS},
        secrets=(PAN,),
    ),
    Case("tap", driver, Mode.TAP, ((TILL, ASKED), (TERMINAL, TOLD)), (SALE,), framed=False, secrets=(PAN,)),
    Case("tap-one-wire", driver, Mode.TAP, ((TERMINAL, ASKED + OK + TOLD),), (SALE,), framed=False, secrets=(PAN,)),
)


@pytest.mark.parametrize(("case", "check"), pairs(CASES))
def test_contract(case: Case, check: Check):
    check(case)


# Bare APDUs have no marks, so noise cannot be told from them; half a message still must not be one.
ON_TCP = [case for case in CASES if not case.framed and case.name not in {"proxy-order", "tap-one-wire"}]


@pytest.mark.parametrize("case", ON_TCP, ids=lambda case: case.name)
def test_a_message_cut_off_on_tcp_is_none(case: Case):
    contract_suite.cut_off(case)


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
@pytest.mark.parametrize("path", traces.of("zvt"), ids=lambda path: path.stem)
def test_trace(path: Path, size: int):
    trace = traces.load(path)
    reports = play(driver.converse(Mode.TAP, trace.settings), trace, size)
    assert [traces.told(report) for report in reports] == trace.expected, "what came:\n" + traces.lines(reports)


def test_there_are_traces():
    """A wrong folder name would make the test above pass by finding nothing."""
    assert len(traces.of("zvt")) >= 15


def heard(*messages: bytes, mode: Mode = Mode.TAP, **settings: object) -> list[Report]:
    talk = driver.converse(mode, settings)
    return [report for message in messages for report in talk.receive(message)]


def test_a_receipt_is_a_paper_of_the_payment_told_before_it():
    payment, paper = heard(ASKED, OK, TOLD, RECEIPT, DONE)
    assert (paper.kind, paper.key) == (payment.kind, payment.key)
    assert paper.fields["copy"] == "customer"
    assert paper.fields["amount_minor"] == 12850
    assert "KUNDENBELEG" in str(paper.fields["text"])


def test_a_receipt_of_another_command_is_no_paper_of_that_payment():
    payment, paper = heard(ASKED, OK, TOLD, DONE, RECEIPT)
    assert paper.kind == "slip"
    assert paper.key != payment.key


def test_a_slip_keeps_its_lines_and_not_the_messages_they_came_in():
    """Slips go to a printer as they are."""
    [slip] = heard(RECEIPT)
    assert slip.raw == b"** KUNDENBELEG **\nPAN: 411111******1111\nBETRAG:  EUR      128,50\n"


def test_a_receipt_without_a_last_line_ends_with_the_command():
    talk = driver.converse(Mode.PROXY, {})
    assert talk.receive(LINES[0]) == []
    assert talk.outgoing(TILL) == LINES[0]
    [receipt] = talk.receive(DONE)
    assert receipt.fields["text"] == "** HÄNDLERBELEG **"
    assert talk.outgoing(TILL) == b"", "the end is held until the receipt is recorded"
    talk.confirm(receipt)
    assert talk.outgoing(TILL) == DONE


def test_blocks_of_one_receipt_are_one_receipt():
    """3.6: a block whose last line has no last attribute goes on in the next."""
    first = sim.print_block([b"KUNDENBELEG", b"Zeile 1"], 2, last=None)
    [slip] = heard(first, sim.print_block([b"Zeile 2"], 2))
    assert slip.fields["text"] == "KUNDENBELEG\nZeile 1\nZeile 2"


def test_empty_lines_are_counted():
    feeds = encode(0x06D1, b"\xff\x03")
    [slip] = heard(sim.print_line(b"oben"), feeds, sim.print_line(b"unten", 0x81))
    assert slip.fields["text"] == "oben\n\n\n\nunten"


@pytest.mark.parametrize(
    ("charset", "line", "text"),
    [
        ("cp437", b"f\x81r H\x84ndler", "für Händler"),
        ("latin-1", b"H\xc4NDLER \xa4", "HÄNDLER ¤"),
        ("iso-8859-15", b"H\xc4NDLER \xa4", "HÄNDLER €"),
    ],
)
def test_charsets(charset: str, line: bytes, text: str):
    [slip] = heard(sim.print_line(line, 0x81), charset=charset)
    assert slip.fields["text"] == text


def test_one_message_may_tell_two_things_and_waits_for_both():
    talk = driver.converse(Mode.PROXY, {})
    talk.receive(LINES[0])
    talk.outgoing(TILL)
    receipt, payment = talk.receive(TOLD)
    talk.confirm(payment)
    assert talk.outgoing(TILL) == b""
    talk.confirm(receipt)
    assert talk.outgoing(TILL) == TOLD


def test_a_payment_that_is_repeated_has_the_key_it_had():
    """06 20 does not say the type; the till that asked did."""
    [told] = heard(ASKED, OK, TOLD)
    [again] = heard(encode(0x0620, bytes(3)), OK, TOLD)
    assert told.key == again.key
    assert "transaction_type" not in again.fields


def test_no_digit_of_a_packed_card_number_is_kept():
    """In BMP 22, tracks and chip data the digits are packed: nothing that looks for text would find them."""
    tracks = {"b23": sim.counted(bytes.fromhex(PAN + "D2812F")), "bA7": sim.counted(bytes.fromhex(PAN))}
    [report] = heard(sim.status(AT, 100, 1, PAN + "D281222100000", **tracks))
    assert report.raw is not None
    assert PAN in sim.status(AT, 100, 1, PAN).hex(), "the message holds what it must hide"
    assert PAN[6:-4] not in report.raw.hex()
    assert "2812" not in report.raw.hex()[-60:]
    assert report.fields["card_masked"] == "411111******1111"


def test_reading_a_card_is_no_payment():
    """06 C0: tracks of any card, also of a loyalty card."""
    card = encode(0x040F, b"\x23" + sim.counted(bytes.fromhex(PAN + "D28122")))
    [report] = heard(encode(0x06C0, b""), OK, card)
    assert report.kind == "notice"
    assert PAN[6:-4] not in json.dumps(dict(report.fields)) + (report.raw or b"").hex()


def test_an_end_of_day_that_failed_settles_nothing():
    [report] = heard(sim.end_of_day(), OK, encode(0x040F, b"\x27\x77"))
    assert report.kind == "notice"


def test_a_sum_without_its_parts_is_told_as_one():
    [report] = heard(sim.end_of_day(), OK, encode(0x040F, b"\x27\0\x04" + sim.packed(4200, 6)))
    assert report.kind == "settlement"
    assert report.fields["totals"] == [{"group": "all", "transaction_type": "debit", "amount_minor": 4200}]
