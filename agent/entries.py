"""An entry is one line of the journal: numbered, chained, never changed. Pure; the agent writes, upstream verifies.

The line is one canonical JSON object (UTF-8, sorted names, no blanks), at most 16 KiB, stored once and shipped byte
for byte. It carries 16 random bytes (`salt`), so its digest cannot be guessed back when the line is purged later:

    digest(n) = SHA-256(text("slipkeeper/line/1", line))            the line as it stands, without a newline behind
    hash(0)   = SHA-256(text("slipkeeper/journal/1", journal id, head of the parent journal or "", ""))
    hash(n)   = SHA-256(text("slipkeeper/entry/1", hash(n-1), seq, kind, at, digest(n), ""))

where text() joins by newlines and hashes are written in hexadecimal.

The chain runs over the digest, not the line: a purged line leaves the chain whole, and seq, kind and time of the entry
stay proven. A purged entry travels as the line `{"at":…,"digest":…,"kind":…,"purged":true,"seq":…,"v":1}`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from agent.errors import DamagedJournal
from agent.fields import PAPER, Fields, Json, Outcome, agree
from agent.fields import Kind as ReportKind

VERSION: Final = 1
LINE_LIMIT: Final = 16 * 1024


class Kind(StrEnum):
    """What an entry is about. Open: a reader keeps kinds it does not know as they are."""

    # what devices said (agent.fields.Kind)
    TRANSACTION = ReportKind.TRANSACTION.value
    SETTLEMENT = ReportKind.SETTLEMENT.value
    DETAIL_LIST = ReportKind.DETAIL_LIST.value
    NOTICE = ReportKind.NOTICE.value
    SLIP = ReportKind.SLIP.value
    COPY = "copy"  # another paper of a transaction we hold
    CONFLICT = "conflict"  # same identity, other content: kept, alarmed
    # what the agent did
    START = "start"
    STOP = "stop"
    BLIND = "blind"  # a period in which a device could not be heard
    CLOCK = "clock"
    CONFIG = "config"
    PRINT_JOB = "print_job"
    PRINT_STATE = "print_state"
    DAY_CLOSE = "day_close"
    ALARM = "alarm"
    ALARM_END = "alarm_end"
    RECEIPT = "receipt"  # upstream says it holds the journal up to here


# Kinds that tell of money: they are sent upstream at once, everything else may linger.
MONEY: Final = frozenset({Kind.TRANSACTION, Kind.SETTLEMENT, Kind.COPY, Kind.CONFLICT, Kind.DAY_CLOSE})


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be: what to write, before the journal gives it its number. `key` is unique per source and kind."""

    kind: str
    source: str
    key: str
    body: Fields
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and where an entry is written. `clock` is "ok" or "doubtful"; `at` is UTC with milliseconds and Z."""

    at: str
    mono_ms: int
    boot: str
    clock: str
    day: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal. `line` is None when purged; `body` is then empty."""

    seq: int
    kind: str
    source: str
    key: str
    at: str
    day: str
    body: Mapping[str, Any]
    raw_sha256: str
    line: bytes | None
    digest: bytes

    def wire(self) -> bytes:
        """The line as it is shipped: verbatim, or the stand-in of a purged one."""
        if self.line is not None:
            return self.line
        return canonical(
            {
                "v": VERSION,
                "seq": self.seq,
                "kind": self.kind,
                "at": self.at,
                "purged": True,
                "digest": self.digest.hex(),
            }
        )


def canonical(value: object) -> bytes:
    """The one way a value is written: JSON, UTF-8, sorted names, no blanks."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def line_digest(line: bytes) -> bytes:
    return hashlib.sha256(b"slipkeeper/line/1\n" + line).digest()


def genesis(journal_id: str, parent_head: bytes = b"") -> bytes:
    """hash(0) of a journal; `parent_head` is the head of the journal it follows, if any."""
    return hashlib.sha256(f"slipkeeper/journal/1\n{journal_id}\n{parent_head.hex()}\n".encode()).digest()


def link(prev: bytes, seq: int, kind: str, at: str, digest: bytes) -> bytes:
    """hash(n) from hash(n-1)."""
    text = f"slipkeeper/entry/1\n{prev.hex()}\n{seq}\n{kind}\n{at}\n{digest.hex()}\n"
    return hashlib.sha256(text.encode()).digest()


def seal(draft: Draft, stamp: Stamp, seq: int, salt: str) -> Entry:
    """The entry a draft becomes. What would break the line limit is left out and named in `cut`; `raw` keeps it."""
    body: dict[str, Json] = dict(draft.body)
    raw_sha256 = hashlib.sha256(draft.raw).hexdigest() if draft.raw is not None else ""
    line = _line(draft, stamp, seq, salt, body, raw_sha256)
    if len(line) > LINE_LIMIT:
        cut: list[Json] = []
        for name in sorted(body, key=lambda name: len(canonical(body[name])), reverse=True):
            cut.append(name)
            body["cut"] = cut
            del body[name]
            line = _line(draft, stamp, seq, salt, body, raw_sha256)
            if len(line) <= LINE_LIMIT:
                break
    return Entry(
        seq, draft.kind, draft.source, draft.key, stamp.at, stamp.day, body, raw_sha256, line, line_digest(line)
    )


def _line(draft: Draft, stamp: Stamp, seq: int, salt: str, body: Mapping[str, Any], raw_sha256: str) -> bytes:
    members: dict[str, object] = {
        "v": VERSION,
        "seq": seq,
        "kind": draft.kind,
        "source": draft.source,
        "key": draft.key,
        "at": stamp.at,
        "day": stamp.day,
        "mono_ms": stamp.mono_ms,
        "boot": stamp.boot,
        "clock": stamp.clock,
        "salt": salt,
        "body": body,
    }
    if raw_sha256:
        members["raw"] = raw_sha256
    return canonical(members)


def parse(line: bytes) -> Entry:
    """The entry a shipped or stored line says it is. Raises DamagedJournal when it is none."""
    try:
        members = json.loads(line)
        purged = members.get("purged") is True
        entry = Entry(
            members["seq"],
            members["kind"],
            "" if purged else members["source"],
            "" if purged else members["key"],
            members["at"],
            "" if purged else members["day"],
            {} if purged else members["body"],
            "" if purged else members.get("raw", ""),
            None if purged else line,
            bytes.fromhex(members["digest"]) if purged else line_digest(line),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise DamagedJournal("a journal line cannot be read: {cause}", cause=str(cause)[:80]) from cause
    if type(entry.seq) is not int or not (_word(entry.kind) and _word(entry.at)):
        raise DamagedJournal("a journal line has no seq, kind or time")
    if not isinstance(entry.body, dict) or len(entry.digest) != 32:
        raise DamagedJournal("a journal line has no body")
    texts = (entry.source, entry.key, entry.day, entry.raw_sha256)
    if not all(isinstance(text, str) for text in texts) or not (entry.raw_sha256 == "" or _SHA256(entry.raw_sha256)):
        raise DamagedJournal("a journal line names no source, key, day or digest of its bytes")
    return entry


_SHA256: Final = re.compile("[0-9a-f]{64}").fullmatch


def _word(value: object) -> bool:
    """Fit to stand on a line of its own in what the chain hashes."""
    return isinstance(value, str) and value != "" and value.isprintable()


def follow(prev: bytes, first_seq: int, lines: Iterable[bytes]) -> Iterator[tuple[Entry, bytes]]:
    """Each line's entry and hash, starting behind `prev`. Raises DamagedJournal where the numbers have a hole."""
    expected = first_seq
    for line in lines:
        entry = parse(line)
        if entry.seq != expected:
            raise DamagedJournal(
                "entry {expected} is missing, {seq} stands in its place", expected=expected, seq=entry.seq
            )
        prev = link(prev, entry.seq, entry.kind, entry.at, entry.digest)
        expected += 1
        yield entry, prev


def same_facts(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two bodies agree on a payment, whatever paper they stand on. What only one knows is no conflict."""
    return all(agree(name, value, other[name]) for name, value in one.items() if name in other and name not in PAPER)


def _tells_more(body: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Whether `body` knows a fact that the body of an entry does not. What did not fit into its line it does know."""
    cut = held.get("cut") or ()
    if any(name not in held and name not in cut for name in body if name not in PAPER):
        return True
    return held.get("outcome") == Outcome.UNKNOWN and body.get("outcome", Outcome.UNKNOWN) != Outcome.UNKNOWN


def restated(draft: Draft, held: Entry) -> Draft | None:
    """What to write when `draft` has the identity of an entry we hold: None when it says nothing new.

    The same facts on another paper (the customer's copy, a reprint) or with more detail are a COPY; other facts are a
    CONFLICT. Both are keyed by their content, so saying them again is again nothing new.
    """
    if held.line is None:  # purged: what it said is gone by decision, the identity stands
        return None
    same = same_facts(draft.body, held.body)
    news = _tells_more(draft.body, held.body)
    paper = draft.raw is not None and hashlib.sha256(draft.raw).hexdigest() != held.raw_sha256
    if same and not news and not paper:
        return None
    return _keyed(Kind.COPY if same else Kind.CONFLICT, draft)


def contradicted(draft: Draft) -> Draft:
    """What to write when an entry has the identity of `draft`, and nobody can say any more whether it says the same."""
    return _keyed(Kind.CONFLICT, draft)


def _keyed(kind: Kind, draft: Draft) -> Draft:
    content = hashlib.sha256(canonical(dict(draft.body)) + (draft.raw or b"")).hexdigest()
    return Draft(kind, draft.source, f"{draft.kind}:{draft.key}:{content[:16]}", draft.body, draft.raw)
