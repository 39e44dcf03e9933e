"""Text in printer columns: what a character takes, what a printer cannot say at all, and where a line may break. Pure.

A Chinese printer draws one byte of its own encoding as one column (12 dots) and two bytes as two. Unicode's own
"east asian width" is no help: — “ ” × ℃ № are narrow there and two bytes in GBK, so columns would drift. ASCII is one
column, everything else two; a character of four bytes (GB 18030) or none is drawn as a picture of two columns.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_TWO_BYTE: Final = frozenset({"gb18030", "gbk", "gb2312", "big5", "utf-8", "utf8"})

# One look for signs Unicode has several of. U+00A5 is four bytes in GB 18030, the full-width yen two and in every font.
_SAME: Final = str.maketrans(
    {
        "\u00a5": "￥",
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2212": "-",
        "\u2015": "—",
        "\u2022": "·",
        "\u30fb": "·",
        "\u22ef": "…",
        "\u301c": "～",
    }
)
_HALF: Final = re.compile("[\uff61-\uffdc]+")  # half-width katakana and hangul: four bytes, their full forms two
_BLANKS: Final = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"

# What may not stand first on a line, and what may not stand last (GB/T 15834-2011, 5.1).
_NOT_FIRST: Final = frozenset("，。、；：！？）》〉」』】〕］｝’”…—～·％‰℃,.;:!?)]}%")
_NOT_LAST: Final = frozenset("（《〈「『【〔［｛‘“￥＄£€$([{#")

_SIGN: Final = r"[￥€£$]|[A-Z]{2}\$|[A-Z]{3} ?"
_AMOUNT: Final = re.compile(rf"[-+]?(?:(?:{_SIGN})[-+]?[0-9][0-9,]*(?:\.[0-9]{{1,4}})?|[0-9][0-9,]*\.[0-9]{{2,4}})")
_BLANK_BEFORE: Final = re.compile(r"(?<=[^ ]) +(?=[，。、；：！？）》〉」』】〕］｝’”…—～·％‰℃])")
# A unit is never broken when it fits a line: an amount with its currency, a word or number, any other character.
_UNITS: Final = re.compile(rf" +|[-+]?(?:{_SIGN})[-+]?[0-9][0-9,.]*|[!-~０-９Ａ-Ｚａ-ｚ]+|.", re.DOTALL)


def width(text: str, charset: str = "gb18030") -> int:
    """Printer columns of `text` at normal size: bytes in the printer's encoding, never more than two a character."""
    if text.isascii():
        return len(text)
    if charset.lower() in _TWO_BYTE:
        return len(text) + sum(map("\x7f".__lt__, text))
    return sum(_width(sign, charset) for sign in text)


@functools.lru_cache(maxsize=4096)
def _width(sign: str, charset: str) -> int:
    try:
        return min(len(sign.encode(charset)), 2)
    except UnicodeEncodeError:
        return 2  # will be drawn


def normalise(text: str) -> str:
    """`text` as a printer can say it: composed, no control, joining, direction, variation or lone combining signs."""
    if text.isascii() and text.isprintable():
        return text
    return _normalised(text)


@functools.lru_cache(maxsize=1024)
def _normalised(text: str) -> str:
    text = "".join(" " if sign in _BLANKS else sign for sign in text)
    text = _HALF.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text)
    return "".join(map(_printable, unicodedata.normalize("NFC", text).translate(_SAME)))


@functools.lru_cache(maxsize=8192)
def _printable(sign: str) -> str:
    category = unicodedata.category(sign)
    if category in {"Cc", "Cf", "Mn", "Me"}:
        return ""
    if category == "Cs":  # half of a pair, from a careless JSON escape: no encoding takes it
        return "\ufffd"
    if category == "Zs" and sign not in " \u3000":
        return " "
    return sign


def amount_width(text: str, charset: str = "gb18030") -> int:
    """Columns of the widest amount in `text`, 0 when there is none. Amounts are never broken while they fit at all."""
    return max((width(amount, charset) for amount in _AMOUNT.findall(text)), default=0)


def unit_width(text: str, charset: str = "gb18030") -> int:
    """Columns of the widest piece of normalised `text` that no line break may part."""
    return max((width(unit, charset) for unit in _glued(text) if unit[0] != " "), default=0)


def wrap(text: str, limit: int, charset: str = "gb18030") -> list[str]:
    """Normalised `text` as lines of at most `limit` (≥ 2) columns. Blanks inside a line stay: it may be a table."""
    text = text.rstrip(" ")
    if width(text, charset) <= limit:
        return [text]
    text = _BLANK_BEFORE.sub("", text)
    lines: list[str] = []
    line = blanks = ""
    room = limit
    for unit in _glued(text):
        takes = width(unit, charset)
        if unit[0] == " ":
            blanks, room = unit, room - takes
            continue
        if takes <= room:
            line, blanks, room = line + blanks + unit, "", room - takes
            continue
        if line:
            lines.append(line)
        *whole, line = _forced(unit, limit, charset)
        lines += whole
        blanks, room = "", limit - width(line, charset)
    return [*lines, line]


def _glued(text: str) -> Iterator[str]:
    """Units in order, each joined to what may not be parted from it."""
    held = ""
    for found in _UNITS.finditer(text):
        unit = found.group()
        if held and held[0] != " " and unit[0] != " " and (held[-1] in _NOT_LAST or unit[0] in _NOT_FIRST):
            held += unit
            continue
        if held:
            yield held
        held = unit
    if held:
        yield held


def _forced(unit: str, limit: int, charset: str) -> list[str]:
    """A unit longer than a line, broken where it must be, and still with no punctuation where it may not stand."""
    lines = []
    while width(unit, charset) > limit:
        fits = end = _fitting(unit, limit, charset)
        while end > 1 and (unit[end] in _NOT_FIRST or unit[end - 1] in _NOT_LAST):
            end -= 1
        if end == 1 and unit[1] in _NOT_FIRST:
            end = fits
        lines.append(unit[:end])
        unit = unit[end:]
    return [*lines, unit]


def _fitting(text: str, limit: int, charset: str) -> int:
    """How many characters of `text` fit; at least one."""
    taken = count = 0
    for sign in text:
        taken += width(sign, charset)
        if taken > limit:
            break
        count += 1
    return max(count, 1)
