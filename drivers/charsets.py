"""Which characters the text bytes of a printer stream are, and at which byte each of them stands.

Order of the decision (escpos practice of Chinese printers): forced by configuration, else ESC 9 / FS ( C, else valid
multi-byte UTF-8, else GB18030 in Hanzi mode or when no code page was chosen, else the page of ESC t. A long run of one
frame byte of CP437 (C4, CD, B0-B2, DB, DC, DF) is a ruled line, never the Hanzi it would be.

Every character keeps its byte offset, so that a card number found in the text can be masked in the bytes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

KATAKANA: Final = "katakana"  # Epson's page 1: half-width katakana between line graphics, one byte each
CHINESE: Final = frozenset({"gb18030", "gbk", "gb2312"})
_RULE: Final = re.compile(rb"([\xc4\xcd\xb0-\xb2\xdb\xdc\xdf])\1{7,}")
_RULE_SIGNS: Final = {0xC4: "-", 0xCD: "="}  # anything else is shading: "#"

# One character each; a byte that fits nowhere is one unreadable character.
_UNITS: Final = {
    "gb18030": re.compile(rb"[\x00-\x7f]|[\x81-\xfe][0-9][\x81-\xfe][0-9]|[\x81-\xfe][\x40-\x7e\x80-\xfe]|[\x80-\xff]"),
    "utf-8": re.compile(
        rb"[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]"
    ),
    "big5": re.compile(rb"[\x00-\x7f]|[\x81-\xfe][\x40-\x7e\xa1-\xfe]|[\x80-\xff]"),
    "cp932": re.compile(rb"[\x00-\x7f]|[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]|[\x80-\xff]"),
    "euc-kr": re.compile(rb"[\x00-\x7f]|[\xa1-\xfe][\xa1-\xfe]|[\x80-\xff]"),
}
# ESC t n (Epson's numbers; 255 on MY-628), as far as Python knows the page.
_PAGE_NAMES: Final = """
0 cp437  1 katakana  2 cp850  3 cp860  4 cp863  5 cp865  13 cp857  14 cp737  15 iso8859_7  16 cp1252  17 cp866  18 cp852
19 cp858  20 cp874  21 cp874  26 cp874  32 cp720  33 cp775  34 cp855  35 cp861  36 cp862  37 cp864  38 cp869
39 iso8859_2  40 iso8859_15  44 cp1125  45 cp1250  46 cp1251  47 cp1253  48 cp1254  49 cp1255  50 cp1256  51 cp1257
52 cp1258  53 kz1048  255 gb18030
"""
_PAGES: Final = dict(zip(map(int, _PAGE_NAMES.split()[::2]), _PAGE_NAMES.split()[1::2], strict=True))
ESC_9: Final = {0: "gb18030", 1: "utf-8", 3: "big5", 4: "cp932", 5: "euc-kr"}
# Never shown: controls, zero-width signs, marks that turn the direction of reading (a slip may not lie by them).
_HIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_GB2312_PAIRS: Final = re.compile(rb"(?:[\xa1-\xa3\xb0-\xf7][\xa1-\xfe])+")
_HIGH_RUNS: Final = re.compile(rb"[\x80-\xff]+")
_FRAMES: Final = re.compile(rb"[\xb0-\xdf]+")  # boxes and shades of CP437; Chinese text has other bytes too


@dataclass(frozen=True, slots=True)
class Decoded:
    """Characters and the offset of each one's first byte; `sizes` holds how many bytes each has."""

    text: str
    offsets: Sequence[int]
    sizes: bytes
    columns: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What the text of a whole slip looks like."""

    utf8: bool = False
    gb2312: bool = False  # all of it pairs up, and it is no drawing of CP437 frames
    paged: bool = False  # the sender chooses code pages and never speaks of Hanzi


@dataclass(frozen=True, slots=True)
class Mode:
    """What the stream said of its text so far."""

    hanzi: bool | None = None  # None: neither FS & nor FS . came
    page: int | None = None  # of ESC t
    said: str = ""  # of ESC 9 or FS ( C


def page_of(number: int) -> str:
    return _PAGES.get(number, "cp437")


def survey(runs: Iterable[bytes], *, paged: bool = False) -> Survey:
    """What all text runs of one slip together look like. A single short run deceives, a slip does not."""
    valid = paired = outside = total = 0
    for run in runs:
        rest = _RULE.sub(b"", run)
        high = _HIGH_RUNS.findall(rest)
        count = sum(map(len, high))
        total += count
        valid += count if _is_utf8(rest) else 0
        paired += sum(len(piece) for piece in high if _GB2312_PAIRS.fullmatch(piece))
        outside += sum(len(_FRAMES.sub(b"", piece)) for piece in high)
    utf8 = total > 0 and valid * 10 >= total * 9
    return Survey(utf8, gb2312=total > 0 and paired == total and outside * 10 >= total, paged=paged)


def choose(data: bytes, mode: Mode, seen: Survey, forced: str = "") -> str:
    """The charset of one text run."""
    if forced:
        return "gb18030" if forced in CHINESE else forced
    if mode.said:
        return mode.said
    if seen.utf8 and _is_utf8(data):
        return "utf-8"
    if mode.hanzi or (mode.page is None and mode.hanzi is None and not seen.paged):
        return "gb18030"
    if not mode.page and mode.hanzi is None and seen.gb2312:
        return "gb18030"  # ESC t 0 is many libraries' habit, with Chinese behind it and no FS &
    return page_of(mode.page or 0)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode(data: bytes, charset: str, start: int = 0) -> Decoded:
    """`data` as characters; `start` is the offset of its first byte in the stream."""
    if data.isascii():
        text = data.decode("ascii")
        if not _HIDDEN.search(text):
            return Decoded(text, range(start, start + len(text)), b"\1" * len(text), len(text))
    elif charset == "gb18030" and not _RULE.search(data):
        plain = _pairs_only(data, start)
        if plain is not None:
            return plain
    signs: list[str] = []
    offsets: list[int] = []
    sizes = bytearray()
    columns = 0
    for sign, at, size in _signs(data, charset):
        if _HIDDEN.match(sign):
            continue
        signs.append(sign)
        offsets.append(start + at)
        sizes.append(size)
        columns += 1 if size == 1 else 2
    return Decoded("".join(signs), offsets, bytes(sizes), columns)


def _pairs_only(data: bytes, start: int) -> Decoded | None:
    """What nearly all Chinese slips are, decoded in one go: ASCII and two-byte characters, nothing broken."""
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    sizes = bytes([1 if sign < "\x80" else 2 for sign in text])
    if sum(sizes) != len(data) or _HIDDEN.search(text):
        return None
    ends = itertools.accumulate(sizes, initial=start)
    return Decoded(text, list(ends)[:-1], sizes, len(data))


def _signs(data: bytes, charset: str) -> list[tuple[str, int, int]]:
    """Each character with its offset and size; ruled lines of frame bytes come out as - = #."""
    found: list[tuple[str, int, int]] = []
    at = 0
    for rule in _RULE.finditer(data) if charset != "utf-8" else ():
        found += _plain(data[at : rule.start()], charset, at)
        sign = _RULE_SIGNS.get(data[rule.start()], "#")
        found += [(sign, place, 1) for place in range(*rule.span())]
        at = rule.end()
    return found + _plain(data[at:], charset, at)


def _plain(data: bytes, charset: str, at: int) -> list[tuple[str, int, int]]:
    if charset == KATAKANA:
        return [(_katakana(byte), at + place, 1) for place, byte in enumerate(data)]
    units = _UNITS.get(charset)
    if units is None:  # one byte, one character
        return [(sign, at + place, 1) for place, sign in enumerate(data.decode(charset, "replace"))]
    found = []
    for unit in units.finditer(data):
        sign = unit.group().decode(charset, "replace")
        found.append((sign if len(sign) == 1 else "\ufffd", at + unit.start(), len(unit.group())))
    return found


def _katakana(byte: int) -> str:
    if byte < 0x80:
        return chr(byte)
    return chr(0xFF61 + byte - 0xA1) if 0xA1 <= byte <= 0xDF else {0x95: "-", 0x96: "|"}.get(byte, "#")
