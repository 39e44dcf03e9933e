"""The receiving end as a process of its own, on SQLite or PostgreSQL, and a look into its tables from outside."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

REPOSITORY = Path(__file__).parents[2]
POSTGRES = os.environ.get("SLIPKEEPER_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


def command(*words: str, **environment: str) -> list[str]:
    return [sys.executable, "-m", "upstream", *words]


@dataclass
class Running:
    """`dsn` is empty for SQLite."""

    data: Path
    dsn: str = ""
    listen: str = "127.0.0.1:0"
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""
    first_code: str = ""
    process: subprocess.Popen[bytes] | None = None

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPKEEPER", "DJANGO"))}
        database = {"SLIPKEEPER_UPSTREAM_DATABASE": self.dsn} if self.dsn else {}
        return kept | {"SLIPKEEPER_UPSTREAM_DATA": str(self.data), "TZ": "Asia/Shanghai"} | database | self.environment

    def start(self) -> Running:
        log = self.data.with_name(self.data.name + ".log").open("ab")
        with log:
            words = command("serve", "--listen", self.listen, "--json")
            self.process = subprocess.Popen(
                words, cwd=REPOSITORY, env=self.environ(), stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout
        told = self.process.stdout.readline()
        if not told:
            code = self.process.wait(20)
            self.process.stdout.close()
            raise RuntimeError(f"the server ended with {code} before it listened: {self.log()}")
        told = json.loads(told)
        self.url, self.first_code = told["url"], told["code"]
        self.listen = self.url.removeprefix("http://")
        return self

    def log(self) -> str:
        return self.data.with_name(self.data.name + ".log").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        code = self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words),
            check=False,
            cwd=REPOSITORY,
            env=self.environ(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def code(self, code: str = "", *, site: str = "main", journal: str = "", life_s: int = 900) -> str:
        """A code straight into the table: the command is tested for itself, and costs a start."""
        code = code or secrets.token_hex(8).upper()
        now = datetime.now(UTC)
        stamps = [
            moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            for moment in (now, now + timedelta(seconds=life_s))
        ]
        self.write("INSERT INTO site (site_id, since) VALUES (?, ?) ON CONFLICT DO NOTHING", site, stamps[0])
        self.write(
            "INSERT INTO enroll_code (code_sha256, site_id, label, journal_id, created_at, expires_at, used_at, used_by,"
            " request_sha256) VALUES (?, ?, 'box', ?, ?, ?, '', '', ?)",
            hashlib.sha256(code.encode()).digest(),
            site,
            journal,
            *stamps,
            b"",
        )
        return code

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        if self.dsn:
            with psycopg.connect(self.dsn) as connection:
                return connection.execute(sql.replace("?", "%s"), values).fetchall()
        with closing(sqlite3.connect(f"file:{self.data}/upstream.db?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    def write(self, sql: str, *values: Any) -> None:
        if self.dsn:
            with psycopg.connect(self.dsn) as connection:
                connection.execute(sql.replace("?", "%s"), values)
            return
        with closing(sqlite3.connect(self.data / "upstream.db", timeout=10)) as connection, connection:
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute(sql, values)

    def stored(self, journal_id: str) -> list[bytes]:
        """Every stored line, after the numbers were checked."""
        found = self.rows("SELECT seq, body FROM entry WHERE journal_id = ? ORDER BY seq", journal_id)
        assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
        return [body.encode() for _, body in found]


def postgres_schema() -> tuple[str, str]:
    """A schema of our own and the address that leads into it."""
    name = "slipkeeper_" + secrets.token_hex(6)
    assert re.fullmatch(r"\w+", name)
    with psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return name, f"{POSTGRES}?options=-csearch_path%3D{name}"


def drop_schema(name: str) -> None:
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")
