"""Plain SQL over Django's connection: the one way the hot path and the projections talk to SQLite and PostgreSQL.

`%s` marks a parameter on both. Rows are taken whole and let go: no open cursor outlives a call, so a reader never
holds a writer up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection, transaction

Value = int | str | bytes | None

# SQLite's own waiting is a polling loop that starves the unlucky; writers of this process queue here instead.
_TURN: Final = threading.Lock()


def rows(sql: str, *values: Value) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def maybe_row(sql: str, *values: Value) -> tuple[Any, ...] | None:
    found = rows(sql, *values)
    return found[0] if found else None


def run(sql: str, *values: Value) -> int:
    """Executes, and says how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def run_many(sql: str, values: Sequence[Sequence[Value]]) -> None:
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)


@contextmanager
def writing() -> Iterator[None]:
    """One short transaction. What is inside is committed when the block is left, or not at all.

    `durable` refuses to be nested: leaving the outermost block is what an answer may rely on.
    """
    if connection.vendor == "sqlite":
        with _TURN, transaction.atomic(durable=True):
            yield
    else:
        with transaction.atomic(durable=True):
            yield


def locked() -> str:
    """What to append to a SELECT whose row must not change until the commit. SQLite locks the file as a whole."""
    return " FOR UPDATE" if connection.features.has_select_for_update else ""
