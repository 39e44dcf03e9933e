"""How long each ESC/POS command is and what it is good for: one table, no code that prints or decodes.

A printer stream has no frames: a command of wrong length makes the rest of the slip garbage, so every command anybody
sends must be here, drawn or not. Sources: Epson "ESC/POS Command Reference for TM printers" and the programming guides
of Chinese modules (MY-628/638, Gprinter) for ESC 7, ESC 8, ESC 9, ESC B, ESC C, ESC Z, GS k 97.

A length rule looks at the bytes behind the prefix and says how many belong to the command. While the stream has not
brought enough to tell, it says how many it must see first, as a negative number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class TokenKind(StrEnum):
    """What a piece of a printer stream is good for."""

    TEXT = "text"
    CONTROL = "control"  # one byte below 20h: LF, CR, HT, FF …
    COMMAND = "command"  # style, layout, feed: harmless on any paper
    RASTER = "raster"  # brings or prints dots
    CODE = "code"  # bar codes and two-dimensional codes
    CUT = "cut"
    STATUS = "status"  # the sender waits for an answer
    REALTIME = "realtime"  # executed on arrival, no answer
    DRAWER = "drawer"  # kicks a cash drawer
    MEMORY = "memory"  # writes to memory, switches the device, runs self tests: never replay


Length = Callable[[bytearray, int], int]


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table. `named` bytes behind the two-byte prefix belong to the name (`GS ( k`)."""

    kind: TokenKind
    length: Length
    named: int = 0


def _fixed(count: int) -> Length:
    return lambda _buffer, _at: count


def _counted(skip: int, width: int) -> Length:
    """`skip` bytes, a little-endian count of `width` bytes, then so many bytes."""

    def length(buffer: bytearray, at: int) -> int:
        head = skip + width
        if len(buffer) < at + head:
            return -head
        return head + int.from_bytes(buffer[at + skip : at + head], "little")

    return length


def _by_first(choices: dict[int, Length], otherwise: int) -> Length:
    """The first byte decides; `otherwise` is the length with a first byte that nobody knows."""

    def length(buffer: bytearray, at: int) -> int:
        if len(buffer) <= at:
            return -1
        rule = choices.get(buffer[at])
        return otherwise if rule is None else rule(buffer, at)

    return length


def _until_nul(skip: int, most: int) -> Length:
    """`skip` bytes, then everything up to and with a NUL, at most `most` bytes of it."""

    def length(buffer: bytearray, at: int) -> int:
        end = buffer.find(0, at + skip, at + skip + most)
        if end >= 0:
            return end + 1 - at
        have = len(buffer) - at
        return skip + most if have >= skip + most else -(have + 1)

    return length


def _bit_image(buffer: bytearray, at: int) -> int:
    """ESC * m nL nH: n columns of 1 byte (8 dots) or 3 bytes (24 dots, m = 32, 33)."""
    if len(buffer) < at + 3:
        return -3
    columns = buffer[at + 1] + 256 * buffer[at + 2]
    return 3 + columns * (3 if buffer[at] in (32, 33) else 1)


def _raster(buffer: bytearray, at: int) -> int:
    """GS v 0 m xL xH yL yH: x bytes by y dots. GS Q 0 has the same head."""
    if len(buffer) < at + 1:
        return -1
    if buffer[at] != 0x30:
        return 0
    if len(buffer) < at + 6:
        return -6
    return 6 + (buffer[at + 2] + 256 * buffer[at + 3]) * (buffer[at + 4] + 256 * buffer[at + 5])


def _downloaded_image(buffer: bytearray, at: int) -> int:
    """GS * x y: x * y * 8 bytes."""
    return 2 + buffer[at] * buffer[at + 1] * 8 if len(buffer) >= at + 2 else -2


def _stored_images(buffer: bytearray, at: int) -> int:
    """FS q n, then n times xL xH yL yH and x * y * 8 bytes."""
    if len(buffer) <= at:
        return -1
    seen = 1
    for _ in range(buffer[at]):
        head = at + seen
        if len(buffer) < head + 4:
            return -(seen + 4)
        seen += 4 + (buffer[head] + 256 * buffer[head + 1]) * (buffer[head + 2] + 256 * buffer[head + 3]) * 8
    return seen


def _own_characters(buffer: bytearray, at: int) -> int:
    """ESC & y c1 c2, then for each character x and y * x bytes."""
    if len(buffer) < at + 3:
        return -3
    height, first, last = buffer[at], buffer[at + 1], buffer[at + 2]
    seen = 3
    for _ in range(first, last + 1):
        if len(buffer) <= at + seen:
            return -(seen + 1)
        seen += 1 + height * buffer[at + seen]
    return seen


def _windows_bitmap(buffer: bytearray, at: int) -> int:
    """GS D m fn a kc1 kc2 b c, then a BMP file that says its own size at offset 2."""
    if len(buffer) < at + 13:
        return -13
    return 7 + max(6, int.from_bytes(buffer[at + 9 : at + 13], "little"))


def _counter(buffer: bytearray, at: int) -> int:
    """GS C ; sa ; sb ; sn ; sr ; sc ; – numbers between semicolons."""
    at += 1
    end, found = at, 0
    while end < len(buffer) and end < at + 32 and found < 5:
        found += buffer[end] == 0x3B
        end += 1
    return end + 1 - at if found == 5 or end == at + 32 else -(len(buffer) - at + 2)


_K = TokenKind
_SYMBOLS: Final = {
    **dict.fromkeys(range(7), _until_nul(1, 255)),  # function A: ends with NUL
    **dict.fromkeys(range(65, 80), _counted(1, 1)),  # function B: length first
    97: _counted(3, 2),  # MY-628: QR code, version, level
}
_DC4: Final = {1: _fixed(3), 2: _fixed(3), 3: _fixed(6), 7: _fixed(2), 8: _fixed(8)}


def _rows(lead: str, kind: TokenKind, lengths: dict[str, int]) -> dict[bytes, Command]:
    """Commands of constant length: each character of a key is a command, the value its number of parameters."""
    found: dict[bytes, Command] = {}
    for letters, count in lengths.items():
        found |= {(lead + letter).encode(): Command(kind, _fixed(count)) for letter in letters}
    return found


TABLE: Final[dict[bytes, Command]] = {
    **_rows("\x1b", _K.COMMAND, {"\x0c245@<LS": 0, " !%-39?EGJKMRTUVadeqrt{": 1, "$Cc\\": 2, "7": 3, "W": 8}),
    **_rows("\x1b", _K.MEMORY, {"=": 1, "8": 2}),
    **_rows("\x1b", _K.REALTIME, {"B": 2}),  # buzzer
    **_rows("\x1b", _K.STATUS, {"v": 0, "u": 1}),
    **_rows("\x1b", _K.CUT, {"im": 0}),
    b"\x1bC": Command(_K.REALTIME, _fixed(3)),  # buzzer and lamp
    b"\x1bf": Command(_K.COMMAND, _fixed(2)),
    b"\x1bp": Command(_K.DRAWER, _fixed(3)),
    b"\x1bD": Command(_K.COMMAND, _until_nul(0, 33)),
    b"\x1b*": Command(_K.RASTER, _bit_image),
    b"\x1b&": Command(_K.MEMORY, _own_characters),
    b"\x1b(": Command(_K.COMMAND, _counted(1, 2), named=1),
    b"\x1bZ": Command(_K.CODE, _counted(3, 2)),  # Chinese modules: m n k, length, QR data
    **_rows("\x1c", _K.COMMAND, {"&.": 0, "!-CW": 1, "S?": 2}),
    b"\x1c(": Command(_K.COMMAND, _counted(1, 2), named=1),
    b"\x1c(e": Command(_K.STATUS, _counted(1, 2), named=1),
    b"\x1c2": Command(_K.MEMORY, _fixed(74)),  # two bytes of code, 24 x 24 dots
    b"\x1cp": Command(_K.RASTER, _fixed(2)),
    b"\x1cq": Command(_K.MEMORY, _stored_images),
    b"\x1cg": Command(_K.MEMORY, _by_first({0x31: _counted(6, 2), 0x32: _fixed(8)}, 1), named=1),
    **_rows("\x1d", _K.COMMAND, {"c": 0, "!BEHTZbfhjwx": 1, "$LPW\\": 2}),
    **_rows("\x1d", _K.MEMORY, {":": 0, "^z": 3}),
    **_rows("\x1d", _K.STATUS, {"Iar": 1, "g": 4}),
    b"\x1d/": Command(_K.RASTER, _fixed(1)),
    b"\x1d*": Command(_K.RASTER, _downloaded_image),
    b"\x1dv": Command(_K.RASTER, _raster),
    b"\x1dQ": Command(_K.RASTER, _raster),
    b"\x1d8": Command(_K.RASTER, _counted(1, 4), named=1),
    b"\x1dD": Command(_K.MEMORY, _windows_bitmap),
    b"\x1dV": Command(_K.CUT, _by_first(dict.fromkeys((65, 66, 97, 98, 103, 104), _fixed(2)), 1)),
    b"\x1dC": Command(_K.COMMAND, _by_first({0x30: _fixed(3), 0x31: _fixed(7), 0x32: _fixed(3), 0x3B: _counter}, 1)),
    b"\x1dk": Command(_K.CODE, _by_first(_SYMBOLS, 1)),
    b"\x1d(": Command(_K.COMMAND, _counted(1, 2), named=1),
    b"\x1d(H": Command(_K.STATUS, _counted(1, 2), named=1),
    b"\x1d(L": Command(_K.RASTER, _counted(1, 2), named=1),
    b"\x1d(k": Command(_K.CODE, _counted(1, 2), named=1),
    **{b"\x1d(" + letter: Command(_K.MEMORY, _counted(1, 2), named=1) for letter in (b"A", b"C", b"D", b"E", b"M")},
    b"\x10\x04": Command(_K.STATUS, _by_first(dict.fromkeys((7, 8, 18), _fixed(2)), 1)),
    b"\x10\x05": Command(_K.REALTIME, _fixed(1)),
    b"\x10\x14": Command(_K.REALTIME, _by_first(_DC4, 1)),
}
LEADS: Final = {0x1B: "ESC", 0x1C: "FS", 0x1D: "GS", 0x10: "DLE"}
_NAMES: Final = """
NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US
"""
CONTROLS: Final = _NAMES.split()
