"""All journals of a box read as one list: where one ends the next goes on. `number` is the place in the whole of it.

People, index and lists know numbers only; which file an entry stands in is known here. A journal that cannot be read is
left out and named, an entry that cannot be read is stepped over and named: one bad sector must not hide a whole day.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.entries import Entry
from agent.errors import DamagedJournal, SlipkeeperError, TryLater
from agent.journal import FILE
from agent.journal_reader import Reader

_CURRENT: Final = "journal"
FORMER: Final = "former"
_ENDLESS: Final = 2**62
_log: Final = logging.getLogger("slipkeeper.history")


def current_path(state: Path) -> Path:
    """The file of the journal that is written now."""
    return state / _CURRENT / FILE


def former_paths(state: Path) -> list[Path]:
    """The files of the journals before it, oldest first."""
    return sorted((state / FORMER).glob(f"*/{FILE}"))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Numbers after < number <= last stand in `reader`, whose own numbers begin behind `base`."""

    after: int
    last: int
    base: int
    reader: Reader


class History:
    """Reads all journals of a box as one list. Safe from many threads; sees by itself when a new journal begins."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._mutex = threading.Lock()
        self._file: tuple[int, int] = (-1, -1)
        self._stretches: list[_Stretch] = []
        self._newest: tuple[int, Reader] | None = None
        self.unreadable: list[Path] = []
        self._look()

    @property
    def base(self) -> int:
        """Entries before the current journal."""
        newest = self._look()
        return newest[0] if newest else 0

    def last(self) -> int:
        """The number of the newest entry."""
        newest = self._look()
        return newest[0] + newest[1].head().seq if newest else 0

    def last_at(self) -> str:
        """When the newest entry was written, "" where there is none."""
        last = self.last()
        entry = self.entry(last) if last else None
        return entry.at if entry else ""

    def entries(self, after: int, limit: int = 500) -> list[tuple[int, Entry]]:
        """Entries behind number `after`, oldest first; where a journal ends the next one follows."""
        self._look()
        for stretch in self._stretches:
            if after < stretch.last:
                found = self._read(stretch, max(after, stretch.after), limit)
                if found:
                    return found
        return []

    def entry(self, number: int) -> Entry | None:
        found = self.entries(number - 1, 1)
        return found[0][1] if found and found[0][0] == number else None

    def raw(self, number: int) -> bytes | None:
        stretch = self._stretch(number)
        return stretch.reader.raw(number - stretch.base) if stretch else None

    def hash_at(self, number: int) -> bytes:
        """The chain up to and including entry `number`, b"" where nobody knows it any more."""
        stretch = self._stretch(number)
        if stretch is not None:
            return stretch.reader.hash_at(number - stretch.base) or b""
        following = next((stretch for stretch in self._stretches if stretch.base == number), None)
        if following is None:
            return b""
        # The end of a journal that is gone: the one that follows it says what it was.
        return bytes.fromhex(following.reader.meta()["parent_head"]) or following.reader.hash_at(0) or b""

    def find(self, source: str, kind: str, key: str) -> tuple[int, Entry] | None:
        """The entry with this identity, the newest journal first."""
        self._look()
        for stretch in reversed(self._stretches):
            entry = stretch.reader.find(source, kind, key)
            if entry is not None and stretch.after < stretch.base + entry.seq <= stretch.last:
                return stretch.base + entry.seq, entry
        return None

    def close(self) -> None:
        with self._mutex:
            for reader in {id(stretch.reader): stretch.reader for stretch in self._stretches}.values():
                reader.close()
            self._stretches, self._newest = [], None

    # -- which file holds what -------------------------------------------------------------------------------------

    def _look(self) -> tuple[int, Reader] | None:
        """Opens the files when they are others than at the last look. Gives the newest journal's base and reader."""
        with self._mutex:
            try:
                found = os.stat(current_path(self._state))  # noqa: PTH116 - at every question
                file = (found.st_dev, found.st_ino)
            except OSError:
                file = (0, 0)
            if file != self._file:
                self._open()
                self._file = file if self._newest or not file[1] else (-1, -1)  # not ready yet: look again next time
            return self._newest

    def _open(self) -> None:
        """Readers in use elsewhere stay open until nobody holds them any more."""
        current = current_path(self._state)
        self._stretches, self._newest, self.unreadable = [], None, []
        free = [(0, _ENDLESS)]
        for path in reversed([*former_paths(self._state), current]):
            try:
                reader = Reader(path)
                head = reader.head()
            except TryLater as error:
                if path != current:
                    self._name(path, error)
                continue
            except SlipkeeperError as error:
                self._name(path, error)
                continue
            self._newest = self._newest or (head.base, reader)
            last = _ENDLESS if path == current else head.base + head.seq
            free = list(self._take(free, head.base, last, reader))
        self._stretches.sort(key=lambda stretch: stretch.after)

    def _take(self, free: list[tuple[int, int]], after: int, last: int, reader: Reader) -> Iterator[tuple[int, int]]:
        """Gives a journal the numbers no newer one has; yields what is still free."""
        for low, high in free:
            start, end = max(low, after), min(high, last)
            if start >= end:
                yield low, high
                continue
            self._stretches.append(_Stretch(start, end, after, reader))
            if low < start:
                yield low, start
            if end < high:
                yield end, high

    def _stretch(self, number: int) -> _Stretch | None:
        self._look()
        return next((stretch for stretch in self._stretches if stretch.after < number <= stretch.last), None)

    def _name(self, path: Path, error: SlipkeeperError) -> None:
        if path not in self.unreadable:
            self.unreadable.append(path)
            _log.error("%s: %s", path, error)

    def _read(self, stretch: _Stretch, after: int, limit: int) -> list[tuple[int, Entry]]:
        """Entries of one stretch; where a page of them cannot be read, those that can, one by one."""
        try:
            found = stretch.reader.entries(after - stretch.base, limit)
        except DamagedJournal as error:
            self._name(stretch.reader.path, error)
            found = []
            last = min(stretch.last, stretch.base + stretch.reader.head().seq)
            while after < last and not found:
                for number in range(after + 1, min(after + limit, last) + 1):
                    try:
                        found += stretch.reader.entries(number - stretch.base - 1, 1)
                    except DamagedJournal:
                        continue
                after += limit
            found = [pair for place, pair in enumerate(found) if place == 0 or pair[0].seq != found[place - 1][0].seq]
        numbered = [(stretch.base + entry.seq, entry) for entry, _ in found]
        return [(number, entry) for number, entry in numbered if number <= stretch.last]
