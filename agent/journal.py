"""journal.db: the append-only list of entries of one agent. The only writer, the only SQL on it.

Promise: `append` returns after the entries are on the disk (WAL, synchronous=FULL, one commit), or raises NotRecorded
and says so: then it is *unknown* whether they are there, the peer repeats, and the repeat is recognised.

Rules that hold it up (reasons measured in docs/decisions.md):
- one connection in the whole system writes and checkpoints; readers open `mode=ro` and let go of every cursor;
- no automatic checkpoint: its errors are silent. The keeper calls `checkpoint()` between frames and alarms on failure;
- a transaction is rolled back on every BaseException, MemoryError included;
- nothing here repairs or deletes. A file that cannot be opened is kept as it is (`agent.succession`);
- a full or failing disk is the world's fault and passes; only a file that is not what was written is damaged.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.entries import Draft, Entry, Stamp, contradicted, link, restated, seal
from agent.errors import DamagedJournal, NotRecorded, Refused, TryLater
from agent.journal_reader import Head, Reader, damaged, explained, find, read_head, read_meta
from agent.schema import migrate

__all__ = ["FILE", "Head", "Journal", "Reader", "Written", "only_writer"]

FILE: Final = "journal.db"
_BALLAST: Final = "ballast"
_CHECKPOINT_EVERY: Final = 200  # entries; keeps the WAL under a few MiB and commits overwriting it (performance.md §2)
_BALLAST_BYTES: Final = 16 * 1024 * 1024
_PLENTY: Final = 4 * _BALLAST_BYTES  # free space from which on some may be kept back
# What must hold, as SQLite itself says it afterwards (2 = FULL, 1 = on).
_PRAGMAS: Final = (
    ("journal_mode", "wal", "wal"),
    ("synchronous", "full", 2),
    ("wal_autocheckpoint", "0", 0),
    ("foreign_keys", "on", 1),
    ("secure_delete", "on", 1),
)


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
        self._log = directory / (FILE + "-wal")
        self._names = (str(self.path), str(self._log))
        self._stamp = stamp
        self._salt = salt
        self._mutex = threading.RLock()
        self._grown = threading.Condition()
        self._connection: sqlite3.Connection | None = None
        self._files: tuple[int, ...] = ()
        self._known: Head | None = None  # what this file held when it was last seen
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock: int | None = _lock(directory)
        self._ballast = directory / _BALLAST
        try:
            self._begin(self._open(journal_id, parent))
        except BaseException:
            self.close()
            raise

    @property
    def head(self) -> Head:
        return self._head

    def append(self, drafts: list[Draft]) -> list[Written]:
        """Writes drafts in one commit. What the journal holds already is recognised and not written again.

        Raises NotRecorded when the disk did not take it: whether it is there is unknown, saying it again is safe.
        Raises DamagedJournal when this file cannot go on at all.
        """
        with self._mutex:
            try:
                written = self._transact(drafts)
            except sqlite3.Error as cause:
                written = self._append_again(drafts, cause)
        with self._grown:
            self._grown.notify_all()
        return written

    def begin_anew(self, journal_id: str, put_aside: Callable[[], object]) -> None:
        """Goes on in a new file that names this one as its parent. `put_aside` moves the directory away."""
        with self._mutex:
            parent = self._head
            self._drop_connection()
            put_aside()
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            before, self._lock = self._lock, _lock(self.path.parent)
            if before is not None:
                os.close(before)
            self._known = None
            self._begin(self._open(journal_id, parent))

    def _begin(self, head: Head) -> None:
        self._head = self._known = head
        self._checkpointed = head.seq

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
        self._reserve_ballast()

    def rest(self, *, idle: bool) -> None:
        """Called between frames: checkpoints when enough entries have gathered, many more while the line is busy."""
        if self._head.seq - self._checkpointed >= (_CHECKPOINT_EVERY if idle else 10 * _CHECKPOINT_EVERY):
            self.checkpoint()

    def wal_bytes(self) -> int:
        with contextlib.suppress(OSError):
            return self._log.stat().st_size
        return 0

    def close(self) -> None:
        """Lets go of the file and the lock. Nothing can be written afterwards; closing again changes nothing."""
        with self._mutex:
            self._drop_connection()
            lock, self._lock = self._lock, None
            if lock is not None:
                os.close(lock)

    def _append_again(self, drafts: list[Draft], cause: sqlite3.Error) -> list[Written]:
        """After a failure: once more on a new connection where that can help, else says what the failure means.

        A read error looks like damage though the file is fine (faults.md §0, 6), so damage is believed the second time.
        """
        self._drop_connection()
        if (_no_room(cause) and self._release_ballast()) or isinstance(explained(self.path, cause), DamagedJournal):
            try:
                return self._transact(drafts)
            except sqlite3.Error as again:
                self._drop_connection()
                cause = again
        meaning = explained(self.path, cause)
        if not self.path.parent.exists():
            meaning = damaged(self.path, "its directory is gone")
        if isinstance(meaning, DamagedJournal):
            raise meaning from cause
        raise NotRecorded(
            "the journal could not be written: {cause}",
            "check the disk with slipkeeper doctor; the terminal will repeat",
            cause=str(cause),
        ) from cause

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
        if not self._in_place():
            raise sqlite3.DatabaseError("the file was moved or deleted while it was being written")
        self._head = self._known = head
        return written

    def _in_place(self) -> bool:
        """Whether file and log still have their names. Without, all would be lost when the last handle closes."""
        try:
            file, log = (os.stat(name) for name in self._names)  # noqa: PTH116 - after each commit: Path.stat is slower
        except OSError:
            return False
        now = (file.st_dev, file.st_ino, log.st_dev, log.st_ino)
        self._files = self._files or now
        return now == self._files

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
            try:
                held = find(connection, draft.source, draft.kind, draft.key)
            except DamagedJournal:  # its line was spoilt on the disk: what it said is unknown, so this is news
                return self._put(connection, contradicted(draft), head)
            assert held is not None
            again = restated(draft, held)
            return (Written(held, new=False), head) if again is None else self._put(connection, again, head)
        if draft.raw is not None:
            connection.execute(
                "insert into raw(seq, sha256, data) values(?,?,?)",
                (entry.seq, bytes.fromhex(entry.raw_sha256), draft.raw),
            )
        return Written(entry, new=True), Head(head.journal_id, head.base, entry.seq, hash_)

    def _open(self, journal_id: str, parent: Head | None) -> Head:
        self._refuse_orphan()
        try:
            connection = self._open_with_room()
            migrate(connection, "journal")
            if not read_meta(connection) and not connection.execute("select 1 from entries").fetchone():
                connection.execute("begin immediate")
                connection.executemany("insert into meta(name, value) values(?,?)", _birth(journal_id, parent))
                connection.execute("commit")
            head = read_head(connection)
        except (sqlite3.Error, KeyError, ValueError) as cause:
            raise explained(self.path, cause) from cause
        _sync_directory(self.path.parent)
        self._reserve_ballast()
        return head

    def _open_with_room(self) -> sqlite3.Connection:
        """Opening makes small files beside the journal: on a full disk there must be room for them."""
        try:
            return self._open_connection()
        except sqlite3.Error as cause:
            if not (_no_room(cause) and self._release_ballast()):
                raise
            return self._open_connection()

    def _refuse_orphan(self) -> None:
        """SQLite deletes a log beside an empty or missing file. The newest entries may be in it, so nobody opens it."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size == 0 and self.wal_bytes():
            raise damaged(self.path, "the file is gone, its write-ahead log is not")

    def _open_connection(self) -> sqlite3.Connection:
        """The writing connection; opened anew after a failure, and then the head is read again from the disk."""
        if self._connection is not None:
            return self._connection
        if self._lock is None:
            raise NotRecorded("the journal is closed", "the keeper is stopping; the terminal will repeat")
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=32)
        try:
            self.path.chmod(0o600)
            for name, value, expected in _PRAGMAS:
                connection.execute(f"pragma {name}={value}")
                (answer,) = connection.execute(f"pragma {name}").fetchone()
                if answer != expected:
                    raise TryLater(  # noqa: TRY301 - the connection is closed below
                        "SQLite answers {answer} for {name}, the journal needs {value}",
                        "keep the journal on a local disk, not on a network share",
                        answer=answer,
                        name=name,
                        value=value,
                    )
            if self._known is not None:
                self._head = self._known = _regained(connection, self._known)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._files = ()
        return connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _reserve_ballast(self) -> None:
        """Disk space kept back for the worst evening. Missing space is no reason not to start."""
        with contextlib.suppress(OSError):
            if self._ballast.exists() or shutil.disk_usage(self.path.parent).free < _PLENTY:
                return
            try:
                with self._ballast.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, _BALLAST_BYTES)
            except OSError:
                self._release_ballast()

    def _release_ballast(self) -> bool:
        try:
            self._ballast.unlink()
        except OSError:
            return False
        return True


def _no_room(cause: sqlite3.Error) -> bool:
    return getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR_SHM"))


def _regained(connection: sqlite3.Connection, known: Head) -> Head:
    """The head of a file opened again. It may have more than we know of (a commit that failed), never less or other."""
    try:
        found = read_head(connection)
    except (KeyError, ValueError) as cause:
        raise sqlite3.DatabaseError(f"{cause} is gone from the file") from cause
    row = connection.execute("select hash from entries where seq=?", (known.seq,)).fetchone()
    if found.journal_id != known.journal_id or (known.seq and row != (known.hash,)):
        raise sqlite3.DatabaseError(f"this is not the file that ended at {known.seq}")
    return found


def _birth(journal_id: str, parent: Head | None) -> list[tuple[str, str]]:
    return [
        ("journal_id", journal_id),
        ("parent_id", parent.journal_id if parent else ""),
        ("parent_seq", str(parent.seq) if parent else ""),
        ("parent_head", parent.hash.hex() if parent else ""),
        ("base", str(parent.base + parent.seq) if parent else "0"),
    ]


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
