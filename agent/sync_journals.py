"""The journals of a box as the courier sees them: the one that is written now, and those before it.

A journal is opened read-only and stays open; that the keeper began a new one is seen by the file's identity. Each has
its own enrolment. A journal without one is enrolled by the token of the journal it follows: money does not wait for an
operator because a box had to begin anew.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import enrol
from agent.enrol import Asking, Enrolment
from agent.errors import SlipkeeperError, TryLater
from agent.journal import FILE, Reader
from agent.succession import current_path
from agent.sync_client import Client

_log: Final = logging.getLogger("slipkeeper.sync")
_Mark = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """One journal that can be read."""

    path: Path
    reader: Reader
    asking: Asking

    @property
    def journal_id(self) -> str:
        return self.asking.journal_id


class Journals:
    """`connect` makes the client for an enrolment."""

    def __init__(
        self,
        state: Path,
        connect: Callable[[Enrolment], Client],
        open_reader: Callable[[Path], Reader] = Reader,
    ) -> None:
        self._state = state
        self.connect = connect
        self._open_reader = open_reader
        self._mark: _Mark = ()
        self.current: Held | None = None
        self.former: list[Held] = []

    def look(self) -> bool:
        """Opens what is new. True when the current journal is another one than at the last look."""
        mark = _mark(current_path(self._state))
        if mark == self._mark:
            return False
        try:
            current = self._open(current_path(self._state)) if mark else None
        except TryLater:
            return False  # between two journals; the next look sees it
        self.close()
        self._mark, self.current = mark, current
        self.former = list(self._former())
        return True

    def changed(self) -> bool:
        """Whether the keeper has begun another journal since the last look."""
        return _mark(current_path(self._state)) != self._mark

    def enrolment(self, held: Held) -> Enrolment | None:
        """The enrolment of a journal, if need be by the one it follows. None: a code is needed. Raises Postponed."""
        found = enrol.load(self._state, held.journal_id)
        if found is not None or not held.asking.parent:
            return found
        before = self._parent(held)
        if before is None:
            return None
        client = self.connect(before)
        try:
            found = enrol.succeed(held.asking, before, client)
        finally:
            client.close()
        enrol.save(self._state, found)
        _log.info("journal %s is enrolled by the one before it", held.journal_id)
        return found

    def enrolment_mark(self, held: Held) -> _Mark:
        """Changes when somebody enrols the journal anew."""
        return _mark(enrol.path_of(self._state, held.journal_id))

    def all(self) -> list[Held]:
        """Oldest first, the current one last."""
        return [*self.former, *([self.current] if self.current else [])]

    def close(self) -> None:
        for held in self.all():
            held.reader.close()
        self.former, self.current = [], None

    def _parent(self, held: Held) -> Enrolment | None:
        parent_id = held.asking.parent["journal_id"]
        found = enrol.load(self._state, parent_id)
        if found is None:
            between = next((other for other in self.former if other.journal_id == parent_id), None)
            found = self.enrolment(between) if between and between is not held else None
        return found

    def _former(self) -> Iterator[Held]:
        for path in sorted(self._state.glob(f"former/*/{FILE}")):
            try:
                yield self._open(path)
            except SlipkeeperError as error:
                _log.warning("a former journal is not sent: %s", error)

    def _open(self, path: Path) -> Held:
        reader = self._open_reader(path)
        try:
            return Held(path, reader, Asking.of(reader))
        except BaseException:
            reader.close()
            raise


def token_mark(mark: _Mark) -> int:
    """The part of an enrolment's mark that is remembered."""
    return mark[-1] if mark else 0


def _mark(path: Path) -> _Mark:
    """The file's identity, () while there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - twice a second for ever: a third of the price of Path.stat
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns if path.suffix == ".token" else 0
