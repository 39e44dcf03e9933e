"""The role that puts queued papers on one printer: connect, ask how it is, send, look again, say what can be proven.

One thread owns one printer; nobody else opens, asks or resets it, and two papers are never mixed. `step` never sleeps
and never blocks on bytes, so a printer that hangs holds up nothing but itself. The reader always drains: unread answers
make a closing socket throw the tail of a paper away (escpos.md §1.4, P1).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from agent.alerts import Alarm
from agent.contract import Level, Printer, PrinterStatus, Truth
from agent.errors import Refused, SlipkeeperError, TryLater
from agent.ports import Link
from agent.print_jobs import Job, State, Why
from agent.print_queue import Queue
from agent.printer_line import CHUNK, Line, Patience, PrinterState, reason
from agent.slips.model import Slip

_log: Final = logging.getLogger("slipkeeper.printing")
_PROGRESS: Final = 16 * 1024  # how far bytes may run ahead of the last recorded offset
_LOOK_S: Final = 0.02  # between two looks while something is going on
_IDLE_S: Final = 2.0
# What a slip that nobody foresaw can raise while it is encoded.
_BROKEN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, SlipkeeperError)


class Alarms(Protocol):
    """agent.alerts.Alarms."""

    def raise_(self, alarm: Alarm) -> None: ...
    def clear(self, code: str) -> None: ...


@dataclass(slots=True)
class _Paper:
    """The job being printed: all its bytes, made before the first one left, and how many the line took."""

    job: Job
    data: bytes
    offset: int = 0
    moved_at: float = 0.0
    settle_until: float = 0.0
    drained: bool = False  # the last byte has left the kernel, too
    quiet_since: float | None = None  # since when a question that reached the printer is unanswered
    silent: bool = False

    @property
    def all_out(self) -> bool:
        return self.offset == len(self.data)


class Printing:
    """One printer's worker. `load` gives a job's slip; `wall_s` is UNIX time, the `now` of `step` never jumps."""

    def __init__(  # noqa: PLR0913 - the wiring of a role, each by its name
        self,
        name: str,
        printer: Printer,
        level: Level,
        *,
        open_link: Callable[[], Link],
        queue: Queue,
        load: Callable[[Job], Slip],
        alarms: Alarms,
        wall_s: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self._name = name
        self._printer = printer
        self._level = level
        self._open_link = open_link
        self._queue = queue
        self._load = load
        self._alarms = alarms
        self._wall_s = wall_s
        self._patience = patience or Patience()
        self._phase: Callable[[float], float] = self._idle
        self._line: Line | None = None
        self._paper: _Paper | None = None
        self._status = PrinterStatus()
        self._why = ""
        self._tries = 0
        self._again_at = 0.0
        self._poll_at = 0.0
        # A paper that broke off may have left the printer in the middle of a command, also before our restart.
        self._doubt = any(job.state is State.UNKNOWN for job in queue.open(name))

    def step(self, now: float) -> float:
        """Does what can be done now; returns how many seconds may pass. `now` is monotonic."""
        try:
            return self._phase(now)
        except Refused:  # a person called the paper off in this very moment
            return self._drop()

    def state(self) -> PrinterState:
        """For any thread."""
        paper = self._paper
        return PrinterState(self._name, self._level, self._status, self._why, paper.job.id if paper else "")

    # -- without a line --------------------------------------------------------------------------------------------

    def _idle(self, now: float) -> float:
        job = self._queue.next(self._name, self._wall_s())
        self._speak(waiting=job is not None)
        polls = self._patience.poll_s > 0 and self._level >= Level.STATUS
        if job is None and not (polls and now >= self._poll_at):
            return _IDLE_S
        if now < self._again_at:
            return min(self._again_at - now, _IDLE_S)
        self._poll_at = now + self._patience.poll_s
        paper = self._made(job) if job else None
        if job and not paper:
            return 0.0
        try:
            self._line = Line(self._open_link(), moved_at=now)
        except TryLater:
            return self._not_ready(Why.NOT_REACHED, now, waiting=job is not None)
        self._paper = paper
        rescue = self._printer.rescue() if paper and self._doubt else b""
        self._line.ask(rescue + self._printer.question(), now)
        self._phase = self._asking
        return 0.0

    def _made(self, job: Job) -> _Paper | None:
        """The job's bytes, or None: a slip that cannot be encoded must not block the ones behind it."""
        try:
            return _Paper(job, self._printer.encode(self._load(job)))
        except TryLater:
            raise
        except _BROKEN:
            _log.exception("cannot encode job %s", job.id)
            self._queue.move(job.id, State.FAILED_BEFORE, Why.NOT_ENCODED)
            return None

    # -- before the first byte -------------------------------------------------------------------------------------

    def _asking(self, now: float) -> float:
        line, waiting = self._open(), self._paper is not None
        try:
            line.exchange(now)
        except TryLater:
            return self._not_ready(Why.LINK_LOST, now, waiting=waiting)
        if line.outbox:  # a rescue takes its time on a slow line: 9600 baud carry 960 bytes a second
            if now - line.asked_at > self._patience.stall_s + len(self._printer.rescue()) / 400:
                return self._not_ready(Why.TAKES_NOTHING, now, waiting=waiting)
            return _LOOK_S
        if self._level < Level.STATUS:
            return self._begin(now)
        status = self._printer.status(bytes(line.inbox))
        # An unasked status may come before the answers: wait until the line is quiet, so that none of them comes late.
        if status.ready is not Truth.UNKNOWN and now - line.heard_at >= 2 * _LOOK_S:
            self._status = status
            if status.ready is Truth.NO:
                return self._not_ready(reason(status), now, waiting=waiting)
            return self._begin(now)
        if now - max(line.asked_at, line.heard_at) > self._patience.answer_s:
            self._status = PrinterStatus()
            return self._not_ready(Why.NO_ANSWER, now, waiting=waiting)
        return _LOOK_S

    def _begin(self, now: float) -> float:
        self._tries = 0
        self._well()
        if self._paper is None:
            return self._part(now)
        self._paper.job = self._queue.move(self._paper.job.id, State.SENDING, offset=0)
        self._paper.moved_at = now
        self._open().inbox.clear()
        self._doubt = False
        self._phase = self._sending
        return 0.0

    def _not_ready(self, why: str, now: float, *, waiting: bool) -> float:
        """Nothing of the paper has left: it stays queued, and the printer is asked again later."""
        self._why = why
        self._again_at = now + self._patience.retrying_s(self._tries)
        self._tries += 1
        if why in (Why.NOT_REACHED, Why.LINK_LOST):
            self._status = PrinterStatus()
        self._speak(waiting=waiting)
        self._leave()
        return _LOOK_S

    # -- between the first byte and the last -----------------------------------------------------------------------

    def _sending(self, now: float) -> float:
        line, paper = self._open(), self._printed()
        if self._called_off():
            return self._drop()
        limit = min(len(paper.data), paper.job.offset + _PROGRESS)
        try:
            line.exchange(now)
            taken = line.link.write(paper.data[paper.offset : min(paper.offset + CHUNK, limit)])
        except TryLater:
            return self._broken_off(Why.LINK_LOST)
        if taken:
            paper.offset += taken
            paper.moved_at = now
        self._listen()
        # A commit that fails leaves everything as it is: the next step comes back here and writes nothing before it.
        if paper.all_out:
            paper.job = self._queue.move(paper.job.id, State.SENT, offset=paper.offset)
            paper.settle_until = now + self._patience.settling_s(len(paper.data))
            line.inbox.clear()
            line.asked_at = -math.inf
            self._phase = self._settling
            if self._status.ready is Truth.NO:
                self._hold(reason(self._status))
            else:
                self._well()
        elif taken and paper.job.state is State.HELD:
            paper.job = self._queue.move(paper.job.id, State.SENDING, Why.GOES_ON, paper.offset)
            self._well()
        elif paper.offset == limit:
            paper.job = self._queue.move(paper.job.id, State.SENDING, offset=paper.offset)
        elif not taken:
            return self._stuck(now - paper.moved_at)
        return 0.0

    def _listen(self) -> None:
        """Notes what the printer says unasked."""
        told = self._printer.status(bytes(self._open().inbox))
        if told.ready is not Truth.UNKNOWN:
            self._status = told

    def _stuck(self, stuck_s: float) -> float:
        """The line takes nothing. With a reason the paper is held for as long as it lasts, without one for a time."""
        self._printed().quiet_since = None
        if stuck_s > self._patience.stall_s:
            self._hold(reason(self._status) or Why.TAKES_NOTHING)
        if stuck_s > self._patience.stall_limit_s and self._status.ready is not Truth.NO:
            return self._broken_off(Why.TAKES_NOTHING)
        return _LOOK_S if stuck_s < self._patience.stall_s else 10 * _LOOK_S

    # -- behind the last byte --------------------------------------------------------------------------------------

    def _settling(self, now: float) -> float:
        line, paper = self._open(), self._printed()
        if self._called_off():
            return self._drop()
        try:
            line.exchange(now)
        except TryLater:
            return self._broken_off(Why.LINK_LOST)
        status = self._printer.status(bytes(line.inbox))
        if line.left and status.ready is Truth.UNKNOWN:
            if not paper.drained:
                paper.settle_until = now + self._patience.settling_s(len(paper.data))
            return self._stuck(now - line.moved_at)
        paper.drained = paper.drained or not line.left
        if self._level < Level.STATUS:
            over = self._unheard(now)
        elif status.ready is Truth.UNKNOWN:
            over = self._unanswered(now)
        else:
            self._status = status
            over = self._answered(status, now)
        if over is not None:
            return over
        # One question at a time: its answers must not mix with those of the next (at most four outstanding, TM-P60).
        due_s = self._patience.answer_s if status.ready is Truth.UNKNOWN else self._patience.ask_s
        if not line.left and now - line.asked_at >= due_s:
            line.ask(self._printer.question(), now)
        return 5 * _LOOK_S

    def _unheard(self, now: float) -> float | None:
        """A printer that cannot answer took everything."""
        if self._printed().job.state is State.HELD:
            self._goes_on(now)
        return self._done(Why.CANNOT_ANSWER, now) if now >= self._printed().settle_until else None

    def _answered(self, status: PrinterStatus, now: float) -> float | None:
        """Everything is sent and the printer says how it is. Level 1 proves no more than health before and after."""
        paper = self._printed()
        paper.quiet_since = None
        if status.ready is Truth.NO:
            self._hold(reason(status))
        elif paper.silent:  # it may have been off and on again
            return self._broken_off(Why.WAS_SILENT)
        elif paper.job.state is State.HELD:
            self._goes_on(now)
        elif now >= paper.settle_until:
            return self._done(Why.HEALTHY, now)
        return None

    def _unanswered(self, now: float) -> float | None:
        """Everything is sent and the printer is silent: with an open cover some say nothing at all, so wait a while."""
        paper = self._printed()
        if paper.quiet_since is None or self._open().asked_at == -math.inf:
            paper.quiet_since = now
        silent_s = now - paper.quiet_since
        if silent_s > self._patience.stall_s:
            paper.silent = True
            self._hold(reason(self._status) or Why.NO_ANSWER)
            if self._status.ready is not Truth.NO:
                self._status = PrinterStatus()
        return self._broken_off(Why.WAS_SILENT) if silent_s > self._patience.silence_limit_s else None

    def _goes_on(self, now: float) -> None:
        paper = self._printed()
        paper.job = self._queue.move(paper.job.id, State.SENT, Why.GOES_ON)
        paper.settle_until = now + self._patience.settling_s(len(paper.data))
        self._well()

    def _hold(self, why: str) -> None:
        paper = self._printed()
        self._why = why
        if paper.job.state is not State.HELD:
            paper.job = self._queue.move(paper.job.id, State.HELD, why, paper.offset)
            self._speak(waiting=True)

    # -- ends ------------------------------------------------------------------------------------------------------

    def _done(self, why: str, now: float) -> float:
        self._queue.move(self._printed().job.id, State.UNCONFIRMED, why)
        self._paper = None
        return self._part(now)

    def _broken_off(self, why: str) -> float:
        """Nobody can know what came out, unless not one byte was taken."""
        paper = self._printed()
        state = State.UNKNOWN if paper.offset else State.FAILED_BEFORE
        self._queue.move(paper.job.id, state, why, paper.offset)
        self._why = why
        return self._drop()

    def _called_off(self) -> bool:
        """Whether a person gave up the paper we are at."""
        return not self._queue.job(self._printed().job.id).at_work

    def _drop(self) -> float:
        self._doubt = self._doubt or bool(self._paper and self._paper.offset)
        return self._leave()

    def _part(self, now: float) -> float:
        """Ends a connection so that the printer gets everything: say that no more comes, read until it hangs up."""
        line = self._open()
        line.asked_at = now
        if not line.say_no_more():
            return self._leave()
        self._phase = self._closing
        return _LOOK_S

    def _closing(self, now: float) -> float:
        line = self._open()
        try:
            line.exchange(now)
        except TryLater:
            return self._leave()
        return self._leave() if now - line.asked_at > self._patience.close_s else _LOOK_S

    def _leave(self) -> float:
        line, self._line, self._paper = self._line, None, None
        self._phase = self._idle
        if line:
            line.link.close()
        return 0.0

    def _open(self) -> Line:
        assert self._line is not None
        return self._line

    def _printed(self) -> _Paper:
        assert self._paper is not None
        return self._paper

    def _well(self) -> None:
        self._why = ""
        self._speak(waiting=False)

    def _speak(self, *, waiting: bool) -> None:
        """Alarms: a printer that keeps a paper from being printed, and papers that wait for a person's word."""
        trouble, asked = f"printer_{self._name}", f"papers_{self._name}"
        values = {"printer": self._name}
        if self._why and waiting:
            hint = "look at the printer {printer}; it prints what waits as soon as it can"
            self._alarms.raise_(Alarm(trouble, self._why, hint, dict(values)))
        else:
            self._alarms.clear(trouble)
        if any(
            job.state is State.UNKNOWN or (job.state is State.HELD and not job.touched)
            for job in self._queue.open(self._name)
        ):
            hint = "slipkeeper print queue shows them; say of each whether it came out"
            self._alarms.raise_(Alarm(asked, "papers of {printer} wait for your word", hint, dict(values)))
        else:
            self._alarms.clear(asked)
