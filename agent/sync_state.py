"""sync.db: what the courier remembers of how far upstream has each journal. Everything in it can be asked again.

That is why it is never trusted alone (the cursor is asked first), why a damaged file is simply made anew, and why a
write that fails stops nothing. It exists so that "synced up to …" can be shown before the network is there.

It lies in the courier's own directory, beside the enrolments (`agent.enrol`); the courier writes nowhere else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_log: Final = logging.getLogger("slipkeeper.sync")
_DIRECTORY: Final = "courier"
_FILE: Final = "sync.db"
_ASKED: Final = "sync.now"
FORKED: Final = "forked"
DONE: Final = "done"
_SCHEMA: Final = """
create table if not exists journals(
    journal_id text primary key, upstream_id text not null, epoch integer not null,
    token_file text not null, token_mark integer not null, acked_seq integer not null, acked_head text not null,
    attempts integer not null, last_ok text not null, last_error text not null,
    fate text not null, since text not null, blob_seq integer not null, receipt_owed integer not null
) strict, without rowid"""


@dataclass(frozen=True, slots=True)
class Position:
    """How one journal stands. `attempts` = failures in a row; times are UTC text, "" = never."""

    journal_id: str
    upstream_id: str = ""
    epoch: int = 0
    token_file: str = ""
    token_mark: int = 0  # of the token a fork was met with: a newer one is a new chance
    acked_seq: int = 0
    acked_head: str = ""
    attempts: int = 0
    last_ok: str = ""
    last_error: str = ""
    fate: str = ""  # "" goes on, FORKED upstream holds another content, DONE a former journal that is wholly sent
    since: str = ""  # of the fate
    blob_seq: int = 0  # captured bytes of entries up to here were sent
    receipt_owed: int = 0  # money was confirmed and the keeper has not been told yet


_COLUMNS: Final = tuple(member.name for member in dataclasses.fields(Position))
_UPSERT: Final = (
    f"insert into journals({', '.join(_COLUMNS)}) values({', '.join('?' * len(_COLUMNS))})"
    f" on conflict(journal_id) do update set {', '.join(f'{name}=excluded.{name}' for name in _COLUMNS[1:])}"
)


def directory(state: Path) -> Path:
    """Where the courier keeps its things: the only place it writes."""
    return state / _DIRECTORY


class SyncState:
    """The file, and the positions in memory: a disk that is full makes it forgetful, not dumb."""

    def __init__(self, state: Path) -> None:
        self.path = directory(state) / _FILE
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connection = self._open()
        self._positions = {position.journal_id: position for position in _read(self._connection)}
        self._failing = False

    def position(self, journal_id: str) -> Position:
        return self._positions.get(journal_id, Position(journal_id))

    def positions(self) -> list[Position]:
        return list(self._positions.values())

    def save(self, position: Position) -> None:
        if self._positions.get(position.journal_id) == position:
            return
        self._positions[position.journal_id] = position
        try:
            self._connection.execute(_UPSERT, dataclasses.astuple(position))
            self._failing = False
        except sqlite3.Error as cause:
            if not self._failing:
                _log.warning("sync.db cannot be written, it will be asked again after a restart: %s", cause)
            self._failing = True

    def change(self, journal_id: str, **changes: Any) -> None:
        """Saves the position with some of its members changed."""
        self.save(dataclasses.replace(self.position(journal_id), **changes))

    def close(self) -> None:
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        with contextlib.suppress(sqlite3.DatabaseError):
            return _connect(self.path)
        _log.warning("sync.db cannot be used; it is made anew, upstream knows what it held")
        with contextlib.suppress(sqlite3.DatabaseError, OSError):
            for path in self.path.parent.glob(_FILE + "*"):
                path.unlink()
            return _connect(self.path)
        return _connect(Path(":memory:"))  # the disk is full: what would be written is asked again after a restart


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        with contextlib.suppress(FileNotFoundError):  # in memory
            path.chmod(0o600)
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=normal")  # a lost commit costs one question
        connection.execute(_SCHEMA)
        _read(connection)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _read(connection: sqlite3.Connection) -> list[Position]:
    rows = connection.execute(f"select {', '.join(_COLUMNS)} from journals").fetchall()  # noqa: S608 - own names
    return [Position(*row) for row in rows]


def remembered(state: Path) -> list[Position]:
    """What the courier last wrote down; for another process that wants to show it."""
    path = directory(state) / _FILE
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error:
        return []
    with contextlib.closing(connection), contextlib.suppress(sqlite3.Error):
        return _read(connection)
    return []


def ask_now(state: Path) -> None:
    """Tells the courier to send at once, whatever it waits for (the desk's POST /v1/sync/now).

    A touched file in the keeper's own directory: it needs no process id, no permission over the other process, is
    noticed within half a second for the price of one stat, and is not lost while the courier starts.
    """
    (state / _ASKED).touch(mode=0o640)


def asked_at(state: Path) -> int:
    """Changes whenever somebody asked; 0 = never."""
    try:
        return (state / _ASKED).stat().st_mtime_ns
    except OSError:
        return 0
