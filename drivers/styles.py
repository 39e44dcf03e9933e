"""The styles a printer keeps while it reads: size, weight, Hanzi mode, code page, alignment, tab stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from drivers.charsets import ESC_9, Mode
from drivers.paper import Align, Style
from drivers.tokens import Token


@dataclass(slots=True)
class StyleState:
    """What the next text looks like. `hanzi_size` is width, height and underline of Hanzi alone."""

    mode: Mode = field(default_factory=Mode)
    style: Style = field(default_factory=Style)
    hanzi_size: tuple[int, int, bool] = (1, 1, False)
    align: Align = Align.LEFT
    tabs: tuple[int, ...] = tuple(range(8, 256, 8))

    def take(self, token: Token) -> None:
        """`token` has the right length: flawed ones never come here."""
        act = _ACTS.get(token.name)
        if act:
            act(self, token)

    def of_hanzi(self) -> Style:
        width, height, underline = self.hanzi_size
        style = self.style
        if width == style.width and height == style.height and underline <= style.underline:
            return style
        return replace(style, width=width, height=height, underline=style.underline or underline)

    def reset(self, _token: Token) -> None:
        self.mode, self.style, self.hanzi_size, self.align = Mode(), Style(), (1, 1, False), Align.LEFT
        self.tabs = tuple(range(8, 256, 8))

    def print_mode(self, token: Token) -> None:
        mode = token.params[0]
        width, height = 1 + (mode >> 5 & 1), 1 + (mode >> 4 & 1)
        self.style = replace(
            self.style,
            small=bool(mode & 1),
            bold=bool(mode & 8),
            underline=bool(mode & 0x80),
            width=width,
            height=height,
        )
        self.hanzi_size = (width, height, False)

    def size(self, token: Token) -> None:
        width, height = 1 + (token.params[0] >> 4 & 7), 1 + (token.params[0] & 7)
        self.style = replace(self.style, width=width, height=height)
        self.hanzi_size = (width, height, self.hanzi_size[2])

    def bold(self, token: Token) -> None:
        self.style = replace(self.style, bold=bool(token.params[0] & 1))

    def underline(self, token: Token) -> None:
        self.style = replace(self.style, underline=token.params[0] in (1, 2, 49, 50))

    def invert(self, token: Token) -> None:
        self.style = replace(self.style, invert=bool(token.params[0] & 1))

    def font(self, token: Token) -> None:
        self.style = replace(self.style, small=token.params[0] in (1, 49))

    def alignment(self, token: Token) -> None:
        self.align = (Align.LEFT, Align.CENTER, Align.RIGHT, Align.LEFT)[token.params[0] & 3]

    def hanzi_mode(self, token: Token) -> None:
        self.mode = replace(self.mode, hanzi=token.name == "FS &")

    def hanzi_style(self, token: Token) -> None:
        mode = token.params[0]
        self.hanzi_size = (1 + (mode >> 2 & 1), 1 + (mode >> 3 & 1), bool(mode & 0x80))

    def hanzi_quadruple(self, token: Token) -> None:
        times = 1 + (token.params[0] & 1)
        self.hanzi_size = (times, times, self.hanzi_size[2])

    def hanzi_underline(self, token: Token) -> None:
        self.hanzi_size = (*self.hanzi_size[:2], token.params[0] in (1, 2, 49, 50))

    def code_page(self, token: Token) -> None:
        self.mode = replace(self.mode, page=token.params[0])

    def charset(self, token: Token) -> None:
        self.mode = replace(self.mode, said=ESC_9.get(token.params[0], ""))

    def encoding(self, token: Token) -> None:
        """FS ( C fn 48: 2 is UTF-8, 1 the code pages."""
        if token.params[2:3] == b"0":
            self.mode = replace(self.mode, said="utf-8" if token.params[3:4] in (b"\2", b"2") else "")

    def tab_stops(self, token: Token) -> None:
        self.tabs = tuple(token.params.rstrip(b"\0"))


_ACTS: Final[dict[str, Callable[[StyleState, Token], None]]] = {
    **dict.fromkeys(("ESC E", "ESC G"), StyleState.bold),
    **dict.fromkeys(("FS &", "FS ."), StyleState.hanzi_mode),
    "ESC @": StyleState.reset,
    "ESC !": StyleState.print_mode,
    "GS !": StyleState.size,
    "ESC -": StyleState.underline,
    "GS B": StyleState.invert,
    "ESC M": StyleState.font,
    "ESC a": StyleState.alignment,
    "FS !": StyleState.hanzi_style,
    "FS W": StyleState.hanzi_quadruple,
    "FS -": StyleState.hanzi_underline,
    "ESC t": StyleState.code_page,
    "ESC 9": StyleState.charset,
    "FS ( C": StyleState.encoding,
    "ESC D": StyleState.tab_stops,
}
