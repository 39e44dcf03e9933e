"""What the state of a print job means to the person at the printer, and what that person can do. Pure.

The keeper never sends a slip again by itself once its first byte left. Where nobody can know whether the paper came
out, the only one who can is standing in front of it, and is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from agent.menu.cells import fit, one_line
from agent.menu.times import short
from agent.menu.vocabulary import PURPOSES, Tone, msgid
from agent.words import Words

Job = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Meaning:
    """`say` is the state in a word, `do` what to do now. `moving` = it may change without anybody doing anything."""

    say: str
    do: str
    tone: Tone
    moving: bool = False
    actions: tuple[str, ...] = ()


RESUME: Final = "resume"
CANCEL: Final = "cancel"
CAME: Final = "came_out"
NOT_CAME: Final = "did_not_come_out"
_ASK: Final = (CAME, NOT_CAME)

MEANINGS: Final[Mapping[str, Meaning]] = {
    "queued": Meaning(
        msgid("Waiting"), msgid("It is this slip's turn next."), Tone.PLAIN, moving=True, actions=(CANCEL,)
    ),
    "sending": Meaning(msgid("Sending"), msgid("The printer is getting the slip."), Tone.PLAIN, moving=True),
    "sent": Meaning(msgid("Sent"), msgid("Waiting for the printer's answer."), Tone.PLAIN, moving=True),
    "printed": Meaning(msgid("Printed"), msgid("The printer says the paper is out."), Tone.GOOD),
    "held": Meaning(
        msgid("On hold"),
        msgid("Nothing was printed yet. Put the printer right (paper, cover, power), then R prints it; C drops it."),
        Tone.WARN,
        moving=True,
        actions=(RESUME, CANCEL),
    ),
    "unknown": Meaning(
        msgid("Unknown"),
        msgid("Nobody can know whether all of it was printed. Look at the paper: did it come out whole?"),
        Tone.BAD,
        actions=_ASK,
    ),
    "failed_before": Meaning(
        msgid("Not printed"),
        msgid("It failed before anything was printed. Put the printer right, then R tries again; C drops it."),
        Tone.BAD,
        moving=True,  # the keeper starts it again by itself, a few times
        actions=(RESUME, CANCEL),
    ),
    "unconfirmed": Meaning(
        msgid("Sent, unconfirmed"),
        msgid("This printer cannot say whether it printed. Look at the paper: did it come out whole?"),
        Tone.WARN,
        actions=_ASK,
    ),
    "cancelled": Meaning(msgid("Cancelled"), msgid("This paper counts as not printed."), Tone.QUIET),
    "printed_by_operator": Meaning(
        msgid("Printed (was seen)"), msgid("Somebody saw the paper come out whole."), Tone.GOOD
    ),
}
# Held with bytes inside the printer: only the printer can go on, only a person can say what came of it.
_STOPPED: Final = Meaning(
    msgid("On hold"),
    msgid(
        "The printer stopped in the middle. Put it right (paper, cover) and it goes on by itself. "
        "If the paper is there: did it come out whole?"
    ),
    Tone.WARN,
    moving=True,
    actions=_ASK,
)
_STRANGE: Final = Meaning(
    msgid("Unknown"), msgid("The keeper tells of a state this menu does not know. Look at the paper."), Tone.BAD
)
# The road a slip goes; every state stands behind one of these steps.
STEPS: Final = (msgid("Waiting"), msgid("Sending"), msgid("Sent"))
_BEHIND: Final = {"queued": 0, "held": 0, "failed_before": 0}


_REACHED: Final = {"sending": 1, "sent": 2, "unconfirmed": 2}


def meaning(job: Job) -> Meaning:
    """What the job's state means; a state from a newer keeper is unknown, not fine."""
    if job.get("state") == "held" and _touched(job):
        return _STOPPED
    return MEANINGS.get(str(job.get("state")), _STRANGE)


def _touched(job: Job) -> bool:
    """Whether a byte of it may have reached the printer, as its history tells."""
    for step in reversed(job.get("history") or []):
        if step.get("state") == "failed_before":
            return False
        if step.get("state") in ("sending", "sent", "unknown"):
            return True
    return False


def road(job: Job, words: Words) -> list[tuple[str, Tone]]:
    """The way so far, one word a step: Waiting > Sending > Sent, not confirmed."""
    state = str(job.get("state"))
    here = meaning(job)
    passed = _passed(job, state)
    steps = [(words(step), Tone.QUIET) for step in STEPS[:passed]]
    return [*steps, (words(here.say), here.tone)]


def _passed(job: Job, state: str) -> int:
    """How many steps lie behind: what the history proves, not what usually happens."""
    if state in _BEHIND and not _touched(job):
        return _BEHIND[state]
    if state in _REACHED:
        return _REACHED[state]
    seen = {str(one.get("state")) for one in job.get("history") or []}
    return 3 if "sent" in seen else 2 if "sending" in seen else 1


def reason(job: Job, words: Words) -> str:
    """Why it stands, in the keeper's words."""
    why = job.get("why")
    if isinstance(why, Mapping):
        return words(str(why.get("what", "")), **dict(why.get("values") or {}))
    return words(one_line(why)) if why else ""


def row(job: Job, words: Words, zone: tzinfo | None = None) -> tuple[str, Tone]:
    """A job in the queue, in 78 columns: when, what it is, where, and how it stands."""
    here = meaning(job)
    copy_no = job.get("copy_no")
    kind = PURPOSES.get(str(job.get("purpose")))
    what = words(kind) if kind else one_line(job.get("purpose") or "")
    if isinstance(copy_no, int) and copy_no > 0:
        what = f"{what} #{copy_no}"
    cells = (
        fit(short(job.get("at"), zone), 11),
        fit(what, 11),
        fit(one_line(job.get("title") or ""), 22),
        fit(one_line(job.get("printer") or ""), 8),
        fit(words(here.say), 18),
    )
    return "  ".join(cells), here.tone


def attention(jobs: Sequence[Job]) -> int:
    """How many jobs wait for a person."""
    return sum(1 for job in jobs if meaning(job).actions and job.get("state") != "queued")


def name(job: Job, words: Words) -> str:
    """What is being printed, as the keeper titled it, and where; without a title at least what kind of paper."""
    kind = PURPOSES.get(str(job.get("purpose")))
    title = one_line(job.get("title") or "") or (words(kind) if kind else one_line(job.get("purpose") or ""))
    return f"{title}   {one_line(job.get('printer') or '')}".rstrip()
