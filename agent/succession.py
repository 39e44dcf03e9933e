"""One box may have several journals, one behind the other: a new one begins where the old cannot go on.

That is when the old file cannot be read, when it is older than what the box remembers of it (a restored backup), or
when upstream holds another content for it (a cloned card). The old files are kept under `former/`, never repaired,
never deleted; the new journal names its parent. `number` = the place of an entry in the whole succession.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.entries import Entry, Stamp
from agent.errors import DamagedJournal, SlipkeeperError
from agent.journal import FILE, Head, Journal, Reader

_CURRENT: Final = "journal"
_FORMER: Final = "former"
_MARK: Final = "journal.mark"  # what the box remembers of its journal: id, base, seq, head


@dataclass(frozen=True, slots=True)
class Opened:
    """The journal to write, and why an older one was put aside, if it was."""

    journal: Journal
    trouble: SlipkeeperError | None = None


def current_path(state: Path) -> Path:
    """The file of the journal that is written now."""
    return state / _CURRENT / FILE


def open_journal(
    state: Path, *, stamp: Callable[[], Stamp], salt: Callable[[], str], new_id: Callable[[], str]
) -> Opened:
    """The box's journal. One that cannot be opened is put aside and a new one follows it. Raises Refused, TryLater."""

    def journal(parent: Head | None) -> Journal:
        return Journal(state / _CURRENT, stamp=stamp, salt=salt, journal_id=new_id(), parent=parent)

    remembered = _remembered(state)
    try:
        opened = journal(None if current_path(state).exists() else remembered)
        trouble = _rewound(state, opened, remembered)
        if trouble is None:
            return Opened(opened)
        opened.close()
    except DamagedJournal as damage:
        trouble = damage
    put_aside(state)
    return Opened(journal(remembered), trouble)


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
        kept=str(state / _FORMER),
    )


def put_aside(state: Path) -> Path:
    """Moves the current journal's directory under `former/`, in one step. The next `open_journal` starts a new one."""
    former = state / _FORMER
    former.mkdir(mode=0o700, exist_ok=True)
    number = 1 + max((int(path.name.partition("-")[0]) for path in former.iterdir()), default=0)
    kept = former / f"{number:04d}-journal"
    (state / _CURRENT).rename(kept)
    with contextlib.suppress(OSError):
        (kept / "ballast").unlink()
    return kept


def remember(state: Path, head: Head) -> None:
    """Writes down how far the journal is, beside it: a journal that comes back shorter is then recognised."""
    text = json.dumps({"id": head.journal_id, "base": head.base, "seq": head.seq, "head": head.hash.hex()})
    fresh = state / (_MARK + ".new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(state / _MARK)


def _remembered(state: Path) -> Head | None:
    try:
        mark = json.loads((state / _MARK).read_text())
        return Head(mark["id"], mark["base"], mark["seq"], bytes.fromhex(mark["head"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _goes_on_from(journal: Journal, remembered: Head) -> bool:
    if journal.head.seq < remembered.seq:
        return False
    reader = Reader(journal.path)
    try:
        return reader.hash_at(remembered.seq) == remembered.hash
    finally:
        reader.close()


class History:
    """Reads all journals of a box as one list. Holds readers open; journals that cannot be read are left out, named."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.unreadable: list[Path] = []
        self._readers: list[tuple[int, Reader]] = []
        self._open()

    def _open(self) -> None:
        former = sorted((self._state / _FORMER).glob(f"*/{FILE}"))
        for path in (*former, current_path(self._state)):
            try:
                reader = Reader(path)
                self._readers.append((reader.head().base, reader))
            except SlipkeeperError:
                if path.exists():
                    self.unreadable.append(path)

    @property
    def base(self) -> int:
        """Entries before the current journal."""
        return self._readers[-1][0] if self._readers else 0

    def last(self) -> int:
        """The number of the newest entry."""
        if not self._readers:
            return 0
        base, reader = self._readers[-1]
        return base + reader.head().seq

    def last_at(self) -> str:
        """When the newest entry was written, "" where there is none."""
        last = self.last()
        entry = self.entry(last) if last else None
        return entry.at if entry else ""

    def entries(self, after: int, limit: int = 500) -> list[tuple[int, Entry]]:
        """Entries behind number `after`, oldest first; where a journal ends the next one follows."""
        for place, (base, reader) in enumerate(self._readers):
            end = self._readers[place + 1][0] if place + 1 < len(self._readers) else None
            if end is not None and after >= end:
                continue
            found = [(base + entry.seq, entry) for entry, _ in reader.entries(max(after - base, 0), limit)]
            if end is not None:
                found = [(number, entry) for number, entry in found if number <= end]
            if found:
                return found
        return []

    def entry(self, number: int) -> Entry | None:
        found = self.entries(number - 1, 1)
        return found[0][1] if found and found[0][0] == number else None

    def raw(self, number: int) -> bytes | None:
        for base, reader in reversed(self._readers):
            if number > base:
                return reader.raw(number - base)
        return None

    def hash_at(self, number: int) -> bytes:
        """The chain up to and including entry `number`; the genesis of the current journal where there is none."""
        for base, reader in reversed(self._readers):
            if number > base:
                return reader.hash_at(number - base) or b""
        return (self._readers[-1][1].hash_at(0) if self._readers else None) or b""

    def find(self, source: str, kind: str, key: str) -> tuple[int, Entry] | None:
        """The entry with this identity, the newest journal first."""
        for base, reader in reversed(self._readers):
            entry = reader.find(source, kind, key)
            if entry is not None:
                return base + entry.seq, entry
        return None

    def close(self) -> None:
        for _, reader in self._readers:
            reader.close()
