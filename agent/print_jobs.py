"""A print job: what happened to one paper, told by journal entries only. Pure; the queue, the index and tests fold it.

    queued → sending(offset) → sent → printed | unconfirmed | held | unknown | failed_before

Rules (exactly once is impossible over a cable, so: at most once by itself, and every doubt is shown):
- each state is committed before the next byte leaves;
- after the first byte nothing is sent again by itself. A job the agent finds in the middle at its start is `unknown`;
- `printed` is said only when the printer answered a marker behind the last byte. A printer that can only say how it
  is (level 1), or nothing (level 0), ends in `unconfirmed`, with the reason;
- `unknown` waits for a person. "It did not come out" makes a *new* job that is marked as a further copy;
- jobs that waited through an outage do not flood out afterwards: `LIMITS_S` says from when on a person is asked.

A job is an entry `print_job` (its raw bytes are the resolved slip), each change an entry `print_state`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from agent.entries import Draft, Entry, Kind, canonical
from agent.errors import Refused
from agent.fields import Json
from agent.slips.model import Slip

SOURCE: Final = "printing"


class State(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    PRINTED = "printed"
    HELD = "held"
    UNKNOWN = "unknown"
    FAILED_BEFORE = "failed_before"
    UNCONFIRMED = "unconfirmed"
    CANCELLED = "cancelled"
    PRINTED_BY_OPERATOR = "printed_by_operator"


class Purpose(StrEnum):
    REPRINT = "reprint"
    SETTLEMENT = "settlement"
    DAY_LIST = "day_list"
    INTERIM = "interim"
    DETAIL = "detail"
    TEST = "test"


_S: Final = State
NEXT: Final[Mapping[State, frozenset[State]]] = {
    _S.QUEUED: frozenset({_S.SENDING, _S.HELD, _S.FAILED_BEFORE, _S.CANCELLED}),
    _S.FAILED_BEFORE: frozenset({_S.QUEUED, _S.SENDING, _S.HELD, _S.FAILED_BEFORE, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.SENDING, _S.SENT, _S.HELD, _S.UNKNOWN, _S.FAILED_BEFORE}),
    _S.SENT: frozenset({_S.PRINTED, _S.UNCONFIRMED, _S.HELD, _S.UNKNOWN}),
    # Held by the printer with bytes inside, or (nothing sent yet) waiting for a person's word.
    _S.HELD: frozenset(_S) - {_S.FAILED_BEFORE},
    _S.UNKNOWN: frozenset({_S.PRINTED_BY_OPERATOR, _S.CANCELLED}),
    _S.UNCONFIRMED: frozenset({_S.PRINTED_BY_OPERATOR, _S.CANCELLED}),
    _S.PRINTED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.PRINTED_BY_OPERATOR: frozenset(),
}
OPEN: Final = frozenset({_S.QUEUED, _S.SENDING, _S.SENT, _S.HELD, _S.UNKNOWN, _S.FAILED_BEFORE})
_WAITING: Final = frozenset({_S.QUEUED, _S.FAILED_BEFORE})
_ON_PAPER: Final = frozenset({_S.PRINTED, _S.UNCONFIRMED, _S.PRINTED_BY_OPERATOR})

# How old a job may be to be printed without asking: a reprint nobody waits for any more helps nobody (peers: "old
# tickets all print after a night offline"), the evening's list is still wanted in the morning.
LIMITS_S: Final[Mapping[str, int]] = {
    Purpose.TEST: 120,
    Purpose.REPRINT: 600,
    Purpose.SETTLEMENT: 600,
    Purpose.INTERIM: 3600,
    Purpose.DETAIL: 24 * 3600,
    Purpose.DAY_LIST: 24 * 3600,
}
_OTHER_LIMIT_S: Final = 600
_CLOCK_SLACK_S: Final = 300  # a job from the future was stamped by another clock: its age is unknown, so ask
ATTEMPTS: Final = 3  # how often a job of which no byte left is started again by itself


class Why(StrEnum):
    """Why a job is where it is: message ids, for people."""

    RESTARTED = "the agent was restarted while this was printing"
    TOO_OLD = "waited too long to be printed without asking"
    TOO_MANY = "too many papers were waiting"
    NOT_REACHED = "the printer cannot be reached"
    LINK_LOST = "the connection to the printer broke"
    TAKES_NOTHING = "the printer takes no data"
    NO_ANSWER = "the printer does not answer"
    WAS_SILENT = "the printer was silent and may have lost what it held"
    NO_PAPER = "the printer is out of paper"
    COVER_OPEN = "the printer's cover is open"
    FAULT = "the printer reports a fault"
    OFFLINE = "the printer is offline"
    HEALTHY = "the printer was fine before and after, it cannot prove more"
    CANNOT_ANSWER = "everything was sent, this printer cannot answer"
    GOES_ON = "the printer went on"
    NOT_ENCODED = "this slip cannot be made into printer data"
    RESUMED = "a person let it print"
    CANCELLED = "a person cancelled it"
    GIVEN_UP = "a person gave it up, the printer may still print it"
    CAME_OUT = "a person saw it on paper"
    AGAIN = "a person saw that it did not come out, it is printed again as a further copy"


@dataclass(frozen=True, slots=True)
class Change:
    """One state a job came into. `offset` is how many of its bytes had left, `operator` who said so."""

    state: State
    at: str
    why: str = ""
    offset: int = 0
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One paper. `of_seq` is the entry it shows, `copy_no` 0 for an original, `again_of` the job it stands in for."""

    id: str
    seq: int
    at: str
    purpose: str
    title: str
    printer: str
    of_seq: int | None
    copy_no: int
    operator: str
    reason: str
    template: str
    sha256: str
    again_of: str
    history: tuple[Change, ...]

    @property
    def state(self) -> State:
        return self.history[-1].state

    @property
    def why(self) -> str:
        return self.history[-1].why

    @property
    def offset(self) -> int:
        return self.history[-1].offset

    @property
    def since(self) -> str:
        return self.history[-1].at

    @property
    def touched(self) -> bool:
        """Whether a byte of it may have reached the printer."""
        for change in reversed(self.history):
            if change.state is State.FAILED_BEFORE:
                return False
            if change.state in (State.SENDING, State.SENT, State.UNKNOWN, *_ON_PAPER):
                return True
        return False

    @property
    def attempts(self) -> int:
        """How often it was started in vain since a person last spoke."""
        failed = 0
        for change in self.history:
            failed = 0 if change.operator else failed + (change.state is State.FAILED_BEFORE)
        return failed

    @property
    def at_work(self) -> bool:
        """Whether bytes of it are on their way. Found so at the agent's start, nobody knows what became of it."""
        return self.touched and self.state in (State.SENDING, State.SENT, State.HELD)

    @property
    def waiting(self) -> bool:
        """Whether the printing role may start it by itself."""
        return self.state in _WAITING and self.attempts < ATTEMPTS


def request(  # noqa: PLR0913 - the facts of a paper, each by its name
    job_id: str,
    slip: Slip,
    *,
    purpose: str,
    printer: str,
    of_seq: int | None = None,
    copy_no: int = 0,
    operator: str = "",
    reason: str = "",
    again_of: str = "",
) -> Draft:
    """The entry that asks for a paper. Its raw bytes are the slip as it will be printed, whatever templates become."""
    raw = canonical(slip.to_json())
    body: dict[str, Json] = {
        "purpose": purpose,
        "title": slip.title,
        "printer": printer,
        "copy_no": copy_no,
        "template": slip.template,
        "sha256": hashlib.sha256(raw).hexdigest(),
    }
    optional: dict[str, Json] = {"of_seq": of_seq, "operator": operator, "reason": reason, "again_of": again_of}
    body |= {name: value for name, value in optional.items() if value not in (None, "")}
    return Draft(Kind.PRINT_JOB, SOURCE, job_id, body, raw)


def slip_of(raw: bytes) -> Slip:
    """The slip of a job's raw bytes."""
    return Slip.from_json(json.loads(raw))


def change(job: Job, state: State, why: str = "", *, offset: int | None = None, operator: str = "") -> Draft:
    """The entry that moves `job` on. Raises Refused where the table of states has no such way."""
    # A held job whose bytes are in the printer is never queued again; only a person may end it otherwise than it ends.
    calls_off = job.at_work and (state is State.QUEUED or (state is State.CANCELLED and not operator))
    if calls_off or state not in NEXT[job.state]:
        raise Refused(
            "a paper that is {now} cannot become {then}",
            "slipkeeper print queue shows how it stands",
            now=job.state.value,
            then=state.value,
        )
    body: dict[str, Json] = {"job": job.id, "state": state.value, "offset": job.offset if offset is None else offset}
    body |= {name: text for name, text in (("why", str(why)), ("operator", operator)) if text}
    # Keyed by its place and content: the same change said again after a failed commit is recognised, another one is not
    # mistaken for it.
    content = hashlib.sha256(canonical(body)).hexdigest()[:16]
    return Draft(Kind.PRINT_STATE, SOURCE, f"{job.id}:{len(job.history)}:{content}", body)


def apply(jobs: dict[str, Job], entry: Entry) -> Job | None:
    """Folds one entry into `jobs`; gives the job it was about. Anything that is no print entry changes nothing."""
    if entry.kind == Kind.PRINT_JOB and entry.body:
        row = {**entry.body, "id": entry.key, "seq": entry.seq, "at": entry.at, "history": []}
        return jobs.setdefault(entry.key, from_row(row))
    if entry.kind != Kind.PRINT_STATE or entry.body.get("job") not in jobs:
        return None
    job = jobs[entry.body["job"]]
    if entry.body["state"] not in set(State):
        return None  # a state of a newer version: kept in the journal, unknown here
    job = jobs[job.id] = replace(job, history=(*job.history, _step({**entry.body, "at": entry.at})))
    return job


def jobs(entries: Iterable[Entry]) -> dict[str, Job]:
    """Every job told of by `entries`, in the order they were asked for."""
    found: dict[str, Job] = {}
    for entry in entries:
        apply(found, entry)
    return found


def from_row(row: Mapping[str, Any]) -> Job:
    """The job of an index row: the body of its entry with `id`, `seq`, `at` and the `history` of its states."""
    steps = (_step(step) for step in row["history"] if step["state"] in set(State))
    return Job(
        id=row["id"],
        seq=row["seq"],
        at=row["at"],
        purpose=row["purpose"],
        title=row["title"],
        printer=row["printer"],
        of_seq=row.get("of_seq"),
        copy_no=row["copy_no"],
        operator=row.get("operator", ""),
        reason=row.get("reason", ""),
        template=row["template"],
        sha256=row["sha256"],
        again_of=row.get("again_of", ""),
        history=(Change(State.QUEUED, row["at"]), *steps),
    )


def _step(body: Mapping[str, Any]) -> Change:
    return Change(
        State(body["state"]), body["at"], body.get("why", ""), body.get("offset", 0), body.get("operator", "")
    )


def expired(job: Job, now_s: float) -> bool:
    """Whether a waiting job is too old to be printed without asking. `now_s` is UNIX time."""
    asked = max((step.at for step in job.history if step.operator), default=job.at)
    age_s = now_s - datetime.fromisoformat(asked).timestamp()
    return not -_CLOCK_SLACK_S <= age_s <= LIMITS_S.get(job.purpose, _OTHER_LIMIT_S)


def next_copy_no(earlier: Iterable[Job]) -> int:
    """The number on the next paper of the same thing. No two papers ever carry the same one.

    A job that was cancelled or failed before its first byte gives its number back. One whose bytes may have reached
    the printer does not, even where a person says that nothing came out: half a slip with "copy 2" on it may exist.
    """
    return 1 + max((job.copy_no for job in earlier if job.touched or job.state in OPEN), default=0)


def copies_printed(papers: Iterable[Job]) -> int:
    """How many papers came out, as far as anybody can tell: what policy and managers count. Doubts do not count."""
    return sum(job.state in _ON_PAPER for job in papers)
