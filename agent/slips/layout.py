"""From rows of cells to lines of paper: every renderer and the printer's encoder use these lines, so they agree.

A line of paper is runs of text from the left edge, blanks included; a run has one look. What is no text (cut, QR code,
picture, captured bytes) is a line of its own. Cells share a row like this: a cell with `columns` keeps them, the last
of them stays blank as the gutter (not in the last cell); cells without share the rest, two of them by what they need.
An amount is never broken: it takes the columns its neighbours do not need, else the next line; last, its size shrinks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

from agent.slips.model import Align, Captured, Cell, Cut, Feed, Image, Line, QrCode, Row, Rule, Slip
from agent.slips.wrapping import amount_width, normalise, width, wrap

__all__ = ["PhysicalLine", "Run", "Understand", "expanded", "lay_out", "normalise", "width", "wrap"]

Understand = Callable[[bytes], tuple[Row, ...]]

_LEAST: Final = 2  # columns of a cell: one Chinese character
_NARROWEST: Final = 8  # columns of a paper; nothing narrower is sold
_LARGEST: Final = 8  # times the font (GS !)


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one look. `columns` is the room it takes on paper: its width times `width`. `align` is its cell's."""

    text: str
    columns: int
    bold: bool = False
    underline: bool = False
    invert: bool = False
    width: int = 1
    height: int = 1
    align: Align = Align.LEFT


@dataclass(frozen=True, slots=True)
class PhysicalLine:
    """One line of paper: runs from the left edge (none = an empty line), or `row`, what is no text."""

    runs: tuple[Run, ...] = ()
    row: Cut | QrCode | Image | Captured | None = None

    @property
    def columns(self) -> int:
        return sum(run.columns for run in self.runs)

    @property
    def height(self) -> int:
        """Times the font; lower runs stand on the same foot."""
        return max((run.height for run in self.runs), default=1)


def lay_out(slip: Slip, charset: str = "gb18030") -> list[PhysicalLine]:
    """The slip as lines of at most `slip.columns` columns. Never fails, whatever the cells ask for."""
    columns = max(slip.columns, _NARROWEST)
    lines: list[PhysicalLine] = []
    for row in slip.rows:
        if isinstance(row, Line):
            lines += _line(row, columns, charset)
        elif isinstance(row, Rule):
            sign = normalise(row.char)[:1].strip() or "-"
            run = Run(sign * (columns // width(sign, charset)), columns // width(sign, charset) * width(sign, charset))
            lines.append(PhysicalLine((run,)))
        elif isinstance(row, Feed):
            lines += [PhysicalLine()] * max(row.lines, 0)
        else:
            lines.append(PhysicalLine(row=row))
    return lines


def expanded(slip: Slip, understand: Understand | None = None) -> Slip:
    """The slip with `Captured` rows as what they say, for papers without a printer; by default their plain text.

    Cuts inside are left out: what the terminal printed is one piece here, between our marks.
    """
    rows: list[Row] = []
    for row in slip.rows:
        if not isinstance(row, Captured):
            rows.append(row)
            continue
        said = understand(row.data) if understand else ()
        said = tuple(part for part in said if not isinstance(part, Captured | Cut))
        rows += said or [Line((Cell(text),)) for text in row.text.splitlines()]
    return replace(slip, rows=tuple(rows))


def _line(line: Line, columns: int, charset: str) -> Iterator[PhysicalLine]:
    cells = [_sane(cell) for cell in line.cells]
    most = columns // _LEAST
    for first in range(0, len(cells), most):
        yield from _beside(cells[first : first + most], columns, charset)
    if not cells:
        yield PhysicalLine()


def _sane(cell: Cell) -> Cell:
    """Text a printer can say; sizes a printer has."""
    text = cell.text
    if not (text.isascii() and text.isprintable()):
        text = "\n".join(normalise(part) for part in text.split("\n"))
    if text == cell.text and cell.width == cell.height == 1:
        return cell
    size = (min(max(cell.width, 1), _LARGEST), min(max(cell.height, 1), _LARGEST))
    return replace(cell, text=text, width=size[0], height=size[1])


def _beside(cells: Sequence[Cell], columns: int, charset: str) -> Iterator[PhysicalLine]:
    """Cells side by side, as many lines as the longest needs. From an amount that finds no room on, a line below."""
    gutters = [1] * (len(cells) - 1) + [0]
    shares = _shares(cells, gutters, columns, charset)
    place = _make_room(cells, shares, gutters, columns, charset)
    if place is not None and len(cells) > 1:
        place = place or 1
        yield from _beside(cells[:place], columns, charset)
        yield from _beside([replace(cells[place], columns=None), *cells[place + 1 :]], columns, charset)
        return
    blocks = []
    for cell, share, gutter in zip(cells, shares, gutters, strict=True):
        limit = share - gutter if share > _LEAST else share
        block = _wrapped(_shrunk(cell, limit, charset), limit, charset)
        blocks.append([_placed(run, cell.align, limit, share, last=gutter == 0) for run in block])
    empties = [(_blank(share),) for share in shares]
    for parts in zip_longest(*blocks):
        runs = [run for part, empty in zip(parts, empties, strict=True) for run in (empty if part is None else part)]
        while runs and not runs[-1].invert and not runs[-1].text.strip(" "):
            runs.pop()
        yield PhysicalLine(tuple(runs))


def _shrunk(cell: Cell, limit: int, charset: str) -> Cell:
    """The cell no wider than its amount, or one Chinese character, allows."""
    if cell.width == 1:
        return cell
    widest = max(amount_width(cell.text, charset), _LEAST)
    return replace(cell, width=max(min(cell.width, limit // widest), 1))


def _wrapped(cell: Cell, limit: int, charset: str) -> list[Run]:
    texts = [part for text in cell.text.split("\n") for part in wrap(text, limit // cell.width, charset)]
    return [
        Run(
            text,
            width(text, charset) * cell.width,
            cell.bold,
            cell.underline,
            cell.invert,
            cell.width,
            cell.height,
            cell.align,
        )
        for text in texts
    ]


def _placed(run: Run, align: Align, limit: int, share: int, *, last: bool) -> tuple[Run, ...]:
    """A run inside its share of the line: blanks before, text, blanks behind (none at the end of the line)."""
    spare = limit - run.columns
    before = {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[align]
    behind = spare - before
    if run.invert:  # a bar over the whole cell, as high as its text
        bar = Run("", 0, invert=True, height=run.height)
        parts = [replace(bar, text=" " * count, columns=count) for count in (before, behind)]
        parts = [parts[0], run, parts[1], _blank(share - limit)]
    else:
        parts = [_blank(before), run, _blank(0 if last else behind + share - limit)]
    return tuple(part for part in parts if part.columns)


@functools.lru_cache(maxsize=512)
def _blank(count: int) -> Run:
    return Run(" " * count, count)


def _need(cell: Cell, charset: str) -> int:
    return max(width(text.rstrip(" "), charset) for text in cell.text.split("\n")) * cell.width


def _shares(cells: Sequence[Cell], gutters: Sequence[int], columns: int, charset: str) -> list[int]:
    """Columns of each cell, gutter included; they sum up to the paper."""
    shares = [0 if cell.columns is None else max(cell.columns, _LEAST) for cell in cells]
    open_places = [place for place, cell in enumerate(cells) if cell.columns is None]
    while sum(shares) > columns - _LEAST * len(open_places):
        widest = max(range(len(shares)), key=shares.__getitem__)
        shares[widest] -= 1
    rest = columns - sum(shares)
    if len(open_places) == 2:
        first, second = open_places
        needs = [_need(cells[place], charset) + gutters[place] for place in open_places]
        shares[first] = _split(needs, rest, cells[second].align)
        shares[second] = rest - shares[first]
    else:
        for count, place in enumerate(open_places):
            shares[place] = rest // len(open_places) + (count < rest % len(open_places))
    return shares


def _split(needs: Sequence[int], rest: int, second: Align) -> int:
    """What the first of two open cells gets: all it needs, else the shorter of the two does, else half."""
    if sum(needs) <= rest:
        share = needs[0] if second is Align.LEFT else rest - needs[1]
    elif min(needs) <= rest // 2:
        share = needs[0] if needs[0] <= needs[1] else rest - needs[1]
    else:
        share = rest // 2
    return min(max(share, _LEAST), rest - _LEAST)


def _make_room(
    cells: Sequence[Cell], shares: list[int], gutters: Sequence[int], columns: int, charset: str
) -> int | None:
    """Gives amounts the columns their neighbours do not need. The place of the first that still does not fit."""
    for place, cell in enumerate(cells):
        missing = amount_width(cell.text, charset) * cell.width + gutters[place] - shares[place]
        if missing <= 0:
            continue
        given = min(missing, columns - sum(shares))
        spare = [
            max(share - max(_need(other, charset), _LEAST) - gutter, 0)
            for other, share, gutter in zip(cells, shares, gutters, strict=True)
        ]
        if missing - given > sum(spare):
            return place
        shares[place] += given
        _take(shares, spare, place, missing - given)
    return None


def _take(shares: list[int], spare: list[int], place: int, missing: int) -> None:
    for _ in range(missing):
        richest = max(range(len(spare)), key=spare.__getitem__)
        spare[richest] -= 1
        shares[richest] -= 1
        shares[place] += 1
