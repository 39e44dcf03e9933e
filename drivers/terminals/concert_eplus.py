"""The driver `concert-eplus`: Ingenico Telium terminals in France and Spain on Concert "E+", serial or USB.

Both sides call before they speak: ENQ, the other's ACK, the frame, ACK, EOT; first the till with its question, later
the terminal with the answer. As `proxy` the agent passes everything at once and unchanged, except for the answer: it
is held until it is recorded, and what came behind it waits with it. There is no other mode: the terminal can be asked
nothing but payments.

An answer tells amount, outcome and card, and no number that would tell it from another. Its identity is its place
among the exchanges of the line (`exchanges`): an exchange is over when the till acknowledged the answer or asks anew;
until then the same words are a repetition. An EOT ends nothing: a terminal may give up with it and try again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from agent.contract import Conversation, Mode, Report, TerminalDriver
from agent.errors import UsageError
from drivers.framing import ACK, Frame, Framer, Loose
from drivers.terminals import concert_message
from drivers.terminals.concert_message import Question
from drivers.terminals.exchanges import Exchanges
from drivers.terminals.stx_bcdlen import ProxyLine
from drivers.terminals.stx_dialect import Dialect

_ENQ: Final = b"\x05"


class ConcertLine(ProxyLine):
    """A proxy that knows where an exchange begins and ends."""

    def __init__(self) -> None:
        super().__init__(Dialect(concert_message.decoder(), lambda frame: concert_message.read(frame, None)))
        self._exchanges = Exchanges()
        self._till = Framer(concert_message.decoder())
        self._asked: Question | None = None
        self._called = False  # the terminal's ENQ waits for its ACK

    def _passes(self, data: bytes) -> None:
        super()._passes(data)
        for piece in self._till.feed(data):
            if isinstance(piece, Loose):
                self._acknowledged(piece.raw.count(ACK))
            elif question := concert_message.asked(piece):
                self._asked = question
                self._exchanges.ask(question.raw)

    def _acknowledged(self, times: int) -> None:
        """The first ACK behind the terminal's ENQ answers the call, the next one the answer."""
        if times and self._called:
            self._called = False
            times -= 1
        if times:
            self._exchanges.end()

    def _understood(self, frame: Frame) -> Report | None:
        self._called = False
        report = concert_message.read(frame, self._asked)
        if report is None or report.raw is None:
            return report
        return replace(report, key=self._exchanges.key(report.raw))

    def _came(self, piece: Frame | Loose, report: Report | None) -> None:
        super()._came(piece, report)
        if isinstance(piece, Loose) and _ENQ in piece.raw:
            self._called = True


def _converse(mode: Mode, _settings: Mapping[str, object]) -> Conversation:
    if mode is not Mode.PROXY:
        raise UsageError(
            "{name} has no mode {mode}", "its modes are: {known}", name="concert-eplus", mode=mode.value, known="proxy"
        )
    return ConcertLine()


driver: Final = TerminalDriver(
    name="concert-eplus",
    summary="Ingenico Telium terminals on Concert E+ (France, Spain), serial or USB; amount, outcome and card only",
    modes=frozenset({Mode.PROXY}),
    converse=_converse,
)
