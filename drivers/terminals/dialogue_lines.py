"""Lines on which a till asks and a terminal answers in several messages: listening, and standing between.

What a message tells depends on what was asked before (a receipt belongs to its payment), so reading is the business of
a `Talk` that hears both sides in order; here are framing, holding and passing on. Nothing here knows a protocol.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from agent.contract import Report, Side
from drivers.framing import Frame, Framer, Loose, Reason


class Talk(Protocol):
    """What is known of a conversation while it lasts."""

    def heard(self, frame: Frame, side: Side) -> list[Report]:
        """What a whole frame tells, from either side, in order."""
        ...

    def end(self) -> None:
        """The line was lost: whoever comes next was asked nothing."""
        ...


class TapLine:
    """Listens. Also what the others have in common: frames in, reports out.

    `silence_s`: a frame that does not go on for so long is cut off.
    """

    def __init__(self, framer: Callable[[], Framer], talk: Talk, silence_s: float) -> None:
        self._talk = talk
        self._silence_s = silence_s
        self._framers = {side: framer() for side in Side}

    @property
    def quiet_s(self) -> float | None:
        return self._silence_s if any(framer.waiting for framer in self._framers.values()) else None

    @property
    def dropped(self) -> Counter[Reason]:
        """Bytes of the terminal that were no frame, counted by reason."""
        return self._framers[Side.TERMINAL].dropped

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        self._passes(data, side)
        return self._take(self._framers[side].feed(data), side)

    def wake(self, elapsed_s: float) -> list[Report]:
        reports = []
        if elapsed_s >= self._silence_s:
            for side, framer in self._framers.items():
                reports += self._take(framer.silence(), side)
        if elapsed_s == math.inf:
            self._talk.end()
        return reports

    def confirm(self, report: Report) -> None:
        """Nobody waits for a tap."""

    def abandon(self, report: Report) -> None:
        """Nobody waits for a tap."""

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:  # noqa: ARG002 - a tap is silent on both sides
        return b""

    def _take(self, pieces: list[Frame | Loose], side: Side) -> list[Report]:
        reports = []
        for piece in pieces:
            told = self._talk.heard(piece, side) if isinstance(piece, Frame) else []
            self._came(piece, side, told)
            reports += told
        return reports

    def _passes(self, data: bytes, side: Side) -> None:
        """Bytes as they come, before anybody looked at them."""

    def _came(self, piece: Frame | Loose, side: Side, reports: list[Report]) -> None:
        """A piece of the stream of one side, in order, and what it told."""


@dataclass(slots=True)
class Held:
    """Bytes on their way; they wait until each of their reports was answered for."""

    raw: bytes = field(repr=False)
    reports: list[Report] = field(default_factory=list)


class ProxyLine(TapLine):
    """Between till and terminal. What came behind a held message waits with it."""

    def __init__(self, framer: Callable[[], Framer], talk: Talk, silence_s: float) -> None:
        super().__init__(framer, talk, silence_s)
        self._questions = bytearray()
        self._results: deque[Held] = deque()

    def confirm(self, report: Report) -> None:
        for held in self._results:
            if report in held.reports:
                held.reports.remove(report)
                return

    def abandon(self, report: Report) -> None:
        self.confirm(report)  # no sale is blocked because we could not write it down

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        if side is Side.TERMINAL:
            data = bytes(self._questions)
            self._questions.clear()
            return data
        going = bytearray()
        while self._results and not self._results[0].reports:
            going += self._results.popleft().raw
        return bytes(going)

    def _passes(self, data: bytes, side: Side) -> None:
        if side is Side.TILL:
            self._questions += data

    def _came(self, piece: Frame | Loose, side: Side, reports: list[Report]) -> None:
        if side is Side.TERMINAL:
            self._results.append(Held(piece.raw, list(reports)))
