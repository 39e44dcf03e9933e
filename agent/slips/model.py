"""One slip as rows of cells, whatever it will be: ESC/POS bytes, text, HTML, a picture or a PDF.

Widths are in printer columns: one half-width character is one column, a Chinese character two. The model is what
the journal stores of a printed slip, so `to_json`/`from_json` are part of it and additive for ever.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

from agent.fields import Json


class Align(StrEnum):
    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Cell:
    """Text in one column of a line. `columns` None takes the rest. `width`/`height` are 1 to 8 times the font."""

    text: str
    columns: int | None = None
    align: Align = Align.LEFT
    bold: bool = False
    underline: bool = False
    invert: bool = False
    width: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """Cells side by side. Text that does not fit is wrapped inside its cell."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    char: str = "-"


@dataclass(frozen=True, slots=True)
class Feed:
    lines: int = 1


@dataclass(frozen=True, slots=True)
class Cut:
    partial: bool = True


@dataclass(frozen=True, slots=True)
class QrCode:
    data: str
    module_dots: int = 4
    align: Align = Align.CENTER


@dataclass(frozen=True, slots=True)
class Image:
    """One bit a dot, rows padded to whole bytes, most significant bit left, 1 = black (as in GS v 0)."""

    width_dots: int
    height_dots: int
    bits: bytes
    align: Align = Align.LEFT


@dataclass(frozen=True, slots=True)
class Captured:
    """Printer bytes as a terminal sent them, card numbers masked. `text` is what they say, for papers without dots."""

    data: bytes
    text: str = ""


Row = Line | Rule | Feed | Cut | QrCode | Image | Captured
_ROWS: Final[dict[str, type[Any]]] = {
    "line": Line,
    "rule": Rule,
    "feed": Feed,
    "cut": Cut,
    "qr": QrCode,
    "image": Image,
    "captured": Captured,
}
_NAMES: Final = {kind: name for name, kind in _ROWS.items()}
_BYTES: Final[dict[type[Any], str]] = {Captured: "data", Image: "bits"}


@dataclass(frozen=True, slots=True)
class Slip:
    """What is on the paper. `title` names it in queues and archives; `template` is "name@sha256", or "captured"."""

    title: str
    columns: int
    rows: tuple[Row, ...]
    template: str = ""

    def to_json(self) -> Json:
        return {
            "title": self.title,
            "columns": self.columns,
            "template": self.template,
            "rows": [_row_to_json(row) for row in self.rows],
        }

    @classmethod
    def from_json(cls, data: Any) -> Slip:
        """The slip `to_json` made. Raises KeyError or TypeError on anything else."""
        rows = tuple(_row_from_json(row) for row in data["rows"])
        return cls(data["title"], data["columns"], rows, data["template"])


def _row_to_json(row: Row) -> Json:
    if isinstance(row, Line):
        return {"row": "line", "cells": [_plain(cell) for cell in row.cells]}
    return {"row": _NAMES[type(row)], **_plain(row)}


def _plain(value: Any) -> dict[str, Json]:
    """The members of `value` that differ from their defaults; bytes as base64."""
    members: dict[str, Json] = {}
    for member in fields(value):
        content = getattr(value, member.name)
        if content != member.default:
            members[member.name] = base64.b64encode(content).decode() if isinstance(content, bytes) else content
    return members


def _row_from_json(data: Any) -> Row:
    kind = _ROWS[data["row"]]
    if kind is Line:
        return Line(tuple(Cell(**_aligned(cell)) for cell in data["cells"]))
    members = _aligned({name: value for name, value in data.items() if name != "row"})
    if kind in _BYTES:
        name = _BYTES[kind]
        members[name] = base64.b64decode(members[name])
    row: Row = kind(**members)
    return row


def _aligned(members: dict[str, Any]) -> dict[str, Any]:
    return {**members, "align": Align(members["align"])} if "align" in members else dict(members)
