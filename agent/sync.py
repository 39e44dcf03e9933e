"""What goes upstream and when, as values. Pure: no clock, no socket, no file. What comes back: `sync_answers`.

The protocol is append at offset: a batch says where it begins and which hash the chain has before and behind it, and
every answer says how far upstream has the journal (`cursor`) and the hash of the chain there (`head`).
"""

from __future__ import annotations

import email.utils
import gzip
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from agent.entries import MONEY, Entry, link
from agent.errors import DamagedJournal

BACKOFF_CAP_S: Final = 300.0
SLOW_S: Final = 900.0  # what only a person can mend is tried this often
RETRY_AFTER_CAP_S: Final = 3600.0  # a server that asks for years means "not now"
HOUSEKEEPING_S: Final = 30.0
LINGER_CAP_S: Final = 2.0  # money does not wait longer, whatever upstream would like
ENTRIES: Final = 500
BYTES: Final = 512 * 1024  # of lines, before compression


@dataclass(frozen=True, slots=True)
class Pace:
    """How upstream would like to be served: `next` of its answers."""

    after_s: float = 0.0
    linger_s: float = 0.0
    max_entries: int = ENTRIES
    max_bytes: int = BYTES


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries `first` … `last` as they are shipped: the very bytes of the journal, a newline behind each."""

    first: int
    last: int
    prev: bytes
    head: bytes
    body: bytes
    money: bool  # worth a receipt; a batch of nothing but housekeeping is not, or it would sync itself for ever

    def request(self, backlog: int, *, plain: bool) -> tuple[dict[str, str], bytes]:
        """Headers and body. Level 1 of gzip: the rest of the gain is not worth the till's CPU (measured)."""
        headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "identity" if plain else "gzip",
            "Journal-From": str(self.first),
            "Journal-Prev": self.prev.hex(),
            "Journal-Head": self.head.hex(),
            "Journal-Backlog": str(backlog),
        }
        return headers, self.body if plain else gzip.compress(self.body, 1, mtime=0)


def build(found: Sequence[tuple[Entry, bytes]], prev: bytes, pace: Pace) -> Batch:
    """The longest batch that `pace` allows, of at least one entry; `prev` is the chain before the first.

    Raises DamagedJournal when the first entry does not continue the chain: upstream would refuse it for ever, and a
    person must know. Damage further back ends the batch before it.
    """
    lines: list[bytes] = []
    size, money, head = 0, False, prev
    for entry, stored in found[: max(pace.max_entries, 1)]:
        line = entry.wire()
        size += len(line) + 1
        if lines and size > pace.max_bytes:
            break
        if link(head, entry.seq, entry.kind, entry.at, entry.digest) != stored:
            if lines:
                break
            raise DamagedJournal("entry {seq} does not continue the chain", "slipkeeper journal verify", seq=entry.seq)
        lines.append(line)
        head = stored
        money = money or entry.kind in MONEY
    first = found[0][0].seq
    return Batch(first, first + len(lines) - 1, prev, head, b"\n".join(lines) + b"\n", money)


class Linger:
    """When the entries not yet sent must leave: money at once (or when upstream likes it), the rest in half a minute.

    `seen` is the last entry looked at. Times are of a clock that never jumps.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.due_s = math.inf

    def see(self, upto: int, kinds: Iterable[str], now_s: float, linger_s: float) -> None:
        """New entries up to `upto`."""
        wait_s = min(linger_s, LINGER_CAP_S) if any(kind in MONEY for kind in kinds) else HOUSEKEEPING_S
        self.due_s = min(self.due_s, now_s + wait_s)
        self.seen = upto

    def sent(self, cursor: int, *, more: bool) -> None:
        """Upstream holds entries up to `cursor`. What was left of them when it was asked is late already."""
        self.due_s = 0.0 if more else math.inf
        self.seen = max(self.seen, cursor) if more else cursor


def maybe_http_date(text: str) -> datetime | None:
    """A date as HTTP writes it (RFC 9110 §5.6.7)."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def retry_after_s(text: str, now: datetime | None) -> float:
    """The wait a Retry-After header asks for: seconds or a date (RFC 9110 §10.2.3), never more than an hour."""
    wait_s = 0.0
    if text.isascii() and text.strip().isdigit():
        wait_s = float(text.strip()[:9])
    elif now is not None and (until := maybe_http_date(text)) is not None:
        wait_s = (until - now).total_seconds()
    return min(max(wait_s, 0.0), RETRY_AFTER_CAP_S)


def wait_s(
    failures: int, after_s: float, *, slow: bool, draw: Callable[[float, float], float] = random.uniform
) -> float:
    """How long to wait after the n-th failure in a row: full jitter, so that a street of boxes never comes in step."""
    if slow:
        return draw(0.9 * SLOW_S, 1.1 * SLOW_S)
    asked_s = after_s * draw(1.0, 2.0)
    return max(asked_s, draw(0.0, min(BACKOFF_CAP_S, 0.5 * 2.0 ** min(failures, 20))))
