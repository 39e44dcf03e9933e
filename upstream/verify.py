"""Proves stored journals whole: every number is there, every hash follows from the one before and from the line.

Of a line that was masked on arrival, or purged, the digest stands in: the chain still proves its number, kind, time
and place. Where even kind or time had to be masked, only the place is proven, by the hashes around it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from agent.entries import genesis, link
from upstream.database import rows
from upstream.receiving.problems import Problem
from upstream.receiving.wire import read_mark

_STEP: Final = 2000
_JOURNALS: Final = """
SELECT site_id, journal_id, cursor, head, parent FROM journal ORDER BY site_id, enrolled_at, journal_id"""
_LINES: Final = """
SELECT seq, redacted, digest, chain, body FROM entry WHERE site_id = %s AND journal_id = %s AND seq > %s
ORDER BY seq LIMIT %s"""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found of one journal. `broken_at` is the first number that does not follow, 0 when all do."""

    site_id: str
    journal_id: str
    cursor: int
    head: str
    entries: int
    redacted: int
    broken_at: int
    why: str

    @property
    def whole(self) -> bool:
        return self.broken_at == 0


def verify() -> list[Proof]:
    """Every journal, recomputed from its first entry."""
    return [_prove(*journal) for journal in rows(_JOURNALS)]


def _prove(site_id: str, journal_id: str, cursor: int, head: Any, parent: str) -> Proof:
    prev = genesis(journal_id, parent_head(parent))
    seq = redacted = 0
    broken_at, why = 0, ""
    while not broken_at and (found := rows(_LINES, site_id, journal_id, seq, _STEP)):
        for number, masked, digest, chain, body in found:
            redacted += bool(masked)
            why = _wrong(seq + 1, number, masked, bytes(digest), bytes(chain), prev, body)
            if why:
                broken_at = seq + 1
                break
            seq, prev = number, bytes(chain)
    if not broken_at and (seq, prev) != (cursor, bytes(head)):
        broken_at, why = min(seq, cursor) + 1, "the journal's cursor or head is not where its entries end"
    return Proof(site_id, journal_id, cursor, bytes(head).hex(), seq, redacted, broken_at, why)


def parent_head(parent: str) -> bytes:
    """The head of the journal this one follows, as it was told when enrolling."""
    return bytes.fromhex(json.loads(parent)["head"]) if parent else b""


def _wrong(expected: int, seq: int, masked: int, digest: bytes, chain: bytes, prev: bytes, body: str) -> str:
    """Why a stored line does not follow; "" when it does."""
    if seq != expected:
        return "the entry is missing"
    if masked == 2:  # what the chain runs over was masked as well
        return ""
    try:
        mark = read_mark(body.encode())
    except Problem:
        return "the line cannot be read"
    if mark.seq != seq:
        return "the line has another number"
    if not masked and mark.digest != digest:
        return "the line is not the one that was stored"
    return "" if link(prev, seq, mark.kind, mark.at, digest) == chain else "the hash does not follow"
