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
from drivers.charsets import ESC_9, Decoded, Mode, Survey, choose, decode, survey
from drivers.paper import Align, Break, Code, Feed, Item, Picture, Run, Style, StyledLine
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
        if token.kind is TokenKind.TEXT and found and found[-1].kind is TokenKind.TEXT:
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
    _mode: Mode = field(default_factory=Mode)
    _style: Style = field(default_factory=Style)
    _hanzi: tuple[int, int, bool] = (1, 1, False)  # width, height, underline of Hanzi
    _align: Align = Align.LEFT
    _tabs: tuple[int, ...] = tuple(range(8, 256, 8))
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
        else:
            act = _ACTS.get(token.name)
            if act and not token.flaw:
                act(self, token)

    def end_line(self, end: int, *, blank: bool = False) -> bool:
        """Ends the line under way; says whether there was one."""
        had = bool(self._runs)
        if had or blank:
            self.items.append(StyledLine(tuple(self._runs), self._align, self._start, end))
        self._runs, self._columns, self._start = [], 0, end
        return had

    def _text(self, token: Token) -> None:
        charset = choose(token.data, self._mode, self.seen, self.forced)
        decoded = decode(token.data, charset, token.start)
        if not decoded.text:
            return
        style, (width, height, underline) = self._style, self._hanzi
        same = width == style.width and height == style.height and underline <= style.underline
        if same or decoded.columns == len(decoded.text):
            self._add(decoded, style, 0, len(decoded.text))
            return
        hanzi = replace(style, width=width, height=height, underline=style.underline or underline)
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

    def reset(self, token: Token) -> None:
        self.end_line(token.start)
        self._mode, self._style, self._hanzi, self._align = Mode(), Style(), (1, 1, False), Align.LEFT
        self._tabs = tuple(range(8, 256, 8))

    def print_mode(self, token: Token) -> None:
        mode = token.params[0]
        width, height = 1 + (mode >> 5 & 1), 1 + (mode >> 4 & 1)
        self._style = replace(
            self._style,
            small=bool(mode & 1),
            bold=bool(mode & 8),
            underline=bool(mode & 0x80),
            width=width,
            height=height,
        )
        self._hanzi = (width, height, False)

    def size(self, token: Token) -> None:
        width, height = 1 + (token.params[0] >> 4 & 7), 1 + (token.params[0] & 7)
        self._style = replace(self._style, width=width, height=height)
        self._hanzi = (width, height, self._hanzi[2])

    def bold(self, token: Token) -> None:
        self._style = replace(self._style, bold=bool(token.params[0] & 1))

    def underline(self, token: Token) -> None:
        self._style = replace(self._style, underline=token.params[0] in (1, 2, 49, 50))

    def invert(self, token: Token) -> None:
        self._style = replace(self._style, invert=bool(token.params[0] & 1))

    def font(self, token: Token) -> None:
        self._style = replace(self._style, small=token.params[0] in (1, 49))

    def align(self, token: Token) -> None:
        if not self._runs:  # "at the beginning of a line only"
            self._align = (Align.LEFT, Align.CENTER, Align.RIGHT, Align.LEFT)[token.params[0] & 3]

    def hanzi_mode(self, token: Token) -> None:
        self._mode = replace(self._mode, hanzi=token.name == "FS &")

    def hanzi_style(self, token: Token) -> None:
        mode = token.params[0]
        self._hanzi = (1 + (mode >> 2 & 1), 1 + (mode >> 3 & 1), bool(mode & 0x80))

    def hanzi_quadruple(self, token: Token) -> None:
        times = 1 + (token.params[0] & 1)
        self._hanzi = (times, times, self._hanzi[2])

    def hanzi_underline(self, token: Token) -> None:
        self._hanzi = (*self._hanzi[:2], token.params[0] in (1, 2, 49, 50))

    def code_page(self, token: Token) -> None:
        self._mode = replace(self._mode, page=token.params[0])

    def charset(self, token: Token) -> None:
        self._mode = replace(self._mode, said=ESC_9.get(token.params[0], ""))

    def encoding(self, token: Token) -> None:
        """FS ( C fn 48: 2 is UTF-8, 1 the code pages."""
        if token.params[2:3] == b"0":
            self._mode = replace(self._mode, said="utf-8" if token.params[3:4] in (b"\2", b"2") else "")

    def tab(self, token: Token) -> None:
        stop = next((stop for stop in self._tabs if stop > self._columns), self._columns + 1)
        self.pad(stop - self._columns, token.start)

    def tab_stops(self, token: Token) -> None:
        self._tabs = tuple(token.params.rstrip(b"\0"))

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
            self.items.append(Picture(dots, self._align))

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
            self.items.append(Code(symbol, self._align))


_ACTS: Final[dict[str, Callable[[_Page, Token], None]]] = {
    **dict.fromkeys(("ESC E", "ESC G"), _Page.bold),
    **dict.fromkeys(("GS V", "ESC i", "ESC m"), _Page.cut),
    **dict.fromkeys(("FF", "ESC FF"), _Page.form_feed),
    **dict.fromkeys(("GS k", "GS ( k", "ESC Z"), _Page.code),
    **dict.fromkeys(("GS ( L", "GS 8 L"), _Page.graphics),
    **dict.fromkeys(("FS &", "FS ."), _Page.hanzi_mode),
    "ESC @": _Page.reset,
    "ESC !": _Page.print_mode,
    "GS !": _Page.size,
    "ESC -": _Page.underline,
    "GS B": _Page.invert,
    "ESC M": _Page.font,
    "ESC a": _Page.align,
    "FS !": _Page.hanzi_style,
    "FS W": _Page.hanzi_quadruple,
    "FS -": _Page.hanzi_underline,
    "ESC t": _Page.code_page,
    "ESC 9": _Page.charset,
    "FS ( C": _Page.encoding,
    "HT": _Page.tab,
    "ESC D": _Page.tab_stops,
    "ESC $": _Page.position,
    "ESC \\": _Page.shift,
    "ESC d": _Page.feed_lines,
    "ESC J": _Page.feed_dots,
    "GS v": _Page.raster,
    "ESC *": _Page.columns,
}
