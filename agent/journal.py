"""journal.db: the append-only list of entries of one agent. The only writer, the only SQL on it.

Promise: `append` returns after the entries are on the disk (WAL, synchronous=FULL, one commit), or raises NotRecorded
and says so: then it is *unknown* whether they are there, the peer repeats, and the repeat is recognised.

Rules that hold it up (reasons measured in docs/decisions.md):
- one connection in the whole system writes and checkpoints; readers open `mode=ro` and let go of every cursor;
- no automatic checkpoint: its errors are silent. The keeper calls `checkpoint()` between frames and alarms on failure;
- a transaction is rolled back on every BaseException, MemoryError included;
- nothing here repairs or deletes. A file that cannot be opened is kept as it is (`agent.succession`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.entries import Draft, Entry, Stamp, genesis, link, parse, restated, seal
from agent.errors import DamagedJournal, NotRecorded, Refused, TryLater
from agent.schema import migrate

FILE: Final = "journal.db"
_BALLAST: Final = "ballast"
_CHECKPOINT_EVERY: Final = 200  # entries; keeps the WAL under a few MiB and commits overwriting it (performance.md §2)
_BALLAST_BYTES: Final = 16 * 1024 * 1024
# What must hold, as SQLite itself says it afterwards (2 = FULL, 1 = on).
_PRAGMAS: Final = (
    ("journal_mode", "wal", "wal"),
    ("synchronous", "full", 2),
    ("wal_autocheckpoint", "0", 0),
    ("foreign_keys", "on", 1),
    ("secure_delete", "on", 1),
)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a journal stands: `hash` is the chain up to and including `seq`."""

    journal_id: str
    base: int  # entries in the journals before this one: number = base + seq
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a draft: the entry that holds it, and whether it is new or was there before."""

    entry: Entry
    new: bool


class Journal:
    """The writer. One per directory: a second one is refused by a lock file. Safe to call from several threads."""

    def __init__(
        self,
        directory: Path,
        *,
        stamp: Callable[[], Stamp],
        salt: Callable[[], str],
        journal_id: str,
        parent: Head | None = None,
    ) -> None:
        """Opens or creates. `journal_id` and `parent` are used at creation only. Raises DamagedJournal or TryLater."""
        self.path = directory / FILE
        self._stamp = stamp
        self._salt = salt
        self._mutex = threading.RLock()
        self._grown = threading.Condition()
        self._connection: sqlite3.Connection | None = None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(directory)
        self._ballast = directory / _BALLAST
        try:
            self._head = self._open(journal_id, parent)
            self._checkpointed = self._head.seq
        except BaseException:
            self.close()
            raise

    @property
    def head(self) -> Head:
        return self._head

    def append(self, drafts: list[Draft]) -> list[Written]:
        """Writes drafts in one commit. What the journal holds already is recognised and not written again.

        Raises NotRecorded when the disk did not take it: whether it is there is unknown, saying it again is safe.
        """
        with self._mutex:
            try:
                written = self._transact(drafts)
            except sqlite3.Error as cause:
                self._drop_connection()
                if getattr(cause, "sqlite_errorname", "").startswith("SQLITE_FULL") and self._release_ballast():
                    return self.append(drafts)
                raise NotRecorded(
                    "the journal could not be written: {cause}",
                    "check the disk with slipkeeper doctor; the terminal will repeat",
                    cause=str(cause),
                ) from cause
        with self._grown:
            self._grown.notify_all()
        return written

    def wait(self, seq: int, timeout_s: float) -> bool:
        """Sleeps until there is an entry behind `seq`, at most `timeout_s`. For threads that follow the journal."""
        with self._grown:
            return self._grown.wait_for(lambda: self._head.seq > seq, timeout_s)

    def checkpoint(self) -> None:
        """Moves the WAL into the file, as far as readers let it. Raises TryLater where it fails: that must alarm."""
        with self._mutex:
            try:
                busy, pages, moved = self._open_connection().execute("pragma wal_checkpoint(passive)").fetchone()
            except sqlite3.Error as cause:
                raise TryLater(
                    "the journal's checkpoint failed: {cause}", "check the disk", cause=str(cause)
                ) from cause
        if not busy and moved == pages:  # else a reader is in the way, and the next one will do it
            self._checkpointed = self._head.seq

    def rest(self, *, idle: bool) -> None:
        """Called between frames: checkpoints when enough entries have gathered, many more while the line is busy."""
        if self._head.seq - self._checkpointed >= (_CHECKPOINT_EVERY if idle else 10 * _CHECKPOINT_EVERY):
            self.checkpoint()

    def wal_bytes(self) -> int:
        with contextlib.suppress(OSError):
            return self.path.with_name(FILE + "-wal").stat().st_size
        return 0

    def close(self) -> None:
        with self._mutex:
            self._drop_connection()
            os.close(self._lock)

    def _transact(self, drafts: list[Draft]) -> list[Written]:
        connection = self._open_connection()
        head = self._head
        written = []
        connection.execute("begin immediate")
        try:
            for draft in drafts:
                result, head = self._put(connection, draft, head)
                written.append(result)
            connection.execute("commit")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("rollback")
            raise
        self._head = head
        return written

    def _put(self, connection: sqlite3.Connection, draft: Draft, head: Head) -> tuple[Written, Head]:
        entry = seal(draft, self._stamp(), head.seq + 1, self._salt())
        hash_ = link(head.hash, entry.seq, entry.kind, entry.at, entry.digest)
        # Only the identity may collide quietly; `insert or ignore` would swallow every other failure too.
        inserted = connection.execute(
            "insert into entries(seq, kind, source, key, at, day, digest, hash, line) values(?,?,?,?,?,?,?,?,?)"
            " on conflict(source, kind, key) do nothing",
            (entry.seq, entry.kind, entry.source, entry.key, entry.at, entry.day, entry.digest, hash_, entry.line),
        )
        if inserted.rowcount == 0:
            held = _held(connection, draft)
            again = restated(draft, held)
            return (Written(held, new=False), head) if again is None else self._put(connection, again, head)
        if draft.raw is not None:
            connection.execute(
                "insert into raw(seq, sha256, data) values(?,?,?)",
                (entry.seq, bytes.fromhex(entry.raw_sha256), draft.raw),
            )
        return Written(entry, new=True), Head(head.journal_id, head.base, entry.seq, hash_)

    def _open(self, journal_id: str, parent: Head | None) -> Head:
        connection = self._open_connection()
        try:
            migrate(connection, "journal")
            connection.execute("begin immediate")
            for name, value in _birth(journal_id, parent):
                connection.execute(
                    "insert into meta(name, value) values(?,?) on conflict(name) do nothing", (name, value)
                )
            connection.execute("commit")
            head = _read_head(connection)
        except sqlite3.DatabaseError as cause:
            raise _damaged(self.path, cause) from cause
        _sync_directory(self.path.parent)
        self._reserve_ballast()
        return head

    def _open_connection(self) -> sqlite3.Connection:
        """The writing connection; opened anew after a failure, and then the head is read again from the disk."""
        if self._connection is not None:
            return self._connection
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=32)
        try:
            self.path.chmod(0o600)
            for name, value, expected in _PRAGMAS:
                connection.execute(f"pragma {name}={value}")
                (answer,) = connection.execute(f"pragma {name}").fetchone()
                if answer != expected:
                    raise DamagedJournal(
                        "SQLite answers {answer} for {name}, the journal needs {value}",
                        "keep the journal on a local disk, not on a network share",
                        answer=answer,
                        name=name,
                        value=value,
                    )
            if hasattr(self, "_head"):
                self._head = _read_head(connection)
        except sqlite3.DatabaseError as cause:
            connection.close()
            if hasattr(self, "_head") or isinstance(cause, sqlite3.OperationalError):
                raise
            raise _damaged(self.path, cause) from cause
        self._connection = connection
        return connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _reserve_ballast(self) -> None:
        """Disk space kept back for the worst evening. Missing space is no reason not to start."""
        if not self._ballast.exists():
            with contextlib.suppress(OSError), self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _BALLAST_BYTES)

    def _release_ballast(self) -> bool:
        try:
            self._ballast.unlink()
        except OSError:
            return False
        return True


class Reader:
    """Reads a journal beside its writer, in any process. Never checkpoints, holds no cursor between calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(
                f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("pragma query_only=on")
            self._connection.execute("select 1 from meta").fetchone()
        except sqlite3.OperationalError as cause:
            raise TryLater("there is no journal at {path}", "slipkeeper run starts one", path=str(path)) from cause
        except sqlite3.DatabaseError as cause:
            raise _damaged(path, cause) from cause
        self._mutex = threading.Lock()

    def head(self) -> Head:
        with self._mutex, _translated(self.path):
            return _read_head(self._connection)

    def entries(self, after: int, limit: int = 500) -> list[tuple[Entry, bytes]]:
        """Entries behind `after` with their stored hashes, oldest first."""
        with self._mutex, _translated(self.path):
            rows = self._connection.execute(
                "select seq, kind, source, key, at, day, digest, hash, line from entries where seq > ?"
                " order by seq limit ?",
                (after, limit),
            ).fetchall()
        return [(_entry(row), row[7]) for row in rows]

    def stored(self, after: int, limit: int) -> list[tuple[Entry, Entry, bytes]]:
        """Entries as the columns say, as their lines say, and their hashes: for the proof that both agree."""
        with self._mutex, _translated(self.path):
            rows = self._connection.execute(
                "select seq, kind, source, key, at, day, digest, hash, line from entries where seq > ?"
                " order by seq limit ?",
                (after, limit),
            ).fetchall()
        columns = [(Entry(row[0], row[1], row[2], row[3], row[4], row[5], {}, "", row[8], row[6]), row) for row in rows]
        return [(stored, _entry(row), row[7]) for stored, row in columns]

    def entry(self, seq: int) -> Entry | None:
        found = self.entries(seq - 1, 1)
        return found[0][0] if found and found[0][0].seq == seq else None

    def find(self, source: str, kind: str, key: str) -> Entry | None:
        with self._mutex, _translated(self.path):
            row = self._connection.execute(
                "select seq, kind, source, key, at, day, digest, hash, line from entries"
                " where source=? and kind=? and key=?",
                (source, kind, key),
            ).fetchone()
        return _entry(row) if row else None

    def raw(self, seq: int) -> bytes | None:
        """The captured bytes of an entry, or None where there are none (any more)."""
        with self._mutex, _translated(self.path):
            row = self._connection.execute("select data from raw where seq=?", (seq,)).fetchone()
        return row[0] if row else None

    def hash_at(self, seq: int) -> bytes | None:
        """hash(seq) as stored; hash(0) of this journal for 0; None where there is no such entry."""
        with self._mutex, _translated(self.path):
            if seq == 0:
                return _genesis(self._connection)
            row = self._connection.execute("select hash from entries where seq=?", (seq,)).fetchone()
        return row[0] if row else None

    def meta(self) -> dict[str, str]:
        with self._mutex, _translated(self.path):
            return dict(self._connection.execute("select name, value from meta").fetchall())

    def close(self) -> None:
        self._connection.close()


def _birth(journal_id: str, parent: Head | None) -> list[tuple[str, str]]:
    return [
        ("journal_id", journal_id),
        ("parent_id", parent.journal_id if parent else ""),
        ("parent_seq", str(parent.seq) if parent else ""),
        ("parent_head", parent.hash.hex() if parent else ""),
        ("base", str(parent.base + parent.seq) if parent else "0"),
    ]


def _genesis(connection: sqlite3.Connection) -> bytes:
    meta = dict(connection.execute("select name, value from meta").fetchall())
    return genesis(meta["journal_id"], bytes.fromhex(meta["parent_head"]))


def _read_head(connection: sqlite3.Connection) -> Head:
    meta = dict(connection.execute("select name, value from meta").fetchall())
    row = connection.execute("select seq, hash from entries order by seq desc limit 1").fetchone()
    seq, hash_ = row or (0, _genesis(connection))
    return Head(meta["journal_id"], int(meta["base"]), seq, hash_)


def _held(connection: sqlite3.Connection, draft: Draft) -> Entry:
    row = connection.execute(
        "select seq, kind, source, key, at, day, digest, hash, line from entries where source=? and kind=? and key=?",
        (draft.source, draft.kind, draft.key),
    ).fetchone()
    return _entry(row)


def _entry(row: tuple[int, str, str, str, str, str, bytes, bytes, bytes | None]) -> Entry:
    seq, kind, source, key, at, day, digest, _hash, line = row
    return parse(line) if line is not None else Entry(seq, kind, source, key, at, day, {}, "", None, digest)


def _damaged(path: Path, cause: Exception) -> DamagedJournal:
    return DamagedJournal(
        "the journal {path} cannot be read: {cause}",
        "keep the file as it is; slipkeeper journal verify shows what is still whole",
        path=str(path),
        cause=str(cause),
    )


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as cause:
        raise _damaged(path, cause) from cause


@contextlib.contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Holds the journal's lock without opening it. Raises Refused while a keeper runs."""
    handle = _lock(directory)
    try:
        yield
    finally:
        os.close(handle)


def _lock(directory: Path) -> int:
    """Proof of being the only writer, held as long as the process lives."""
    handle = os.open(directory / "journal.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        os.close(handle)
        raise Refused(
            "another keeper already writes this journal ({directory})",
            "slipkeeper status shows it; stop it first",
            directory=str(directory),
        ) from cause
    return handle


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
