"""From a template and data to a slip. Packaged templates in zh and en; a merchant's own directory comes before them.

An override is `<directory>/<language>/<name>.slip`. One with mistakes is not used: the shop's list at night matters
more than its looks. `problems()` tells of them (set-up, `config check`, doctor).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from agent.errors import UsageError
from agent.slips import formats, lint
from agent.slips.markup import parse
from agent.slips.model import Cut, Feed, Line, QrCode, Row, Rule, Slip
from agent.slips.nodes import (
    Block,
    CutLine,
    EmptyLine,
    Node,
    Pieces,
    Place,
    Problem,
    QrLine,
    RuleLine,
    TextLine,
    WidthLine,
)
from agent.slips.views import VIEWS, WIDE, rows

__all__ = ["NAMES", "Problem", "Templates"]

NAMES: Final = tuple(VIEWS)
_PACKAGED: Final = Path(__file__).parent / "templates"
_SAME_AS: Final = {"interim": "day_list"}  # packaged templates that are one file
_QR_LONGEST: Final = 300  # characters; more makes modules too small for a shop's scanner


@dataclass(frozen=True, slots=True)
class _Template:
    nodes: tuple[Node, ...]
    reference: str  # "sale@<sha256 of its text>"


@dataclass(frozen=True, slots=True)
class _Scope:
    """Values in reach: a row's own, and what holds everywhere. A row borrows nothing from around it."""

    values: Mapping[str, Any]
    wide: bool
    language: str
    home: str

    def get(self, name: str) -> Any:
        return self.wide if name == "wide" else self.values.get(name)


class Templates:
    """The templates of one shop. `override_dir` may hold its own."""

    def __init__(self, override_dir: Path | None = None) -> None:
        self._override_dir = override_dir
        self._loaded: dict[tuple[str, str], _Template] = {}

    def slip(self, name: str, language: str, columns: int, data: Mapping[str, Any]) -> Slip:
        """The slip `name` (see `agent.slips.views` for its data). Raises UsageError when there is no such template."""
        if name == "sale" and data.get("outcome") != "approved":
            name = "status_note"  # nothing that looks like a slip for what nobody can say was paid
        view = VIEWS.get(name)
        if view is None:
            raise UsageError("there is no slip template {name}", "the templates are {names}", name=name, names=NAMES)
        language = "zh" if language == "zh" else "en"
        template = self._loaded.get((name, language)) or self._load(name, language)
        values = view.values({**data, "columns": columns}, language)
        home = values["home"] if isinstance(values["home"], str) else ""
        scope = _Scope(values, columns >= WIDE, language, home)
        title = formats.text(values["title"], formats.Context("title", values, language, home))
        return Slip(title, columns, tuple(_calm(_Writer().fill(template.nodes, scope))), template.reference)

    def lint(self, text: str, name: str = "") -> list[Problem]:
        """Every problem of a template's text. `name` says which slip it is for; without it any field will do."""
        return lint.lint(text, name)

    def problems(self) -> list[tuple[Path, Problem]]:
        """What is wrong with the overrides; those are not used."""
        found: list[tuple[Path, Problem]] = []
        if self._override_dir is None:
            return found
        for path in sorted(self._override_dir.glob("*/*.slip")):
            if path.stem not in VIEWS or path.parent.name not in {"zh", "en"}:
                found.append((path, Problem(1, "no slip has this name: {names}", {"names": ", ".join(NAMES)})))
                continue
            found += [(path, problem) for problem in _read(path, path.stem)[1]]
        return found

    def _load(self, name: str, language: str) -> _Template:
        text = None
        if self._override_dir is not None:
            path = self._override_dir / language / f"{name}.slip"
            if path.is_file():
                text, problems = _read(path, name)
                text = None if problems else text
        if text is None:
            text = (_PACKAGED / language / f"{_SAME_AS.get(name, name)}.slip").read_text("utf-8")
        nodes, _ = parse(text)
        template = _Template(nodes, f"{name}@{hashlib.sha256(text.encode()).hexdigest()}")
        self._loaded[name, language] = template
        return template


def _read(path: Path, name: str) -> tuple[str, list[Problem]]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        return "", [Problem(1, "cannot be read as UTF-8 text: {cause}", {"cause": str(cause)})]
    return text, lint.lint(text, name)


def _calm(filled: Iterable[Row]) -> Iterator[Row]:
    """No two rules with nothing between them: what stood there was unknown."""
    before: Row | None = None
    for row in filled:
        if not (isinstance(row, Rule) and isinstance(before, Rule)):
            yield row
        before = row


_FIXED: Final[Mapping[type[Node], Row]] = {RuleLine: Rule(), CutLine: Cut(), EmptyLine: Feed()}


@dataclass(slots=True)
class _Writer:
    """Fills nodes one after the other; `widths` holds from the line that sets them on."""

    widths: tuple[int | None, ...] = ()

    def fill(self, nodes: Iterable[Node], scope: _Scope) -> Iterator[Row]:
        for node in nodes:
            if isinstance(node, TextLine):
                yield from self._line(node, scope)
            elif isinstance(node, Block):
                yield from self._block(node, scope)
            elif isinstance(node, WidthLine):
                self.widths = node.widths
            elif isinstance(node, QrLine):
                code = "".join(sign for sign in _said(node.pieces, scope)[0] if " " <= sign <= "~")[:_QR_LONGEST]
                if code:
                    yield QrCode(code, node.module_dots)
            else:
                yield _FIXED[type(node)]

    def _block(self, block: Block, scope: _Scope) -> Iterator[Row]:
        value = scope.get(block.field)
        if block.word == "if":
            yield from self.fill(block.body if value else block.otherwise, scope)
            return
        for row in rows(value):
            yield from self.fill(block.body, replace(scope, values=row))

    def _line(self, line: TextLine, scope: _Scope) -> Iterator[Line]:
        """The line with its values; none when it has places for values and all of them are unknown."""
        cells = []
        asked = known = False
        widths = self.widths if len(self.widths) == len(line.columns) else (None,) * len(line.columns)
        for column, columns in zip(line.columns, widths, strict=True):
            text, any_known = _said(column.pieces, scope)
            asked = asked or any(isinstance(piece, Place) for piece in column.pieces)
            known = known or any_known
            cells.append(replace(column.look, text=text.strip(" "), columns=columns))
        if known or not asked:
            yield Line(tuple(cells))


def _said(pieces: Pieces, scope: _Scope) -> tuple[str, bool]:
    """The text of a cell, and whether any value in it is known."""
    parts, known = [], False
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(piece)
            continue
        context = formats.Context(piece.field, scope.values, scope.language, scope.home)
        shown = _format(piece)(scope.get(piece.field), context)
        known = known or bool(shown)
        parts.append(shown)
    return "".join(parts), known


@functools.lru_cache(maxsize=512)
def _format(place: Place) -> formats.Format:
    """The format asked for; a card number gets no other than its own."""
    if place.field in formats.CARD_FIELDS and place.format != "last4":
        return formats.card
    return formats.FORMATS.get(place.format, formats.text)
