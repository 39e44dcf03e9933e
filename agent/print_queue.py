"""The papers that are not done yet: the one place in the keeper that asks for, moves and ends print jobs.

The index lags behind the journal by a moment; a printing thread that trusted it could send a job twice. So the open
jobs live here, folded from the very entries that were just committed, behind one lock: the desk's "cancel" and the
printer's "sending" cannot both win.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from agent.entries import Draft, Entry, Kind
from agent.errors import Refused, UsageError
from agent.print_jobs import OPEN, SOURCE, Job, Purpose, State, Why, apply, change, expired, slip_of
from agent.slips.model import Slip

WAITING_LIMIT: Final = 200
_DONE_KEPT: Final = 50  # the index may not know the newest yet
# What is thrown out first when too many wait: what somebody asked for and can ask for again.
_LISTS: Final = frozenset({Purpose.DAY_LIST.value, Purpose.SETTLEMENT.value})


class Written(Protocol):
    """What the journal answers: the entry that holds a draft (agent.journal.Written)."""

    @property
    def entry(self) -> Entry: ...
    @property
    def new(self) -> bool: ...


Append = Callable[[list[Draft]], Sequence[Written]]


class Queue:
    """Safe to use from several threads.

    `append` is the journal's; `jobs` are those open at the start, oldest first; `recall` finds a job done long ago;
    `poke` wakes the printing threads when something was asked for or decided.
    """

    def __init__(
        self,
        append: Append,
        jobs: Iterable[Job] = (),
        *,
        recall: Callable[[str], Job | None] = lambda _job: None,
        poke: Callable[[], None] = lambda: None,
    ) -> None:
        self._append = append
        self._recall = recall
        self._poke = poke
        self._lock = threading.RLock()
        self._jobs = {job.id: job for job in jobs if job.state in OPEN}

    def recover(self) -> list[Job]:
        """To be called once, before anything prints: what was in the middle of printing becomes unknown."""
        with self._lock:
            caught = [job for job in self._jobs.values() if job.at_work]
            if caught:
                self._write([change(job, State.UNKNOWN, Why.RESTARTED) for job in caught])
            return [self._jobs[job.id] for job in caught]

    def add(self, draft: Draft) -> Job:
        """Records a job asked for (`print_jobs.request`). When too many wait, the oldest is cancelled by an entry.

        An id asked for before gives the job it was, done or not: a day's list is never printed twice by asking twice.
        """
        with self._lock:
            known = self._jobs.get(draft.key) or self._recall(draft.key)
            if known is not None:
                return self._jobs.setdefault(known.id, known)
            drafts = [draft]
            waiting = [job for job in self._jobs.values() if not job.touched and job.state in OPEN]
            if len(waiting) >= WAITING_LIMIT:
                oldest = min(waiting, key=lambda job: job.purpose in _LISTS)
                drafts.append(change(oldest, State.CANCELLED, Why.TOO_MANY))
            self._write(drafts)
            added = self.job(draft.key)
        self._poke()
        return added

    def move(self, job_id: str, state: State, why: str = "", offset: int | None = None) -> Job:
        """Commits a job's next state. Raises Refused when somebody else moved it elsewhere meanwhile."""
        with self._lock:
            self._write([change(self.job(job_id), state, why, offset=offset)])
            return self._jobs[job_id]

    def job(self, job_id: str) -> Job:
        """A job, open or done. Raises UsageError where there never was one."""
        with self._lock:
            found = self._jobs.get(job_id) or self._recall(job_id)
        if found is None:
            raise UsageError("there is no paper {job}", "slipkeeper print queue lists what is open", job=job_id)
        return found

    def open(self, printer: str = "") -> list[Job]:
        """What is not done, oldest first."""
        with self._lock:
            return [job for job in self._jobs.values() if job.state in OPEN and printer in ("", job.printer)]

    def next(self, printer: str, now_s: float) -> Job | None:
        """The job a printer may start now. What waited too long is put aside, to be asked about."""
        with self._lock:
            for job in self.open(printer):
                if not job.waiting:
                    continue
                if not expired(job, now_s):
                    return job
                self._write([change(job, State.HELD, Why.TOO_OLD)])
        return None

    def decide(
        self, job_id: str, action: str, operator: str, again: Callable[[Job], Draft] | None = None
    ) -> tuple[Job, Job | None]:
        """A person's word: resume, cancel, came_out, did_not_come_out. Gives the job, and the new one if one was made.

        `again` makes the request for the further copy that follows `did_not_come_out`; both are one commit.
        """
        with self._lock:
            job = self.job(job_id)
            said = {
                "resume": (State.QUEUED, Why.RESUMED),
                "cancel": (State.UNKNOWN, Why.GIVEN_UP) if job.at_work else (State.CANCELLED, Why.CANCELLED),
                "came_out": (State.PRINTED_BY_OPERATOR, Why.CAME_OUT),
                "did_not_come_out": (State.CANCELLED, Why.AGAIN if again else Why.CANCELLED),
            }
            if action not in said:
                raise UsageError(
                    "{action} is nothing that can be said of a paper", "one of: " + ", ".join(said), action=action
                )
            state, why = said[action]
            _sensible(job, action)
            drafts = [change(job, state, why, operator=operator or "?")]
            new = again(job) if action == "did_not_come_out" and again else None
            if new is not None:
                drafts.append(new)
            self._jobs.setdefault(job_id, job)
            self._write(drafts)
            decided = self._jobs[job_id], self._jobs[new.key] if new is not None else None
        self._poke()
        return decided

    def _write(self, drafts: list[Draft]) -> None:
        for written in self._append(drafts):
            # A job the journal held already is not born anew: what became of it stands in later entries.
            if written.new or written.entry.kind != Kind.PRINT_JOB:
                apply(self._jobs, written.entry)
        done = [job.id for job in self._jobs.values() if job.state not in OPEN]
        for job_id in done[:-_DONE_KEPT]:
            del self._jobs[job_id]


def _sensible(job: Job, action: str) -> None:
    """Refuses words that do not fit what is known, where the table of states alone would let them pass."""
    doubtful = job.state in (State.UNKNOWN, State.UNCONFIRMED) or (job.state is State.HELD and job.touched)
    fits = {
        "resume": not job.touched and job.state in (State.HELD, State.FAILED_BEFORE),
        "cancel": job.state in OPEN and job.state is not State.UNKNOWN,
        "came_out": doubtful,
        "did_not_come_out": doubtful,
    }
    if not fits[action]:
        raise Refused(
            "{action} does not fit a paper that is {state}",
            "slipkeeper print queue shows how it stands",
            action=action,
            state=job.state.value,
        )


class Past(Protocol):
    """What the queue needs of the journal's readers (agent.succession.History)."""

    def find(self, source: str, kind: str, key: str) -> tuple[int, Entry] | None: ...
    def raw(self, number: int) -> bytes | None: ...


def loader(past: Past) -> Callable[[Job], Slip]:
    """How a printing thread gets a job's slip: as it was when it was asked for."""

    def load(job: Job) -> Slip:
        found = past.find(SOURCE, Kind.PRINT_JOB, job.id)
        raw = past.raw(found[0]) if found else None
        if raw is None:
            raise Refused("the slip of {job} is no longer in the journal", "ask for it again", job=job.id)
        return slip_of(raw)

    return load
