"""What a printer stream puts on paper: lines of styled runs, pictures, codes, feeds and cuts, in order.

For reading (what does the slip say?), for preview and for pictures. Follows Chinese printers where they differ from
Epson: they power up in Hanzi mode, ESC ! sets the size of Hanzi too, and CR ends a line that has something on it.
Nothing here raises on any bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from drivers import pictures
from drivers.charsets import Decoded, Survey, choose, decode, survey
from drivers.paper import Break, Code, Feed, Item, Picture, Run, Style, StyledLine
from drivers.styles import StyleState
from drivers.tokens import Token, TokenKind, tokenize

DOTS_PER_COLUMN: Final = 12  # font A at 203 dpi
DOTS_PER_LINE: Final = 30


def typeset(data: bytes, charset: str = "auto") -> list[Item]:
    """Everything `data` puts on paper. `charset` is "auto" or a name that forces the decision."""
    return typeset_tokens(tokenize(data), charset)


def typeset_tokens(tokens: Sequence[Token], charset: str = "auto") -> list[Item]:
    texts = [token.data for token in tokens if token.kind is TokenKind.TEXT]
    names = {token.name for token in tokens}
    seen = survey(texts, paged="ESC t" in names and "FS &" not in names)
    page = _Page(seen, "" if charset == "auto" else charset)
    for token in _joined(tokens):
        page.take(token)
    page.end_line(tokens[-1].end if tokens else 0)
    return page.items


def lines(data: bytes, charset: str = "auto") -> list[StyledLine]:
    """Only the lines of text, blank ones included."""
    return [item for item in typeset(data, charset) if isinstance(item, StyledLine)]


def text(data: bytes, charset: str = "auto") -> str:
    """The slip as plain text, without blank lines at its ends."""
    return "\n".join(line.text for line in lines(data, charset)).strip("\n")


def _joined(tokens: Sequence[Token]) -> list[Token]:
    """Text that came in pieces put together, so that no character is torn."""
    found: list[Token] = []
    for token in tokens:
        before = found[-1] if found else None
        if before and token.kind is before.kind is TokenKind.TEXT and before.end == token.start:
            found[-1] = replace(found[-1], data=found[-1].data + token.data)
        else:
            found.append(token)
    return found


@dataclass(slots=True)
class _Page:
    """The state of the printer while it reads."""

    seen: Survey
    forced: str
    items: list[Item] = field(default_factory=list)
    _runs: list[Run] = field(default_factory=list)
    _columns: int = 0
    _start: int = 0
    _state: StyleState = field(default_factory=StyleState)
    _after_cr: bool = False
    _graphics: pictures.Dots | None = None
    _symbols: pictures.SymbolMemory = field(default_factory=lambda: pictures.SymbolMemory({}, {}))

    def take(self, token: Token) -> None:
        after_cr, self._after_cr = self._after_cr, False
        if token.kind is TokenKind.TEXT:
            self._text(token)
        elif token.name == "LF":
            if not after_cr:
                self.end_line(token.end, blank=True)
        elif token.name == "CR":
            self._after_cr = bool(self._runs)
            self.end_line(token.end)
        elif not token.flaw:
            self._command(token)

    def _command(self, token: Token) -> None:
        if token.name == "ESC @":
            self.end_line(token.start)
        if token.name != "ESC a" or not self._runs:  # alignment: "at the beginning of a line only"
            self._state.take(token)
        act = _ACTS.get(token.name)
        if act:
            act(self, token)

    def end_line(self, end: int, *, blank: bool = False) -> bool:
        """Ends the line under way; says whether there was one."""
        had = bool(self._runs)
        if had or blank:
            self.items.append(StyledLine(tuple(self._runs), self._state.align, self._start, end))
        self._runs, self._columns, self._start = [], 0, end
        return had

    def _text(self, token: Token) -> None:
        charset = choose(token.data, self._state.mode, self.seen, self.forced)
        decoded = decode(token.data, charset, token.start)
        if not decoded.text:
            return
        style, hanzi = self._state.style, self._state.of_hanzi()
        if hanzi is style or decoded.columns == len(decoded.text):
            self._add(decoded, style, 0, len(decoded.text))
            return
        at = 0
        for piece in re.finditer(r"[\x00-\x7f]+|[^\x00-\x7f]+", decoded.text):
            self._add(decoded, style if piece.group().isascii() else hanzi, at, piece.end())
            at = piece.end()

    def _add(self, decoded: Decoded, style: Style, start: int, end: int) -> None:
        sizes = decoded.sizes[start:end]
        columns = (len(sizes) * 2 - sizes.count(1)) * style.width
        self._runs.append(Run(decoded.text[start:end], style, decoded.offsets[start:end], sizes, columns))
        self._columns += columns

    def pad(self, columns: int, at: int) -> None:
        """Blanks for a jump to the right, at most a wide paper."""
        count = min(columns, 256)
        if count > 0:
            self._runs.append(Run(" " * count, Style(), (at,) * count, bytes(count), count, pad=True))
            self._columns += count

    # What single commands do. `token.params` has the right length: flawed tokens never come here.

    def tab(self, token: Token) -> None:
        stop = next((stop for stop in self._state.tabs if stop > self._columns), self._columns + 1)
        self.pad(stop - self._columns, token.start)

    def position(self, token: Token) -> None:
        self.pad(int.from_bytes(token.params, "little") // DOTS_PER_COLUMN - self._columns, token.start)

    def shift(self, token: Token) -> None:
        self.pad(int.from_bytes(token.params, "little", signed=True) // DOTS_PER_COLUMN, token.start)

    def feed_lines(self, token: Token) -> None:
        self._feed(token.params[0], token.end)

    def feed_dots(self, token: Token) -> None:
        self._feed(token.params[0] // DOTS_PER_LINE, token.end)

    def _feed(self, count: int, end: int) -> None:
        if self.end_line(end):
            count -= 1
        if count > 0:
            self.items.append(Feed(count))

    def cut(self, token: Token) -> None:
        self.end_line(token.start)
        partial = token.name == "ESC m" or token.params[:1] in (b"\1", b"1", b"B", b"b", b"h")
        self.items.append(Break("partial" if partial else "full"))

    def form_feed(self, token: Token) -> None:
        self.end_line(token.start)
        self.items.append(Break("page"))

    def _picture(self, dots: pictures.Dots | None, token: Token) -> None:
        self.end_line(token.start)
        if dots:
            self.items.append(Picture(dots, self._state.align))

    def raster(self, token: Token) -> None:
        self._picture(pictures.raster(token), token)

    def columns(self, token: Token) -> None:
        self._picture(pictures.column_image(token), token)

    def graphics(self, token: Token) -> None:
        if pictures.prints_graphics(token):
            self._picture(self._graphics, token)
        else:
            self._graphics = pictures.graphics(token) or self._graphics

    def code(self, token: Token) -> None:
        symbol = self._symbols.take(token) if token.name == "GS ( k" else pictures.bar_code(token)
        if symbol:
            self.end_line(token.start)
            self.items.append(Code(symbol, self._state.align))


_ACTS: Final[dict[str, Callable[[_Page, Token], None]]] = {
    **dict.fromkeys(("GS V", "ESC i", "ESC m"), _Page.cut),
    **dict.fromkeys(("FF", "ESC FF"), _Page.form_feed),
    **dict.fromkeys(("GS k", "GS ( k", "ESC Z"), _Page.code),
    **dict.fromkeys(("GS ( L", "GS 8 L"), _Page.graphics),
    "HT": _Page.tab,
    "ESC $": _Page.position,
    "ESC \\": _Page.shift,
    "ESC d": _Page.feed_lines,
    "ESC J": _Page.feed_dots,
    "GS v": _Page.raster,
    "ESC *": _Page.columns,
}
