"""Numbered migrations of the agent's two databases: the sacred journal.db and the disposable index.db.

A released migration is never edited; a new need is a new function at the end. `pragma user_version` repeats how many
are applied, so that a daemon whose files are current starts without importing sqlite-utils at all.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from agent.errors import DamagedJournal

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

JOURNAL_VERSION: Final = 1
INDEX_VERSION: Final = 2  # an index of another version is thrown away and computed again


def migrate(connection: sqlite3.Connection, what: str) -> None:
    """Brings "journal" or "index" to the newest schema; `connection` is in autocommit. Newer: DamagedJournal."""
    newest = {"journal": JOURNAL_VERSION, "index": INDEX_VERSION}[what]
    (held,) = connection.execute("pragma user_version").fetchone()
    if held == newest:
        return
    if held > newest:
        raise DamagedJournal(
            "the {what} was written by a newer Slipkeeper (schema {held}, this one knows {newest})",
            "install the newer version again; nothing was changed",
            what=what,
            held=held,
            newest=newest,
        )
    from sqlite_utils import Database, Migrations  # noqa: PLC0415 - costs 80 ms and 16 MiB, needed once per upgrade

    database = Database(connection, execute_plugins=False)
    migrations = Migrations(what)
    (_journal if what == "journal" else _index)(migrations)
    migrations.apply(database)
    connection.execute(f"pragma user_version = {newest}")


def _journal(migrations: Migrations) -> None:
    @migrations()
    def m001_entries(db: Database) -> None:
        for statement in _JOURNAL_001:
            db.conn.execute(statement)


def _index(migrations: Migrations) -> None:
    @migrations()
    def m001_projections(db: Database) -> None:
        for statement in _INDEX_001:
            db.conn.execute(statement)


# `line` and `data` may be set to null by the purge, nothing else may ever change: the triggers say so to everybody.
_JOURNAL_001: Final = (
    "create table meta(name text primary key, value text not null) strict, without rowid",
    """
    create table entries(
        seq integer primary key,
        kind text not null,
        source text not null,
        key text not null,
        at text not null,
        day text not null,
        digest blob not null,
        hash blob not null,
        line blob
    ) strict
    """,
    # The one index the acknowledgement waits for; keys of one source grow, so it stays cheap (performance.md §2).
    "create unique index identity on entries(source, kind, key)",
    """
    create table raw(
        seq integer primary key references entries(seq),
        sha256 blob not null,
        data blob
    ) strict
    """,
    """
    create trigger entries_stay before delete on entries
    begin select raise(abort, 'journal entries are never deleted'); end
    """,
    """
    create trigger entries_never_change before update on entries
    when not (new.line is null and new.seq = old.seq and new.kind = old.kind and new.source = old.source
              and new.key = old.key and new.at = old.at and new.day = old.day and new.digest = old.digest
              and new.hash = old.hash)
    begin select raise(abort, 'journal entries never change'); end
    """,
    """
    create trigger entries_follow before insert on entries
    when new.seq <> (select coalesce(max(seq), 0) + 1 from entries)
    begin select raise(abort, 'journal entries have no holes'); end
    """,
    """
    create trigger raw_stays before delete on raw
    begin select raise(abort, 'raw slips are never deleted'); end
    """,
    """
    create trigger raw_never_changes before update on raw
    when not (new.data is null and new.seq = old.seq and new.sha256 = old.sha256)
    begin select raise(abort, 'raw slips never change'); end
    """,
)

_NAMED: Final = re.compile(r"\s*create (?:unique )?(?:table|index|trigger) (\w+)")


def _parts(statements: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for sql in statements:
        if named := _NAMED.match(sql):
            yield named[1], as_stored(sql)


def as_stored(sql: str) -> str:
    """A statement as `verify` compares it: SQLite keeps the words, not their blanks."""
    return " ".join(sql.split()).lower()


# Each part of the journal's file by its name.
JOURNAL_PARTS: Final = dict(_parts(_JOURNAL_001))

# Everything here can be computed again from the entries. `number` is the place in the whole succession of journals.
_INDEX_001: Final = (
    "create table bookmark(name text primary key, number integer not null, hash blob not null) strict, without rowid",
    """
    create table transactions(
        number integer primary key,
        at text not null,
        day text not null,
        source text not null,
        transaction_type text not null,
        outcome text not null,
        amount_minor integer,
        currency text,
        last_four text,
        trace_no text,
        rrn text,
        auth_code text,
        time text,
        body text not null,
        entries text not null,
        raw_number integer,
        conflict integer not null,
        counted integer
    ) strict
    """,
    # How a payment is found again when somebody tells of it again: see agent.transactions.
    """
    create table payment_names(name text not null, number integer not null, primary key(name, number))
    strict, without rowid
    """,
    "create index payment_names_number on payment_names(number)",
    "create table payment_entries(entry integer primary key, number integer not null) strict",
    "create index payment_entries_number on payment_entries(number)",
    "create index transactions_counted on transactions(counted)",
    "create index transactions_day on transactions(day, number)",
    "create index transactions_amount on transactions(amount_minor, number)",
    "create index transactions_last_four on transactions(last_four, number)",
    "create index transactions_trace on transactions(trace_no, number)",
    "create index transactions_rrn on transactions(rrn)",
    # Words are cut by us (agent.search: Chinese into pairs), so that only blanks part them here; else a letter that one
    # Unicode version calls a sign would make a word two words, and a look-up an error. Prefixes of 2 to 4 are indexed.
    """
    create virtual table transaction_words using fts5(
        words, prefix='2 3 4', detail=none, tokenize="unicode61 categories 'L* N* M* P* S* C*'"
    )
    """,
    """
    create table papers(
        number integer primary key,
        kind text not null,
        at text not null,
        day text not null,
        source text not null,
        body text not null,
        raw_number integer
    ) strict
    """,
    "create index papers_kind on papers(kind, number)",
    """
    create table print_jobs(
        id text primary key,
        number integer not null,
        at text not null,
        of_number integer,
        purpose text not null,
        printer text not null,
        state text not null,
        open integer not null,
        body text not null
    ) strict
    """,
    "create index print_jobs_open on print_jobs(open, number)",
    "create index print_jobs_of on print_jobs(of_number)",
    """
    create table days(
        day text primary key,
        number integer not null unique,
        entry integer not null,
        body text not null
    ) strict
    """,
    """
    create table events(
        number integer primary key,
        kind text not null,
        at text not null,
        day text not null,
        source text not null,
        key text not null,
        body text not null
    ) strict
    """,
    "create index events_kind on events(kind, number)",
    "create table alarms(code text primary key, since text not null, body text not null) strict, without rowid",
)
