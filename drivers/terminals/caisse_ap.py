"""The driver `caisse-ap`: French terminals on Caisse-AP over IP (Concert V3), TCP port 8888.

As `proxy` the agent passes the till's bytes at once; the terminal's answer is held until it is recorded. TCP brings
no acknowledging byte: relaying the answer is the acknowledgement. There is no other mode: the terminal can be asked
nothing but payments.

The end of an answer is not marked, so it is taken to end when nothing comes for a moment (`QUIET_S`); an item that
has begun is waited for longer. An authorisation number makes an answer what it is, together with the question it
answers; an answer without one (a rejection, a cheque) is known by its place on the line (`exchanges`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from agent.contract import Conversation, Mode, Report, Side, TerminalDriver
from agent.errors import UsageError
from drivers.terminals import caisse_ap_message as message
from drivers.terminals.caisse_ap_message import End
from drivers.terminals.exchanges import Exchanges

QUIET_S: Final = 0.3  # one answer is one TCP segment as a rule; its parts come closer than this
CUT_OFF_S: Final = 1.0


@dataclass(slots=True)
class _Held:
    raw: bytes = field(repr=False)
    report: Report | None = None


class CaisseLine:
    """Between till and terminal. What came behind a held answer waits with it."""

    def __init__(self) -> None:
        self._questions = bytearray()
        self._asked = bytearray()  # what the till said since the last answer
        self._fresh = False
        self._buffer = bytearray()
        self._results: deque[_Held] = deque()
        self._exchanges = Exchanges()

    @property
    def quiet_s(self) -> float | None:
        if not self._buffer:
            return None
        return QUIET_S if message.extent(self._buffer)[1] is End.MAYBE else CUT_OFF_S

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        if side is Side.TERMINAL:
            self._buffer += data
            return self._take(silent=False)
        if not self._fresh:
            self._asked.clear()
        self._questions += data
        self._asked += data
        del self._asked[: -message.LIMIT_BYTES]
        self._fresh = True
        return []

    def wake(self, elapsed_s: float) -> list[Report]:
        quiet_s = self.quiet_s
        return self._take(silent=True) if quiet_s is not None and elapsed_s >= quiet_s else []

    def confirm(self, report: Report) -> None:
        for held in self._results:
            if held.report == report:
                held.report = None
                return

    def abandon(self, report: Report) -> None:
        self.confirm(report)  # no sale is blocked because we could not write it down

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        going = bytearray()
        if side is Side.TERMINAL:
            going, self._questions = self._questions, going
        while side is Side.TILL and self._results and self._results[0].report is None:
            going += self._results.popleft().raw
        return bytes(going)

    def _take(self, *, silent: bool) -> list[Report]:
        """Every message whose end is known; what is none passes. `silent`: nothing more is coming."""
        reports = []
        while self._buffer:
            loose = message.begin(self._buffer)
            if loose:
                self._pass(loose)
                continue
            size, end = message.extent(self._buffer)
            if end is End.HERE or (silent and end is End.MAYBE):
                reports += self._message(max(1, size))
            elif silent or len(self._buffer) > message.LIMIT_BYTES:
                self._pass(len(self._buffer))
            else:
                break
        return reports

    def _message(self, size: int) -> list[Report]:
        raw = bytes(self._buffer[:size])
        report = message.read(raw, self._question())
        if report is None or report.raw is None:
            self._pass(size)
            return []
        if self._fresh:
            self._exchanges.ask(message.masked(self._question()))
            self._fresh = False
        numbered = "auth_code" in report.fields
        key = (self._exchanges.own_key if numbered else self._exchanges.key)(report.raw)
        report = replace(report, key=key)
        del self._buffer[:size]
        self._results.append(_Held(raw, report))
        return [report]

    def _question(self) -> bytes:
        return bytes(self._asked[max(0, self._asked.rfind(message.START)) :])

    def _pass(self, size: int) -> None:
        self._results.append(_Held(bytes(self._buffer[:size])))
        del self._buffer[:size]


def _converse(mode: Mode, _settings: Mapping[str, object]) -> Conversation:
    if mode is not Mode.PROXY:
        raise UsageError(
            "{name} has no mode {mode}", "its modes are: {known}", name="caisse-ap", mode=mode.value, known="proxy"
        )
    return CaisseLine()


driver: Final = TerminalDriver(
    name="caisse-ap",
    summary="French terminals on Caisse-AP over IP (Concert V3), TCP 8888",
    modes=frozenset({Mode.PROXY}),
    converse=_converse,
)
