"""Both databases come to the newest schema from nothing, again and again, and after a kill at any statement."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import DamagedJournal
from agent.schema import INDEX_VERSION, JOURNAL_PARTS, JOURNAL_VERSION, as_stored, migrate


def opened(path: Path | str = ":memory:") -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def made(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("select name, sql from sqlite_master where sql > ''").fetchall()
    return {name: as_stored(sql) for name, sql in rows}


@pytest.mark.parametrize(("what", "version"), [("journal", JOURNAL_VERSION), ("index", INDEX_VERSION)])
def test_from_nothing_and_again(what: str, version: int):
    connection = opened()
    migrate(connection, what)
    first = made(connection)
    assert connection.execute("pragma user_version").fetchone() == (version,)
    migrate(connection, what)
    assert made(connection) == first
    connection.execute("pragma user_version = 0")  # killed before the last statement
    migrate(connection, what)
    assert made(connection) == first
    connection.close()


def test_the_parts_that_are_proven_are_the_parts_that_are_made():
    connection = opened()
    migrate(connection, "journal")
    found = {name: sql for name, sql in made(connection).items() if "_sqlite_migrations" not in sql}
    assert found == JOURNAL_PARTS
    assert {"entries", "raw", "meta", "identity"} < set(JOURNAL_PARTS)
    connection.close()


@pytest.mark.parametrize("what", ["journal", "index"])
def test_a_newer_one_is_refused_and_left_alone(what: str):
    connection = opened()
    connection.execute("pragma user_version = 77")
    with pytest.raises(DamagedJournal, match="newer Slipkeeper"):
        migrate(connection, what)
    assert made(connection) == {}
    connection.close()


def test_every_table_of_the_journal_is_strict():
    assert all("strict" in sql for sql in JOURNAL_PARTS.values() if sql.startswith("create table"))


def test_a_kill_at_any_moment_of_the_first_creation(tmp_path: Path):
    """Whatever the killed process left behind, the next one finishes; and a current file needs no sqlite-utils."""
    code = (
        "import os, sqlite3, sys, itertools\n"
        "from agent.schema import migrate\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('pragma journal_mode=wal')\n"
        "n = itertools.count()\n"
        "c.set_trace_callback(lambda sql: os._exit(9) if next(n) == int(sys.argv[2]) else None)\n"
        "migrate(c, 'journal')\n"
    )
    states = set()
    for place in range(0, 60, 4):
        path = tmp_path / f"{place}.db"
        done = subprocess.run([sys.executable, "-c", code, path, str(place)], check=False, timeout=30)
        connection = opened(path)
        states.add(len(made(connection)))
        migrate(connection, "journal")
        assert {name: sql for name, sql in made(connection).items() if name in JOURNAL_PARTS} == JOURNAL_PARTS
        connection.close()
        if done.returncode == 0:
            break
    assert len(states) > 1, "no kill fell into the middle"


def test_a_current_file_starts_without_the_migration_library(tmp_path: Path):
    """It costs a third of the start and most of the memory."""
    connection = opened(tmp_path / "j.db")
    migrate(connection, "journal")
    connection.close()
    code = (
        "import sqlite3, sys\nfrom agent.schema import migrate\n"
        "migrate(sqlite3.connect(sys.argv[1], isolation_level=None), 'journal')\n"
        "assert 'sqlite_utils' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "j.db"], check=True, timeout=30)
