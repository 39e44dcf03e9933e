"""Reads a journal beside its writer. The other half of `agent.journal`: every SELECT on journal.db stands here.

Readers open the file `mode=ro`, take all rows of an answer at once and let go: none ever stands in the writer's way.
A file that cannot be read for the world's reasons (a full disk, a locked file) is told apart from one that is damaged:
only damage may ever make the box begin a new journal.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from agent.entries import Entry, genesis, parse
from agent.errors import DamagedJournal, SlipkeeperError, TryLater

_COLUMNS: Final = "select seq, kind, source, key, at, day, digest, hash, line from entries"
# What SQLite says when the disk, the system or another process is in the way. The file itself may be fine.
_WORLD: Final = (
    "SQLITE_IOERR",
    "SQLITE_FULL",
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_NOMEM",
    "SQLITE_PROTOCOL",
    "SQLITE_PERM",
    "SQLITE_AUTH",
    "SQLITE_INTERRUPT",
)

_Row = tuple[int, str, str, str, str, str, bytes, bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Head:
    """Where a journal stands: `hash` is the chain up to and including `seq`."""

    journal_id: str
    base: int  # entries in the journals before this one: number = base + seq
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """One row as it stands in the file, unread: what proves it wants to know what is there, not what should be."""

    seq: int
    kind: str
    source: str
    key: str
    at: str
    day: str
    digest: bytes
    hash: bytes
    line: bytes | None


class Reader:
    """Reads a journal beside its writer, in any process. Never checkpoints, holds no cursor between calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
        except sqlite3.OperationalError as cause:
            raise _none_yet(path) from cause
        try:
            with translated(path):
                self._connection.execute("pragma query_only=on")
                begun = _begun(self._connection)
            if not begun:  # its keeper is just making it
                raise _none_yet(path)  # noqa: TRY301 - the connection is closed below
        except BaseException:
            self._connection.close()
            raise

    def head(self) -> Head:
        with self._mutex, translated(self.path):
            return read_head(self._connection)

    def entries(self, after: int, limit: int = 500) -> list[tuple[Entry, bytes]]:
        """Entries behind `after` with their stored hashes, oldest first."""
        with self._mutex, translated(self.path):
            rows = self._connection.execute(f"{_COLUMNS} where seq > ? order by seq limit ?", (after, limit)).fetchall()
        return [(_entry(row), row[7]) for row in rows]

    def stored(self, after: int, limit: int) -> list[Stored]:
        """Rows behind `after` as they stand in the file, for the proof that they are what was written."""
        with self._mutex, translated(self.path):
            rows = self._connection.execute(f"{_COLUMNS} where seq > ? order by seq limit ?", (after, limit)).fetchall()
        return [Stored(*row) for row in rows]

    def entry(self, seq: int) -> Entry | None:
        found = self.entries(seq - 1, 1)
        return found[0][0] if found and found[0][0].seq == seq else None

    def find(self, source: str, kind: str, key: str) -> Entry | None:
        with self._mutex, translated(self.path):
            return find(self._connection, source, kind, key)

    def raw(self, seq: int) -> bytes | None:
        """The captured bytes of an entry, or None where there are none (any more)."""
        found = self.raws(seq - 1, seq).get(seq)
        return found[1] if found else None

    def raws(self, after: int, last: int) -> dict[int, tuple[bytes, bytes | None]]:
        """Digest and captured bytes (None when purged) by number, for entries after < seq <= last."""
        with self._mutex, translated(self.path):
            rows = self._connection.execute(
                "select seq, sha256, data from raw where seq > ? and seq <= ?", (after, last)
            ).fetchall()
        return {seq: (sha256, data) for seq, sha256, data in rows}

    def hash_at(self, seq: int) -> bytes | None:
        """hash(seq) as stored; hash(0) of this journal for 0; None where there is no such entry."""
        with self._mutex, translated(self.path):
            if seq == 0:
                return _genesis(read_meta(self._connection))
            row = self._connection.execute("select hash from entries where seq=?", (seq,)).fetchone()
        return row[0] if row else None

    def meta(self) -> dict[str, str]:
        with self._mutex, translated(self.path):
            return read_meta(self._connection)

    def structure(self) -> tuple[dict[str, str], list[str]]:
        """The statements that made the file's tables, indexes and triggers by name, and what SQLite finds wrong."""
        with self._mutex, translated(self.path):
            made = dict(self._connection.execute("select name, sql from sqlite_master where sql > ''").fetchall())
            found = [row[0] for row in self._connection.execute("pragma integrity_check(20)").fetchall()]
        return made, [] if found == ["ok"] else found

    def close(self) -> None:
        self._connection.close()


def _begun(connection: sqlite3.Connection) -> bool:
    """Whether there are tables, and a birth certificate or entries in them."""
    (tables,) = connection.execute("select count(*) from sqlite_master where name in ('meta', 'entries')").fetchone()
    return tables == 2 and bool(read_meta(connection) or connection.execute("select 1 from entries").fetchone())


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("select name, value from meta").fetchall())


def read_head(connection: sqlite3.Connection) -> Head:
    """Where the journal stands. KeyError or ValueError where its birth certificate is gone."""
    meta = read_meta(connection)
    row = connection.execute("select seq, hash from entries order by seq desc limit 1").fetchone()
    seq, hash_ = row or (0, _genesis(meta))
    return Head(meta["journal_id"], int(meta["base"]), seq, hash_)


def find(connection: sqlite3.Connection, source: str, kind: str, key: str) -> Entry | None:
    row = connection.execute(f"{_COLUMNS} where source=? and kind=? and key=?", (source, kind, key)).fetchone()
    return _entry(row) if row else None


def _none_yet(path: Path) -> TryLater:
    return TryLater("there is no journal at {path}", "slipkeeper run starts one", path=str(path))


def damaged(path: Path, cause: object) -> DamagedJournal:
    return DamagedJournal(
        "the journal {path} cannot be read: {cause}",
        "keep the file as it is; slipkeeper journal verify shows what is still whole",
        path=str(path),
        cause=str(cause),
    )


def explained(path: Path, cause: Exception) -> SlipkeeperError:
    """What an error of SQLite's means: TryLater where the world is in the way, DamagedJournal where the file is."""
    if getattr(cause, "sqlite_errorname", "").startswith(_WORLD):
        return TryLater(
            "the journal {path} cannot be used now: {cause}",
            "check the disk with slipkeeper doctor",
            path=str(path),
            cause=str(cause),
        )
    return damaged(path, cause)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite's, and of what it read, as ours."""
    try:
        yield
    except (sqlite3.Error, KeyError, ValueError) as cause:
        raise explained(path, cause) from cause


def _genesis(meta: dict[str, str]) -> bytes:
    return genesis(meta["journal_id"], bytes.fromhex(meta["parent_head"]))


def _entry(row: _Row) -> Entry:
    seq, kind, source, key, at, day, digest, _hash, line = row
    return parse(line) if line is not None else Entry(seq, kind, source, key, at, day, {}, "", None, digest)
