"""The fields of ZVT messages: bitmaps ("BMP") and TLV objects, their lengths and what each may show. Pure.

A BMP is one byte that says what follows, and by that how long it is; nothing else marks it. A number that is in no
table ends the reading: nobody knows where the next field begins, so nothing behind it is told or kept.

Source: ZVT specification PA00P015_13.08, chapters 3.1 (status information), 7 (TLV container), 10 (bitmaps).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

_DEPTH: Final = 4  # containers in containers; the deepest defined has three


class Show(Enum):
    """How much of a field may leave the driver."""

    ALL = auto()
    CARD = auto()  # packed digits: first six and last four
    TEXT = auto()  # card numbers are searched for and masked
    TLV = auto()  # by its own table
    NOTHING = auto()  # its length


class Size(Enum):
    """Lengths that stand in the field."""

    LL = 2  # F1 F8 = 18
    LLL = 3
    BER = auto()


@dataclass(frozen=True, slots=True)
class Bmp:
    """One bitmap: its length in bytes and what it may show."""

    size: int | Size
    show: Show = Show.NOTHING


BMPS: Final[Mapping[int, Bmp]] = MappingProxyType(
    {
        0x01: Bmp(1, Show.ALL),  # time-out
        0x02: Bmp(1, Show.ALL),  # most status informations
        0x03: Bmp(1, Show.ALL),  # service byte
        0x04: Bmp(6, Show.ALL),  # amount
        0x05: Bmp(1, Show.ALL),  # pump
        0x06: Bmp(Size.BER, Show.TLV),
        0x0B: Bmp(3, Show.ALL),  # trace number
        0x0C: Bmp(3, Show.ALL),  # HHMMSS
        0x0D: Bmp(2, Show.ALL),  # MMDD
        0x0E: Bmp(2),  # expiry
        0x17: Bmp(2, Show.ALL),  # sequence number of the card
        0x19: Bmp(1, Show.ALL),  # payment type, status byte
        0x22: Bmp(Size.LL, Show.CARD),  # card number or EF_ID
        0x23: Bmp(Size.LL),  # track 2
        0x24: Bmp(Size.LLL),  # track 3
        0x27: Bmp(1, Show.ALL),  # result code
        0x29: Bmp(4, Show.ALL),  # terminal id
        0x2A: Bmp(15, Show.ALL),  # VU number
        0x2D: Bmp(Size.LL),  # track 1
        0x2E: Bmp(Size.LLL),  # chip data
        0x37: Bmp(3, Show.ALL),  # trace number of the original payment, only in reversals
        0x3A: Bmp(2),  # CVV
        0x3B: Bmp(8, Show.ALL),  # authorisation attribute ("AID")
        0x3C: Bmp(Size.LLL, Show.TEXT),
        0x3D: Bmp(3),  # password
        0x49: Bmp(2, Show.ALL),  # currency, ISO 4217 number
        0x60: Bmp(Size.LLL, Show.ALL),  # single totals
        0x87: Bmp(2, Show.ALL),  # receipt number
        0x88: Bmp(3, Show.ALL),  # turnover number
        0x8A: Bmp(1, Show.ALL),  # card type
        0x8B: Bmp(Size.LL, Show.TEXT),  # card name
        0x8C: Bmp(1, Show.ALL),
        0x9A: Bmp(Size.LLL),  # Geldkarte
        0xA0: Bmp(1, Show.ALL),  # result code of the authorisation system
        0xA7: Bmp(Size.LL),  # EF_ID
        0xAA: Bmp(3, Show.ALL),  # YYMMDD
        0xAF: Bmp(Size.LLL),
        0xBA: Bmp(5),
        0xD0: Bmp(1),
        0xD1: Bmp(Size.LL),  # PIN data
        0xD2: Bmp(1, Show.ALL),
        0xD3: Bmp(1),
        0xE0: Bmp(1, Show.ALL),
        **dict.fromkeys(range(0xE1, 0xE9), Bmp(Size.LL, Show.TEXT)),  # texts to display
        0xF0: Bmp(1, Show.ALL),
        **dict.fromkeys(range(0xF1, 0xF9), Bmp(Size.LL, Show.TEXT)),
        0xF9: Bmp(1, Show.ALL),
        0xFA: Bmp(1, Show.ALL),
        0xFC: Bmp(1, Show.ALL),
    }
)
# Objects of the TLV container that are kept; tracks and card numbers may stand in the others.
TEXT_LINE: Final = 0x07
ATTRIBUTE: Final = 0x09
RECEIPT_TYPE: Final = 0x1F07
CARD_TECHNOLOGY: Final = 0x1F12
LONG_TRACE: Final = 0x1F2B
TLVS: Final[Mapping[int, Show]] = MappingProxyType(
    {
        TEXT_LINE: Show.TEXT,
        ATTRIBUTE: Show.ALL,
        0x14: Show.ALL,  # character set
        0x43: Show.ALL,  # application id of the chip
        0x44: Show.TEXT,  # application label
        RECEIPT_TYPE: Show.ALL,
        0x1F10: Show.ALL,  # how the card holder was authenticated
        CARD_TECHNOLOGY: Show.ALL,
        0x1F16: Show.ALL,  # extended error code
        0x1F17: Show.TEXT,  # extended error text
        LONG_TRACE: Show.ALL,
        0x1F37: Show.ALL,  # receipt information
    }
)
# ISO 4217 numbers of the countries ZVT terminals stand in, and of what travellers pay with there.
CURRENCIES: Final = MappingProxyType(
    {
        "0978": "EUR",
        "0756": "CHF",
        "0203": "CZK",
        "0208": "DKK",
        "0348": "HUF",
        "0578": "NOK",
        "0752": "SEK",
        "0826": "GBP",
        "0840": "USD",
        "0946": "RON",
        "0975": "BGN",
        "0985": "PLN",
    }
)


@dataclass(frozen=True, slots=True)
class Item:
    """A field or object: its number and the bytes `start`–`end` of its value in the data."""

    tag: int
    start: int
    end: int
    value: bytes = field(repr=False)


def parse(data: bytes, start: int = 0) -> tuple[list[Item], int]:
    """The bitmaps from `start` on, and how far they could be read."""
    items = []
    place = start
    while place < len(data):
        spec = BMPS.get(data[place])
        begin, end = _value(data, place + 1, spec.size) if spec is not None else (0, 0)
        if not begin or end > len(data):
            break
        items.append(Item(data[place], begin, end, data[begin:end]))
        place = end
    return items, place


def _value(data: bytes, place: int, size: int | Size) -> tuple[int, int]:
    """Where the value of a field begins and ends; (0, 0) when its length cannot be read."""
    if isinstance(size, int):
        return place, place + size
    if size is Size.BER:
        return _ber(data, place)
    digits = data[place : place + size.value]
    if len(digits) < size.value or any(digit not in range(0xF0, 0xFA) for digit in digits):
        return 0, 0
    begin = place + size.value
    return begin, begin + int("".join(str(digit & 0x0F) for digit in digits))


def _ber(data: bytes, place: int) -> tuple[int, int]:
    """As `_value`: one byte to 7F, 81 and one, 82 and two."""
    first = data[place] if place < len(data) else 0xFF
    more = {0x81: 1, 0x82: 2}.get(first, 0)
    if (first > 0x7F and not more) or len(data) < place + 1 + more:
        return 0, 0
    begin = place + 1 + more
    return begin, begin + (int.from_bytes(data[place + 1 : begin], "big") if more else first)


def objects(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[Item]:
    """The simple objects of a TLV container, those of inner containers in place. Ends where it cannot be read."""
    place = start
    while place < end and depth < _DEPTH:
        first, behind = data[place], place + 1
        tag = first
        if first & 0x1F == 0x1F:
            while behind < end and data[behind] & 0x80:
                tag, behind = tag << 8 | data[behind], behind + 1
            if behind >= end or behind > place + 3:
                return
            tag, behind = tag << 8 | data[behind], behind + 1
        begin, over = _ber(data[:end], behind)
        if not begin or over > end:
            return
        if first & 0x20:
            yield from objects(data, begin, over, depth + 1)
        else:
            yield Item(tag, begin, over, data[begin:over])
        place = over
