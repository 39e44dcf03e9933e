"""How the values of ZVT fields are written, and what of them may be kept. Pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from agent import pan
from drivers.terminals.zvt_fields import BMPS, TLVS, Item, Show, objects, parse

HIDDEN: Final = 0xEE  # two masked digits, as the terminal itself writes them

_CARD_DIGITS: Final = 19  # ISO/IEC 7812-1
_NUMBER: Final = re.compile(r"[0-9E]*")
_CARD: Final = re.compile(r"\d{0,6}\*+\d{0,4}|\d{1,4}", re.ASCII)


def masked(data: bytes, start: int = 0) -> bytes:
    """`data` with listed fields only, same length. Bytes before `start` are hidden (a password)."""
    shown = bytearray((HIDDEN,)) * len(data)
    items, end = parse(data, start)
    if items:
        shown[start:end] = data[start:end]  # numbers and lengths; the values follow
    for item in items:
        if item.tag == 0x06:
            shown[item.start : item.end] = _masked_container(data, item)
        else:
            shown[item.start : item.end] = _shown(item.value, BMPS[item.tag].show)
    return bytes(shown)


def _masked_container(data: bytes, container: Item) -> bytes:
    shown = bytearray(data[container.start : container.end])
    reached = container.start
    for item in objects(data, container.start, container.end):
        place = item.start - container.start
        shown[place : place + len(item.value)] = _shown(item.value, TLVS.get(item.tag, Show.NOTHING))
        reached = item.end
    rest = reached - container.start
    shown[rest:] = bytes((HIDDEN,)) * (len(shown) - rest)  # what could not be read
    return bytes(shown)


def _shown(value: bytes, show: Show) -> bytes:
    if show is Show.ALL:
        return value
    if show is Show.TEXT:
        return pan.mask_bytes(value)
    if show is Show.CARD:
        return _hidden_card(value)
    return bytes((HIDDEN,)) * len(value)


def _hidden_card(value: bytes) -> bytes:
    """Packed digits with E for what is hidden: at most first six and last four stay, nothing behind the number."""
    digits = value.hex().upper()
    size = len(number(value))
    kept = set[int]()
    if 10 < size <= _CARD_DIGITS:
        kept = {*range(6), *range(size - 4, size)}
    elif 4 < size <= 10:
        kept = set(range(size - 4, size))
    return bytes.fromhex("".join(sign if place in kept or sign == "F" else "E" for place, sign in enumerate(digits)))


def number(value: bytes) -> str:
    """The card number in packed digits, E for those the terminal masked; what follows a separator is not of it."""
    found = _NUMBER.match(value.hex().upper())
    return found.group() if found else ""


def card(value: bytes) -> str | None:
    """The canonical masked card number, None when there is none."""
    digits = number(value)
    if not 0 < len(digits) <= _CARD_DIGITS:
        return None
    shown = pan.mask_card(digits.replace("E", "*"))
    return shown if _CARD.fullmatch(shown) else None


def is_clear_card(value: bytes) -> bool:
    """Whether the terminal sent a whole card number: nothing is lost, but somebody should hear of it."""
    return len(number(value)) >= 12 and "E" not in number(value)


def digits(value: bytes) -> str:
    """Packed digits as text, "" when a nibble is no digit."""
    text = value.hex()
    return text if text.isdecimal() else ""


def text(value: bytes, charset: str) -> str:
    """What a person may read: no control signs, card numbers masked, trimmed."""
    said = value.decode(charset, "replace")
    return pan.mask("".join(sign if sign.isprintable() else " " for sign in said)).strip()


def plain(value: bytes) -> str:
    """ASCII padded with blanks or zeros, "" when it is none. A number with its own label is no card number."""
    said = value.replace(b"\0", b" ").decode("latin-1").strip()
    return said if said.isascii() and said.isprintable() else ""


def moment(date: str, clock: str) -> str | None:
    """ISO 8601 of MMDD (the year stays open), YYMMDD or "", and HHMMSS; None when it is no time."""
    try:
        time = dt.time(int(clock[:2]), int(clock[2:4]), int(clock[4:6])).isoformat()
        if not date:
            return f"T{time}"
        day = dt.date(2000 + int(date[:-4] or "0"), int(date[-4:-2]), int(date[-2:]))  # 2000 has a 29 February
    except ValueError:
        return None
    return f"{day.isoformat()}T{time}" if len(date) == 6 else f"--{day:%m-%d}T{time}"
