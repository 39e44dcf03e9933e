"""mellon-gr against the contract and its traces."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import Mode, Report, Side
from agent.errors import UsageError
from agent.fields import problems
from drivers.simulators.mellon_gr_terminal import approval, confirmation, error, frame, question, refusal
from drivers.terminals.mellon_gr import driver
from tests.drivers import traces
from tests.drivers.contract_suite import Case, Check, pairs

PAN = "4111111111111111"  # published test number
TERMINAL, TILL = Side.TERMINAL, Side.TILL
ASKED, CONFIRMED = question(2000, 728), confirmation(2000, 728)
SALE = {
    "transaction_type": "sale",
    "outcome": "approved",
    "amount_minor": 2000,
    "currency": "EUR",
    "terminal_id": "64999999",
    "batch_no": "000091",
    "trace_no": "000065",
    "rrn": "133030119089",
    "auth_code": "787032",
    "terminal_time": "2021-11-26T18:04:54",
    "card_scheme": "VISA",
    "card_type": "credit",
    "operator": "A21",
    "order_no": "000728",
}
GREEK = "\x1bC\x1bBΑΓΟΡΑ\nΠΟΣΟ:\x1bR5,00 EUR\n".encode("iso8859-7")


def case(name: str, told: bytes, expected: dict, **more) -> Case:
    return Case(
        name,
        driver,
        Mode.PROXY,
        ((TILL, ASKED), (TERMINAL, CONFIRMED), (TERMINAL, told)),
        (expected,),
        early={TERMINAL: ASKED, TILL: CONFIRMED},
        confirmed={TILL: told},
        abandoned={TILL: told},
        **more,
    )


CASES = (
    case("sale", approval(2000, 728), {**SALE, "card_masked": "************3489"}),
    case("clear-card", approval(2000, 728, card=PAN), {**SALE, "card_masked": "411111******1111"}, secrets=(PAN,)),
    case(
        "receipt",
        approval(2000, 728, receipt=GREEK + PAN.encode()),
        {**SALE, "text": "ΑΓΟΡΑ\nΠΟΣΟ:  5,00 EUR\n411111******1111"},
        secrets=(PAN,),
    ),
    case("refused", refusal(728), {"outcome": "declined", "response_code": "33", "amount_minor": 2000}),
    case("busy", error("999"), {"kind": "notice", "response_code": "999"}),
)


@pytest.mark.parametrize(("case", "check"), pairs(CASES))
def test_contract(case: Case, check: Check):
    check(case)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("path", traces.of("mellon-gr"), ids=lambda path: path.stem)
def test_trace(path: Path, size: int):
    trace = traces.load(path)
    talk = driver.converse(Mode.PROXY, trace.settings)
    reports: list[Report] = []
    for step in trace.steps:
        if step is None:
            reports += talk.wake(1.0)
            continue
        side, data = step
        for start in range(0, len(data), size):
            reports += talk.receive(data[start : start + size], side)
    assert [traces.told(report) for report in reports] == trace.expected, "what came:\n" + traces.lines(reports)


def test_there_are_traces():
    assert len(traces.of("mellon-gr")) >= 4


def one(told: bytes, asked: bytes | None = ASKED) -> Report:
    talk = driver.converse(Mode.PROXY, {})
    if asked is not None:
        talk.receive(asked, TILL)
    [report] = talk.receive(told)
    return report


@pytest.mark.parametrize(("kind", "expected"), [("A", "sale"), ("Z", "refund"), ("V", "void"), ("H", "other")])
def test_a_result_is_what_its_question_asked_for(kind: str, expected: str):
    report = one(approval(2000, 728), question(2000, 728, kind))
    assert report.fields["transaction_type"] == expected
    assert report.key == f"64999999:000091:000065:{expected}"


def test_a_result_of_another_session_has_no_type():
    for report in (one(approval(2000, 728), question(2000, 727)), one(approval(2000, 728), None)):
        assert "transaction_type" not in report.fields
        assert report.fields["amount_minor"] == 2000
        assert report.key == "64999999:000091:000065:untyped"


def test_what_was_paid_counts_not_what_was_asked_for():
    report = one(approval(2000, 728, paid_minor=1500))
    assert report.fields["amount_minor"] == 1500
    assert "asked for 2000, paid 1500 (points or a tip)" in report.fields["warnings"]


def test_two_rejections_are_two():
    assert one(refusal(727), question(2000, 727)).key != one(refusal(728)).key


def test_a_receipt_is_text_and_never_bytes_for_a_printer():
    report = one(approval(2000, 728, receipt=GREEK))
    assert report.raw is None
    assert "raw_sha256" not in report.fields


def test_mistaken_settings_are_refused():
    for wrong in ({"currency": "euro"}, {"charset": "greek"}):
        with pytest.raises(UsageError):
            driver.converse(Mode.PROXY, wrong)


PART = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=21) | st.sampled_from(
    [PAN, PAN + "=2512"]
)


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(PART, max_size=14), st.binary(max_size=60) | st.just(PAN.encode()), st.booleans())
def test_whatever_a_result_holds_is_well_formed_and_hides_the_card(parts: list[str], receipt: bytes, printed: bool):
    body = b"R/S000728/C00/D" + ":".join(parts).encode("latin-1") + (b"/P" + receipt if printed else b"")
    told = frame("MEL", body)
    report = one(told)
    assert problems(report.fields) == []
    assert report.raw is None or len(report.raw) == len(told)
    assert PAN not in f"{report!r}{report.raw!r}"
