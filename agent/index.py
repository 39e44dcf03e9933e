"""index.db: what menu, desk and roles look things up in. Disposable: every row is computed from entries.

`catch_up` runs right after the acknowledgement, never before it; delete the file and it comes back the same (a test
proves it). `agent.projections` says how; here each question is a method with a sentence.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from agent.projections import project
from agent.schema import migrate
from agent.search import Wanted
from agent.succession import History

FILE: Final = "index.db"
_PAYMENTS: Final = """
    select number, at, day, source, body, entries, raw_number, (
        select count(*) from print_jobs where of_number = transactions.number and purpose = 'reprint'
        and state in ('printed', 'unconfirmed', 'printed_by_operator')
    ) from transactions where """

Row = dict[str, Any]


class Index:
    """The projections of one box. One connection, one mutex: rows are small and queries short."""

    def __init__(self, directory: Path, history: History) -> None:
        self._history = history
        self._path = directory / FILE
        self._mutex = threading.Lock()
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError:
            # Nothing here is the only copy of anything: a damaged index is thrown away and computed again.
            for name in (FILE, FILE + "-wal", FILE + "-shm"):
                self._path.with_name(name).unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            self._path.chmod(0o600)
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=normal")
            migrate(connection, "index")
        except BaseException:
            connection.close()
            raise
        return connection

    def catch_up(self) -> int:
        """Projects every entry not projected yet and returns the number of the newest. Any thread may call it."""
        with self._mutex:
            after = self._bookmark()
            while found := self._history.entries(after):
                self._connection.execute("begin immediate")
                try:
                    for number, entry in found:
                        project(self._connection, number, entry)
                        after = number
                    self._connection.execute(
                        "insert into bookmark(name, number) values('entries', ?)"
                        " on conflict(name) do update set number=excluded.number",
                        (after,),
                    )
                    self._connection.execute("commit")
                except BaseException:
                    self._connection.execute("rollback")
                    raise
            return after

    def _bookmark(self) -> int:
        row = self._connection.execute("select number from bookmark where name='entries'").fetchone()
        return row[0] if row else 0

    # -- looking up ------------------------------------------------------------------------------------------------

    def search(self, wanted: Wanted, day: str = "", limit: int = 50, offset: int = 0) -> list[Row]:
        """Payments that match every word of the search box, newest first."""
        where, values = wanted.sql()
        if day:
            where, values = f"({where}) and day = ?", [*values, day]
        return self._payments(f"{where} order by number desc limit ? offset ?", [*values, limit, offset])

    def payment(self, number: int) -> Row | None:
        """The payment an entry number belongs to: its first entry, or any later paper of it."""
        found = self._payments(
            "number = ? or exists (select 1 from json_each(entries) where value = ?) order by number desc limit 1",
            [number, number],
        )
        return found[0] if found else None

    def payments_between(self, after: int, last: int) -> list[Row]:
        """Payments first told of by entries after < number <= last, oldest first."""
        return self._payments("number > ? and number <= ? order by number", [after, last])

    def _payments(self, where: str, values: Iterable[object]) -> list[Row]:
        rows = self._rows(
            _PAYMENTS + where,
            values,
        )
        return [
            {
                **json.loads(body),
                "seq": number,
                "at": at,
                "day": day,
                "source": source,
                "entries": json.loads(entries),
                "raw": raw,
                "reprints": reprints,
            }
            for number, at, day, source, body, entries, raw, reprints in rows
        ]

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
            return self._connection.execute(sql, tuple(values)).fetchall()

    def dump(self) -> dict[str, list[Any]]:
        """Every row of every projection: what the test compares between a live and a rebuilt index."""
        tables = ("transactions", "transaction_words", "papers", "print_jobs", "days", "events", "alarms")
        return {name: self._rows(f"select * from {name} order by 1", ()) for name in tables}  # noqa: S608 - fixed names

    def close(self) -> None:
        self._connection.close()


def _paper(row: tuple[Any, ...]) -> Row:
    number, kind, at, day, source, body, raw = row
    return {**json.loads(body), "seq": number, "kind": kind, "at": at, "day": day, "source": source, "raw": raw}
