"""What a terminal once printed, made safe to print again: nothing but text, its looks, pictures, codes and feeds.

A captured stream may hold anything a till or a merchant's name put there: drawer pulses, writes to the printer's
memory, real-time commands, questions. So this is an allow-list over tokens; what is not on it, or is cut off, or has a
length that does not add up, stays away. Our own cut ends the paper, the captured one does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.printers.raster import bands
from drivers.tokens import Flaw, Token, TokenKind, tokenize

_LOOKS: Final = frozenset(
    {
        *("ESC @", "ESC SP", "ESC !", "ESC -", "ESC E", "ESC G", "ESC M", "ESC R", "ESC V", "ESC r", "ESC t", "ESC {"),
        *("ESC 4", "ESC 5", "ESC 9", "FS &", "FS .", "FS !", "FS -", "FS C", "FS S", "FS W", "FS ( A", "GS !", "GS B"),
        *("GS b", "GS H", "GS f", "GS h", "GS w", "GS x"),  # with the looks of bar codes
    }
)
_PLACES: Final = frozenset(
    {
        *("ESC $", "ESC \\", "ESC 2", "ESC 3", "ESC D", "ESC J", "ESC a", "ESC d", "GS $", "GS L", "GS P", "GS W"),
        *("GS \\", "GS T", "ESC L", "ESC S", "ESC T", "ESC W", "ESC FF"),  # with page mode
    }
)
_CODES: Final = frozenset({"GS k", "GS ( k", "ESC Z"})
_CONTROLS: Final = frozenset({"LF", "CR", "HT", "FF"})
_RASTER: Final = frozenset({"ESC *", "GS v", "GS *", "GS /"})
# GS ( L and GS 8 L: only "take dots into the print buffer" and "print it"; the others write to memory that stays.
_GRAPHICS: Final = frozenset({"GS ( L", "GS 8 L"})
_GRAPHICS_FUNCTIONS: Final = frozenset({2, 50, 112, 113})
_FEEDS: Final = frozenset({"LF", "FF", "ESC d", "ESC J", "ESC FF", "GS v", "GS k", "ESC Z", "GS /"})


def safe(data: bytes, ready: bytes) -> bytes:
    """`data` as it came, minus everything unsafe. `ready` is what has to stand behind every ESC @ in it."""
    tokens = [token for token in tokenize(data) if token.flaw is Flaw.NONE]
    return b"".join(_pieces(tokens, ready))


def _pieces(tokens: list[Token], ready: bytes) -> Iterator[bytes]:
    loose = False  # text stands in the printer's line buffer; ESC @ behind it would throw it away
    for token in tokens:
        if token.kind is TokenKind.TEXT:
            loose = True
            yield token.data
        elif token.kind is TokenKind.CUT:
            yield b"\n" if loose else b""
            loose = False
        elif _allowed(token):
            loose = loose and token.name not in _FEEDS
            yield from bands(token.data) if token.name == "GS v" else (token.data,)
            if token.name == "ESC @":
                yield ready
    if loose:
        yield b"\n"


def _allowed(token: Token) -> bool:
    if token.kind is TokenKind.CONTROL:
        return token.name in _CONTROLS
    if token.name in _GRAPHICS:
        return _function(token) in _GRAPHICS_FUNCTIONS
    return token.name in _LOOKS or token.name in _PLACES or token.name in _CODES or token.name in _RASTER


def _function(token: Token) -> int:
    """`fn` of GS ( L pL pH m fn, GS 8 L p1 p2 p3 p4 m fn; -1 when there is none."""
    place = 3 if token.name == "GS ( L" else 5
    return token.params[place] if len(token.params) > place else -1


def single_byte(data: bytes) -> bool:
    """Whether the stream chose a code page of its own: then its bytes above 7Fh are no Chinese (ESC t n, n > 0)."""
    return any(token.name == "ESC t" and token.params not in (b"\0", b"\xff") for token in tokenize(data))
