"""A batch as it comes over the wire: unpacked within limits, cut into lines, the chain recomputed. Pure.

What is checked here is only what the protocol needs: that the bytes are whole, numbered without a hole, and lead from
`Journal-Prev` to `Journal-Head`. What an entry says is nobody's business here (a poison line must never stop the lines
behind it); `inspection` finds it odd, `guard` masks it.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.entries import line_digest, link
from upstream.receiving.guard import guard_line
from upstream.receiving.inspection import Oddity, inspect_line
from upstream.receiving.problems import Code, Problem

# What agents are asked to keep to …
ADVISED_ENTRIES: Final = 500
ADVISED_BYTES: Final = 512 * 1024  # of lines, before compression
# … and what is refused with 413. A line may be twice the agent's own limit, so that no entry is ever stranded.
LIMIT_BYTES: Final = 8 * 1024 * 1024
LIMIT_ENTRIES: Final = 5_000
LIMIT_LINE_BYTES: Final = 32 * 1024
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SEQ_LIMIT: Final = 2**62  # below what both databases call BIGINT


@dataclass(frozen=True, slots=True)
class Line:
    """One entry, ready to be stored: `body` is the line as it came unless `redacted` says that it was masked."""

    seq: int
    kind: str
    at: str
    day: str
    digest: bytes
    chain: bytes
    body: str
    redacted: int
    oddity: Oddity | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries first … last of one journal. `prev` is the chain's hash before the first, `head` at the last."""

    first: int
    prev: bytes
    lines: tuple[Line, ...]
    backlog: int

    @property
    def last(self) -> int:
        return self.first + len(self.lines) - 1

    @property
    def head(self) -> bytes:
        return self.lines[-1].chain

    def chain_at(self, seq: int) -> bytes:
        """The chain's hash at `seq`, which is first - 1 … last."""
        return self.prev if seq == self.first - 1 else self.lines[seq - self.first].chain


@dataclass(frozen=True, slots=True)
class Heading:
    """The headers of a batch."""

    first: int
    prev: bytes
    head: bytes
    backlog: int


def read_heading(headers: Mapping[str, str]) -> Heading:
    """Journal-From, -Prev, -Head, -Backlog. Raises Problem when one is missing or misshapen."""
    first = _number(headers, "Journal-From")
    backlog = _number(headers, "Journal-Backlog") if "Journal-Backlog" in headers else 0
    if first < 1:
        raise Problem(Code.FRAMING, "Journal-From counts from 1")
    return Heading(first, _hash(headers, "Journal-Prev"), _hash(headers, "Journal-Head"), backlog)


def _number(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) < _SEQ_LIMIT):
        raise Problem(Code.FRAMING, f"{name} is no number")
    return int(text)


def _hash(headers: Mapping[str, str], name: str) -> bytes:
    text = headers.get(name, "")
    if not _HASH.fullmatch(text):
        raise Problem(Code.FRAMING, f"{name} is no SHA-256 in lower-case hexadecimal")
    return bytes.fromhex(text)


def unpack(body: bytes, encoding: str, limit: int = LIMIT_BYTES) -> bytes:
    """The body as it was before compression, never more than `limit` bytes of it in memory."""
    if len(body) > limit:
        raise Problem(Code.TOO_LARGE, f"at most {limit} bytes")
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise Problem(Code.UNSUPPORTED, "Content-Encoding is gzip or identity")
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as cause:
        raise Problem(Code.TORN, "the body is no gzip") from cause
    if len(plain) > limit:
        raise Problem(Code.TOO_LARGE, f"at most {limit} bytes after decompression")
    if not stream.eof or stream.unused_data:
        raise Problem(Code.TORN, "the gzip stream ends too early or too late")
    return plain


def read_batch(heading: Heading, plain: bytes) -> Batch:
    """The lines of a body, chained from `heading.prev`. Raises Problem when they are not what the heading says."""
    if not plain.strip(b"\n"):
        raise Problem(Code.FRAMING, "there are no lines")
    lines = tuple(_chained(heading, plain.removesuffix(b"\n").split(b"\n")))
    batch = Batch(heading.first, heading.prev, lines, heading.backlog)
    if batch.head != heading.head:
        raise Problem(Code.HEAD_MISMATCH)
    return batch


def _chained(heading: Heading, lines: list[bytes]) -> Iterator[Line]:
    if len(lines) > LIMIT_ENTRIES:
        raise Problem(Code.TOO_LARGE, f"at most {LIMIT_ENTRIES} lines")
    prev = heading.prev
    for seq, line in enumerate(lines, heading.first):
        if len(line) > LIMIT_LINE_BYTES:
            raise Problem(Code.TOO_LARGE, f"line {seq} is longer than {LIMIT_LINE_BYTES} bytes", seq=seq)
        mark = read_mark(line)
        if mark.seq != seq:
            raise Problem(Code.FRAMING, f"a line numbered {mark.seq} stands where {seq} belongs", seq=seq)
        prev = link(prev, seq, mark.kind, mark.at, mark.digest)
        yield _stored(mark, line, prev)


def _stored(mark: Mark, line: bytes, chain: bytes) -> Line:
    kept, masked = guard_line(line)
    redacted = 0
    if masked:
        left = _maybe_mark(kept)
        redacted = 1 if left is not None and (left.kind, left.at) == (mark.kind, mark.at) else 2
    facts = inspect_line(kept)
    return Line(mark.seq, facts.kind, facts.at, facts.day, mark.digest, chain, kept.decode(), redacted, facts.oddity)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the chain needs of a line."""

    seq: int
    kind: str
    at: str
    digest: bytes


def read_mark(line: bytes) -> Mark:
    """Raises Problem when the line cannot be chained; no agent could have journalled it then."""
    mark = _maybe_mark(line)
    if mark is None:
        raise Problem(Code.FRAMING, "a line is no JSON object with seq, kind and at")
    return mark


def _maybe_mark(line: bytes) -> Mark | None:
    members = load(line)
    if members is None:
        return None
    seq, kind, at = members.get("seq"), _chainable(members.get("kind")), _chainable(members.get("at"))
    if type(seq) is not int or kind is None or at is None:
        return None
    digest = _purged_digest(members) if members.get("purged") else line_digest(line)
    return Mark(seq, kind, at, digest) if digest else None


def _purged_digest(members: Mapping[str, Any]) -> bytes | None:
    digest = members.get("digest")
    return bytes.fromhex(digest) if isinstance(digest, str) and _HASH.fullmatch(digest) else None


def _chainable(value: object) -> str | None:
    """Text the chain can run over: none with a lone surrogate, which JSON can spell and UTF-8 cannot."""
    return value if isinstance(value, str) and not _SURROGATE.search(value) else None


def load(line: bytes) -> dict[str, Any] | None:
    """The object a line is, however odd; None when it is none. Numbers too long to be read stay text."""
    try:
        members = json.loads(line.decode(), parse_int=lambda digits: int(digits) if len(digits) < 20 else digits)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None
