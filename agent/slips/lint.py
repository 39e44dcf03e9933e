"""Finds what is wrong with a template before it prints anything: at load, for `config check`, in an editor. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from agent.slips import wording
from agent.slips.formats import CARD_FIELDS, FORMATS
from agent.slips.markup import parse
from agent.slips.nodes import Block, Node, Pieces, Place, Problem, QrLine, TextLine, WidthLine
from agent.slips.shapes import EVERYWHERE, Schema
from agent.slips.views import VIEWS
from agent.slips.wrapping import normalise, unit_width, width

NARROW: Final = 32
BROAD: Final = 48
_WORDS: Final = frozenset({"word", "short", "bilingual"})
_LONGEST: Final = 64 * 1024


def lint(text: str, name: str = "") -> list[Problem]:
    """Every problem of a template, by line. `name` says which slip it is for, else any slip's fields will do."""
    if len(text) > _LONGEST:
        return [Problem(1, "a template has at most {limit} characters", {"limit": _LONGEST})]
    nodes, problems = parse(text)
    view = VIEWS.get(name)
    schema = view.schema if view else _any()
    problems = [*problems, *_Walk().check(nodes, schema, NARROW)]
    if view:
        missing = sorted(view.mandatory - set(_used(nodes)))
        problems += [
            Problem(1, "the field {field} is missing: this slip must show it", {"field": it}) for it in missing
        ]
    return sorted(problems, key=lambda problem: problem.line)


def _any() -> Schema:
    """The fields of all slips; what is rows on one of them is rows."""
    merged: dict[str, Schema | None] = {}
    for view in VIEWS.values():
        merged.update({name: rows or merged.get(name) for name, rows in view.schema.items()})
    return merged


def _used(nodes: Iterable[Node]) -> Iterator[str]:
    """Names of the fields a template shows, and of the lists it goes through."""
    for node in nodes:
        if isinstance(node, Block):
            if node.word == "each":
                yield node.field
            yield from _used((*node.body, *node.otherwise))
        elif isinstance(node, TextLine):
            for column in node.columns:
                yield from _fields(column.pieces)
        elif isinstance(node, QrLine):
            yield from _fields(node.pieces)


def _fields(pieces: Pieces) -> Iterator[str]:
    return (piece.field for piece in pieces if isinstance(piece, Place))


_Widths = tuple[int | None, ...]


@dataclass(slots=True)
class _Walk:
    """One walk through the nodes. `widths` are those that may hold where it stands: branches may have set others."""

    widths: frozenset[_Widths] = frozenset({()})

    def check(self, nodes: Iterable[Node], schema: Schema, columns: int) -> Iterator[Problem]:
        for node in nodes:
            if isinstance(node, Block):
                yield from self._block(node, schema, columns)
            elif isinstance(node, WidthLine):
                self.widths = frozenset({node.widths})
                yield from _breadth(node.number, sum(width or 2 for width in node.widths), columns)
            elif isinstance(node, TextLine):
                for column in node.columns:
                    yield from _places(node.number, column.pieces, schema)
                yield from self._line(node, columns)
            elif isinstance(node, QrLine):
                yield from _places(node.number, node.pieces, schema)

    def _block(self, block: Block, schema: Schema, columns: int) -> Iterator[Problem]:
        inner: Schema = schema
        if block.field not in schema and block.field not in EVERYWHERE:
            yield _unknown(block.number, "unknown field {field}{guess}", block.field, schema)
        elif block.word == "each":
            rows = schema.get(block.field)
            if rows is None:
                yield Problem(block.number, "{field} is one value, not rows", {"field": block.field})
            else:
                inner = rows
        wide = block.word == "if" and block.field == "wide"
        before = self.widths
        yield from self.check(block.body, inner, BROAD if wide else columns)
        after, self.widths = self.widths, before
        yield from self.check(block.otherwise, inner, columns)
        self.widths |= after

    def _line(self, line: TextLine, columns: int) -> Iterator[Problem]:
        count = len(line.columns)
        for widths in sorted({len(widths) for widths in self.widths} - {0, count}):
            if count > 1:
                yield Problem(line.number, "{cells} cells, but {widths} widths", {"cells": count, "widths": widths})
        texts = [
            (
                "".join(" " if isinstance(piece, Place) else normalise(piece) for piece in column.pieces),
                column.look.width,
            )
            for column in line.columns
        ]
        if count == 1:  # prose may wrap, but not what is one piece, and no headline
            (text, times), *_ = texts
            yield from _breadth(line.number, times * (width(text) if times > 1 else unit_width(text)), columns)
        elif self.widths == {()}:
            yield from _breadth(line.number, count - 1 + sum(width(text) * times for text, times in texts), columns)


def _breadth(number: int, broad: int, columns: int) -> Iterator[Problem]:
    if broad > columns:
        yield Problem(number, "{broad} columns on a paper of {columns}", {"broad": broad, "columns": columns})


def _places(number: int, pieces: Pieces, schema: Schema) -> Iterator[Problem]:
    for place in pieces:
        if not isinstance(place, Place):
            continue
        if place.format not in FORMATS:
            yield _unknown(number, "unknown format {field}{guess}", place.format, FORMATS)
        if place.field not in schema and place.field not in EVERYWHERE:
            yield _unknown(number, "unknown field {field}{guess}", place.field, schema)
        elif schema.get(place.field) is not None:
            yield Problem(number, "{field} is rows: {{{{#each {field}}}}}", {"field": place.field})
        elif (place.field in CARD_FIELDS) != (place.format in {"card", "last4"}):
            yield Problem(number, "a card number, and only it, is shown by the formats card and last4")
        elif place.format in _WORDS and place.field not in wording.FIELDS:
            yield Problem(number, "{field} has no words", {"field": place.field})


def _unknown(number: int, what: str, name: str, known: Mapping[str, object]) -> Problem:
    near = difflib.get_close_matches(name, [one for one in known if one], 1)
    return Problem(number, what, {"field": name, "guess": f" (did you mean {near[0]}?)" if near else ""})
