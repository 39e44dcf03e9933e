"""A captured printer stream as rows of a slip: what preview, plain text and pictures of it are made from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from agent.slips.model import Align, Cell, Cut, Feed, Image, Line, QrCode, Row, Rule
from drivers import paper
from drivers.typeset import typeset

_ALIGN: Final = {
    paper.Align.LEFT: Align.LEFT,
    paper.Align.CENTER: Align.CENTER,
    paper.Align.RIGHT: Align.RIGHT,
}
_QR_MODULE_DOTS: Final = 4
_MANY: Final = 3
_MOST_FEED: Final = 20  # lines; a longer feed says no more on a picture


def rows(raw: bytes, columns: int) -> tuple[Row, ...]:
    """What `raw` puts on paper of `columns` columns. Any bytes give rows."""
    return tuple(_row(item, columns) for item in typeset(raw))


def from_broader_paper(raw: bytes, columns: int) -> bool:
    """Whether `raw` was made for broader paper. One long line proves nothing: terminals rely on printers to wrap."""
    lines = [item for item in typeset(raw) if isinstance(item, paper.StyledLine) and item.text]
    too_wide = [line for line in lines if _width(line) > columns]
    return any(line.is_rule for line in too_wide) or (len(too_wide) >= _MANY and len(too_wide) * 4 >= len(lines))


def _row(item: paper.Item, columns: int) -> Row:
    if isinstance(item, paper.StyledLine):
        if item.is_rule and _width(item) > columns:
            return Rule(item.text.strip()[0])  # of broader paper: a rule is as long as the paper, never two lines
        return Line(_cells(item, columns))
    if isinstance(item, paper.Feed):
        return Feed(min(item.lines, _MOST_FEED))
    if isinstance(item, paper.Break):
        return Cut(partial=item.how != "full")
    if isinstance(item, paper.Picture):
        dots = item.dots
        return Image(dots.width_dots, dots.height_dots, dots.bits, _ALIGN[item.align])
    symbol = item.symbol
    if symbol.symbology == "qr":
        return QrCode(symbol.text, symbol.module_dots or _QR_MODULE_DOTS, _ALIGN[item.align])
    return Line((Cell(f"[{symbol.symbology}] {symbol.text}", align=_ALIGN[item.align]),))


def _cells(line: paper.StyledLine, columns: int) -> tuple[Cell, ...]:
    """Runs of one look each as cells that keep their places.

    The layout keeps the last column of a cell blank (its gutter). It is taken from the cell's own blanks, else from
    those behind it; where there are none the line moves by one column, and where there is no room for that it takes
    the look of its longest run.
    """
    parts = [
        (style, "".join(run.text for run in runs))
        for style, runs in groupby(_without_pads(line.runs), key=lambda run: run.style)
    ]
    cells: list[tuple[paper.Style, str, int]] = []
    for place in range(len(parts) - 1):
        style, text = parts[place]
        width = _columns(text) * style.width
        if text and not text.endswith(" "):
            width += 1
            behind, follower = parts[place + 1]
            if follower.startswith(" ") and behind.width == 1 and not (behind.invert or behind.underline):
                parts[place + 1] = (behind, follower[1:])
        if width:
            cells.append((style, text, width))
    if not parts:
        return ()
    style, text = parts[-1]
    text = text.rstrip(" ")
    last = _columns(text) * style.width
    if not cells:
        return (_cell(style, text, None, _ALIGN[line.align]),)
    spare = columns - sum(width for _, _, width in cells) - last
    if spare < 0:
        longest, _ = max(parts, key=lambda part: len(part[1]))
        return (_cell(longest, line.text, None, _ALIGN[line.align]),)
    indent = {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[_ALIGN[line.align]]
    placed = (*(_cell(style, text, width) for style, text, width in cells), _cell(style, text, None))
    return (Cell("", columns=indent), *placed) if indent > 1 else placed


def _without_pads(runs: Sequence[paper.Run]) -> list[paper.Run]:
    """Runs with blanks in the look of a neighbour wherever that shows nothing: fewer cells, fewer gutters."""
    found: list[paper.Run] = []
    for run in runs:
        if found and _looks_alike(run, found[-1]):
            found.append(_as(run, found[-1].style))
        else:
            found.append(run)
            if len(found) > 1 and _looks_alike(found[-2], run):
                found[-2] = _as(found[-2], run.style)
    return found


def _looks_alike(blank: paper.Run, other: paper.Run) -> bool:
    """Whether blanks would look the same in the style of `other`."""
    one, two = blank.style, other.style
    same_bar = (one.invert, one.height) == (two.invert, two.height) if one.invert or two.invert else True
    return blank.text.isspace() and one.width == two.width and same_bar and not (one.underline or two.underline)


def _as(run: paper.Run, style: paper.Style) -> paper.Run:
    return paper.Run(run.text, style, run.offsets, run.sizes, run.columns, run.pad)


def _cell(style: paper.Style, text: str, columns: int | None, align: Align = Align.LEFT) -> Cell:
    return Cell(text, columns, align, style.bold, style.underline, style.invert, style.width, style.height)


def _width(line: paper.StyledLine) -> int:
    return sum(run.columns for run in line.runs) - (len(line.runs) > 0 and _trailing(line.runs[-1]))


def _trailing(run: paper.Run) -> int:
    """Columns of the blanks at a run's end: a line as broad as the paper often has one too many."""
    return (len(run.text) - len(run.text.rstrip(" "))) * run.style.width


def _columns(text: str) -> int:
    return sum(1 if sign.isascii() else 2 for sign in text)
