"""caisse-ap against the contract, its traces, and messages that nobody ends."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import Mode, Report, Side
from agent.fields import problems
from drivers.simulators.caisse_ap_terminal import answer, message, question, refusal
from drivers.terminals.caisse_ap import CUT_OFF_S, QUIET_S, driver
from drivers.terminals.caisse_ap_message import items
from tests.drivers import traces
from tests.drivers.contract_suite import Case, Check, pairs, resent

PAN = "4111111111111111"  # published test number
TERMINAL, TILL = Side.TERMINAL, Side.TILL
ASKED, TOLD, CLEAR = question(1234), answer(1234), answer(1234, AA=PAN)
SALE = {
    "transaction_type": "sale",
    "outcome": "approved",
    "amount_minor": 1234,
    "currency": "EUR",
    "auth_code": "663366",
    "entry_mode": "chip",
    "method": "card",
    "merchant_id": "424242",
}


def case(name: str, told: bytes, expected: dict, *, asked: bytes = ASKED, **more) -> Case:
    return Case(
        name,
        driver,
        Mode.PROXY,
        ((TILL, asked), (TERMINAL, told)),
        (expected,),
        early={TERMINAL: asked},
        confirmed={TILL: told},
        abandoned={TILL: told},
        framed=False,  # nothing marks an end, and what is cut between two items is a message, too: tested below
        **more,
    )


DONE = case("done", TOLD, {**SALE, "card_masked": "617210******4823"})
SECRET = case("clear-card", CLEAR, {**SALE, "card_masked": "411111******1111"}, secrets=(PAN,))
REFUSED = case("refused", refusal(1234), {"outcome": "declined", "response_code": "01/04", "amount_minor": 1234})
BEGUN = case(
    "begun", message(CZ="0300", AE="11"), {"outcome": "unknown", "amount_minor": 1234, "transaction_type": "sale"}
)


# A new question begins another exchange: only where an authorisation number says so is its answer the same again.
@pytest.mark.parametrize(
    ("case", "check"),
    [*pairs((DONE, SECRET)), *[pair for pair in pairs((REFUSED, BEGUN)) if pair.values[1] is not resent]],
)
def test_contract(case: Case, check: Check):
    check(case)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("path", traces.of("caisse-ap"), ids=lambda path: path.stem)
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
    assert len(traces.of("caisse-ap")) >= 4


def one(told: bytes, asked: bytes = ASKED, talk=None) -> Report:
    talk = talk or driver.converse(Mode.PROXY, {})
    talk.receive(asked, TILL)
    assert talk.receive(told) == []
    [report] = talk.wake(QUIET_S)
    talk.confirm(report)
    return report


@pytest.mark.parametrize("end", range(1, len(TOLD)))
def test_an_answer_cut_off_passes_and_claims_no_more_than_it_said(end: int):
    talk = driver.converse(Mode.PROXY, {})
    talk.receive(ASKED, TILL)
    talk.receive(TOLD[:end])
    reports = talk.wake(CUT_OFF_S)
    for report in reports:
        assert b"AE002" in TOLD[:end], "a message without a status was told"
        assert end in {item.start + len(item.value) for item in items(TOLD)}, "half an item was told"
        talk.confirm(report)
    assert talk.outgoing(TILL) == TOLD[:end]


@settings(max_examples=100, deadline=None, database=None)
@given(st.binary(min_size=1, max_size=60))
def test_noise_before_an_answer_passes_as_it_came(noise: bytes):
    talk = driver.converse(Mode.PROXY, {})
    reports = talk.receive(noise) + talk.wake(CUT_OFF_S) + talk.receive(TOLD) + talk.wake(QUIET_S)
    assert [report.fields["amount_minor"] for report in reports] == [1234]
    talk.confirm(reports[0])
    assert talk.outgoing(TILL) == noise + TOLD


def test_two_answers_in_one_piece_are_two():
    talk = driver.converse(Mode.PROXY, {})
    first = talk.receive(TOLD + refusal(99) + b"\r\n")
    assert [report.fields["outcome"] for report in first] == ["approved", "declined"]
    for report in first:
        talk.confirm(report)
    assert talk.outgoing(TILL) == TOLD + refusal(99) + b"\r\n"


def test_a_hang_up_ends_an_answer():
    talk = driver.converse(Mode.PROXY, {})
    talk.receive(TOLD)
    assert len(talk.wake(float("inf"))) == 1


def test_equal_rejections_are_two_and_an_authorisation_is_one_after_a_restart():
    talk = driver.converse(Mode.PROXY, {})
    assert one(refusal(1234), talk=talk).key != one(refusal(1234), talk=talk).key
    assert one(TOLD).key == one(TOLD).key
    assert one(TOLD).key != one(answer(1234, AC="663367")).key


def test_what_the_answer_leaves_out_is_what_the_till_asked_for():
    fields = one(message(CZ="0300", AE="10"), question(500, CD="1")).fields
    assert (fields["amount_minor"], fields["transaction_type"]) == (500, "refund")
    assert len(fields["warnings"]) == 3


TAG = st.sampled_from(["AA", "AB", "AC", "AE", "AF", "CA", "CB", "CC", "CD", "CE", "CG", "CI", "CF", "ZZ", "B9"])
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=30) | st.sampled_from(
    [PAN, PAN + "=2512"]
)


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(st.tuples(TAG, VALUE), max_size=12))
def test_whatever_the_items_hold_is_well_formed_and_hides_the_card(said: list[tuple[str, str]]):
    told = message(CZ="0300", AE="10") + b"".join(message(**{tag: value}) for tag, value in said)
    report = one(told)
    assert problems(report.fields) == []
    assert report.raw is not None
    assert len(report.raw) == len(told)
    assert PAN not in f"{report!r}{report.raw!r}"


def test_a_client_on_a_real_socket_gets_its_answer_unchanged():
    """A plain client (connect, send, one recv) through a pump that does what capture does, the answer held 0.5 s."""
    terminal, till = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    talk = driver.converse(Mode.PROXY, {})

    def play() -> None:
        link, _ = terminal.accept()
        assert link.recv(4096) == ASKED
        link.sendall(TOLD[:50])
        time.sleep(0.05)
        link.sendall(TOLD[50:])
        time.sleep(1.5)
        link.close()

    def pump() -> None:
        up = socket.create_connection(terminal.getsockname())
        down, _ = till.accept()
        talk.receive(down.recv(4096), TILL)
        up.sendall(talk.outgoing(TERMINAL))
        up.settimeout(QUIET_S)
        reports: list[Report] = []
        while not reports:
            try:
                talk.receive(up.recv(4096))
            except TimeoutError:
                reports = talk.wake(QUIET_S)
        assert talk.outgoing(TILL) == b""
        time.sleep(0.5)
        talk.confirm(reports[0])
        down.sendall(talk.outgoing(TILL))
        up.close()
        down.close()

    threads = [threading.Thread(target=part, daemon=True) for part in (play, pump)]
    for thread in threads:
        thread.start()
    with socket.create_connection(till.getsockname(), timeout=5) as client:
        client.sendall(ASKED)
        assert client.recv(1024) == TOLD
    for thread in threads:
        thread.join(5)
    terminal.close()
    till.close()
