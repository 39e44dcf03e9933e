"""index.db: what menu, desk and roles look things up in. Disposable: every row is computed from entries.

`catch_up` runs right after the acknowledgement, never before it; delete the file and it comes back the same (a test
proves it). `agent.projections` says how; here each question is a method with a sentence.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from agent.errors import DamagedJournal, TryLater
from agent.history import History
from agent.projections import project
from agent.schema import INDEX_VERSION, migrate
from agent.search import Wanted

FILE: Final = "index.db"
_log: Final = logging.getLogger("slipkeeper.index")
_PAYMENTS: Final = """
    select number, at, day, source, body, entries, raw_number, conflict, counted, (
        select count(*) from print_jobs where purpose = 'reprint'
        and state in ('printed', 'unconfirmed', 'printed_by_operator')
        and of_number in (select entry from payment_entries where payment_entries.number = transactions.number)
    ) from transactions where """
# SQLite's words for a file that is not what was written. Whatever else goes wrong may pass.
_SPOILT: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NO_PLACE: Final = ("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_NOMEM")

Answer = TypeVar("Answer")
Row = dict[str, Any]


class Index:
    """The projections of one box. One connection, one mutex: rows are small and queries short."""

    def __init__(self, directory: Path, history: History) -> None:
        self._history = history
        self._path = directory / FILE
        self._mutex = threading.Lock()
        try:
            self._connection = self._connect()
        except (sqlite3.DatabaseError, DamagedJournal) as cause:
            if _said(cause).startswith(_NO_PLACE):
                raise _later(cause) from cause
            self._connection = self._begin_again()
        if not self._goes_on():
            self._connection.close()
            self._connection = self._begin_again()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            (version,) = connection.execute("pragma user_version").fetchone()
            if version not in {0, INDEX_VERSION}:
                raise DamagedJournal("the index is of another version")  # noqa: TRY301 - the connection is closed below
            self._path.chmod(0o600)
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=normal")
            migrate(connection, "index")
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin_again(self) -> sqlite3.Connection:
        """Nothing here is the only copy of anything: a damaged index is thrown away and computed again."""
        _log.warning("the index is thrown away and computed again")
        for name in (FILE, FILE + "-wal", FILE + "-shm"):
            self._path.with_name(name).unlink(missing_ok=True)
        return self._connect()

    def _goes_on(self) -> bool:
        """Whether what was projected last is what stands there now: a journal put back may hold other entries."""
        row = self._connection.execute("select number, hash from bookmark where name='entries'").fetchone()
        if row is None:
            return True
        return row[0] <= self._history.last() and self._history.hash_at(row[0]) in {b"", row[1]}

    def catch_up(self) -> int:
        """Projects every entry not projected yet and returns the number of the newest. Any thread may call it."""
        with self._mutex:
            return self._safely(self._project_new)

    def _project_new(self) -> int:
        row = self._connection.execute("select number from bookmark where name='entries'").fetchone()
        after = row[0] if row else 0
        while found := self._history.entries(after):
            self._connection.execute("begin immediate")
            try:
                for number, entry in found:
                    project(self._connection, number, entry)
                    after = number
                self._connection.execute(
                    "insert into bookmark(name, number, hash) values('entries', ?, ?)"
                    " on conflict(name) do update set number=excluded.number, hash=excluded.hash",
                    (after, self._history.hash_at(after)),
                )
                self._connection.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("rollback")
                raise
        return after

    def _safely(self, act: Callable[[], Answer]) -> Answer:
        """Damage found while the box runs: computed again at once. A full disk: TryLater. Holding the mutex."""
        try:
            return act()
        except sqlite3.DatabaseError as cause:
            if _said(cause).startswith(_NO_PLACE):
                raise _later(cause) from cause
            if not _said(cause).startswith(_SPOILT):
                raise
        self._connection.close()
        self._connection = self._begin_again()
        self._project_new()
        return act()

    # -- looking up ------------------------------------------------------------------------------------------------

    def search(self, wanted: Wanted, day: str = "", limit: int = 50, offset: int = 0) -> list[Row]:
        """Payments that match every word of the search box, newest first."""
        where, values = wanted.sql()
        if day:
            where, values = f"({where}) and day = ?", [*values, day]
        return self._payments(f"{where} order by number desc limit ? offset ?", [*values, limit, offset])

    def payment(self, number: int) -> Row | None:
        """The payment an entry number belongs to: its first entry, or any later paper of it."""
        found = self._payments("number = (select number from payment_entries where entry = ?)", [number])
        return found[0] if found else None

    def payments_between(self, after: int, last: int) -> list[Row]:
        """Payments for the list of entries after < number <= last, oldest first.

        A payment counts on the list on which it became money. Until then it stands as unknown on the list of the day
        it was first told of: so it is on one list as a doubt, and on one as money, never on two as money.
        """
        rows = self._counted(
            "(counted > ? and counted <= ?)"
            " or (number > ? and number <= ? and coalesce(counted, 0) not between 1 and ?) order by number",
            [after, last, after, last, last],
        )
        return [{**row, "outcome": "unknown"} if (counted or 0) > last else row for row, counted in rows]

    def batch(self, terminal_id: str, batch_no: str, since: str) -> list[Row]:
        """Payments of a terminal's batch first told of on the business day `since` or later, oldest first.

        Batch numbers come again, after a million or after a repair: `since` tells the batch from its namesake.
        """
        numbers = f"{terminal_id}:{batch_no}:"
        return self._payments(
            "number in (select number from payment_names where name >= ? and name < ?) and day >= ? order by number",
            [numbers, numbers[:-1] + ";", since],
        )

    def _payments(self, where: str, values: Iterable[object]) -> list[Row]:
        return [payment for payment, _ in self._counted(where, values)]

    def _counted(self, where: str, values: Iterable[object]) -> list[tuple[Row, int | None]]:
        """Payments with the number of the entry that made them money."""
        return [(_payment(row), row[8]) for row in self._rows(_PAYMENTS + where, values)]

    def papers(self, kind: str, after: int = 0, last: int = 2**62, limit: int = 100) -> list[Row]:
        """Settlements, lists, notices and unread slips, newest first."""
        rows = self._rows(
            "select number, kind, at, day, source, body, raw_number from papers"
            " where kind = ? and number > ? and number <= ? order by number desc limit ?",
            (kind, after, last, limit),
        )
        return [_paper(row) for row in rows]

    def paper(self, number: int) -> Row | None:
        rows = self._rows(
            "select number, kind, at, day, source, body, raw_number from papers where number = ?", (number,)
        )
        return _paper(rows[0]) if rows else None

    def jobs(self, *, only_open: bool = False, limit: int = 50, printer: str = "") -> list[Row]:
        """Print jobs, newest first; open ones oldest first, as they will be printed."""
        where = "open = 1" if only_open else "1"
        values: list[object] = []
        if printer:
            where, values = f"{where} and printer = ?", [printer]
        order = "number" if only_open else "number desc"
        rows = self._rows(f"select body from print_jobs where {where} order by {order} limit ?", [*values, limit])  # noqa: S608 - fixed parts
        return [json.loads(row[0]) for row in rows]

    def job(self, job_id: str) -> Row | None:
        rows = self._rows("select body from print_jobs where id = ?", (job_id,))
        return json.loads(rows[0][0]) if rows else None

    def jobs_of(self, number: int) -> list[Row]:
        """Print jobs of one payment or paper, oldest first."""
        rows = self._rows("select body from print_jobs where of_number = ? order by number", (number,))
        return [json.loads(row[0]) for row in rows]

    def days(self, limit: int = 30) -> list[Row]:
        """Closed days, newest first."""
        rows = self._rows("select body from days order by number desc limit ?", (limit,))
        return [json.loads(row[0]) for row in rows]

    def day(self, day: str) -> Row | None:
        rows = self._rows("select body from days where day = ?", (day,))
        return json.loads(rows[0][0]) if rows else None

    def events(self, kind: str, after: int = 0, last: int = 2**62, limit: int = 1000) -> list[Row]:
        """Entries of a kind that is neither money nor paper (blind periods, clock steps, receipts), oldest first."""
        rows = self._rows(
            "select number, at, day, source, key, body from events"
            " where kind = ? and number > ? and number <= ? order by number desc limit ?",
            (kind, after, last, limit),
        )
        return [
            {**json.loads(body), "seq": number, "at": at, "day": day, "source": source, "key": key}
            for number, at, day, source, key, body in reversed(rows)
        ]

    def alarms(self) -> list[Row]:
        """Alarms that are on, oldest first."""
        rows = self._rows("select code, since, body from alarms order by since", ())
        return [{**json.loads(body), "code": code, "since": since} for code, since, body in rows]

    def _rows(self, sql: str, values: Iterable[object]) -> list[Any]:
        with self._mutex:
            return self._safely(lambda: self._connection.execute(sql, tuple(values)).fetchall())

    def dump(self) -> dict[str, list[Any]]:
        """Every row of every projection: what the test compares between a live and a rebuilt index."""
        return {name: self._rows(f"select * from {name} order by 1, 2", ()) for name in _TABLES}  # noqa: S608 - fixed

    def close(self) -> None:
        self._connection.close()


_TABLES: Final = (
    "transactions",
    "payment_names",
    "payment_entries",
    "papers",
    "print_jobs",
    "days",
    "events",
    "alarms",
    "(select rowid, words from transaction_words)",
)


def _payment(row: tuple[Any, ...]) -> Row:
    number, at, day, source, body, entries, raw, conflict, _counted, reprints = row
    return {
        **json.loads(body),
        **({"conflict": True} if conflict else {}),
        "seq": number,
        "at": at,
        "day": day,
        "source": source,
        "entries": json.loads(entries),
        "raw": raw,
        "reprints": reprints,
    }


def _said(cause: Exception) -> str:
    return getattr(cause, "sqlite_errorname", "")


def _later(cause: Exception) -> TryLater:
    return TryLater("the index cannot be used now: {cause}", "check the disk with slipkeeper doctor", cause=str(cause))


def _paper(row: tuple[Any, ...]) -> Row:
    number, kind, at, day, source, body, raw = row
    return {**json.loads(body), "seq": number, "kind": kind, "at": at, "day": day, "source": source, "raw": raw}
