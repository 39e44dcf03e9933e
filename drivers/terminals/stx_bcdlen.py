"""The driver `stx-bcdlen`: terminals that speak frames of STX | length | data | ETX | LRC to a till.

What stands in the data is a dialect's business (`linkpos_message`); here are the three places the agent can have:

- `proxy`: between till and terminal. The till's bytes pass at once and unchanged, so do the terminal's, except for a
  whole valid result: it is held until it is confirmed (or abandoned), then passed byte for byte. Order is kept.
- `ecr`: the agent is the till, but never pays: it acknowledges what was confirmed, and can ask for the last
  transaction and for the settlement. Nothing that can be built here has a place for an amount.
- `tap`: listens, says nothing.

Patience, as read in public sources: the terminal waits 1.5 s for an acknowledgement and makes 3 attempts
(x-lugoo/HK_Indirect_EDC `ecr.c`), so what is held must go within a second. Between two bytes of a frame at most
100 ms pass (CaoEnXin/LiaoYang_POS `Commlib.c`).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.contract import Conversation, Mode, Report, Setting, Side, TerminalDriver
from agent.errors import UsageError
from drivers.framing import ACK, NAK, Frame, Framer, Layout, Length, Loose, Reason, encode
from drivers.terminals import linkpos_message
from drivers.terminals.linkpos import ACQUIRERS

QUIET_S: Final = 1.0  # a frame that does not go on for so long is cut off; short of the terminal's own 1.5 s
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Dialect:
    """What stands in the frames of one line. The two questions are data, ready but for the host."""

    layout: Layout
    read: Callable[[Frame], Report | None]
    last: Callable[[], bytes]
    settlement: Callable[[str], bytes]


class TapLine:
    """Listens. Also what the other two have in common: frames in, reports out."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._framer = Framer(dialect.layout)

    @property
    def quiet_s(self) -> float | None:
        return QUIET_S if self._framer.waiting else None

    @property
    def dropped(self) -> Counter[Reason]:
        """Bytes from the terminal that were no frame, counted by reason."""
        return self._framer.dropped

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        if side is Side.TILL:
            self._from_till(data)
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
            report = self._dialect.read(piece) if isinstance(piece, Frame) else None
            self._came(piece, report)
            if report is not None:
                reports.append(report)
        return reports

    def _from_till(self, data: bytes) -> None:
        """The till's bytes tell nothing of what happened."""

    def _came(self, piece: Frame | Loose, report: Report | None) -> None:
        """A piece of the terminal's stream, in order."""


@dataclass(slots=True)
class _Held:
    """Bytes on their way to the till; those of a report wait until it was answered for."""

    raw: bytes = field(repr=False)
    report: Report | None = None


class ProxyLine(TapLine):
    """Between till and terminal.

    Every report must be confirmed or abandoned: what came behind a held result waits with it.
    """

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._to_terminal = bytearray()
        self._to_till: deque[_Held] = deque()

    def confirm(self, report: Report) -> None:
        for held in self._to_till:
            if held.report == report:
                held.report = None
                return

    def abandon(self, report: Report) -> None:
        self.confirm(report)  # no sale is blocked because we could not write it down

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        if side is Side.TERMINAL:
            data = bytes(self._to_terminal)
            self._to_terminal.clear()
            return data
        going = bytearray()
        while self._to_till and self._to_till[0].report is None:
            going += self._to_till.popleft().raw
        return bytes(going)

    def _from_till(self, data: bytes) -> None:
        self._to_terminal += data

    def _came(self, piece: Frame | Loose, report: Report | None) -> None:
        self._to_till.append(_Held(piece.raw, report))


class EcrLine(TapLine):
    """The agent as the till. `acknowledges` false: a line on which nobody answers by ACK and NAK."""

    def __init__(self, dialect: Dialect, *, acknowledges: bool) -> None:
        super().__init__(dialect)
        self._acknowledges = acknowledges
        self._out = bytearray()
        self._unanswered: list[Report] = []
        self._question = b""
        self._attempts = 0

    def ask_last(self) -> None:
        """Asks for the last transaction, e.g. after a connection was lost."""
        self._ask(self._dialect.last())

    def ask_settlement(self, host: str = "") -> None:
        """Asks the terminal to settle. Raises UsageError when `host` is no host number."""
        self._ask(self._dialect.settlement(host))

    def confirm(self, report: Report) -> None:
        if report in self._unanswered:
            self._unanswered.remove(report)
            self._answer(ACK)

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
            self._question = b""  # whoever comes next was asked nothing
        return super().wake(elapsed_s)

    def _ask(self, data: bytes) -> None:
        self._question, self._attempts = encode(data, self._dialect.layout), 1
        self._out += self._question

    def _answer(self, sign: bytes) -> None:
        if self._acknowledges:
            self._out += sign

    def _came(self, piece: Frame | Loose, report: Report | None) -> None:
        if report is not None:
            self._unanswered.append(report)
        if isinstance(piece, Frame):
            self._question = b""
        elif piece.reason is Reason.CHECK:
            self._answer(NAK)
        elif piece.reason is Reason.NOISE:
            self._heard(piece.raw)

    def _heard(self, signs: bytes) -> None:
        """ACK and NAK to what we asked. Only a NAK makes us ask again: silence may mean the terminal is at work."""
        for sign in signs:
            if sign == ACK[0]:
                self._question = b""
            elif sign == NAK[0] and self._question and self._attempts < _ATTEMPTS:
                self._attempts += 1
                self._out += self._question


def _converse(mode: Mode, settings: Mapping[str, object]) -> Conversation:
    said = {setting.name: settings.get(setting.name, setting.default) for setting in _SETTINGS}
    dialect = _dialect(str(said["length"]), str(said["codes"]), str(said["currency"]))
    if mode is Mode.PROXY:
        return ProxyLine(dialect)
    if mode is Mode.ECR:
        return EcrLine(dialect, acknowledges=bool(said["ack"]))
    if mode is Mode.TAP:
        return TapLine(dialect)
    raise UsageError("stx-bcdlen cannot be a {mode}", 'mode = "proxy", "ecr" or "tap"', mode=mode.value)


def _dialect(length: str, codes: str, currency: str) -> Dialect:
    if length not in list(Length):
        raise UsageError('the length is "bcd" or "be16", not {length}', 'length = "bcd"', length=repr(length))
    acquirer = ACQUIRERS.get(codes)
    if acquirer is None:
        known = ", ".join(ACQUIRERS)
        raise UsageError("there is no code table {codes}", "one of: {known}", codes=repr(codes), known=known)
    currency = currency or acquirer.currency
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise UsageError("{currency} is no ISO 4217 code", 'for example currency = "PHP"', currency=repr(currency))
    return Dialect(
        Layout(Length(length), linkpos_message.LIMIT_BYTES),
        lambda frame: linkpos_message.read(frame, acquirer, currency),
        lambda: linkpos_message.ask_last(acquirer),
        lambda host: linkpos_message.ask_settlement(acquirer, host),
    )


_SETTINGS: Final = (
    Setting("length", "bcd", "how the frame writes its length: 00 35 or 00 23 for 35 bytes", tuple(Length)),
    Setting("ack", default=True, why="ecr: answer frames with ACK and NAK; false for lines on which nobody does"),
    Setting("codes", "linkpos", "whose table of transaction codes and fields the terminal follows", tuple(ACQUIRERS)),
    Setting("currency", "", 'ISO 4217 code of the terminal; no message names it. "" = the table\'s own: PHP, AUD'),
)

driver: Final = TerminalDriver(
    name="stx-bcdlen",
    summary="LinkPOS/Hypercom terminals on a serial or TCP till line: STX, length, data, ETX, LRC",
    modes=frozenset({Mode.PROXY, Mode.ECR, Mode.TAP}),
    converse=_converse,
    settings=_SETTINGS,
)
