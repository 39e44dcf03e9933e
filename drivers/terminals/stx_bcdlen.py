"""The driver `stx-bcdlen`: terminals that speak frames of STX | length | data | ETX | LRC to a till.

What stands in the frames is a dialect's business (`stx_dialects`); here are the three places the agent can have:

- `proxy`: between till and terminal. The till's bytes pass at once and unchanged, so do the terminal's, except for a
  whole valid result: it is held until it is confirmed (or abandoned), then passed byte for byte. Order is kept. A frame
  that has begun waits for its end; when it does not go on for a second it is passed as far as it came.
- `ecr`: the agent is the till, but never pays: it acknowledges what was confirmed, and can ask for the last
  transaction and for the settlement. Nothing that can be built here has a place for an amount.
- `tap`: listens, says nothing. Requests of the till are notices here: they tell of no money.

Answers of some banks (BDO, Maybank) name no amount. A proxy has heard the till ask, so the answer to that very question
is told with the amount of the question, and says so. An amount is never negative; the direction is in the type.

Patience, as read in public sources: the terminal waits 1.5 s for an acknowledgement and makes 3 attempts
(x-lugoo/HK_Indirect_EDC `ecr.c`), so what is held must go within a second. Between two bytes of a frame at most
100 ms pass (CaoEnXin/LiaoYang_POS `Commlib.c`).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from agent.contract import Conversation, Mode, Report, Setting, Side, TerminalDriver
from agent.errors import UsageError
from agent.fields import Json, Kind
from drivers.framing import ACK, NAK, Frame, Framer, Length, Loose, Reason
from drivers.terminals.linkpos import ACQUIRERS
from drivers.terminals.linkpos_message import NO_AMOUNT
from drivers.terminals.stx_dialect import Dialect, Question
from drivers.terminals.stx_dialects import DIALECTS, choose

QUIET_S: Final = 1.0  # a frame that does not go on for so long is cut off; short of the terminal's own 1.5 s
_ATTEMPTS: Final = 3


class TapLine:
    """Listens. Also what the other two have in common: frames in, reports out."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._framer = Framer(dialect.decoder)

    @property
    def quiet_s(self) -> float | None:
        return QUIET_S if self._framer.waiting else None

    @property
    def dropped(self) -> Counter[Reason]:
        """Bytes that were no frame, counted by reason."""
        return self._framer.dropped

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        if side is not self._dialect.results_from:
            self._passes(data)
            return []
        return self._take(self._framer.feed(data))

    def wake(self, elapsed_s: float) -> list[Report]:
        if not self._framer.waiting or elapsed_s < QUIET_S:
            return []
        return self._take(self._framer.silence())

    def confirm(self, report: Report) -> None:
        """Nobody waits for a tap."""

    def abandon(self, report: Report) -> None:
        """Nobody waits for a tap."""

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:  # noqa: ARG002 - a tap is silent on both sides
        return b""

    def _take(self, pieces: list[Frame | Loose]) -> list[Report]:
        reports = []
        for piece in pieces:
            report = self._understood(piece) if isinstance(piece, Frame) else None
            self._came(piece, report)
            if report is not None:
                reports.append(report)
        return reports

    def _understood(self, frame: Frame) -> Report | None:
        return self._dialect.read(frame) or self._dialect.asked(frame)

    def _passes(self, data: bytes) -> None:
        """Bytes of the side that asks: they tell nothing of what happened."""

    def _came(self, piece: Frame | Loose, report: Report | None) -> None:
        """A piece of the stream that holds results, in order."""


@dataclass(slots=True)
class _Held:
    """Bytes on their way; those of a report wait until it was answered for."""

    raw: bytes = field(repr=False)
    report: Report | None = None


class ProxyLine(TapLine):
    """Between the one who asks and the one who answers: as a rule till and terminal.

    Every report must be confirmed or abandoned: what came behind a held result waits with it.
    """

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._questions = bytearray()
        self._asking = Framer(dialect.decoder)
        self._question: Report | None = None  # what the till asked for last
        self._results: deque[_Held] = deque()

    def confirm(self, report: Report) -> None:
        for held in self._results:
            if held.report == report:
                held.report = None
                return

    def abandon(self, report: Report) -> None:
        self.confirm(report)  # no sale is blocked because we could not write it down

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        if side is self._dialect.results_from:
            data = bytes(self._questions)
            self._questions.clear()
            return data
        going = bytearray()
        while self._results and self._results[0].report is None:
            going += self._results.popleft().raw
        return bytes(going)

    def _passes(self, data: bytes) -> None:
        self._questions += data
        for piece in self._asking.feed(data):
            if isinstance(piece, Frame):
                self._question = self._dialect.asked(piece)

    def _understood(self, frame: Frame) -> Report | None:
        report = self._dialect.read(frame)
        return report if report is None or self._question is None else _answering(report, self._question)

    def _came(self, piece: Frame | Loose, report: Report | None) -> None:
        self._results.append(_Held(piece.raw, report))


class EcrLine(TapLine):
    """The agent as the till. `acknowledges` false: a line on which nobody answers frames."""

    def __init__(self, dialect: Dialect, *, acknowledges: bool) -> None:
        super().__init__(dialect)
        self._acknowledges = acknowledges
        self._out = bytearray()
        self._unanswered: list[Report] = []
        self._asked = b""
        self._attempts = 0

    @property
    def questions(self) -> frozenset[Question]:
        """What this terminal can be asked."""
        return frozenset(self._dialect.questions)

    def ask(self, question: Question, about: str = "") -> None:
        """Puts a question on the line, e.g. after a connection was lost.

        `about`: the host of a settlement (may stay ""), the trace number of a transaction, the acquirer of totals.
        Raises UsageError when the terminal cannot be asked that, or `about` is none.
        """
        make = self._dialect.questions.get(question)
        if make is None:
            known = ", ".join(sorted(self.questions)) or "nothing"
            raise UsageError(
                "this terminal cannot be asked for {question}",
                "it knows: {known}",
                question=question.value,
                known=known,
            )
        self._asked, self._attempts = make(about), 1
        self._out += self._asked

    def ask_last(self) -> None:
        """Asks for the last transaction."""
        self.ask(Question.LAST)

    def recover(self) -> None:
        """Asks for what may have been missed while the line was down, if this terminal can be asked."""
        if Question.LAST in self.questions:
            self.ask_last()

    def ask_settlement(self, host: str = "") -> None:
        """Asks the terminal to settle: this closes its batch."""
        self.ask(Question.SETTLEMENT, host)

    def confirm(self, report: Report) -> None:
        if report in self._unanswered:
            self._unanswered.remove(report)
            self._answer(self._dialect.accepted)

    def abandon(self, report: Report) -> None:
        if report in self._unanswered:
            self._unanswered.remove(report)  # silence: the terminal says it again

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        if side is not Side.TERMINAL:
            return b""
        data = bytes(self._out)
        self._out.clear()
        return data

    def wake(self, elapsed_s: float) -> list[Report]:
        if elapsed_s == math.inf:
            self._asked = b""  # whoever comes next was asked nothing
        return super().wake(elapsed_s)

    def _answer(self, sign: bytes) -> None:
        if self._acknowledges:
            self._out += sign

    def _came(self, piece: Frame | Loose, report: Report | None) -> None:
        if report is not None:
            self._unanswered.append(report)
        if isinstance(piece, Frame):
            self._asked = b""
        elif piece.reason is Reason.CHECK:
            self._answer(self._dialect.refused)
        elif piece.reason is Reason.NOISE:
            self._heard(piece.raw)

    def _understood(self, frame: Frame) -> Report | None:
        return self._dialect.read(frame)

    def _heard(self, signs: bytes) -> None:
        """ACK and NAK to what we asked. Only a NAK makes us ask again: silence may mean the terminal is at work."""
        for sign in signs:
            if sign == ACK[0]:
                self._asked = b""
            elif sign == NAK[0] and self._asked and self._attempts < _ATTEMPTS:
                self._attempts += 1
                self._out += self._asked


def _answering(report: Report, question: Report) -> Report:
    """`report` with the amount its question named, where the answer itself names none."""
    fields, asked = report.fields, question.fields
    same = fields.get("transaction_type") == asked.get("transaction_type")
    if report.kind is not Kind.TRANSACTION or "amount_minor" in fields or "amount_minor" not in asked or not same:
        return report
    said = fields.get("warnings")
    warnings = [warning for warning in said if warning != NO_AMOUNT] if isinstance(said, list) else []
    amount: dict[str, Json] = {name: asked[name] for name in ("amount_minor", "currency")}
    return replace(
        report, fields={**fields, **amount, "warnings": [*warnings, "the amount is what the till asked for"]}
    )


def _converse(mode: Mode, settings: Mapping[str, object]) -> Conversation:
    said = {setting.name: settings.get(setting.name, setting.default) for setting in _SETTINGS}
    dialect = choose(mode, said)
    if mode is Mode.PROXY:
        return ProxyLine(dialect)
    if mode is Mode.ECR:
        return EcrLine(dialect, acknowledges=bool(said["ack"]))
    return TapLine(dialect)


_SETTINGS: Final = (
    Setting("dialect", "linkpos", "what stands in the frames", tuple(DIALECTS)),
    Setting("length", "bcd", "how the frame writes its length: 00 35 or 00 23 for 35 bytes", tuple(Length)),
    Setting("ack", default=True, why="ecr: answer frames with ACK and NAK; false for lines on which nobody does"),
    Setting("codes", "linkpos", "linkpos: whose table of transaction codes and fields it follows", tuple(ACQUIRERS)),
    Setting("currency", "", 'ISO 4217 code of the terminal; few messages name it. "" = usual for dialect and codes'),
)

driver: Final = TerminalDriver(
    name="stx-bcdlen",
    summary="LinkPOS/Hypercom terminals on a serial or TCP till line: STX, length, data, ETX, LRC",
    modes=frozenset({Mode.PROXY, Mode.ECR, Mode.TAP}),
    converse=_converse,
    settings=_SETTINGS,
)
