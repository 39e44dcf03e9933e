"""transbank against the contract, its traces, and what it may never do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import Mode, Report, Side
from agent.fields import problems
from drivers.framing import ACK, NAK, Frame, Framer
from drivers.simulators.transbank_terminal import COMMERCE, TERMINAL_ID, Sale, Terminal
from drivers.terminals import transbank_message
from drivers.terminals.transbank import PATIENCE_S, EcrLine, Question, driver
from drivers.text_frames import encode, text_of
from tests.drivers import traces
from tests.drivers.contract_suite import Case, Check, pairs

PAN = "4111111111111111"  # published test number
TERMINAL, TILL = Side.TERMINAL, Side.TILL
ASKED = encode(b"0200|25000|001234|||1|")
PROGRESS = encode(b"0900|78|")
SOLD = Sale(25000, 123)
TOLD = SOLD.answer()
DAMAGED = TOLD[:-1] + bytes((TOLD[-1] ^ 1,))
CLOSED = encode(f"0510|00|{COMMERCE}|{TERMINAL_ID}|".encode())
END = encode(f"0261|00|{COMMERCE}|{TERMINAL_ID}| | | | |000124|||| || | | | | |||".encode())
# A terminal that puts the card's number where the last four digits or the account should be.
CLEAR = encode(
    f"0210|00|{COMMERCE}|{TERMINAL_ID}|001234|252985|25000|0||{PAN}|000123|DB|260723|{PAN}|VI|26072023|113748|0|0||".encode()
)
SALE = {
    "transaction_type": "sale",
    "outcome": "approved",
    "amount_minor": 25000,
    "currency": "CLP",
    "terminal_id": TERMINAL_ID,
    "merchant_id": COMMERCE,
    "order_no": "001234",
    "auth_code": "252985",
    "trace_no": "000123",
    "card_masked": "0461",
    "card_scheme": "VISA",
    "card_type": "credit",
    "terminal_time": "2023-07-26T11:37:48",
}
VOIDED = Sale(-25000, 123).detail()
VOID = {"transaction_type": "void", "amount_minor": 25000, "original_trace_no": "000123"}
TOTALS = encode(b"0710|00|2|26500|")

CASES = (
    Case(
        "proxy-sale",
        driver,
        Mode.PROXY,
        ((TILL, ASKED), (TERMINAL, ACK + PROGRESS), (TILL, ACK), (TERMINAL, TOLD)),
        (SALE,),
        early={TERMINAL: ASKED + ACK, TILL: ACK + PROGRESS},
        confirmed={TILL: TOLD},
        abandoned={TILL: TOLD},
    ),
    Case(
        "proxy-list",
        driver,
        Mode.PROXY,
        ((TERMINAL, SOLD.detail()), (TERMINAL, VOIDED), (TERMINAL, END), (TERMINAL, TOTALS), (TERMINAL, CLOSED)),
        (SALE, VOID, {"kind": "detail_list"}, {"kind": "settlement"}, {"kind": "settlement", "outcome": "approved"}),
        confirmed={TILL: SOLD.detail() + VOIDED + END + TOTALS + CLOSED},
        abandoned={TILL: SOLD.detail() + VOIDED + END + TOTALS + CLOSED},
    ),
    Case(
        "proxy-damaged",
        driver,
        Mode.PROXY,
        ((TERMINAL, DAMAGED), (TILL, NAK)),
        (),
        early={TILL: DAMAGED, TERMINAL: NAK},
    ),
    Case(
        "proxy-clear-card",
        driver,
        Mode.PROXY,
        ((TERMINAL, CLEAR),),
        ({"card_type": "debit", "auth_code": "252985"},),
        confirmed={TILL: CLEAR},
        abandoned={TILL: CLEAR},
        secrets=(PAN,),
    ),
    Case("ecr-last", driver, Mode.ECR, ((TERMINAL, SOLD.answer("0260")),), (SALE,), confirmed={TERMINAL: ACK}),
    Case(
        "ecr-damaged",
        driver,
        Mode.ECR,
        ((TERMINAL, DAMAGED), (TERMINAL, TOLD)),
        (SALE,),
        early={TERMINAL: NAK},
        confirmed={TERMINAL: ACK},
    ),
    Case(
        "tap",  # the request is a notice, the status message nothing
        driver,
        Mode.TAP,
        ((TERMINAL, ASKED), (TERMINAL, PROGRESS), (TERMINAL, TOLD)),
        ({"kind": "notice", "transaction_type": "sale", "amount_minor": 25000}, SALE),
    ),
)


@pytest.mark.parametrize(("case", "check"), pairs(CASES))
def test_contract(case: Case, check: Check):
    check(case)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("path", traces.of("transbank"), ids=lambda path: path.stem)
def test_trace(path: Path, size: int):
    trace = traces.load(path)
    talk = driver.converse(Mode.TAP, trace.settings)
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
    assert len(traces.of("transbank")) >= 6


FIELD = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="|"), max_size=21)


@settings(max_examples=200, deadline=None, database=None)
@given(st.sampled_from(sorted(transbank_message.ANSWERS)), st.lists(FIELD | st.just(PAN), max_size=26))
def test_whatever_stands_in_an_answer_is_well_formed_and_hides_the_card(function: str, fields: list[str]):
    text = "|".join([function, *fields]).encode("latin-1")
    talk = driver.converse(Mode.TAP, {})
    for report in talk.receive(encode(text)):
        assert problems(report.fields) == []
        assert report.raw is not None
        assert len(report.raw) == len(text) + 3
        assert PAN not in f"{report!r}{report.raw!r}"


@settings(max_examples=200, deadline=None, database=None)
@given(st.integers(-999_999_999, 999_999_999), st.integers(0, 999_999), st.dates(), st.times())
def test_every_line_of_the_list_says_its_amount_and_direction(amount, operation, date, time):
    sale = Sale(amount, operation, date=f"{date:%d%m}{date.year:04d}", time=f"{time:%H%M%S}")
    [report] = driver.converse(Mode.TAP, {}).receive(sale.detail())
    assert report.fields["amount_minor"] == abs(amount)
    assert report.fields["transaction_type"] == ("void" if amount < 0 else "sale")
    assert report.fields["terminal_time"] == f"{date.isoformat()}T{time:%H:%M:%S}"


def keys(*frames: bytes) -> list[str]:
    talk = driver.converse(Mode.TAP, {})
    return [report.key for frame in frames for report in talk.receive(frame)]


def test_a_sale_is_one_sale_however_it_is_told():
    assert set(keys(TOLD, SOLD.answer("0260"), SOLD.detail())) == {f"{TERMINAL_ID}:2023-07-26T11:37:48:000123:sale"}


def test_a_void_is_one_void_however_it_is_told():
    answer = encode(f"1210|00|{COMMERCE}|{TERMINAL_ID}|252985|123".encode())
    assert keys(answer, VOIDED) == [f"{TERMINAL_ID}:252985:000123:void"] * 2


def test_a_counter_that_begins_anew_makes_no_sale_look_like_an_old_one():
    tomorrow = Sale(25000, 123, date="27072023")
    assert len(set(keys(TOLD, tomorrow.answer()))) == 2


def test_the_close_of_another_day_is_another_settlement():
    tomorrow = Sale(25000, 123, date="27072023")
    one, again = keys(TOLD, CLOSED)[1], keys(TOLD, CLOSED, CLOSED)[2]
    assert one == again
    assert keys(tomorrow.answer(), CLOSED)[1] != one


class Line:
    """The ecr line and a terminal that waits for each acknowledgement; `loses` are answers the store does not take."""

    def __init__(self, *batch: Sale, loses: frozenset[int] = frozenset()) -> None:
        self.talk = driver.converse(Mode.ECR, {})
        assert isinstance(self.talk, EcrLine)
        self.terminal = Terminal(list(batch))
        self.reports: list[Report] = []
        self.loses = loses
        self.sent = b""

    def run(self) -> None:
        waiting: list[bytes] = []
        framer = Framer(transbank_message.decoder())
        for _ in range(200):
            out = self.talk.outgoing()
            self.sent += out
            for piece in framer.feed(out):
                if isinstance(piece, Frame):
                    self.hear(ACK)
                    waiting += self.terminal.answer(text_of(piece))
            if not out and not waiting:
                return
            if waiting:
                self.hear(waiting.pop(0))

    def hear(self, data: bytes) -> None:
        for report in self.talk.receive(data):
            lost = len(self.reports) in self.loses
            self.reports.append(report)
            (self.talk.abandon if lost else self.talk.confirm)(report)


BATCH = (Sale(25000, 121), Sale(1500, 122, time="123700"), Sale(-1500, 122, time="123700"))


def test_what_was_missed_is_asked_for_after_a_reconnection():
    line = Line(*BATCH)
    line.talk.recover()
    line.run()
    assert line.terminal.said == [b"0250|", b"0260|1|"]
    assert [report.fields.get("amount_minor") for report in line.reports] == [1500, 25000, 1500, 1500, None]


def test_a_batch_is_closed_behind_its_list():
    line = Line(*BATCH)
    line.talk.ask(Question.CLOSE)
    line.run()
    assert line.terminal.said == [b"0260|1|", b"0500||"]
    assert [report.kind.value for report in line.reports] == ["transaction"] * 3 + ["detail_list", "settlement"]
    assert line.terminal.batch == []


@pytest.mark.parametrize("lost", range(4))
def test_a_batch_of_which_a_line_is_not_recorded_stays_open(lost: int):
    line = Line(*BATCH, loses=frozenset({lost}))
    line.talk.ask(Question.CLOSE)
    line.talk.ask(Question.TOTALS)
    line.run()
    assert b"0500||" not in line.terminal.said
    assert line.terminal.said[-1] == b"0700||", "the questions behind it are still asked"
    assert len(line.terminal.batch) == 3


def test_a_batch_of_which_a_line_came_damaged_stays_open():
    line = Line(*BATCH)
    line.talk.ask(Question.CLOSE)
    assert line.talk.outgoing() == encode(b"0260|1|")
    line.hear(ACK + DAMAGED)
    line.hear(SOLD.detail())
    line.hear(END)
    line.run()
    assert line.terminal.said == []


def test_a_list_that_breaks_off_closes_nothing():
    line = Line(*BATCH)
    line.talk.ask(Question.CLOSE)
    line.talk.outgoing()
    line.hear(SOLD.detail())
    assert line.talk.outgoing() == ACK
    assert line.talk.quiet_s == PATIENCE_S
    line.talk.wake(PATIENCE_S)
    assert line.talk.outgoing() == b""
    assert line.talk.quiet_s is None


def test_a_refused_question_is_asked_three_times():
    line = Line()
    line.talk.ask(Question.TOTALS)
    for _ in range(3):
        assert line.talk.outgoing() == encode(b"0700||")
        line.hear(NAK)
    assert line.talk.outgoing() == b""


def test_a_peer_that_hung_up_is_asked_nothing_more():
    line = Line()
    line.talk.recover()
    line.talk.outgoing()
    line.talk.wake(float("inf"))
    line.hear(TOLD)
    assert line.talk.outgoing() == ACK


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.sampled_from([*Question, TOLD, END, CLOSED, TOTALS, ACK, NAK, DAMAGED, SOLD.detail()]), max_size=20))
def test_nothing_that_could_pay_ever_leaves(script: list):
    line = Line()
    for step in script:
        line.talk.ask(step) if isinstance(step, Question) else line.hear(step)
        line.sent += line.talk.outgoing()
    allowed = {b"0250|", b"0260|1|", b"0700||", b"0500||"}
    pieces = Framer(transbank_message.decoder()).feed(line.sent)
    assert {text_of(piece) for piece in pieces if isinstance(piece, Frame)} <= allowed
    assert set(b"".join(piece.raw for piece in pieces if not isinstance(piece, Frame))) <= {ACK[0], NAK[0]}
