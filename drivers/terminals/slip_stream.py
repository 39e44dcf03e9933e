"""Where one slip ends and the next begins in a printer stream that has no frames.

A slip ends with a cut, a form feed, ESC @ behind something printed, silence, or the peer's hanging up (the last two are
told from outside). Only feeds and styles are no slip. A slip longer than the limit comes in parts, nothing lost. What
leaves here is masked already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers import typeset
from drivers.scrub import scrub
from drivers.tokens import Token, TokenKind, tokenize

LIMIT_KIB: Final = 256
_LEAST_LIMIT: Final = 1 << 14
_STYLE_LIMIT: Final = 4096  # what may stand before the first thing printed
_SEAM: Final = 4096  # a part is cut so far before its end that no card number spans the seam unseen
_MOVES_PAPER: Final = frozenset({"ESC d", "ESC J", "ESC e", "ESC K", "ESC FF", "FF"})
_BLANK: Final = frozenset(b" \x7f\xa0\xa1")  # blanks, no-break ones and the full-width one (A1 A1)


@dataclass(frozen=True, slots=True)
class CapturedSlip:
    """One piece of paper, card numbers masked. `part` counts the parts of one too long, 0 when it is whole.

    `showed_card` says that a full card number stood on it.
    """

    data: bytes
    part: int = 0
    last: bool = True
    title: str = ""
    showed_card: bool = False


class SlipCutter:
    """Takes tokens, gives slips. Holds one slip at most."""

    def __init__(self, charset: str = "auto", limit: int = LIMIT_KIB << 10, *, reset_ends: bool = True) -> None:
        self._charset = charset
        self._limit = max(limit, _LEAST_LIMIT)
        self._reset_ends = reset_ends
        self._data = bytearray()
        self._printed = False
        self._part = 0
        self._title = ""
        self.fed_lines = 0

    def __repr__(self) -> str:  # never the bytes: they are not masked yet
        return f"<SlipCutter {len(self._data)} bytes>"

    @property
    def under_way(self) -> bool:
        """Whether something was printed that has no end yet."""
        return self._printed

    def take(self, token: Token) -> list[CapturedSlip]:
        found = self.end() if self._printed and self._reset_ends and token.name == "ESC @" else []
        if not self._printed and not _prints(token):
            self._before(token)
            return found
        self._data += token.data
        self._count_feeds(token)
        self._printed = True
        if token.kind is TokenKind.CUT or token.name in ("FF", "ESC FF"):
            return found + self.end()
        return found + self._parts() if len(self._data) > self._limit else found

    def end(self) -> list[CapturedSlip]:
        """The slip under way ends here."""
        found = []
        if self._printed:
            part = self._part + 1 if self._part else 0
            masked = scrub(bytes(self._data), self._charset)
            found.append(CapturedSlip(masked, part, title=self._title, showed_card=masked != self._data))
            self._data.clear()
        self._printed, self._part, self._title, self.fed_lines = False, 0, "", 0
        return found

    def forget(self) -> None:
        """The peer is gone: styles it set before a slip are gone too."""
        self._data.clear()
        self._printed = False

    def _before(self, token: Token) -> None:
        """Ahead of a slip only styles matter, and only since the last reset."""
        if token.name == "ESC @" or len(self._data) > _STYLE_LIMIT:
            self._data.clear()
        if token.kind is TokenKind.COMMAND and token.name not in _MOVES_PAPER and not token.flaw:
            self._data += token.data

    def _count_feeds(self, token: Token) -> None:
        if token.name == "LF":
            self.fed_lines += 1
        elif token.name == "ESC d" and token.params:
            self.fed_lines += token.params[0]
        elif token.name == "ESC J" and token.params:
            self.fed_lines += token.params[0] // 30
        elif _prints(token):
            self.fed_lines = 0

    def _parts(self) -> list[CapturedSlip]:
        """As much of the slip as is safe to let go. The number that might span the seam is masked on both sides."""
        masked = scrub(bytes(self._data), self._charset)
        showed_card = masked != self._data
        tokens = tokenize(masked)
        ends = [token for token in tokens if token.end <= len(masked) - _SEAM]
        lines = [token for token in ends if token.name == "LF" and token.end > self._limit // 2]
        seam = lines[-1].end if lines else ends[-1].end if ends else len(masked)
        self._part += 1
        if self._part == 1:
            self._title = next(iter(typeset.text(masked[:4096], self._charset).split("\n")), "")[:80]
        self._data = bytearray(masked[seam:])
        self._printed = any(_prints(token) for token in tokens if token.start >= seam)
        if not self._printed:
            self._data.clear()
        return [CapturedSlip(masked[:seam], self._part, last=False, title=self._title, showed_card=showed_card)]


def _prints(token: Token) -> bool:
    """Whether the token brings something onto the paper."""
    if token.kind is TokenKind.TEXT:
        return not _BLANK.issuperset(token.data)
    return token.kind in (TokenKind.RASTER, TokenKind.CODE)
