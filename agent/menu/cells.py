"""Text in terminal columns: a Chinese character is two wide, and nothing of a slip reaches the terminal raw. Pure."""

from __future__ import annotations

import re
import unicodedata

_WIDE = ("W", "F")
_PIECES = re.compile(r"[\u2e80-\u9fff\uff00-\uffef][，。：；！？、）」』]?|[^\s\u2e80-\u9fff\uff00-\uffef]+\s*|\s+")
_OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode categories: control, format, surrogate, line and paragraph separator


def columns(text: str) -> int:
    """How many terminal columns `text` takes."""
    if text.isascii():
        return len(text)
    return sum(_width(sign) for sign in text)


def _width(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in _WIDE else 1


def cut(text: str, width: int) -> str:
    """The beginning of `text` that fits into `width` columns; what was cut off is shown by two dots."""
    if columns(text) <= width:
        return text
    kept, used = [], 0
    for sign in text:
        used += _width(sign)
        if used > width - 2:
            break
        kept.append(sign)
    return "".join(kept) + ".." if width >= 2 else "." * width


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` columns, padded with blanks on the other side."""
    text = cut(text, width)
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns: broken at blanks, between Chinese characters, or where it must be."""
    lines, line = [], ""
    for piece in _PIECES.findall(text):
        if columns(line + piece.rstrip()) <= width:
            line += piece
            continue
        if line.strip():
            lines.append(line.rstrip())
        line = piece.lstrip()
        while columns(line) > width:
            head = next(line[:end] for end in range(len(line), 0, -1) if columns(line[:end]) <= max(width, 2))
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def printable(text: str) -> str:
    """`text` without anything a terminal obeys: control characters and direction marks become a dot."""
    plain = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(sign if sign == "\n" or _harmless(sign) else "." for sign in plain)


def one_line(value: object) -> str:
    """Any value as one printable line."""
    return printable(str(value)).replace("\n", " ").strip()


def _harmless(sign: str) -> bool:
    return unicodedata.category(sign) not in _OBEYED
