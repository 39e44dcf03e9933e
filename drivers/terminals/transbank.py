"""The driver `transbank`: Transbank POS Integrado (Chile), text frames between a till and its terminal.

- `proxy`: between till and terminal (as `stx_bcdlen`): answers that tell of money are held until they are recorded,
  everything else passes at once, the messages while the terminal is at work (0900) included.
- `ecr`: the agent asks for the last sale, the list of the open batch, the totals, the close. The close wipes the
  terminal's batch, so it leaves only behind a list of which every line is recorded. There are four questions, they
  are constants, and none has a place for an amount: a payment cannot be built here.
- `tap`: listens, says nothing. What a till asks for is a notice.

A close and totals bear no number: one reads like that of the day before. Their key also names the payment that was told
before them on this line, so that the same totals after another sale are another settlement.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from agent.contract import Conversation, Mode, Report, Side, TerminalDriver
from agent.fields import Kind
from drivers import text_frames
from drivers.framing import ACK, NAK, Frame, Loose, Reason
from drivers.terminals import transbank_message
from drivers.terminals.stx_bcdlen import ProxyLine, TapLine
from drivers.terminals.stx_dialect import Dialect

PATIENCE_S: Final = 60.0  # a close goes to the host; the reference names no time
_ATTEMPTS: Final = 3  # a NAK: once more, twice ("Mensaje de Venta", step 1)


class Question(StrEnum):
    """All this driver can ask."""

    LAST = "last"
    DETAILS = "details"
    TOTALS = "totals"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class _Asking:
    text: bytes
    answer: bytes


# 0260|1| sends the list to the till; |0| would print it. 0700 prints a voucher on most terminals.
_QUESTIONS: Final[Mapping[Question, _Asking]] = MappingProxyType(
    {
        Question.LAST: _Asking(b"0250|", b"0260"),
        Question.DETAILS: _Asking(b"0260|1|", b"0261"),
        Question.TOTALS: _Asking(b"0700||", b"0710"),
        Question.CLOSE: _Asking(b"0500||", b"0510"),
    }
)


class _Reader:
    """Reads frames; gives what bears no number its place behind what came before it."""

    def __init__(self) -> None:
        self._before = ""

    def read(self, frame: Frame) -> Report | None:
        report = transbank_message.read(frame)
        if report is None:
            return None
        if report.kind is Kind.TRANSACTION:
            self._before = report.key
        elif report.kind is Kind.SETTLEMENT and self._before:
            place = hashlib.sha256(f"{self._before}\n{report.key}".encode()).hexdigest()
            return replace(report, key=f"sha256:{place}")
        return report


def _dialect() -> Dialect:
    return Dialect(transbank_message.decoder(), _Reader().read, transbank_message.asked)


class EcrLine(TapLine):
    """The agent as the till: one question at a time, each answer acknowledged when it is recorded."""

    def __init__(self) -> None:
        super().__init__(_dialect())
        self._out = bytearray()
        self._unanswered: list[tuple[Report, bytes]] = []  # with the function it came as
        self._questions: deque[Question] = deque()
        self._asked: Question | None = None
        self._attempts = 0
        self._all_recorded = True  # every line of the list that is coming in
        self._listed = False  # the list is whole and recorded: the batch may be closed

    @property
    def questions(self) -> frozenset[Question]:
        """What this terminal can be asked."""
        return frozenset(_QUESTIONS)

    def ask(self, question: Question) -> None:
        """Puts a question behind those that wait. A close brings its list along and is dropped when that fails."""
        if question is Question.CLOSE:
            self._questions.append(Question.DETAILS)
        self._questions.append(question)
        self._next()

    def recover(self) -> None:
        """Asks for what may have been missed: the last sale, then every line of the open batch."""
        self.ask(Question.LAST)
        self.ask(Question.DETAILS)

    @property
    def quiet_s(self) -> float | None:
        waiting_s = super().quiet_s
        return waiting_s if waiting_s is not None or self._asked is None else PATIENCE_S

    def wake(self, elapsed_s: float) -> list[Report]:
        reports = super().wake(elapsed_s)
        if elapsed_s == math.inf:
            self._questions.clear()  # whoever comes next was asked nothing
            self._asked = None
        elif elapsed_s >= PATIENCE_S and not self._unanswered:
            self._give_up()
        return reports

    def confirm(self, report: Report) -> None:
        self._answered(report, recorded=True)

    def abandon(self, report: Report) -> None:
        self._answered(report, recorded=False)  # silence: the terminal says it again

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        if side is not Side.TERMINAL:
            return b""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _understood(self, frame: Frame) -> Report | None:
        return self._dialect.read(frame)

    def _came(self, piece: Frame | Loose, report: Report | None) -> None:
        if report is not None:
            self._unanswered.append((report, piece.raw[1:5]))
        elif isinstance(piece, Loose) and piece.reason is Reason.NOISE:
            for _ in range(piece.raw.count(NAK)):
                self._refused()
        elif isinstance(piece, Loose):
            self._all_recorded = False  # the terminal may give a damaged line up and go on behind it
            self._out += NAK if piece.reason is Reason.CHECK else b""

    def _answered(self, report: Report, *, recorded: bool) -> None:
        for place, (waiting, function) in enumerate(self._unanswered):
            if waiting == report:
                del self._unanswered[place]
                self._out += ACK if recorded else b""
                self._goes_on(report, function, recorded=recorded)
                return

    def _goes_on(self, report: Report, function: bytes, *, recorded: bool) -> None:
        """The next question leaves when the last one is answered; a list is answered by its end."""
        self._all_recorded = self._all_recorded and recorded
        if self._asked is None or function != _QUESTIONS[self._asked].answer:
            return
        if self._asked is Question.DETAILS:
            if not transbank_message.ends_list(report):
                return
            self._listed = self._all_recorded
        self._asked = None
        self._next()

    def _next(self) -> None:
        while self._asked is None and self._questions:
            question = self._questions.popleft()
            listed, self._listed = self._listed, False
            if question is Question.CLOSE and not listed:
                continue  # a line of the batch is not recorded: closing would lose it
            self._all_recorded = True
            self._asked, self._attempts = question, 1
            self._out += text_frames.encode(_QUESTIONS[question].text)

    def _refused(self) -> None:
        if self._asked is None:
            return
        if self._attempts < _ATTEMPTS:
            self._attempts += 1
            self._out += text_frames.encode(_QUESTIONS[self._asked].text)
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._asked = None
        self._next()


def _converse(mode: Mode, _settings: Mapping[str, object]) -> Conversation:
    if mode is Mode.PROXY:
        return ProxyLine(_dialect())
    return EcrLine() if mode is Mode.ECR else TapLine(_dialect())


driver: Final = TerminalDriver(
    name="transbank",
    summary="Transbank POS Integrado (Chile): Verifone, Ingenico and PAX terminals on USB or serial",
    modes=frozenset({Mode.PROXY, Mode.ECR, Mode.TAP}),
    converse=_converse,
)
