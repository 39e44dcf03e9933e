"""The role that puts queued papers on one printer: connect, ask how it is, have the paper delivered, part properly.

One thread owns one printer; nobody else opens, asks or resets it, and two papers are never mixed. `step` never sleeps
and never blocks on bytes, so a printer that hangs holds up nothing but itself. The reader always drains: unread answers
make a closing socket throw the tail of a paper away (it resets the connection, RFC 1122 §4.2.2.13).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from agent.alerts import Alarm
from agent.contract import Level, Printer, PrinterStatus, Truth
from agent.delivery import Delivery
from agent.errors import Refused, SlipkeeperError, TryLater
from agent.ports import Link
from agent.print_jobs import Job, State, Why
from agent.print_queue import Queue
from agent.printer_line import LOOK_S, Line, Patience, PrinterState, reason
from agent.slips.model import Slip

_log: Final = logging.getLogger("slipkeeper.printing")
_IDLE_S: Final = 2.0
# What a slip that nobody foresaw can raise while it is encoded.
_BROKEN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, SlipkeeperError)


class Alarms(Protocol):
    """agent.alerts.Alarms."""

    def raise_(self, alarm: Alarm) -> None: ...
    def clear(self, code: str) -> None: ...


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
        self._delivery: Delivery | None = None
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
            return self._leave()

    def state(self) -> PrinterState:
        """For any thread."""
        delivery = self._delivery
        return PrinterState(self._name, self._level, self._status, self._why, delivery.job.id if delivery else "")

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
        delivery = self._made(job) if job else None
        if job and not delivery:
            return 0.0
        try:
            self._line = Line(self._open_link(), moved_at=now)
        except TryLater:
            return self._not_ready(Why.NOT_REACHED, now, waiting=job is not None)
        self._delivery = delivery
        rescue = self._printer.rescue() if delivery and self._doubt else b""
        self._line.ask(rescue + self._printer.question(), now)
        self._phase = self._asking
        return 0.0

    def _made(self, job: Job) -> Delivery | None:
        """All bytes of the job, or None: a slip that cannot be encoded must not block the ones behind it."""
        try:
            data = self._printer.encode(self._load(job))
        except TryLater:
            raise
        except _BROKEN:
            _log.exception("cannot encode job %s", job.id)
            self._queue.move(job.id, State.FAILED_BEFORE, Why.NOT_ENCODED)
            return None
        return Delivery(job, data, self._printer, self._level, self._queue, self._patience)

    # -- before the first byte -------------------------------------------------------------------------------------

    def _asking(self, now: float) -> float:
        line, waiting = self._open(), self._delivery is not None
        try:
            line.exchange(now)
        except TryLater:
            return self._not_ready(Why.LINK_LOST, now, waiting=waiting)
        if line.outbox:  # a rescue takes its time on a slow line: 9600 baud carry 960 bytes a second
            if now - line.asked_at > self._patience.stall_s + len(self._printer.rescue()) / 400:
                return self._not_ready(Why.TAKES_NOTHING, now, waiting=waiting)
            return LOOK_S
        if self._level < Level.STATUS:
            return self._begin(now)
        status = self._printer.status(bytes(line.inbox))
        # An unasked status may come before the answers: wait until the line is quiet, so that none of them comes late.
        if status.ready is not Truth.UNKNOWN and now - line.heard_at >= 2 * LOOK_S:
            self._status = status
            if status.ready is Truth.NO:
                return self._not_ready(reason(status), now, waiting=waiting)
            return self._begin(now)
        if now - max(line.moved_at, line.asked_at, line.heard_at) > self._patience.answer_s:
            self._status = PrinterStatus()
            return self._not_ready(Why.NO_ANSWER, now, waiting=waiting)
        return LOOK_S

    def _begin(self, now: float) -> float:
        self._tries, self._why = 0, ""
        self._speak(waiting=False)
        if self._delivery is None:
            return self._part(now)
        self._delivery.begin(self._open(), now)
        self._doubt = False
        self._phase = self._delivering
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
        return LOOK_S

    # -- with a paper on its way -----------------------------------------------------------------------------------

    def _delivering(self, now: float) -> float:
        delivery = self._delivery
        assert delivery is not None
        wait_s = delivery.step(self._open(), now)
        if delivery.status != PrinterStatus() or delivery.why == Why.NO_ANSWER:
            self._status = delivery.status
        if delivery.why != self._why:
            self._why = delivery.why
            self._speak(waiting=bool(delivery.why))
        if delivery.clean is None:
            return wait_s
        return self._part(now) if delivery.clean else self._leave()

    def _part(self, now: float) -> float:
        """Ends a connection so that the printer gets everything: say that no more comes, read until it hangs up."""
        line, self._delivery = self._open(), None
        line.asked_at = now
        if not line.say_no_more():
            return self._leave()
        self._phase = self._closing
        return LOOK_S

    def _closing(self, now: float) -> float:
        line = self._open()
        try:
            line.exchange(now)
        except TryLater:
            return self._leave()
        return self._leave() if now - line.asked_at > self._patience.close_s else LOOK_S

    def _leave(self) -> float:
        delivery, self._delivery = self._delivery, None
        line, self._line = self._line, None
        self._doubt = self._doubt or bool(delivery and delivery.offset)
        self._phase = self._idle
        if line:
            line.link.close()
        return 0.0

    def _open(self) -> Line:
        assert self._line is not None
        return self._line

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
