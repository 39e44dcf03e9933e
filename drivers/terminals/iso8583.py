"""ISO 8583 as Chinese POS terminals pack it: fields of one message by a table, or nothing when a byte is missing.

Numbers are BCD. Fixed ones stand right-aligned, those with a length before them left-aligned; the length is BCD too
and counts digits. A message that promises a field which is not there, or has bytes left over, is refused whole.

Source: CaoEnXin/LiaoYang_POS `Src/st8583.c`, `Src/pack8583.c` (firmware by the UnionPay POS specification).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from drivers.framing import bcd

_BITMAP_BYTES: Final = 8
_MTI: Final = re.compile(r"0[1-8][0-9]0")


@dataclass(frozen=True, slots=True)
class Element:
    """How a field is packed: `n` digits in BCD, `a` bytes; `prefix` bytes of length before it, 0 = fixed `size`."""

    kind: Literal["n", "a"]
    size: int  # digits or bytes; the most there may be when a length stands before
    prefix: int = 0


ELEMENTS: Final[Mapping[int, Element]] = MappingProxyType(
    {
        2: Element("n", 19, 1),  # card number
        3: Element("n", 6),  # processing code
        4: Element("n", 12),  # amount
        11: Element("n", 6),  # trace number
        12: Element("n", 6),  # time HHMMSS
        13: Element("n", 4),  # date MMDD
        14: Element("n", 4),  # expiry
        15: Element("n", 4),  # settlement date MMDD
        22: Element("n", 4),  # entry mode: three digits, left-aligned by some firmware, right-aligned by other
        23: Element("n", 3),  # card sequence number
        25: Element("n", 2),  # condition code
        26: Element("n", 2),  # PIN capture code
        32: Element("n", 11, 1),  # acquirer
        35: Element("n", 37, 1),  # track 2
        36: Element("n", 104, 2),  # track 3
        37: Element("a", 12),  # reference number
        38: Element("a", 6),  # authorisation code
        39: Element("a", 2),  # response code
        41: Element("a", 8),  # terminal
        42: Element("a", 15),  # merchant
        44: Element("a", 25, 1),  # issuer and acquirer
        48: Element("n", 999, 2),  # totals of a settlement, records of a batch upload
        49: Element("a", 3),  # currency
        52: Element("a", 8),  # PIN
        53: Element("n", 16),  # security control
        54: Element("a", 999, 2),  # balances
        55: Element("a", 999, 2),  # chip data
        57: Element("a", 999, 2),
        58: Element("a", 999, 2),  # electronic purse
        59: Element("a", 999, 2),
        60: Element("n", 999, 2),  # type 2, batch 6, network code 3 …
        61: Element("n", 999, 2),  # original batch 6, trace 6, date 4
        62: Element("a", 999, 2),  # keys, parameters
        63: Element("a", 999, 2),  # card organisation 3, texts
        64: Element("a", 8),  # MAC
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """One field: its digits or bytes, and the bytes `start`–`end` it takes in the data, without its length."""

    value: str = field(repr=False)
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Message:
    mti: str
    parts: Mapping[int, Part]

    def __getitem__(self, number: int) -> str:
        """The text of a field, "" when the message has none."""
        part = self.parts.get(number)
        return part.value if part is not None else ""


def parse(data: bytes, start: int) -> Message | None:
    """The message whose type stands at `start` and which ends with `data`."""
    mti = data[start : start + 2].hex()
    place = start + 2 + _BITMAP_BYTES
    if not _MTI.fullmatch(mti) or len(data) < place:
        return None
    bitmap = int.from_bytes(data[start + 2 : place], "big")
    parts = {}
    for number in (number for number in range(1, 65) if bitmap >> (64 - number) & 1):
        part = _part(data, place, ELEMENTS.get(number))
        if part is None:
            return None
        parts[number] = part
        place = part.end
    return Message(mti, parts) if place == len(data) else None


def _part(data: bytes, place: int, element: Element | None) -> Part | None:
    if element is None:
        return None
    start = place + element.prefix
    size = bcd(data[place:start]) if element.prefix else element.size
    if size is None or size > element.size or len(data) < start:
        return None
    end = start + ((size + 1) // 2 if element.kind == "n" else size)
    if len(data) < end:
        return None
    if element.kind == "a":
        return Part(data[start:end].decode("latin-1"), start, end)
    digits = data[start:end].hex().upper()
    return Part(digits[:size] if element.prefix else digits[-size:], start, end)
