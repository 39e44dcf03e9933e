"""The inside of a virtual ESC/POS printer: a receive buffer, a head that prints lines, sensors, pieces of paper.

It answers like a healthy Epson TM: DLE EOT on arrival, GS r, GS I and GS ( H when they are reached in the buffer, ASB
at every change (Epson ESC/POS reference). Offline it executes nothing and its buffer fills up. Not thread-safe.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from drivers.tokens import Token, Tokenizer, TokenKind

_REAL_TIME: Final = re.compile(rb"\x10(?:\x04([\x01-\x04])|\x05([\x00-\x02])|\x14\x08\x01\x03\x14\x01\x06\x02\x08)")
_LONGEST_REAL_TIME: Final = 9
_DOTS_A_LINE: Final = 30
# GS I n: what the most common printer answers, so that probing tills are content.
_IDENTITY: Final = {
    **dict.fromkeys((1, 49), b"\x20"),
    **dict.fromkeys((2, 50), b"\x03"),
    **dict.fromkeys((3, 51), b"\x01"),
    65: b"_1.00\0",
    66: b"_EPSON\0",
    67: b"_TM-T88V\0",
    68: b"_VIRTUAL\0",
    69: b"_CHINA GB18030\0",
}


@dataclass(slots=True)
class Sensors:
    """What goes wrong, switched by whoever plays with the printer. `lines_left` None = an endless roll."""

    lines_left: int | None = None
    cover_open: bool = False
    cutter_jammed: bool = False
    offline: bool = False  # switched off line at its panel
    silent: bool = False  # prints, answers nothing

    @property
    def paper_out(self) -> bool:
        return self.lines_left is not None and self.lines_left <= 0

    @property
    def stopped(self) -> bool:
        return self.offline or self.cover_open or self.cutter_jammed or self.paper_out


@dataclass(slots=True)
class PrinterModel:
    """Bytes go in by `receive`, the head moves by `print_lines`; both give the answers to send back.

    `pieces` are the papers cut off, as the bytes that made them; `hanging` is what still hangs in the printer.
    """

    buffer_bytes: int = 65536
    sensors: Sensors = field(default_factory=Sensors)
    pieces: list[bytes] = field(default_factory=list)
    hanging: bytearray = field(default_factory=bytearray)
    _tokenizer: Tokenizer = field(default_factory=Tokenizer)
    _waiting: deque[Token] = field(default_factory=deque)
    _waiting_bytes: int = 0
    _line: bytearray = field(default_factory=bytearray)  # not on paper before its end comes
    _tail: bytes = b""
    _asb: bool = False
    _last_frame: bytes = b""

    @property
    def room(self) -> int:
        """How many bytes the receive buffer takes now. A command under way does not count: heads print as it comes."""
        return max(0, self.buffer_bytes - self._waiting_bytes)

    @property
    def busy(self) -> bool:
        return bool(self._waiting) and not self.sensors.stopped

    def receive(self, data: bytes) -> bytes:
        """Takes bytes into the buffer; real-time commands are executed at once, wherever they stand."""
        answer = b""
        seen = self._tail + data
        end = 0
        for found in _REAL_TIME.finditer(seen):
            end = found.end()
            if end > len(self._tail):
                answer += self._real_time(found)
        self._tail = seen[max(end, len(seen) - _LONGEST_REAL_TIME + 1) :]
        self._queue(self._tokenizer.feed(data))
        return self._said(answer)

    def print_lines(self, count: int) -> bytes:
        """Lets the head print up to `count` lines; stops where a sensor says so."""
        answer = b""
        while self._waiting and not self.sensors.stopped:
            token = self._waiting[0]
            lines = _lines(token)
            if lines and count <= 0:
                break
            count -= lines
            self._waiting.popleft()
            self._waiting_bytes -= len(token.data)
            if self.sensors.lines_left is not None:
                self.sensors.lines_left -= lines
            answer += self._execute(token)
        return self._said(answer)

    def changes(self) -> bytes:
        """The ASB frame to send when something changed since the last one."""
        frame = self._frame()
        if not self._asb or frame == self._last_frame:
            return b""
        self._last_frame = frame
        return self._said(frame)

    def power_cycle(self) -> None:
        """Off and on: buffer and modes are gone, the paper stays."""
        self._tokenizer = Tokenizer()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._line.clear()
        self._tail = b""
        self._asb = False

    def _queue(self, tokens: list[Token]) -> None:
        self._waiting += tokens
        self._waiting_bytes += sum(len(token.data) for token in tokens)

    def _execute(self, token: Token) -> bytes:
        if token.kind in (TokenKind.REALTIME, TokenKind.DRAWER) or token.name == "DLE EOT":
            return b""
        if token.kind is TokenKind.STATUS:
            return self._status(token)
        if token.name == "ESC @":
            self._line.clear()  # an unfinished line is thrown away (Epson, ESC @)
        self._line += token.data
        if _lines(token) or token.kind is TokenKind.CUT:
            self.hanging += self._line
            self._line.clear()
        if token.kind is TokenKind.CUT:
            self.pieces.append(bytes(self.hanging))
            self.hanging.clear()
        return b""

    def _real_time(self, found: re.Match[bytes]) -> bytes:
        if found[1]:
            return bytes([self._eot(found[1][0])])
        if found[2]:
            self.sensors.cutter_jammed = False
            if found[2] == b"\2":
                self._clear()
            return b""
        self._clear()
        return b"7%\0"

    def _clear(self) -> None:
        self._tokenizer.flush()
        self._waiting.clear()
        self._waiting_bytes = 0

    def _status(self, token: Token) -> bytes:
        if token.name == "GS a":
            self._asb = token.params != b"\0"
            self._last_frame = self._frame()
            return self._last_frame if self._asb else b""
        if token.name == "GS r":
            return b"\0"
        if token.name == "GS I":
            return _IDENTITY.get(token.params[0], b"")
        if token.name == "GS ( H" and token.params[2:4] == b"00" and len(token.params) == 8:
            return b'7"' + token.params[4:8] + b"\0"
        return b""

    def _eot(self, number: int) -> int:
        sensors = self.sensors
        if number == 1:
            return 0x16 | (0x08 if sensors.stopped else 0)
        if number == 2:
            error = 0x40 if sensors.cutter_jammed else 0
            return 0x12 | (0x04 if sensors.cover_open else 0) | (0x20 if sensors.paper_out else 0) | error
        if number == 3:
            return 0x12 | (0x08 if sensors.cutter_jammed else 0)
        return 0x7E if sensors.paper_out else 0x12

    def _frame(self) -> bytes:
        sensors = self.sensors
        first = 0x14 | (0x08 if sensors.stopped else 0) | (0x20 if sensors.cover_open else 0)
        return bytes([first, 0x08 if sensors.cutter_jammed else 0, 0x0F if sensors.paper_out else 0, 0x0F])

    def _said(self, answer: bytes) -> bytes:
        return b"" if self.sensors.silent else answer


def _lines(token: Token) -> int:
    """How many lines of paper a token moves."""
    if token.name == "LF":
        return 1
    if token.name == "ESC d":
        return token.params[0]
    if token.name == "ESC J":
        return token.params[0] // _DOTS_A_LINE
    if token.name == "GS v" and len(token.params) >= 6:
        return int.from_bytes(token.params[4:6], "little") // _DOTS_A_LINE + 1
    return 1 if token.kind in (TokenKind.CODE, TokenKind.RASTER) and not token.flaw else 0
