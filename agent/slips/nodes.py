"""What a template says, line by line: the nodes `markup` reads, `template` fills and `lint` checks. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.slips.model import Cell


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a template. `what` is a message id with {named} places for `values`."""

    line: int
    what: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"line {self.line}: {self.what.format(**self.values) if self.values else self.what}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value goes."""

    field: str
    format: str = ""


Pieces = tuple[str | Place, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One cell of a text line. `look` has neither text nor columns yet."""

    pieces: Pieces
    look: Cell


@dataclass(frozen=True, slots=True)
class TextLine:
    number: int
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class RuleLine:
    number: int


@dataclass(frozen=True, slots=True)
class CutLine:
    number: int


@dataclass(frozen=True, slots=True)
class WidthLine:
    """Columns of the cells of the lines that follow, gutters included; empty: each line by need."""

    number: int
    widths: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class EmptyLine:
    number: int


@dataclass(frozen=True, slots=True)
class QrLine:
    number: int
    pieces: Pieces
    module_dots: int


@dataclass(frozen=True, slots=True)
class Block:
    """`if`: `body` when the field is there and says something, else `otherwise`. `each`: `body` for every row."""

    number: int
    word: str
    field: str
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...] = ()


Node = TextLine | WidthLine | RuleLine | CutLine | EmptyLine | QrLine | Block
