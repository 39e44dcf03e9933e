"""A captured printer stream as rows of a slip: what preview, plain text and pictures of it are made from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from agent.slips.model import Align, Cell, Cut, Feed, Image, Line, QrCode, Row
from drivers import paper
from drivers.typeset import typeset

_ALIGN: Final = {
    paper.Align.LEFT: Align.LEFT,
    paper.Align.CENTER: Align.CENTER,
    paper.Align.RIGHT: Align.RIGHT,
}
_QR_MODULE_DOTS: Final = 4
_MOST_FEED: Final = 20  # lines; a longer feed says no more on a picture


def rows(raw: bytes, columns: int) -> tuple[Row, ...]:
    """What `raw` puts on paper of `columns` columns. Any bytes give rows."""
    return tuple(_row(item, columns) for item in typeset(raw))


def _row(item: paper.Item, columns: int) -> Row:
    if isinstance(item, paper.StyledLine):
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

    A cell's last column is blank (its gutter), as it nearly always is where a slip changes its look; where it is not,
    the line moves by one column, and where there is no room for that it takes the look of its longest run.
    """
    parts = [
        (style, "".join(run.text for run in runs))
        for style, runs in groupby(_without_pads(line.runs), key=lambda run: run.style)
    ]
    if parts:
        parts[-1] = (parts[-1][0], parts[-1][1].rstrip(" "))
    if len(parts) == 1:
        return (_cell(*parts[0], None, _ALIGN[line.align]),)
    widths = [_columns(text) * style.width for style, text in parts]
    taken = [width + (not text.endswith(" ")) for width, (_, text) in zip(widths, parts, strict=True)]
    if parts and sum(taken[:-1]) + widths[-1] > columns:
        style, _ = max(parts, key=lambda part: len(part[1]))
        return (_cell(style, "".join(text for _, text in parts), None, _ALIGN[line.align]),)
    spare = columns - sum(widths)
    indent = {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[_ALIGN[line.align]]
    cells = [_cell(style, text, width) for (style, text), width in zip(parts, taken, strict=True)]
    if cells:
        cells[-1] = _cell(*parts[-1], None)
    return (Cell("", columns=indent), *cells) if indent > 1 else tuple(cells)


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


def _columns(text: str) -> int:
    return sum(1 if sign.isascii() else 2 for sign in text)
