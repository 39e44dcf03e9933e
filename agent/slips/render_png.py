"""A slip as the picture of its paper: every dot where a 203 dpi printer puts it, 384 for 32 columns, 576 for 48."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from agent.slips import qr
from agent.slips.drawing import CELL, EM, draw
from agent.slips.layout import PhysicalLine, Run, Understand, expanded, lay_out
from agent.slips.model import Align, Cell, Cut, Image, Line, QrCode, Row, Slip

if TYPE_CHECKING:
    import PIL.Image

DPI: Final = 203
_PAPER: Final = {32: 464, 48: 640}  # dots of paper 58 mm and 80 mm wide; others get a margin of 40
_MARGIN: Final = 40
_GAP: Final = 3  # dots above and below a line: 30 in all, the default feed (ESC 2)
_TALLEST: Final = 40_000  # dots, 5 m of paper: more is not looked at, and costs 40 MB
_CUT: Final = 36
_TOOTH: Final = 8  # of the edge a cutter leaves
_PAGE: Final = 14_000  # dots of a PDF page; readers stop at 200 inches

# Sixteen colours: paper to ink in fifteen steps, and none behind the edge.
_PAPER_COLOUR: Final = (252, 251, 247)
_INK_COLOUR: Final = (30, 30, 34)
_STEPS: Final = 14
_CLEAR: Final = 15


def png(slip: Slip, understand: Understand | None = None) -> bytes:
    """A PNG of the paper with its margins."""
    from PIL import Image as Pictures  # noqa: PLC0415 - heavy, and needed by few

    ink = paper(slip, understand)
    shades = ink.point([round(level * _STEPS / 255) for level in range(256)])
    ended_by_cut = bool(slip.rows) and isinstance(slip.rows[-1], Cut)
    if ended_by_cut:
        _tear(shades)
    picture = Pictures.frombytes("P", shades.size, shades.tobytes())
    colours = [
        round(clear + (dark - clear) * step / _STEPS)
        for step in range(_STEPS + 1)
        for clear, dark in zip(_PAPER_COLOUR, _INK_COLOUR, strict=True)
    ]
    picture.putpalette([*colours, 255, 255, 255])
    out = io.BytesIO()
    picture.save(out, "PNG", bits=4, transparency=_CLEAR, dpi=(DPI, DPI), compress_level=6)
    return out.getvalue()


def pdf(slip: Slip, understand: Understand | None = None) -> bytes:
    """A PDF of the paper in its true size, black and white; longer slips go over several pages."""
    from PIL import Image as Pictures  # noqa: PLC0415 - heavy, and needed by few

    ink = paper(slip, understand)
    pages = []
    for top in range(0, ink.height, _PAGE):
        part = ink.crop((0, top, ink.width, min(top + _PAGE, ink.height)))
        part = part.resize((part.width * 2, part.height * 2), Pictures.Resampling.BICUBIC)
        pages.append(part.point(lambda level: 255 * (level < 110)).convert("1", dither=Pictures.Dither.NONE))
    out = io.BytesIO()
    first, *others = pages
    # No dates: the same slip is the same file.
    first.save(
        out,
        "PDF",
        resolution=2 * DPI,
        save_all=True,
        append_images=others,
        title=slip.title,
        creationDate=None,
        modDate=None,
    )
    return out.getvalue()


def paper(slip: Slip, understand: Understand | None = None) -> PIL.Image.Image:
    """The paper as ink: mode L, 0 = bare, 255 = black."""
    from PIL import Image as Pictures  # noqa: PLC0415 - heavy, and needed by few

    slip = expanded(slip, understand)
    columns = max(slip.columns, 8)
    across = columns * CELL
    margin = (_PAPER.get(columns, across + 2 * _MARGIN) - across) // 2
    lines = list(_drawable(lay_out(slip), columns))
    while lines and (isinstance(lines[-1].row, Cut) or not (lines[-1].runs or lines[-1].row)):
        lines.pop()  # the end of the picture is the cut
    heights = [_height(line, across) for line in lines]
    lines, heights = _bounded(lines, heights)
    ink = Pictures.new("L", (across + 2 * margin, sum(heights) + 2 * _MARGIN), 0)
    top = _MARGIN
    for line, height in zip(lines, heights, strict=True):
        if line.row is None:
            draw(ink, line, margin, top + _GAP, _GAP)
        elif isinstance(line.row, Cut):
            _cut_line(ink, top + height // 2)
        elif isinstance(line.row, QrCode | Image):
            symbol = _symbol(line.row, across)
            spare = across - symbol.width
            left = {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[line.row.align]
            ink.paste(symbol, (margin + left, top + (height - symbol.height) // 2))
        top += height
    return ink


def _drawable(lines: Sequence[PhysicalLine], columns: int) -> Iterator[PhysicalLine]:
    """The lines, with codes that no symbol can hold as text."""
    for line in lines:
        if isinstance(line.row, QrCode) and not qr.modules(line.row.data):
            yield from lay_out(Slip("", columns, (Line((Cell(line.row.data),)),)))
        else:
            yield line


def _bounded(lines: list[PhysicalLine], heights: list[int]) -> tuple[list[PhysicalLine], list[int]]:
    """As many lines as a picture may hold; it says how many it left out."""
    total = 0
    for place, height in enumerate(heights):
        total += height
        if total > _TALLEST:
            text = f"... +{len(lines) - place}"
            return [*lines[:place], PhysicalLine((Run(text, len(text)),))], [*heights[:place], EM + 2 * _GAP]
    return lines, heights


def _height(line: PhysicalLine, across: int) -> int:
    if line.row is None:
        return EM * line.height + 2 * _GAP
    if isinstance(line.row, Cut):
        return _CUT
    return _symbol(line.row, across).height + (4 * _GAP if isinstance(line.row, QrCode) else 0)


def _symbol(row: Row | None, across: int) -> PIL.Image.Image:
    """A code or picture as ink, made smaller where it is broader than the paper."""
    from PIL import Image as Pictures  # noqa: PLC0415 - heavy, and needed by few

    if isinstance(row, QrCode):
        rows = qr.modules(row.data)
        symbol = Pictures.frombytes("L", (len(rows),) * 2, bytes(255 * dark for line in rows for dark in line))
        times = max(min(row.module_dots, across // len(rows)), 1)
        return symbol.resize((len(rows) * times,) * 2, Pictures.Resampling.NEAREST)
    if not isinstance(row, Image) or row.width_dots <= 0 or row.height_dots <= 0:
        return Pictures.new("L", (1, 1), 0)
    stride = (row.width_dots + 7) // 8
    height = min(row.height_dots, _TALLEST)
    bits = row.bits[: stride * height].ljust(stride * height, b"\0")
    picture = Pictures.frombytes("1", (row.width_dots, height), bits).convert("L")
    if picture.width > across:
        picture = picture.resize((across, max(height * across // picture.width, 1)), Pictures.Resampling.BOX)
    return picture


def _cut_line(ink: PIL.Image.Image, top: int) -> None:
    from PIL import ImageDraw  # noqa: PLC0415 - heavy, and needed by few

    pen = ImageDraw.Draw(ink)
    for left in range(0, ink.width, 16):
        pen.line((left, top, left + 7, top), fill=110, width=1)


def _tear(shades: PIL.Image.Image) -> None:
    """The small teeth a cutter leaves at the bottom."""
    from PIL import ImageDraw  # noqa: PLC0415 - heavy, and needed by few

    pen = ImageDraw.Draw(shades)
    foot = shades.height - 1
    for left in range(-_TOOTH // 2, shades.width, _TOOTH):
        pen.polygon([(left, foot), (left + _TOOTH // 2, foot - _TOOTH // 2), (left + _TOOTH, foot)], fill=_CLEAR)
