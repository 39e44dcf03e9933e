"""Chinese for printers: what a printer's own font holds, and the bytes that name it.

A Chinese printer draws one byte as one column and two bytes as two. What its font lacks must never become a silent
`?` or the digits of a four-byte code, so every character is asked here first: `missing()` names those that have to be
drawn. Facts: GB/T 2312-1980, GBK 1.0, GB 18030-2000; printers of the GB18030 kind carry the four-byte characters of
CJK extension A at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

CHARSETS: Final = ("gb18030", "gbk", "gb2312")

_EXTENSION_A: Final = range(0x3400, 0x4DB6)


def encode(text: str) -> bytes:
    """The bytes of normalised text (`agent.slips.layout.normalise`), all of it in the font: `missing` said so."""
    return text.encode("gb18030")


def missing(text: str, charset: str) -> frozenset[str]:
    """The characters of normalised `text` that a printer of this charset cannot print."""
    if text.isascii():
        return frozenset()
    seen, held = _SEEN[charset], _HELD[charset]
    rest = set(text) - seen
    lost = frozenset(sign for sign in rest if not held(sign))
    seen |= rest - lost
    return lost


def _in_gb18030(sign: str) -> bool:
    if ord(sign) in _EXTENSION_A or sign.isascii():
        return True
    code = _code(sign)
    return len(code) == 2 and not _user_defined(code)


def _in_gbk(sign: str) -> bool:
    return sign.isascii() or _decodes(_code(sign), "gbk")


def _in_gb2312(sign: str) -> bool:
    # By the code, not by the sign: Python's tables give A1A4 and A1AA to other signs in gb2312 than in gbk.
    return sign.isascii() or _decodes(_code(sign), "gb2312")


_HELD: Final[dict[str, Callable[[str], bool]]] = {"gb18030": _in_gb18030, "gbk": _in_gbk, "gb2312": _in_gb2312}
# Characters found to be in the font: slips say the same words again and again. At most a font's worth.
_SEEN: Final[dict[str, set[str]]] = {charset: set() for charset in CHARSETS}


def _code(sign: str) -> bytes:
    return sign.encode("gb18030", "replace")


def _decodes(code: bytes, charset: str) -> bool:
    if len(code) != 2:
        return False
    try:
        code.decode(charset)
    except UnicodeDecodeError:
        return False
    return True


def _user_defined(code: bytes) -> bool:
    """The zones GBK leaves to users (AAA1-AFFE, F8A1-FEFE, A140-A7A0): no font holds them."""
    lead, trail = code
    return (trail >= 0xA1 and (0xAA <= lead <= 0xAF or 0xF8 <= lead <= 0xFE)) or (trail < 0xA1 and 0xA1 <= lead <= 0xA7)
