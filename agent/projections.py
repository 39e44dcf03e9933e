"""What each kind of entry does to the rows of index.db. Everything here can be computed again from the entries."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final

from agent.entries import Entry, Kind
from agent.print_jobs import OPEN
from agent.search import searchable
from agent.transactions import Transaction, choose, is_paper, join, names, tell, tells_of_payment

_log: Final = logging.getLogger("slipkeeper.projections")
_ODD: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
_PAPERS: Final = frozenset({Kind.SETTLEMENT, Kind.DETAIL_LIST, Kind.NOTICE, Kind.SLIP})


def project(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    """Brings the rows up to date with one more entry. Called once per entry, in order, within a transaction.

    An entry whose body is not as its kind wants it (cut, or of another version) is kept as an event: one odd entry
    must not keep everything behind it out of sight.
    """
    if entry.line is None:  # purged before it was ever projected: its identity is all that is left
        return
    connection.execute("savepoint entry")
    try:
        _project(connection, number, entry)
    except (*_ODD, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
        _log.exception("entry %d (%s) is kept as an event", number, entry.kind)
        connection.execute("rollback to entry")
        _project_event(connection, number, entry)
    connection.execute("release entry")


def _project(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    if tells_of_payment(entry):
        _project_payment(connection, number, entry)
    elif entry.kind in _PAPERS:
        _project_paper(connection, number, entry)
    else:
        _PROJECTIONS.get(entry.kind, _project_event)(connection, number, entry)


_PAYMENT: Final = """
    select number, at, day, source, body, entries, raw_number, conflict, counted from transactions
    where number in (select number from payment_names where name = ?) order by number
"""


def _project_payment(connection: sqlite3.Connection, number: int, entry: Entry) -> None:
    found = names(entry)
    own, *others = ([_transaction(row) for row in connection.execute(_PAYMENT, (name,))] for name in found.sought_as)
    chosen = choose(entry, own, [payment for group in others for payment in group])
    before: Transaction | None = None
    for payment in chosen:
        before = payment if before is None else join(before, payment)
    payment = tell(before, number, entry)
    for other in chosen:
        if other.number != payment.number:
            _absorb(connection, payment.number, other.number)
    _put_payment(connection, payment)
    connection.executemany(
        "insert into payment_names(name, number) values(?,?) on conflict do nothing",
        [(name, payment.number) for name in found.all],
    )
    connection.execute("insert into payment_entries(entry, number) values(?,?)", (number, payment.number))


def _absorb(connection: sqlite3.Connection, number: int, gone: int) -> None:
    """Two payments turned out to be one: what pointed to the younger points to the older."""
    connection.execute("update or ignore payment_names set number = ? where number = ?", (number, gone))
    connection.execute("delete from payment_names where number = ?", (gone,))
    connection.execute("update payment_entries set number = ? where number = ?", (number, gone))
    connection.execute("delete from transactions where number = ?", (gone,))
    connection.execute("delete from transaction_words where rowid = ?", (gone,))


def _put_payment(connection: sqlite3.Connection, payment: Transaction) -> None:
    fields = payment.fields
    found = searchable(fields)
    values: Iterable[object] = (
        payment.number,
        payment.at,
        payment.day,
        payment.source,
        fields.get("transaction_type", "other"),
        fields.get("outcome", "unknown"),
        fields.get("amount_minor"),
        fields.get("currency"),
        found.last_four,
        found.trace_no,
        fields.get("rrn"),
        fields.get("auth_code"),
        found.time,
        json.dumps(dict(fields), ensure_ascii=False),
        json.dumps(payment.entries),
        payment.raw,
        payment.conflict,
        payment.counted,
    )
    connection.execute(
        "insert or replace into transactions(number, at, day, source, transaction_type, outcome, amount_minor,"
        " currency, last_four, trace_no, rrn, auth_code, time, body, entries, raw_number, conflict, counted)"
        " values(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        tuple(values),
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
    number, at, day, source, body, entries, raw, conflict, counted = row
    told = tuple(json.loads(entries))
    return Transaction(number, at, day, source, json.loads(body), told, raw, bool(conflict), counted)


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
