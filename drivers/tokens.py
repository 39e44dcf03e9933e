"""Cuts a printer stream into text, control bytes and commands. Knows where things begin and end, not what they mean.

Rules: nothing is lost (the tokens' data joined are the stream), the cut of the input does not matter, memory is bounded
(text in pieces of 4 KiB, a command at most `limit` bytes), and any bytes give tokens: what nobody knows is flagged, not
refused. Bytes that look like a command inside picture data are picture data (escpos.md §5, "not inside raster data").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from drivers.commands import CONTROLS, LEADS, TABLE, TokenKind

__all__ = ["Flaw", "Token", "TokenKind", "Tokenizer", "tokenize"]

LIMIT: Final = 1 << 20
TEXT_LIMIT: Final = 4096
_TEXT: Final = re.compile(rb"[\x20-\xff]{1,%d}" % TEXT_LIMIT)
_SINGLE: Final = [bytes([byte]) for byte in range(0x20)]
_UNDECIDED: Final = 2  # a lead byte alone says nothing


class Flaw(StrEnum):
    """What is wrong with a token."""

    NONE = ""
    UNKNOWN = "unknown"  # no such command: two bytes taken, its parameters may follow as text
    OVERLONG = "overlong"  # claims more than the limit: taken up to the limit, the rest follows as fresh stream
    SHORT = "short"  # the stream ended inside


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of the stream. `start` is its offset, `data` all its bytes, `params` those behind the name."""

    kind: TokenKind
    name: str
    start: int
    data: bytes
    params: bytes = b""
    flaw: Flaw = Flaw.NONE

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class Tokenizer:
    """Keeps only what has no end yet. Offsets count from the first byte ever fed."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0
        self._need = 0

    @property
    def pending(self) -> int:
        """How many bytes wait for their end."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Token]:
        self._buffer += data
        return self._take(final=False) if len(self._buffer) >= self._need else []

    def flush(self) -> list[Token]:
        """What is left, as it is; the next byte starts afresh."""
        return self._take(final=True)

    def _take(self, *, final: bool) -> list[Token]:
        buffer, found, at = self._buffer, [], 0
        self._need, size = 0, len(buffer)
        while at < size:
            first = buffer[at]
            if first >= 0x20:
                run = _TEXT.match(buffer, at)
                end = run.end() if run else at + 1
                if end == size and end - at < TEXT_LIMIT and not final:
                    break
                found.append(Token(TokenKind.TEXT, "", self._start + at, bytes(buffer[at:end])))
            elif first in LEADS:
                token, need = self._command(at, final=final)
                if token is None:
                    self._need = need
                    break
                found.append(token)
                end = at + len(token.data)
            else:
                end = at + 1
                found.append(Token(TokenKind.CONTROL, CONTROLS[first], self._start + at, _SINGLE[first]))
            at = end
        del buffer[:at]
        self._start += at
        return found

    def _command(self, at: int, *, final: bool) -> tuple[Token | None, int]:
        """The command at `at`, or how many bytes from there must be in the buffer before it is worth looking again."""
        buffer = self._buffer
        have = len(buffer) - at
        prefix = bytes(buffer[at : at + 3])
        command = TABLE.get(prefix) or TABLE.get(prefix[:2])
        if command is None:
            if have < _UNDECIDED and not final:
                return None, _UNDECIDED
            return self._unknown(at), 0
        length = command.length(buffer, at + 2)
        total = 2 + abs(length)
        flaw = Flaw.NONE
        if total > self._limit:
            total, flaw = self._limit, Flaw.OVERLONG
        if have < total or (length < 0 and flaw is Flaw.NONE):
            if not final:
                return None, total
            total, flaw = have, Flaw.SHORT
        data = bytes(buffer[at : at + total])
        return _named(command.kind, command.named, self._start + at, data, flaw), 0

    def _unknown(self, at: int) -> Token:
        """A lead byte that starts no known command.

        A control byte behind it stays a token of its own, and so does text behind DLE.
        """
        buffer = self._buffer
        follower = buffer[at + 1] if len(buffer) > at + 1 else 0
        taken = 2 if follower >= 0x20 and buffer[at] != 0x10 else 1
        data = bytes(buffer[at : at + taken])
        name = LEADS[data[0]] + (f" {_letter(data[1])}" if taken > 1 else "")
        return Token(TokenKind.COMMAND, name, self._start + at, data, flaw=Flaw.UNKNOWN)


def tokenize(data: bytes, limit: int = LIMIT) -> list[Token]:
    """All of `data` at once."""
    tokenizer = Tokenizer(limit)
    return tokenizer.feed(data) + tokenizer.flush()


def _letter(byte: int) -> str:
    if byte < 0x20:
        return CONTROLS[byte]
    return "SP" if byte == 0x20 else chr(byte) if byte < 0x7F else f"{byte:02X}"


def _named(kind: TokenKind, named: int, start: int, data: bytes, flaw: Flaw) -> Token:
    name = " ".join([LEADS[data[0]], *(_letter(byte) for byte in data[1 : 2 + named])])
    if data[:3] == b"\x10\x14\x01":  # DLE DC4 fn 1: pulse in real time
        kind = TokenKind.DRAWER
    return Token(kind, name, start, data, data[2 + named :], flaw)
