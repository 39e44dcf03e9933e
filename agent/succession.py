"""One box may have several journals, one behind the other: a new one begins where the old cannot go on.

That is when the old file cannot be read, when it is older than what the box remembers of it (a restored backup), or
when upstream holds another content for it (a cloned card). The old files are kept under `former/`, never repaired,
never deleted; the new journal names its parent. `number` = the place of an entry in the whole succession.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.alerts import SOURCE, Alarm
from agent.entries import Draft, Kind, Stamp
from agent.errors import DamagedJournal, NotRecorded, SlipkeeperError
from agent.fields import Json
from agent.history import FORMER, History, current_path, former_paths
from agent.journal import Head, Journal, Reader, Written

__all__ = [
    "SUCCEEDED",
    "History",
    "Opened",
    "current_path",
    "open_journal",
    "put_aside",
    "remember",
    "remembered_head",
    "succeed",
]

SUCCEEDED: Final = "journal_succeeded"  # the alarm that says so
_MARK: Final = "journal.mark"  # what the box remembers of its journal: id, base, seq, head
_PAUSE_MS: Final = 60_000  # between two journals begun in a row
_log: Final = logging.getLogger("slipkeeper.succession")


@dataclass(frozen=True, slots=True)
class Opened:
    """The journal to write, and why an older one was put aside, if it was."""

    journal: Journal
    trouble: SlipkeeperError | None = None


class _Lasting(Journal):
    """A journal that outlives its file: when it turns out to be damaged, the next one begins at once."""

    def __init__(
        self,
        state: Path,
        parent: Head | None,
        stamp: Callable[[], Stamp],
        salt: Callable[[], str],
        new_id: Callable[[], str],
    ) -> None:
        self._state = state
        self._new_id = new_id
        self._now = stamp
        super().__init__(current_path(state).parent, stamp=stamp, salt=salt, journal_id=new_id(), parent=parent)
        self._device = _device(state)
        self._followed_ms = -_PAUSE_MS

    def append(self, drafts: list[Draft]) -> list[Written]:
        with self._mutex:
            try:
                return super().append(drafts)
            except DamagedJournal as damage:
                self._follow(damage)
                return super().append(drafts)

    def _follow(self, damage: DamagedJournal) -> None:
        """Begins the next journal, with the alarm that says why as its first entry."""
        # Again so soon: it is not the file that is bad, but what holds it. Another device: the disk was unplugged, and
        # what is written now would vanish under it when it comes back.
        now_ms = self._now().mono_ms
        if now_ms - self._followed_ms < _PAUSE_MS or self._device != _device(self._state):
            raise NotRecorded("the journal could not be written: {cause}", damage.hint, cause=str(damage)) from damage
        self._followed_ms = now_ms
        _log.error("the journal ends at %d: %s", self.head.seq, damage)
        remember(self._state, self.head)
        try:
            # a successor that could not be finished is finished in its place
            self.begin_anew(self._new_id(), lambda: self._known and put_aside(self._state))
            super().append([_told(Alarm.of(SUCCEEDED, damage), self._now().at)])
        except SlipkeeperError as cause:
            raise NotRecorded("no new journal could be begun: {cause}", cause.hint, cause=str(cause)) from cause


def _device(state: Path) -> int:
    """Which disk holds the state; -1 when it is gone."""
    try:
        return state.stat().st_dev
    except OSError:
        return -1


def _told(alarm: Alarm, at: str) -> Draft:
    body: dict[str, Json] = {"code": alarm.code, "what": alarm.what, "hint": alarm.hint, "values": dict(alarm.values)}
    return Draft(Kind.ALARM, SOURCE, f"{alarm.code}:{at}", body)


def open_journal(
    state: Path, *, stamp: Callable[[], Stamp], salt: Callable[[], str], new_id: Callable[[], str]
) -> Opened:
    """The box's journal. One that cannot go on is put aside and a new one follows it. Raises Refused, TryLater.

    Only damage does that. A full disk, a lock or a missing right may pass, and then the journal goes on.
    """

    def journal(parent: Head | None) -> Journal:
        return _Lasting(state, parent, stamp, salt, new_id)

    remembered = remembered_head(state)
    try:
        opened = journal(None if current_path(state).exists() else remembered or _newest_former(state))
    except DamagedJournal as damage:
        return _followed(state, journal, remembered, damage)
    try:
        trouble = _rewound(state, opened, remembered)
    except BaseException:
        opened.close()
        raise
    if trouble is None:
        return Opened(opened)
    opened.close()
    return _followed(state, journal, remembered, trouble)


def _followed(
    state: Path, journal: Callable[[Head | None], Journal], remembered: Head | None, trouble: DamagedJournal
) -> Opened:
    """Puts the current journal aside and begins its successor, behind everything anybody knows of."""
    kept = put_aside(state)
    last = _readable_head(kept / current_path(state).name)
    if last is None or not _ours(last, remembered):
        parent = remembered or _newest_former(state)
    else:  # the mark may be a minute old, the file may be an older copy: the longer one is right
        parent = max((last, remembered or last), key=lambda head: head.base + head.seq)
    return Opened(journal(parent), trouble)


def _ours(found: Head, remembered: Head | None) -> bool:
    """Whether a file put aside is of this box: the journal it remembers, or the child of that."""
    if remembered is None or found.journal_id == remembered.journal_id:
        return True
    return found.base == remembered.base + remembered.seq


def _readable_head(path: Path) -> Head | None:
    """How far a damaged journal can be read. Its end is mostly whole: damage lies anywhere."""
    try:
        reader = Reader(path)
    except SlipkeeperError:
        return None
    try:
        return reader.head()
    except SlipkeeperError:
        return None
    finally:
        reader.close()


def _newest_former(state: Path) -> Head | None:
    """The end of the journals put aside, for a box that has lost its memory: numbers are never given twice."""
    heads = [head for path in former_paths(state) if (head := _readable_head(path))]
    return max(heads, key=lambda head: head.base + head.seq, default=None)


def succeed(state: Path) -> Path:
    """Ends the current journal where it stands (no keeper may have it open); the next `open_journal` follows it."""
    reader = Reader(current_path(state))
    head = reader.head()
    reader.close()
    remember(state, head)
    return put_aside(state)


def _rewound(state: Path, journal: Journal, remembered: Head | None) -> DamagedJournal | None:
    """Why the journal on disk is not the one the box remembers, None when it goes on from there."""
    head = journal.head
    if remembered is None or head.base == remembered.base + remembered.seq:  # nothing to go on from, or just begun
        return None
    if remembered.journal_id == head.journal_id and _goes_on_from(journal, remembered):
        return None
    return DamagedJournal(
        "the journal ends at {seq}, but it was at {known} before: an older copy was put back",
        "the older copy is kept under {kept}; captures go on in a new journal",
        seq=journal.head.seq,
        known=remembered.seq,
        kept=str(state / FORMER),
    )


def put_aside(state: Path) -> Path:
    """Moves the current journal's directory under `former/`, in one step. The next `open_journal` starts a new one."""
    former = state / FORMER
    former.mkdir(mode=0o700, exist_ok=True)
    numbers = [int(number) for path in former.iterdir() if (number := path.name.partition("-")[0]).isdecimal()]
    kept = former / f"{max(numbers, default=0) + 1:04d}-journal"
    with contextlib.suppress(FileNotFoundError):  # somebody deleted it: there is nothing to keep
        current_path(state).parent.rename(kept)
    with contextlib.suppress(OSError):
        (kept / "ballast").unlink()
    return kept


def remember(state: Path, head: Head) -> None:
    """Writes down how far the journal is, beside it: a journal that comes back shorter is then recognised.

    A safety net: a disk without room for it is no reason to stop.
    """
    text = json.dumps({"id": head.journal_id, "base": head.base, "seq": head.seq, "head": head.hash.hex()})
    fresh = state / (_MARK + ".new")
    try:
        with fresh.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(state / _MARK)
    except OSError as error:
        _log.warning("the mark beside the journal was not written: %s", error)


def remembered_head(state: Path) -> Head | None:
    """What `remember` wrote down; None where there is nothing that can be read."""
    try:
        mark = json.loads((state / _MARK).read_text())
        head = Head(mark["id"], mark["base"], mark["seq"], bytes.fromhex(mark["head"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = isinstance(head.journal_id, str) and type(head.base) is int and type(head.seq) is int
    return head if whole and len(head.hash) == 32 else None


def _goes_on_from(journal: Journal, remembered: Head) -> bool:
    if journal.head.seq < remembered.seq:
        return False
    reader = Reader(journal.path)
    try:
        return reader.hash_at(remembered.seq) == remembered.hash
    finally:
        reader.close()
