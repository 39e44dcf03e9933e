"""What each kind of entry does to the rows of index.db. Everything here can be computed again from the entries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from agent.entries import Entry, Kind
from agent.print_jobs import OPEN
from agent.search import searchable
from agent.transactions import Transaction, akin, identity, is_paper, tell, tells_of_payment

_PAPERS: Final = frozenset({Kind.SETTLEMENT, Kind.DETAIL_LIST, Kind.NOTICE, Kind.SLIP})


def project(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    """Brings the rows up to date with one more entry. Called once per entry, in order."""
    if entry.line is None:  # purged before it was ever projected: its identity is all that is left
        return
    if tells_of_payment(entry):
        _project_payment(connection, number, entry)
    elif entry.kind in _PAPERS:
        _project_paper(connection, number, entry)
    else:
        _PROJECTIONS.get(entry.kind, _project_event)(connection, number, entry)


def _project_payment(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    name = identity(entry)
    row = connection.execute(
        "select number, identity, at, day, source, body, entries, raw_number from transactions"
        " where identity = ? or (identity >= ? and identity < ?) order by identity <> ?, number limit 1",
        (name, *akin(name), name),
    ).fetchone()
    payment = tell(_transaction(row) if row else None, number, entry)
    body = dict(payment.fields)
    if payment.conflict:
        body["conflict"] = True
    found = searchable(payment.fields)
    connection.execute(
        "insert or replace into transactions(number, identity, at, day, source, transaction_type, outcome,"
        " amount_minor, currency, last_four, trace_no, rrn, auth_code, time, body, entries, raw_number)"
        " values(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            payment.number,
            payment.identity,
            payment.at,
            payment.day,
            payment.source,
            body.get("transaction_type", "other"),
            body.get("outcome", "unknown"),
            body.get("amount_minor"),
            body.get("currency"),
            found.last_four,
            body.get("trace_no"),
            body.get("rrn"),
            body.get("auth_code"),
            found.time,
            json.dumps(body, ensure_ascii=False),
            json.dumps(payment.entries),
            payment.raw,
        ),
    )
    connection.execute("delete from transaction_words where rowid=?", (payment.number,))
    connection.execute("insert into transaction_words(rowid, words) values(?,?)", (payment.number, found.words))


def _project_paper(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    connection.execute(
        "insert into papers(number, kind, at, day, source, body, raw_number) values(?,?,?,?,?,?,?)",
        (
            number,
            entry.kind,
            entry.at,
            entry.day,
            entry.source,
            json.dumps(entry.body, ensure_ascii=False),
            number if is_paper(entry) else None,
        ),
    )


def _transaction(row: tuple[Any, ...]) -> Transaction:
    number, name, at, day, source, text, entries, raw = row
    body = json.loads(text)
    conflict = body.pop("conflict", False)
    return Transaction(number, name, at, day, source, body, tuple(json.loads(entries)), raw, conflict)


def _project_event(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    connection.execute(
        "insert into events(number, kind, at, day, source, key, body) values(?,?,?,?,?,?,?)",
        (number, entry.kind, entry.at, entry.day, entry.source, entry.key, json.dumps(entry.body, ensure_ascii=False)),
    )


def _project_job(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    body = {**entry.body, "id": entry.key, "seq": number, "at": entry.at, "state": "queued", "why": "", "history": []}
    connection.execute(
        "insert into print_jobs(id, number, at, of_number, purpose, printer, state, open, body)"
        " values(?,?,?,?,?,?,'queued',1,?)",
        (
            entry.key,
            number,
            entry.at,
            entry.body.get("of_seq"),
            entry.body["purpose"],
            entry.body["printer"],
            json.dumps(body, ensure_ascii=False),
        ),
    )


def _project_job_state(connection: sqlite3.Connection, _number: int, entry: Entry) -> None:
    row = connection.execute("select body from print_jobs where id = ?", (entry.body["job"],)).fetchone()
    if row is None:
        return
    body = json.loads(row[0])
    news = {name: value for name, value in entry.body.items() if name != "job"}
    body = {**body, **news, "history": [*body["history"], {**news, "at": entry.at}]}
    connection.execute(
        "update print_jobs set state = ?, open = ?, body = ? where id = ?",
        (body["state"], body["state"] in OPEN, json.dumps(body, ensure_ascii=False), entry.body["job"]),
    )


def _project_day(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    body = {**entry.body, "seq": number, "closed_at": entry.at}
    connection.execute(
        "insert into days(day, number, entry, body) values(?,?,?,?) on conflict(day) do nothing",
        (entry.body["day"], entry.body["number"], number, json.dumps(body, ensure_ascii=False)),
    )


def _project_alarm(connection: sqlite3.Connection, _number: int, entry: Entry) -> None:
    connection.execute(
        "insert into alarms(code, since, body) values(?,?,?) on conflict(code) do nothing",
        (entry.body["code"], entry.at, json.dumps(entry.body, ensure_ascii=False)),
    )


def _project_alarm_end(connection: sqlite3.Connection, _number: int, entry: Entry) -> None:
    connection.execute("delete from alarms where code = ?", (entry.body["code"],))


_PROJECTIONS: Final[dict[str, Callable[[sqlite3.Connection, int, Entry], None]]] = {
    Kind.PRINT_JOB: _project_job,
    Kind.PRINT_STATE: _project_job_state,
    Kind.DAY_CLOSE: _project_day,
    Kind.ALARM: _project_alarm,
    Kind.ALARM_END: _project_alarm_end,
}
