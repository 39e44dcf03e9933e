from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from tests.upstream.box import Client, Journal
from tests.upstream.running import REPOSITORY, Running, drop_schema, postgres_schema

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


@pytest.fixture(scope="session", autouse=True)
def chinese() -> None:
    """The Chinese catalogue as the package ships it, compiled when it is older than its source."""
    source = REPOSITORY / "upstream/locale/zh_Hans/LC_MESSAGES/django.po"
    compiled = source.with_suffix(".mo")
    if compiled.exists() and compiled.stat().st_mtime >= source.stat().st_mtime:
        return
    with source.open("rb") as file:
        catalogue = read_po(file, locale="zh_Hans")
    with tempfile.NamedTemporaryFile(dir=source.parent, delete=False) as file:
        write_mo(file, catalogue)
    os.replace(file.name, compiled)  # whole or not at all: other workers read it
