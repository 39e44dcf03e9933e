"""One paper on its way: from the recorded `sending` to what can be proven of it. Driven by `agent.printing`.

Every state is committed before the next byte leaves. A commit that fails leaves everything as it is, and the next step
comes back to the same place: nothing is sent in between, nothing is told twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from agent.contract import Level, Printer, PrinterStatus, Truth
from agent.errors import TryLater
from agent.print_jobs import Job, State, Why
from agent.print_queue import Queue
from agent.printer_line import CHUNK, LOOK_S, Line, Patience, reason

_PROGRESS: Final = 16 * 1024  # how far bytes may run ahead of the last recorded offset


class Delivery:
    """A job and its bytes, all made before the first one leaves.

    `status` and `why` are what is known of the printer meanwhile; `clean` how it ended: None while it goes on, True
    when everything was said, False when it broke off or a person gave it up.
    """

    def __init__(self, job: Job, data: bytes, printer: Printer, level: Level, queue: Queue, patience: Patience) -> None:
        self.job = job
        self.offset = 0  # bytes the line has taken
        self.status = PrinterStatus()
        self.why = ""
        self.clean: bool | None = None
        self._data = data
        self._printer = printer
        self._level = level
        self._queue = queue
        self._patience = patience
        self._phase: Callable[[Line, float], float] = self._sending
        self._taken_at = 0.0
        self._settle_until = 0.0
        self._drained = False  # the last byte has left the kernel, too
        self._quiet_since: float | None = None  # since when a question that reached the printer is unanswered
        self._silent = False

    def begin(self, line: Line, now: float) -> None:
        """Records that it will be sent. Raises Refused when somebody called it off meanwhile."""
        self.job = self._queue.move(self.job.id, State.SENDING, offset=0)
        self._taken_at = now
        line.inbox.clear()

    def step(self, line: Line, now: float) -> float:
        """Does what can be done now; returns how many seconds may pass."""
        if not self._queue.job(self.job.id).at_work:  # a person gave it up
            self.clean = False
            return 0.0
        return self._phase(line, now)

    # -- between the first byte and the last -----------------------------------------------------------------------

    def _sending(self, line: Line, now: float) -> float:
        limit = min(len(self._data), self.job.offset + _PROGRESS)
        try:
            line.exchange(now)
            taken = line.link.write(self._data[self.offset : min(self.offset + CHUNK, limit)])
        except TryLater:
            return self._broken_off(Why.LINK_LOST)
        if taken:
            self.offset += taken
            self._taken_at = now
        told = self._printer.status(bytes(line.inbox))  # unasked, nothing was asked since the first byte
        if told.ready is not Truth.UNKNOWN:
            self.status = told
        if self.offset == len(self._data):
            self._sent(line)
        elif taken and self.job.state is State.HELD:
            self._move(State.SENDING, Why.GOES_ON)
        elif self.offset == limit:
            self._move(State.SENDING)
        elif not taken:
            return self._stuck(now - self._taken_at)
        return 0.0

    def _sent(self, line: Line) -> None:
        self._move(State.SENT)
        line.asked_at = -math.inf
        self._phase = self._settling
        if self.status.ready is Truth.NO:
            self._hold(reason(self.status))

    def _stuck(self, stuck_s: float) -> float:
        """The line takes nothing. With a reason the paper is held for as long as it lasts, without one for a time."""
        self._quiet_since = None
        if stuck_s > self._patience.stall_s:
            self._hold(reason(self.status) or Why.TAKES_NOTHING)
        if stuck_s > self._patience.stall_limit_s and self.status.ready is not Truth.NO:
            return self._broken_off(Why.TAKES_NOTHING)
        return LOOK_S if stuck_s < self._patience.stall_s else 10 * LOOK_S

    # -- behind the last byte --------------------------------------------------------------------------------------

    def _settling(self, line: Line, now: float) -> float:
        # Level 2 and 3 wait here for the answer to their marker, and say `printed`.
        try:
            line.exchange(now)
        except TryLater:
            return self._broken_off(Why.LINK_LOST)
        if not self._drained:
            return self._draining(line, now)
        status = self._printer.status(bytes(line.inbox))
        if line.left and status.ready is Truth.UNKNOWN:  # the question itself is not taken
            return self._stuck(now - line.moved_at)
        if self._level < Level.STATUS:
            self._unheard(now)
        elif status.ready is Truth.UNKNOWN:
            self._unanswered(line, now)
        else:
            self.status = status
            self._answered(status, now)
        if self.clean is not None:
            return 0.0
        # One question at a time: its answers must not mix with those of the next (at most four outstanding, TM-P60).
        answered = status.ready is not Truth.UNKNOWN
        calm = 4 if answered and self.job.state is State.HELD else 1  # a paper may be held all night
        due_s = self._patience.ask_s * calm if answered else self._patience.answer_s
        if not line.left and now - line.asked_at >= due_s:
            line.ask(self._printer.question(), now)
            return 0.0  # the next step writes it
        return 5 * LOOK_S * calm

    def _draining(self, line: Line, now: float) -> float:
        """All bytes are written, some are still in the kernel: a question would stand behind them."""
        told = self._printer.status(bytes(line.inbox))
        if told.ready is not Truth.UNKNOWN:
            self.status = told
        self._settle_until = now + self._patience.settling_s(len(self._data))
        if line.left:
            return self._stuck(now - line.moved_at)
        line.inbox.clear()
        self._drained = True
        return 0.0

    def _unheard(self, now: float) -> None:
        """A printer that cannot answer took everything."""
        if self.job.state is State.HELD:
            self._goes_on(now)
        if now >= self._settle_until:
            self._done(Why.CANNOT_ANSWER)

    def _answered(self, status: PrinterStatus, now: float) -> None:
        """Everything is sent and the printer says how it is. Level 1 proves no more than health before and after."""
        self._quiet_since = None
        if status.ready is Truth.NO:
            self._hold(reason(status))
        elif self._silent:  # it may have been off and on again
            self._broken_off(Why.WAS_SILENT)
        elif self.job.state is State.HELD:
            self._goes_on(now)
        elif now >= self._settle_until:
            self._done(Why.HEALTHY)

    def _unanswered(self, line: Line, now: float) -> None:
        """Everything is sent and the printer is silent: with an open cover some say nothing at all, so wait a while."""
        if self._quiet_since is None or line.asked_at == -math.inf:
            self._quiet_since = now
        silent_s = now - self._quiet_since
        if silent_s > self._patience.stall_s:
            self._silent = True
            self._hold(reason(self.status) or Why.NO_ANSWER)
            if self.status.ready is not Truth.NO:
                self.status = PrinterStatus()
        if silent_s > self._patience.silence_limit_s:
            self._broken_off(Why.WAS_SILENT)

    # -- what is recorded ------------------------------------------------------------------------------------------

    def _move(self, state: State, why: str = "") -> None:
        self.job = self._queue.move(self.job.id, state, why, self.offset)
        self.why = why if state is State.HELD else ""

    def _hold(self, why: str) -> None:
        if self.job.state is not State.HELD:
            self._move(State.HELD, why)
        self.why = why

    def _goes_on(self, now: float) -> None:
        self._move(State.SENT, Why.GOES_ON)
        self._settle_until = now + self._patience.settling_s(len(self._data))

    def _done(self, why: str) -> None:
        self._move(State.UNCONFIRMED, why)
        self.clean = True

    def _broken_off(self, why: str) -> float:
        """Nobody can know what came out, unless not one byte was taken."""
        self._move(State.UNKNOWN if self.offset else State.FAILED_BEFORE, why)
        self.why = why
        self.clean = False
        return 0.0
