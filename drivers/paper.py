"""What a printer stream puts on paper, as values: lines of styled runs, feeds, breaks, pictures, codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from drivers.pictures import Dots, Symbol

_RULE: Final = re.compile(r"\s*([-=_*#~.·─━═—…＝－＊])\1{5,}\s*")


class Align(StrEnum):
    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Style:
    """How a run looks. `width` and `height` are 1 to 8 times the font."""

    bold: bool = False
    underline: bool = False
    invert: bool = False
    small: bool = False  # font B
    width: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one style. Character n stands at byte `offsets[n]` and is `sizes[n]` bytes long.

    `pad` marks blanks that stand for HT or a position command; they have no bytes of their own.
    """

    text: str
    style: Style
    offsets: Sequence[int]
    sizes: bytes
    columns: int
    pad: bool = False


@dataclass(frozen=True, slots=True)
class StyledLine:
    """One line of text; without runs it is blank. `start` and `end` are its bytes in the stream."""

    runs: tuple[Run, ...]
    align: Align
    start: int
    end: int

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs).rstrip()

    @property
    def is_rule(self) -> bool:
        """Whether the line is a ruled line drawn with characters."""
        return _RULE.fullmatch(self.text) is not None


@dataclass(frozen=True, slots=True)
class Feed:
    """Paper moves on by so many blank lines."""

    lines: int


@dataclass(frozen=True, slots=True)
class Break:
    """The end of a piece of paper: a cut, or a form feed."""

    how: str  # "full", "partial" or "page"


@dataclass(frozen=True, slots=True)
class Picture:
    dots: Dots
    align: Align


@dataclass(frozen=True, slots=True)
class Code:
    symbol: Symbol
    align: Align


Item = StyledLine | Feed | Break | Picture | Code
