"""stx-bcdlen against the contract and against its traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import Conversation, Mode, Report, Side
from drivers.framing import ACK, NAK, Layout, Length, encode
from drivers.simulators.stx_terminal import message, request
from drivers.terminals.linkpos_message import Role
from drivers.terminals.stx_bcdlen import driver
from tests.drivers import nac_messages, traces
from tests.drivers.contract_suite import Case, Check, pairs

BCD, BE16 = Layout(Length.BCD), Layout(Length.BE16)
PAN = "4012888888881881"  # published test number
APPROVAL = {
    "02": "APPROVED".ljust(40),
    "40": "000000012850",
    "01": "A00001",
    "65": "000345",
    "16": "V3399001",
    "D1": "000009183690221",
    "30": PAN,
    "31": "2512",
    "50": "000012",
    "03": "240506",
    "04": "131415",
    "D3": "412713000345",
    "D5": "DOE/JANE".ljust(26),
}
ASKED = encode(request("20", 12850), BCD)
TOLD = encode(message(Role.RESPONSE, "20", "00", APPROVAL), BCD)
VOIDED = encode(message(Role.RESPONSE, "26", "00", APPROVAL), BCD)
DAMAGED = TOLD[:-1] + bytes((TOLD[-1] ^ 1,))
HICAPS = encode(
    message(
        Role.RESPONSE, "26", "00", {"14": "HCP12345", "40": "000000000990", "65": "000001", "30": PAN, "04": "235959"}
    ),
    BE16,
)
SALE = {
    "transaction_type": "sale",
    "outcome": "approved",
    "amount_minor": 12850,
    "currency": "PHP",
    "terminal_id": "V3399001",
    "batch_no": "000012",
    "trace_no": "000345",
    "auth_code": "A00001",
    "rrn": "412713000345",
    "card_masked": "401288******1881",
    "terminal_time": "2024-05-06T13:14:15",
}
TERMINAL, TILL = Side.TERMINAL, Side.TILL

HK_OK = b'"<START>","<END>"'
HK_TOLD = (
    b'"<START>","STATUS=A","TXNID=000345","TXNTYPE=SALE","TXNDATE=20240506","TXNTIME=1314","APPCODE=123456",'
    b'"PAN=4012888888881881","EXPDATE=2512","AMT=128.50","ENTRYMODE=T","TERMINALID=12345678","BATCHNO=000012",'
    b'"CARDHOLDERNAME=DOE/JANE","<END>"'
)
HK_ASKED = b'"<START>","CMD=SALE","AMT=128.50","TXNID=000001","DETAIL=Y","<END>"'
HK_SALE = {"transaction_type": "sale", "amount_minor": 12850, "currency": "HKD", "entry_mode": "contactless"}

CASES = (
    Case(
        "proxy-sale",
        driver,
        Mode.PROXY,
        ((TILL, ASKED), (TERMINAL, ACK), (TERMINAL, TOLD)),
        (SALE,),
        early={TERMINAL: ASKED, TILL: ACK},
        confirmed={TILL: TOLD},
        abandoned={TILL: TOLD},
        secrets=(PAN,),
    ),
    Case(
        "proxy-order",  # what comes behind a held result waits with it
        driver,
        Mode.PROXY,
        ((TERMINAL, ACK), (TERMINAL, TOLD), (TERMINAL, b"\x15?" + VOIDED)),
        (SALE, {**SALE, "transaction_type": "void"}),
        early={TILL: ACK},
        confirmed={TILL: TOLD + b"\x15?" + VOIDED},
        abandoned={TILL: TOLD + b"\x15?" + VOIDED},
        secrets=(PAN,),
    ),
    Case(
        "proxy-damaged",  # no report: passed on as it came
        driver,
        Mode.PROXY,
        ((TERMINAL, DAMAGED), (TILL, NAK)),
        (),
        early={TILL: DAMAGED, TERMINAL: NAK},
        secrets=(PAN,),
    ),
    Case("ecr-sale", driver, Mode.ECR, ((TERMINAL, TOLD),), (SALE,), confirmed={TERMINAL: ACK}, secrets=(PAN,)),
    Case(
        "ecr-damaged",
        driver,
        Mode.ECR,
        ((TERMINAL, DAMAGED), (TERMINAL, TOLD)),
        (SALE,),
        early={TERMINAL: NAK},
        confirmed={TERMINAL: ACK},
        secrets=(PAN,),
    ),
    Case("ecr-no-ack", driver, Mode.ECR, ((TERMINAL, DAMAGED + TOLD),), (SALE,), {"ack": False}, secrets=(PAN,)),
    # a tap hears the till ask, too: that is a notice, never money
    Case(
        "tap",
        driver,
        Mode.TAP,
        ((TERMINAL, ASKED), (TILL, ACK), (TERMINAL, TOLD)),
        ({"kind": "notice", "transaction_type": "sale", "amount_minor": 12850}, SALE),
        secrets=(PAN,),
    ),
    Case(
        "hicaps-be16",
        driver,
        Mode.ECR,
        ((TERMINAL, HICAPS),),
        ({"transaction_type": "refund", "amount_minor": 990, "currency": "AUD", "terminal_time": "T23:59:59"},),
        {"codes": "hicaps", "length": "be16"},
        confirmed={TERMINAL: ACK},
        secrets=(PAN,),
    ),
)


HK_CASES = (
    Case(
        "hk-proxy",
        driver,
        Mode.PROXY,
        ((TILL, HK_ASKED), (TERMINAL, HK_OK), (TERMINAL, HK_TOLD)),
        (HK_SALE,),
        {"dialect": "hk-text"},
        early={TERMINAL: HK_ASKED, TILL: HK_OK},
        confirmed={TILL: HK_TOLD},
        abandoned={TILL: HK_TOLD},
        secrets=(PAN,),
    ),
    Case(
        "hk-ecr",
        driver,
        Mode.ECR,
        ((TERMINAL, HK_TOLD),),
        (HK_SALE,),
        {"dialect": "hk-text"},
        confirmed={TERMINAL: HK_OK},
        secrets=(PAN,),
    ),
)


NAC_ASKED = nac_messages.frame("0200", nac_messages.REQUEST)
NAC_TOLD = nac_messages.frame("0210", nac_messages.ANSWER)
NAC_SALE = {"transaction_type": "sale", "amount_minor": 12850, "currency": "CNY", "terminal_time": "--05-06T13:14:15"}

NAC_CASES = (
    Case(
        "nac-proxy",  # the host answers, on the side of the till
        driver,
        Mode.PROXY,
        ((TERMINAL, NAC_ASKED), (TILL, ACK), (TILL, NAC_TOLD)),
        (NAC_SALE,),
        {"dialect": "nac-8583"},
        early={TILL: NAC_ASKED, TERMINAL: ACK},
        confirmed={TERMINAL: NAC_TOLD},
        abandoned={TERMINAL: NAC_TOLD},
        results_from=TILL,
    ),
    Case(
        "nac-tap", driver, Mode.TAP, ((TERMINAL, NAC_ASKED), (TERMINAL, NAC_TOLD)), (NAC_SALE,), {"dialect": "nac-8583"}
    ),
)


@pytest.mark.parametrize(("case", "check"), pairs(CASES + HK_CASES + NAC_CASES))
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
@pytest.mark.parametrize("path", traces.of("stx-bcdlen"), ids=lambda path: path.stem)
def test_trace(path: Path, size: int):
    trace = traces.load(path)
    reports = play(driver.converse(Mode.TAP, trace.settings), trace, size)
    assert [traces.told(report) for report in reports] == trace.expected, "what came:\n" + traces.lines(reports)


def test_there_are_traces():
    """A wrong folder name would make the test above pass by finding nothing."""
    assert len(traces.of("stx-bcdlen")) >= 10


def test_an_answer_without_an_amount_is_told_with_the_amount_of_its_question():
    """BDO's terminals answer so (the public capture has no field 40); the till's own question names it."""
    bare = encode(message(Role.RESPONSE, "20", "00", {"16": "V3399001", "50": "000012", "65": "000346"}), BCD)
    line = driver.converse(Mode.PROXY, {})
    line.receive(ASKED, TILL)
    [report] = line.receive(bare, TERMINAL)
    assert report.fields["amount_minor"] == 12850
    assert report.fields["currency"] == "PHP"
    assert "the amount is what the till asked for" in report.fields["warnings"]
    assert line.outgoing(TILL) == b""
    line.confirm(report)
    assert line.outgoing(TILL) == bare


def test_an_answer_to_another_question_gets_no_amount():
    """A void that answers while the till last asked for a sale: the sale's amount is not the void's."""
    bare = encode(message(Role.RESPONSE, "26", "00", {"16": "V3399001", "50": "000012", "65": "000346"}), BCD)
    line = driver.converse(Mode.PROXY, {})
    line.receive(ASKED, TILL)
    [report] = line.receive(bare, TERMINAL)
    assert "amount_minor" not in report.fields
    assert "the terminal did not say the amount" in report.fields["warnings"]


def test_a_till_that_asks_for_a_payment_is_no_payment():
    line = driver.converse(Mode.TAP, {})
    [report] = line.receive(ASKED)
    assert report.kind == "notice"
    assert "outcome" not in report.fields
