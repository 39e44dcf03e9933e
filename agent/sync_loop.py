"""The courier's role: what is due upstream, and the one batch in flight, for as long as the world takes.

It never gives up and drops nothing: what cannot be sent now is the same bytes later. Money goes at once, everything
else within half a minute, a backlog in full batches back to back. tenacity stands round the one exchange; between two
tries the courier looks around twice a second, so that "send now", a new journal or the end of the process is noticed.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent import enrol
from agent.entries import Kind
from agent.errors import DamagedJournal, TryLater
from agent.sync import Linger, wait_s
from agent.sync_answers import NotNow, Postponed, Trouble, trouble_of
from agent.sync_blobs import Blobs
from agent.sync_fork import FORK, Forks
from agent.sync_former import Former
from agent.sync_journals import Held, Journals, token_mark
from agent.sync_reports import Reports
from agent.sync_sender import Forked, Sender
from agent.sync_state import SyncState, asked_at
from agent.sync_telling import NO_JOURNAL, NOT_ENROLLED, Telling, facts, receipt
from agent.sync_world import World

if TYPE_CHECKING:
    from tenacity import RetryCallState

_log: Final = logging.getLogger("slipkeeper.sync")
TICK_S: Final = 0.5
BEAT_S: Final = 300.0
_SCAN: Final = 200
_JUST_BOOTED_S: Final = 600.0
_DAMAGE_S: Final = 30.0


class _Ended(Exception):
    """There is nothing to bring any more: the process stops, or the journal went away."""


class Courier:
    """`step` brings what is due upstream, however long the world takes, and returns the seconds until the next look.

    `configured` = an address is set: then a box that is not enrolled is a trouble, else it is just off.
    """

    def __init__(
        self, state: Path, journals: Journals, world: World, *, configured: bool = True, window_s: float = 0.0
    ) -> None:
        self._directory = state
        self._journals = journals
        self._world = world
        self._configured = configured
        self._memory = SyncState(state)
        self._reports = Reports(world.desk, world.clock.mono_s)
        self._sender: Sender | None = None
        self._blobs: Blobs | None = None
        self._enrolled: tuple[int, ...] = ()
        self._linger = Linger()
        self._former: list[Former] = []
        self._error: Trouble | None = None
        self._asked = asked_at(state)
        self._contact_s = -math.inf
        now_s = world.clock.mono_s()
        self._not_before_s = now_s + (world.draw(0, window_s) if now_s < _JUST_BOOTED_S else 0.0)
        self._rest_until_s = -math.inf
        self._forks = Forks(self._memory, world.desk, world.clock)
        self._telling = Telling()

    def step(self) -> float:
        more = False
        try:
            if self._now_s() >= self._rest_until_s:
                self._look()
                more = self._bring_former()
                if self._due():
                    more = self._bring() or more
                elif self._blobs is not None and self._error is None:
                    more = self._blobs.step(self._now_s()) or more
        except _Ended:
            more = False
        except DamagedJournal as error:
            self._failed(trouble_of(error, "sync_damaged"))
            self._rest_until_s = self._now_s() + _DAMAGE_S
        self._publish()
        return 0.0 if more and not self._world.stopped() else TICK_S

    def close(self) -> None:
        self._drop_sender()
        self._journals.close()
        self._memory.close()

    # --- what is there, what is due ----------------------------------------------------------------------------------

    def _now_s(self) -> float:
        return self._world.clock.mono_s()

    def _look(self) -> None:
        """Sees a new journal, a new enrolment, and that somebody asked to send now."""
        if self._journals.look():
            self._drop_sender()
            self._linger, self._error = Linger(), None
            self._former = [Former(held, self._start, self._memory, self._world.draw) for held in self._journals.former]
        held = self._journals.current
        enrolled = self._journals.enrolment_mark(held) if held else ()
        if enrolled != self._enrolled:
            self._drop_sender()
            self._enrolled, self._error = enrolled, None
        asked = asked_at(self._directory)
        if asked != self._asked:
            self._asked = asked
            self._not_before_s = self._linger.due_s = self._now_s()
            if self._sender:
                self._sender.doubt()

    def _woken(self) -> bool:
        held = self._journals.current
        return (
            asked_at(self._directory) != self._asked
            or self._journals.changed()
            or (held is not None and self._journals.enrolment_mark(held) != self._enrolled)
        )

    def _due(self) -> bool:
        held = self._journals.current
        if held is None or self._off() or self._now_s() < self._not_before_s:
            return False
        if self._stopped(held):
            trouble = self._forks.ask_for_successor(held.journal_id)
            if trouble != self._error:
                self._failed(trouble)
            return False
        if self._sender is None:
            return True
        now_s, seq, cursor = self._now_s(), held.reader.head().seq, self._sender.cursor
        after = max(self._linger.seen, cursor)
        if seq > after:
            self._linger.see(seq, _kinds(held, after), now_s, self._sender.pace.linger_s)
        full = seq - cursor >= self._sender.pace.max_entries
        return full or now_s >= self._linger.due_s or now_s - self._contact_s >= BEAT_S

    def _drop_sender(self) -> None:
        if self._sender is not None:
            self._sender.client.close()
        self._sender = self._blobs = None

    def _off(self) -> bool:
        return not (self._configured or self._enrolled)

    def _stopped(self, held: Held) -> bool:
        return self._forks.stopped(held.journal_id, token_mark(self._enrolled))

    # --- sending -----------------------------------------------------------------------------------------------------

    def _bring_former(self) -> bool:
        """One exchange for the oldest journal that has something to send and can."""
        now_s = self._now_s()
        return now_s >= self._not_before_s and any(former.step(now_s) for former in self._former)

    def _bring(self) -> bool:
        """One batch (or question, or heartbeat), tried until upstream has it. Whether more may follow at once."""
        import tenacity  # noqa: PLC0415 - 20 ms that only a courier with something to send pays

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Postponed),
            stop=tenacity.stop_never,
            wait=self._wait,
            before_sleep=self._tell,
            sleep=self._doze,
        )
        held = self._journals.current
        try:
            return retrying(self._attempt)
        except Forked:
            if held is not None and held is self._journals.current:
                self._failed(FORK)
                self._forks.stop(held.journal_id, token_mark(self._enrolled))
                self._drop_sender()
            return False

    def _attempt(self) -> bool:
        self._look()
        held = self._journals.current
        if self._world.stopped() or held is None or self._stopped(held):
            raise _Ended
        if self._sender is None:
            self._sender = self._start(held)
            self._blobs = Blobs(held.journal_id, held.reader, self._sender.client, self._memory, self._world.draw)
        sender = self._sender
        heard = sender.heard
        more = sender.attempt()
        if sender.heard == heard and not more:
            sender.beat(facts(self._directory, self._world.desk, self._world.clock))
        self._linger.sent(sender.cursor, more=more)
        self._succeeded(sender)
        return more

    def _start(self, held: Held) -> Sender:
        """The sender of a journal that is enrolled. Raises Postponed for one that is not."""
        try:
            found = self._journals.enrolment(held)
        except Postponed:
            raise
        except TryLater as error:
            raise Postponed(NotNow(trouble_of(error, NOT_ENROLLED.code), slow=True)) from error
        if found is None:
            raise Postponed(NotNow(NOT_ENROLLED, slow=True))
        if held is self._journals.current:
            self._enrolled = self._journals.enrolment_mark(held)
        self._memory.change(held.journal_id, token_file=enrol.path_of(self._directory, held.journal_id).name)
        client = self._journals.connect(found)
        return Sender(held.journal_id, held.reader, client, self._memory, self._world.clock.now)

    def _succeeded(self, sender: Sender) -> None:
        if self._error is not None:
            _log.info("upstream takes entries again")
        self._error = None
        self._contact_s = self._now_s()
        self._not_before_s = self._contact_s + sender.pace.after_s
        self._reports.well()
        if sender.offset_ms is not None:
            self._reports.clock(sender.offset_ms)
        if sender.position.receipt_owed:
            told = receipt(sender.position)
            self._reports.receipt(told, lambda: self._memory.change(sender.journal_id, receipt_owed=0))
        self._publish()

    # --- waiting (tenacity's hooks) ----------------------------------------------------------------------------------

    def _wait(self, state: RetryCallState) -> float:
        answer = _postponed(state).answer
        return wait_s(state.attempt_number, answer.after_s, slow=answer.slow, draw=self._world.draw)

    def _tell(self, state: RetryCallState) -> None:
        self._failed(_postponed(state).answer.trouble)

    def _doze(self, seconds: float) -> None:
        """Sleeps that long, or until there is a reason to try sooner."""
        until_s = self._now_s() + seconds
        while not self._world.stopped():
            self._publish()
            self._world.sleep(min(TICK_S, max(until_s - self._now_s(), 0.0)))
            if self._now_s() >= until_s or self._woken():
                return

    def _failed(self, trouble: Trouble) -> None:
        if self._error is None or self._error.what != trouble.what:
            _log.warning("nothing is sent upstream for now: %s (%s)", trouble.text(), trouble.hint)
        self._error = trouble
        self._reports.alarm(trouble)
        held = self._journals.current
        if held is not None:
            attempts = self._memory.position(held.journal_id).attempts + 1
            self._memory.change(held.journal_id, attempts=attempts, last_error=trouble.text())

    # --- telling -----------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Says how it stands, to the keeper. Whatever goes wrong with that, sending goes on."""
        held = self._journals.current
        position = self._memory.position(held.journal_id) if held else None
        former = [one.standing() for one in self._former]
        error = self._error or next((error for _, error in former if error), None)
        if held is None and self._error is None:
            error = NO_JOURNAL
        off = held is not None and self._off()
        self._reports.state(self._telling.block(held, position, sum(unsent for unsent, _ in former), error, off=off))
        self._reports.flush()


def _kinds(held: Held, after: int) -> list[str]:
    """Kinds of entries behind `after`. One that cannot be read is in a hurry: whoever sends it will say so."""
    try:
        return [entry.kind for entry, _ in held.reader.entries(after, _SCAN)]
    except DamagedJournal:
        return [Kind.TRANSACTION]


def _postponed(state: RetryCallState) -> Postponed:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Postponed)
    return error
