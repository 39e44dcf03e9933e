"""The tables of the receiving end: brought up to date, named, and their database held to what it promises."""

from __future__ import annotations

import uuid

from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import OperationalError

from agent.errors import Refused, TryLater
from upstream.database import maybe_row, rows, run, writing
from upstream.receiving import wiring


def prepare() -> int:
    """Bring the tables up to date and give this upstream its name. How many migrations were applied."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            call_command("migrate", interactive=False, verbosity=0)
        with writing():
            if maybe_row("SELECT upstream_id FROM upstream") is None:
                sql = "INSERT INTO upstream (upstream_id, epoch, since) VALUES (%s, 1, %s)"
                run(sql, str(uuid.uuid4()), wiring.now_text())
    except OperationalError as cause:
        raise TryLater(
            "the database cannot be used: {cause}",
            "is the directory writable, is PostgreSQL running?",
            cause=str(cause).splitlines()[0],
        ) from cause
    except DatabaseError as cause:
        raise Refused(
            "the database is not one of ours: {cause}",
            "slipkeeper upstream serve --data DIR starts a new one beside it",
            cause=str(cause).splitlines()[0],
        ) from cause
    _read_pragmas_back()
    return len(pending)


def _read_pragmas_back() -> None:
    """SQLite ignores what it cannot do (a network disk, an old library): what we promise is read back."""
    if connection.vendor != "sqlite":
        return
    told = {name: rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "wal_autocheckpoint")}
    if told != {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0}:
        raise Refused(
            "the database does not keep what it is told: {told}",
            "put the data directory on a local disk",
            told=told,
        )


def anybody_enrolled() -> bool:
    return maybe_row("SELECT journal_id FROM journal LIMIT 1") is not None
