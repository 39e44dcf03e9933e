from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.upstream.box import Client, Journal
from tests.upstream.running import Running, drop_schema, postgres_schema

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running receiving end for all contract tests of this worker and database; each test has journals of its own."""
    data = tmp_path_factory.mktemp("upstream") / "data"
    schema = dsn = ""
    if request.param == "postgresql":
        try:
            schema, dsn = postgres_schema()
        except psycopg.Error as cause:
            if os.environ.get("SLIPKEEPER_CI"):
                pytest.fail(f"CI needs PostgreSQL: {cause}")
            pytest.skip(f"NO POSTGRESQL, half of the contract is untested: {cause}")
    running = Running(data, dsn).start()
    yield running
    running.stop()
    if schema:
        drop_schema(schema)


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Servers of one test alone, on SQLite, stopped behind it."""
    made: list[Running] = []

    def start(**words: object) -> Running:
        made.append(Running(tmp_path / f"data{len(made)}", **words).start())  # type: ignore[arg-type] # words of Running
        return made[-1]

    yield start
    for running in made:
        if running.process and running.process.poll() is None:
            running.stop()


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Boxes. `client(server)` is enrolled; `enrolled=False` leaves it outside."""
    made: list[Client] = []

    def make(running: Running, journal: Journal | None = None, *, enrolled: bool = True, **words: object) -> Client:
        seed = f"{os.getpid()}-{next(_numbers)}"
        made.append(Client(running.url, journal or Journal(seed, **words)))  # type: ignore[arg-type] # words of Journal
        if enrolled:
            answer = made[-1].enroll(running.code())
            assert answer.status_code == 201, answer.text
        return made[-1]

    yield make
    for one in made:
        one.close()
