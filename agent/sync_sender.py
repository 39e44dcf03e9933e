"""One journal on its way upstream: one exchange at a time, and what its answer does to the cursor.

Order is everything here. The cursor moves only after an answer that carries our own hash; whatever breaks in between
makes the sender unsure, and an unsure sender asks before it sends. So a lost answer, a repeated batch, an upstream that
was set back and a courier that was killed are all the same case. Nothing waits or retries here (`agent.courier` does).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from agent.clock import iso
from agent.entries import MONEY, Entry
from agent.errors import DamagedJournal
from agent.journal import Reader
from agent.sync import ENTRIES, Batch, Pace, build
from agent.sync_answers import (
    CONTRADICTION,
    DOUBTFUL,
    MISFIT,
    NONSENSE,
    POISON,
    TORN,
    Claim,
    NotNow,
    Postponed,
    TooLarge,
    Torn,
    Trouble,
    Uncompressed,
    judge,
    trouble_of,
)
from agent.sync_client import Answer, Client
from agent.sync_state import Position, SyncState

_TRIES: Final = 3  # of the same bytes before they are sent in smaller batches, of a question before a fork is believed
_REWINDS: Final = 3  # without getting further, before it counts as a failure
_SCAN: Final = 500
_CLEAR_ENOUGH_S: Final = 2.0  # a slower answer tells nothing about clocks


class Forked(Exception):
    """Upstream's copy of this journal went another way (a cloned card) or further (an older copy was put back here).

    `complete` = upstream holds everything that stands here, so nothing of ours is missing there.
    """

    def __init__(self, *, complete: bool) -> None:
        super().__init__(complete)
        self.complete = complete


@dataclass(slots=True)
class Sender:
    """Sends what `reader` reads as `client`; how far it got stands in `memory`."""

    journal_id: str
    reader: Reader
    client: Client
    memory: SyncState
    now: Callable[[], datetime]
    pace: Pace = field(default_factory=Pace)
    offset_ms: int | None = None  # upstream's clock minus ours, when an answer told
    heard: int = 0  # good answers so far
    _sure: bool = False
    _head: bytes = b""  # our hash at the cursor, once sure
    _cap: int = ENTRIES
    _torn: int = 0
    _misfits: int = 0
    _disagreed: int = 0
    _rewinds: int = 0
    _furthest: int = 0
    _plain: bool = False

    @property
    def position(self) -> Position:
        return self.memory.position(self.journal_id)

    @property
    def cursor(self) -> int:
        """Entries upstream holds, as far as we know."""
        return self.position.acked_seq

    def doubt(self) -> None:
        """Asks upstream again before anything else is sent."""
        self._sure = False

    def attempt(self) -> bool:
        """One question if unsure, then one batch if there is something to send. Whether some of it is left.

        Raises Postponed (nothing is lost, the same again later) or Forked.
        """
        try:
            if not self._sure:
                self._ask()
            last = self.reader.head().seq
            if self.cursor < last:
                self._send(last)
        except BaseException:
            self._sure = False
            raise
        return self.cursor < last

    def beat(self, facts: Mapping[str, Any]) -> None:
        """The heartbeat: upstream hears how we are, we hear whether it lost data. Raises as `attempt`."""
        head = self.reader.head()
        told = {"cursor": self.cursor, "head": self.position.acked_head, "seq": head.seq, **facts}
        if self.offset_ms is not None:
            told["clock_offset_ms"] = self.offset_ms
        try:
            answer = self.client.call(
                "POST",
                f"/v1/journals/{self.journal_id}/status",
                {"Content-Type": "application/json"},
                json.dumps(told).encode(),
            )
            self._accept(self._claim(answer), answer)
        except BaseException:
            self._sure = False
            raise

    def _ask(self) -> None:
        answer = self.client.call("GET", f"/v1/journals/{self.journal_id}")
        claim = self._claim(answer)
        if self._agrees(claim):
            self._accept(claim, answer)
            return
        self._disagreed += 1
        if self._disagreed < _TRIES:  # no journal is stopped for one odd answer
            raise Postponed(NotNow(DOUBTFUL))
        raise Forked(complete=claim.cursor > self.reader.head().seq and self._all_there())

    def _claim(self, answer: Answer) -> Claim:
        """The answer as a claim about the cursor. Raises Postponed for every other."""
        verdict = judge(answer.reply, self.now())
        if isinstance(verdict, Claim):
            return verdict
        if isinstance(verdict, NotNow):
            raise Postponed(verdict)
        self._misfits += 1
        values = {"status": str(answer.reply.status)}
        if self._misfits < _TRIES:
            raise Postponed(NotNow(replace(TORN, values=values)))
        raise Postponed(NotNow(replace(MISFIT, values=values), slow=True))

    def _agrees(self, claim: Claim) -> bool:
        return self.reader.hash_at(claim.cursor) == claim.head

    def _send(self, last: int) -> None:
        batch = self._batch()
        headers, body = batch.request(max(last - batch.last, 0), plain=self._plain)
        answer = self.client.call("POST", f"/v1/journals/{self.journal_id}/entries", headers, body)
        verdict = judge(answer.reply, self.now())
        if isinstance(verdict, Claim):
            self._take(verdict, answer, batch)
        elif isinstance(verdict, TooLarge):
            self._smaller(batch, answer.reply.status)
        elif isinstance(verdict, Torn):
            self._torn += 1
            if self._torn >= _TRIES:
                self._smaller(batch, answer.reply.status)
            raise Postponed(NotNow(replace(TORN, values={"status": verdict.code})))
        elif isinstance(verdict, Uncompressed) and not self._plain:
            self._plain = True
        else:
            raise Postponed(
                verdict if isinstance(verdict, NotNow) else NotNow(_poison(batch.first, answer.reply.status), slow=True)
            )

    def _batch(self) -> Batch:
        most = min(self._cap, self.pace.max_entries)
        try:
            return build(self._read(most), self._head, replace(self.pace, max_entries=most))
        except DamagedJournal as error:
            raise Postponed(NotNow(trouble_of(error, "sync_damaged"), slow=True)) from error

    def _read(self, most: int) -> list[tuple[Entry, bytes]]:
        try:
            return self.reader.entries(self.cursor, most)
        except DamagedJournal:
            return self.reader.entries(self.cursor, 1)  # what stands before the damage still arrives

    def _smaller(self, batch: Batch, status: int) -> None:
        count = batch.last - batch.first + 1
        if count == 1:
            raise Postponed(NotNow(_poison(batch.first, status), slow=True))
        self._cap, self._torn = count // 2, 0

    def _take(self, claim: Claim, answer: Answer, batch: Batch) -> None:
        """What a claim about the cursor means, right after a batch."""
        before = self.cursor
        if not self._agrees(claim) or claim.code == "fork":
            self._ask()  # a second word before a journal is stopped
            fork = claim.code == "fork"
            raise Postponed(NotNow(CONTRADICTION if fork else NONSENSE, slow=fork))
        if claim.code == "gap" and claim.cursor >= batch.first - 1:
            raise Postponed(NotNow(CONTRADICTION))
        if claim.cursor < batch.last:
            self._rewinds += 1
        self._accept(claim, answer, money=batch.money if claim.cursor == batch.last else None)
        if claim.cursor >= batch.last:
            self._torn = 0
            self._cap = min(2 * self._cap, 8 * ENTRIES)
        elif claim.cursor == before or self._rewinds > _REWINDS:
            raise Postponed(NotNow(CONTRADICTION))

    def _accept(self, claim: Claim, answer: Answer, *, money: bool | None = None) -> None:
        """Moves the cursor to where upstream says it is. `money` in what is newly confirmed, None = look."""
        if not self._agrees(claim):
            self._ask()
            raise Postponed(NotNow(NONSENSE))
        now = self.now()
        if claim.server_time and answer.took_s < _CLEAR_ENOUGH_S:
            self.offset_ms = round((claim.server_time - now).total_seconds() * 1000 + answer.took_s * 500)
        if money is None:
            money = self._money_between(self.position.acked_seq, claim.cursor)
        if claim.cursor > self._furthest:
            self._furthest, self._rewinds = claim.cursor, 0
        self._sure, self._head, self.pace = True, claim.head, claim.pace
        self._misfits = self._disagreed = 0
        self.heard += 1
        self.memory.change(
            self.journal_id,
            acked_seq=claim.cursor,
            acked_head=claim.head.hex(),
            upstream_id=claim.upstream_id or self.position.upstream_id,
            epoch=claim.epoch or self.position.epoch,
            attempts=0,
            last_ok=iso(now),
            last_error="",
            receipt_owed=int(money or self.position.receipt_owed),
        )

    def _money_between(self, after: int, upto: int) -> bool:
        """Whether (after, upto] holds money. Much of it at once surely does; a receipt too many harms nothing."""
        if upto - after > _SCAN:
            return True
        try:
            return upto > after and any(entry.kind in MONEY for entry, _ in self.reader.entries(after, upto - after))
        except DamagedJournal:
            return True

    def _all_there(self) -> bool:
        """Whether upstream, which is ahead of us, holds all we have: it takes our last entry for a repeat then."""
        head = self.reader.head()
        if head.seq == 0:
            return True
        prev = self.reader.hash_at(head.seq - 1)
        last = self.reader.entries(head.seq - 1, 1)
        if prev is None or not last:
            return False
        headers, body = build(last, prev, self.pace).request(0, plain=self._plain)
        answer = self.client.call("POST", f"/v1/journals/{self.journal_id}/entries", headers, body)
        return self._claim(answer).code == ""


def _poison(seq: int, status: int) -> Trouble:
    return replace(POISON, values={"seq": str(seq), "status": str(status)})
