"""The store of journals: compare-and-set and insert in one short transaction, then the answer.

The whole correctness of the receiving end is `Store.append`: the journal's row moves from (first - 1, prev) to
(last, head) together with the lines, or nothing moves. Sending the same again, in any batching, at the same time from
any number of places, changes nothing, because deciding and storing happen under that row's lock. No clock decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from agent.errors import NotRecorded
from upstream.database import Value, locked, maybe_row, rows, run, run_many, writing
from upstream.receiving.alarms import raise_alarm
from upstream.receiving.models import JournalState
from upstream.receiving.problems import Code, Problem
from upstream.receiving.wire import Batch, Line

_EVIDENCE_LIMIT: Final = 20  # refused batches kept of one journal

_MOVE: Final = """
UPDATE journal SET cursor = %s, head = %s, seen_at = %s, backlog = %s
WHERE site_id = %s AND journal_id = %s AND cursor = %s AND head = %s AND state <> 'closed'"""
_HELD: Final = "SELECT cursor, head, state FROM journal WHERE site_id = %s AND journal_id = %s"
_CHAIN: Final = "SELECT chain FROM entry WHERE site_id = %s AND journal_id = %s AND seq = %s"
_INSERT: Final = """
INSERT INTO entry (site_id, journal_id, seq, kind, day, at, received_at, redacted, digest, chain, body)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
_ODD: Final = "INSERT INTO quarantine (site_id, journal_id, seq, code, detail) VALUES (%s, %s, %s, %s, %s)"
_SEEN: Final = "UPDATE journal SET seen_at = %s, backlog = %s WHERE site_id = %s AND journal_id = %s"
_STATUS: Final = """
UPDATE journal SET seen_at = %s, backlog = %s, status = %s, agent_version = %s WHERE site_id = %s AND journal_id = %s"""
_FORKED: Final = "UPDATE journal SET state = 'forked' WHERE site_id = %s AND journal_id = %s AND state = 'active'"
_EVIDENCE: Final = """
INSERT INTO evidence (site_id, journal_id, head, first_seq, prev, received_at, body)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site_id, journal_id, head) DO NOTHING"""
_EVIDENCES: Final = "SELECT count(*) FROM evidence WHERE site_id = %s AND journal_id = %s"
_BLOB: Final = """
INSERT INTO blob (site_id, journal_id, sha256, received_at, redacted, body) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (site_id, journal_id, sha256) DO NOTHING"""


@dataclass(frozen=True, slots=True)
class Name:
    """Which journal: what a token stands for."""

    site_id: str
    journal_id: str


@dataclass(frozen=True, slots=True)
class Position:
    """How far a journal is held, and the chain's hash there."""

    cursor: int
    head: bytes
    state: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The batch is committed, or was before."""

    cursor: int
    head: bytes
    stored: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Declined:
    """The batch does not continue what is held: gap, fork or closed. Nothing of it became an entry."""

    code: Code
    cursor: int
    head: bytes


class Store:
    """Journals in a database. `now` gives the time as journals write it (UTC, milliseconds, Z)."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now

    def position(self, name: Name) -> Position | None:
        row = maybe_row(_HELD, name.site_id, name.journal_id)
        return Position(row[0], bytes(row[1]), row[2]) if row else None

    def append(self, name: Name, batch: Batch) -> Taken | Declined:
        """Store what of `batch` is new. When this returns `Taken`, everything up to its cursor is committed."""
        with writing():
            if self._moved(name, batch, batch.first - 1, batch.prev):
                return self._insert(name, batch, batch.lines)
            held = self._locked_position(name)
            told = self._compare(name, batch, held)
            if isinstance(told, Declined):
                self._keep_refused(name, batch, told)
                return told
            if told.stored == 0:
                run(_SEEN, self._now(), batch.backlog, name.site_id, name.journal_id)
                return told
            if not self._moved(name, batch, held.cursor, held.head):
                raise NotRecorded("the journal moved under its lock")  # a database that does not lock: undo, ask again
            return self._insert(name, batch, batch.lines[-told.stored :])

    def _moved(self, name: Name, batch: Batch, cursor: int, head: bytes) -> bool:
        """The compare-and-set."""
        to = (batch.last, batch.head, self._now(), batch.backlog)
        return run(_MOVE, *to, name.site_id, name.journal_id, cursor, head) == 1

    def _locked_position(self, name: Name) -> Position:
        row = maybe_row(_HELD + locked(), name.site_id, name.journal_id)
        if row is None:
            raise Problem(Code.UNKNOWN_JOURNAL)
        return Position(row[0], bytes(row[1]), row[2])

    def _compare(self, name: Name, batch: Batch, held: Position) -> Taken | Declined:
        """What to do with a batch that does not start at the cursor. One equal hash proves everything before it."""
        if held.state == JournalState.CLOSED:
            return Declined(Code.CLOSED, held.cursor, held.head)
        if batch.first > held.cursor + 1:
            return Declined(Code.GAP, held.cursor, held.head)
        if batch.last <= held.cursor:
            same = self.chain_at(name, batch.last) == batch.head
            return Taken(held.cursor, held.head, 0, len(batch.lines)) if same else self._fork(held)
        if batch.chain_at(held.cursor) != held.head:
            return self._fork(held)
        duplicates = held.cursor - batch.first + 1
        return Taken(batch.last, batch.head, len(batch.lines) - duplicates, duplicates)

    @staticmethod
    def _fork(held: Position) -> Declined:
        return Declined(Code.FORK, held.cursor, held.head)

    def chain_at(self, name: Name, seq: int) -> bytes | None:
        row = maybe_row(_CHAIN, name.site_id, name.journal_id, seq)
        return bytes(row[0]) if row else None

    def _insert(self, name: Name, batch: Batch, lines: tuple[Line, ...]) -> Taken:
        now = self._now()
        key = (name.site_id, name.journal_id)
        run_many(_INSERT, [(*key, *_columns(line, now)) for line in lines])
        run_many(_ODD, [(*key, line.seq, line.oddity.code, line.oddity.detail) for line in lines if line.oddity])
        for line in lines:
            if line.redacted:
                raise_alarm(*key, "pan", line.seq, now, line.kind)
        return Taken(batch.last, batch.head, len(lines), len(batch.lines) - len(lines))

    def _keep_refused(self, name: Name, batch: Batch, told: Declined) -> None:
        """A gap or fork is a fact too: alarm it, and keep the other side of a fork as evidence."""
        now = self._now()
        key = (name.site_id, name.journal_id)
        run(_SEEN, now, batch.backlog + len(batch.lines), *key)
        if told.code is Code.GAP:
            raise_alarm(*key, "gap", batch.first - 1, now)
        elif told.code is Code.FORK:
            run(_FORKED, *key)
            raise_alarm(*key, "fork", min(batch.last, told.cursor + 1), now)
            if rows(_EVIDENCES, *key)[0][0] < _EVIDENCE_LIMIT:
                body = "\n".join(line.body for line in batch.lines)
                run(_EVIDENCE, *key, batch.head, batch.first, batch.prev, now, body)

    def heartbeat(self, name: Name, status: dict[str, Any], seq: int, cursor: int, head: bytes) -> Declined | None:
        """Remember what the agent says. `seq` is its newest entry; `cursor` and `head` what it thinks we hold."""
        now = self._now()
        key = (name.site_id, name.journal_id)
        with writing():
            held = self._locked_position(name)
            version = str(status.get("agent_version", ""))[:50]
            run(_STATUS, now, max(seq - held.cursor, 0), json.dumps(status), version, *key)
            if 0 < cursor <= held.cursor and self.chain_at(name, cursor) != head:
                run(_FORKED, *key)
                raise_alarm(*key, "fork", cursor, now)
                return self._fork(held)
            if cursor > held.cursor:  # we were restored from a backup: the agent rewinds
                raise_alarm(*key, "gap", cursor, now)
        return None

    def keep_blob(self, name: Name, sha256: str, body: bytes, *, redacted: bool) -> bool:
        """Store captured bytes under their name; False when they were here already."""
        now = self._now()
        with writing():
            new = run(_BLOB, name.site_id, name.journal_id, sha256, now, int(redacted), body) == 1
            if new and redacted:
                raise_alarm(name.site_id, name.journal_id, "pan", 0, now, "blob")
        return new


def _columns(line: Line, now: str) -> tuple[Value, ...]:
    """An absurd date stays out of the `day` column: partitions and lists go by it. The line keeps what was said."""
    day = line.day or now[:10]
    return line.seq, line.kind, day, line.at or now, now, line.redacted, line.digest, line.chain, line.body
