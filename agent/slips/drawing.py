"""Letters as dots: one character in its printer cell, one line of paper as a picture. Font A, 12 x 24 dots, 203 dpi.

Bigger sizes (GS !) are drawn from the outline, not by repeating dots. Bold is what a printer does: struck twice, a dot
aside. Pillow is imported when the first letter is drawn.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.slips import fonts, model
from agent.slips.layout import PhysicalLine
from agent.slips.wrapping import width

if TYPE_CHECKING:
    from PIL import Image, ImageFont

CELL: Final = 12  # dots of one column
EM: Final = 24  # dots of a Chinese character, both ways, and of any line
_LATIN_SIZE: Final = 22  # its digits are as wide as a cell, its capitals two thirds as high as a Chinese character
_LATIN_FOOT: Final = 19  # the line letters stand on, from the top of the cell: tails still fit
_CHINESE_FOOT: Final = 21
_NOTHING: Final = "\uffff"  # no character: faces draw their box for it
_INK: Final = 255
_SPARE: Final = fonts.Face(Path())  # the small Latin face Pillow brings


def can_draw(sign: str) -> bool:
    """Whether a face of this machine has the character."""
    return _face(sign) is not None


def dots(line: PhysicalLine) -> model.Image:
    """A line of text as the dots a printer would make of it, 24 high times its size: for characters it has not got."""
    from PIL import Image  # noqa: PLC0415 - heavy, and needed by few

    picture = Image.new("L", (max(line.columns, 1) * CELL, line.height * EM), 0)
    draw(picture, line, 0, 0)
    black = picture.point(lambda ink: _INK * (ink > _INK * 2 // 5)).convert("1", dither=Image.Dither.NONE)
    return model.Image(picture.width, picture.height, black.tobytes())


def draw(picture: Image.Image, line: PhysicalLine, left: int, top: int, gap: int = 0) -> None:
    """Ink for the runs of `line`, which stand on its foot. Bars fill `gap` dots above and below, too."""
    from PIL import ImageDraw  # noqa: PLC0415 - heavy, and needed by few

    pen = ImageDraw.Draw(picture)
    foot = top + line.height * EM
    for run in line.runs:
        right = left + run.columns * CELL
        if run.invert:
            pen.rectangle((left, foot - run.height * EM - gap, right - 1, foot + gap - 1), fill=_INK)
        at = left
        for sign in run.text:
            if sign != " ":
                letter = glyph(sign, run.width, run.height, bold=run.bold)
                picture.paste(0 if run.invert else _INK, (at, foot - run.height * EM), letter)
            at += width(sign) * run.width * CELL
        if run.underline:
            pen.rectangle((left, foot - 1, right - 1, foot), fill=0 if run.invert else _INK)
        left = right


@functools.lru_cache(maxsize=4096)
def glyph(sign: str, wide: int, high: int, *, bold: bool) -> Image.Image:
    """One character as a mask of its cell, `wide` and `high` times the font."""
    from PIL import Image, ImageChops, ImageDraw  # noqa: PLC0415 - heavy, and needed by few

    columns = width(sign)
    size = (columns * wide * CELL, high * EM)
    face = _face(sign)
    if face is None:  # ￥ and ： have narrow forms that Latin faces know
        sign = unicodedata.normalize("NFKC", sign)
        face = _face(sign) if len(sign) == 1 else None
    if face is None:
        return _box(size)
    latin = columns == 1
    font = _font(face, (_LATIN_SIZE if latin else EM) * high)
    foot = (_LATIN_FOOT if latin else _CHINESE_FOOT) * high
    canvas = Image.new("L", (4 * EM * high, 2 * EM * high), 0)
    ImageDraw.Draw(canvas).text((canvas.width // 2, foot), sign, font=font, fill=_INK, anchor="ms")
    ink = canvas.getbbox()
    if ink is None:
        return Image.new("L", size, 0)
    middle, natural = canvas.width / 2, float(columns * CELL * high)
    if latin:  # monospaced: squeezed to the cell; proportional: what is wider than the cell is
        even = face == fonts.faces().latin
        natural = font.getlength("0") if even else max(natural, ink[2] - ink[0])
        middle = middle if even else (ink[0] + ink[2]) / 2
    drop = max(ink[3] - size[1], 0)
    if sign == "*" and latin:  # faces hang it high; it stands for digits here
        drop = (ink[1] + ink[3]) // 2 - (_LATIN_FOOT - 7) * high
    box = (middle - natural / 2, drop, middle + natural / 2, drop + size[1])
    letter = canvas.transform(size, Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    if bold:
        aside = Image.new("L", size, 0)
        aside.paste(letter, (max(wide, high) // 2 or 1, 0))
        letter = ImageChops.lighter(letter, aside)
    return letter


def _box(size: tuple[int, int]) -> Image.Image:
    from PIL import Image, ImageDraw  # noqa: PLC0415 - heavy, and needed by few

    box = Image.new("L", size, 0)
    ImageDraw.Draw(box).rectangle((2, 3, size[0] - 3, size[1] - 4), outline=_INK)
    return box


@functools.lru_cache(maxsize=4096)
def _face(sign: str) -> fonts.Face | None:
    """Which face draws the character: letters of one column the Latin one, everything else a Chinese one."""
    found = fonts.faces()
    latin = (found.latin,) if found.latin else ()
    order = (*latin, *found.chinese, _SPARE) if width(sign) == 1 else (*found.chinese, *latin)
    return next((face for face in order if _has(face, sign)), None)


def _has(face: fonts.Face, sign: str) -> bool:
    font = _font(face, EM)
    drawn, nothing = font.getmask(sign), font.getmask(_NOTHING)
    return (drawn.size, bytes(drawn)) != (nothing.size, bytes(nothing))


@functools.lru_cache(maxsize=64)
def _font(face: fonts.Face, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont  # noqa: PLC0415 - heavy, and needed by few

    if face is _SPARE:
        return ImageFont.load_default(size)
    return ImageFont.truetype(str(face.path), size, index=face.index)
