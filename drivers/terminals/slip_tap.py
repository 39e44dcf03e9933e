"""slip-tap: a terminal or till prints, we read along. The one way to every terminal whose own protocol is not public.

Modes: `printer` (we are the printer and answer as one), `proxy` (in front of the real printer, both directions pass at
once and unchanged), `tap` (receive only), `drop` (each file a vendor's program writes; the end of it is the hang-up).

The acknowledgement of a printer stream is the answer to a marker (GS r, GS ( H) behind the data. Such an answer waits
in a queue behind every report before it. A sender that waits for its marker sends nothing more, so silence behind a
marker ends a slip sooner.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.contract import Mode, Report, Setting, Side, TerminalDriver
from agent.errors import UsageError
from drivers.terminals.slip_answers import MODELS, Turn, answer
from drivers.terminals.slip_report import report_of
from drivers.terminals.slip_stream import LIMIT_KIB, CapturedSlip, SlipCutter
from drivers.tokens import Token, Tokenizer, TokenKind

NAME: Final = "slip-tap"
MODES: Final = frozenset({Mode.PRINTER, Mode.PROXY, Mode.TAP, Mode.DROP})
_FED_LINES: Final = 4  # paper out of the terminal's way: the slip is most likely over
_MOST_WAITING: Final = 1000  # answers kept for a peer that asks and asks
CHARSETS: Final = (
    *("auto", "gb18030", "gbk", "gb2312", "utf-8", "big5", "cp437", "cp850", "cp858", "cp866", "cp1250", "cp1251"),
    *("cp1252", "cp1253", "iso8859_2", "iso8859_7", "iso8859_15"),
)
SETTINGS: Final = (
    Setting("charset", "auto", "the text's encoding when the stream itself misleads", CHARSETS),
    Setting("idle_ms", 2000, "silence that ends a slip"),
    Setting("idle_fed_ms", 1500, "silence that ends a slip whose paper was fed by four lines or more"),
    Setting("idle_marker_ms", 500, "silence that ends a slip when the sender waits for our answer"),
    Setting("reset_ends_slip", default=True, why="ESC @ begins a new slip; off for senders that use it in the middle"),
    Setting("limit_kib", LIMIT_KIB, "a longer slip is kept in parts of this size"),
    Setting("model", "TM-T88V", "the printer we answer as", tuple(MODELS)),
)


@dataclass(slots=True, eq=False)
class _Waiting:
    """One place in the queue: a slip without end yet, its report, or an answer that stands behind."""

    report: Report | None = None
    answer: bytes = b""
    is_marker: bool = False


class SlipTap:
    """See `agent.contract.Conversation`."""

    def __init__(self, mode: Mode, settings: Mapping[str, object]) -> None:
        values = {setting.name: settings.get(setting.name, setting.default) for setting in SETTINGS}
        self._mode = mode
        self._charset = str(values["charset"])
        self._idle_s, self._idle_fed_s, self._idle_marker_s = (
            float(str(values[name])) / 1000 for name in ("idle_ms", "idle_fed_ms", "idle_marker_ms")
        )
        self._model = MODELS[str(values["model"])]
        limit = int(str(values["limit_kib"])) << 10
        self._tokenizer = Tokenizer(limit)
        self._cutter = SlipCutter(self._charset, limit, reset_ends=bool(values["reset_ends_slip"]))
        self._queue: deque[_Waiting] = deque()
        self._open: _Waiting | None = None  # the place of the slip under way
        self._asked = False  # a marker stands behind the last thing printed
        self._out = {side: bytearray() for side in Side}

    @property
    def quiet_s(self) -> float | None:
        if not self._cutter.under_way:
            return self._idle_s if self._tokenizer.pending else None
        if self._asked and not self._tokenizer.pending:
            return self._idle_marker_s
        return self._idle_fed_s if self._cutter.fed_lines >= _FED_LINES else self._idle_s

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        if self._mode is Mode.PROXY:
            self._out[Side.TILL if side is Side.TERMINAL else Side.TERMINAL] += data
        if side is Side.TILL:  # the real printer's answers
            return []
        return self._read(self._tokenizer.feed(data))

    def wake(self, elapsed_s: float) -> list[Report]:
        quiet_s = self.quiet_s
        found: list[Report] = []
        if quiet_s is not None and elapsed_s >= quiet_s:
            found = self._read(self._tokenizer.flush()) + self._ended(self._cutter.end())
            self._release()
        if elapsed_s == math.inf:  # whoever comes next asked none of these questions
            self._cutter.forget()
            self._queue.clear()
            self._open = None
            self._out[Side.TERMINAL].clear()
        return found

    def confirm(self, report: Report) -> None:
        place = self._place_of(report)
        if place is not None:
            self._queue.remove(place)
            self._release()

    def abandon(self, report: Report) -> None:
        """Not recorded: the markers behind it stay unanswered, the sender must not believe it printed."""
        place = self._place_of(report)
        if place is not None:
            behind = list(self._queue)[self._queue.index(place) + 1 :]
            for waiting in (place, *(one for one in behind if one.is_marker)):
                self._queue.remove(waiting)
            self._release()

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        data = bytes(self._out[side])
        self._out[side].clear()
        return data

    def _read(self, tokens: list[Token]) -> list[Report]:
        found: list[Report] = []
        for token in tokens:
            found += self._ended(self._cutter.take(token))
            if self._mode is Mode.PRINTER:
                self._keep_place()
                if token.kind in (TokenKind.STATUS, TokenKind.REALTIME):
                    self._answer(token)
                elif token.kind not in (TokenKind.CONTROL, TokenKind.COMMAND):
                    self._asked = False
        return found

    def _ended(self, slips: list[CapturedSlip]) -> list[Report]:
        found = []
        for slip in slips:
            report = report_of(slip, self._charset)
            found.append(report)
            if self._mode is Mode.PRINTER:
                self._keep_place(report)
        return found

    def _keep_place(self, report: Report | None = None) -> None:
        """Keeps the place of the slip under way in the queue; a report takes it for good."""
        if report is not None:
            if self._open is None:
                self._queue.append(_Waiting(report))
            else:
                self._open.report, self._open = report, None
        elif self._cutter.under_way and self._open is None:
            self._open = _Waiting()
            self._queue.append(self._open)

    def _answer(self, token: Token) -> None:
        data, turn = answer(token, self._model)
        if not data:
            return
        if turn is Turn.NOW:
            self._out[Side.TERMINAL] += data
        elif len(self._queue) < _MOST_WAITING:
            self._queue.append(_Waiting(answer=data, is_marker=turn is Turn.CONFIRMED))
            self._asked = self._asked or turn is Turn.CONFIRMED
            self._release()

    def _release(self) -> None:
        """Sends every answer whose turn has come: markers only behind durable slips, the others behind markers."""
        slip_before = False
        for waiting in list(self._queue):
            if not waiting.answer:
                slip_before = True
            elif waiting.is_marker and slip_before:
                return
            else:
                self._out[Side.TERMINAL] += waiting.answer
                self._queue.remove(waiting)

    def _place_of(self, report: Report) -> _Waiting | None:
        return next((one for one in self._queue if one.report is not None and one.report == report), None)


def converse(mode: Mode, settings: Mapping[str, object]) -> SlipTap:
    if mode not in MODES:
        known = ", ".join(sorted(MODES))
        raise UsageError("{name} has no mode {mode}", "its modes are: {known}", name=NAME, mode=mode, known=known)
    return SlipTap(mode, settings)


driver: Final = TerminalDriver(
    name=NAME,
    summary="reads the slips a terminal or till prints (ESC/POS or plain text)",
    modes=MODES,
    converse=converse,
    settings=SETTINGS,
)
