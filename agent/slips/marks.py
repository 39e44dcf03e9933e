"""What no template may leave off: the mark of a reprint, top and bottom, with copy number, times and operator.

The mark is put round the finished slip, so no template, no captured stream and no override can drop or hide it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from agent.slips import formats
from agent.slips.model import Align, Cell, Cut, Feed, Line, Row, Rule, Slip
from agent.slips.wording import sentence
from agent.slips.wrapping import width

_FEEDS: Final = (Cut, Feed)


def reprint(
    slip: Slip,
    *,
    language: str,
    copy_no: int,
    original_at: str,
    printed_at: str,
    operator: str,
    origin: Literal["raw", "composed"],
) -> Slip:
    """`slip` between its marks. Times are local, ISO 8601; unknown ones are "" and left off."""
    banner = sentence("duplicate", language)
    count = sentence("nth_copy", language, count=copy_no)
    facts = (
        ("original_at", formats.moment(original_at, _context(language))),
        ("printed_at", formats.moment(printed_at, _context(language))),
        ("operator", formats.text(operator, _context(language))),
    )
    bar = (_bar(banner, slip.columns), Line((Cell(count, align=Align.CENTER, bold=True),)))
    top = [
        *bar,
        *(Line((Cell(sentence(name, language)), Cell(value, align=Align.RIGHT))) for name, value in facts if value),
    ]
    said = sentence(origin, language)
    if not _says(slip, said):
        top.append(Line((Cell(said, align=Align.CENTER),)))
    body, end = _parted(slip.rows)
    bottom = (Rule(), *bar, Feed(), *(end or (Cut(),)))
    return replace(slip, title=f"{slip.title} · {count}", rows=(*top, Rule(), *body, *bottom))


def _context(language: str) -> formats.Context:
    return formats.Context("", {}, language, "")


def _bar(text: str, columns: int) -> Line:
    """White on black across the paper, twice as wide where that leaves a margin."""
    times = 2 if 2 * width(text) + 2 <= columns else 1
    return Line((Cell(text, align=Align.CENTER, bold=True, invert=True, width=times, height=2),))


def _says(slip: Slip, sentence_: str) -> bool:
    return any(cell.text == sentence_ for row in slip.rows if isinstance(row, Line) for cell in row.cells)


def _parted(rows: tuple[Row, ...]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """What is on the slip, and the cut behind it. Cuts in between go: the marks hold one piece of paper together."""
    count = len(rows)
    while count and isinstance(rows[count - 1], _FEEDS):
        count -= 1
    body = tuple(row for row in rows[:count] if not isinstance(row, Cut))
    end = tuple(row for row in rows[count:] if isinstance(row, Cut))[:1]
    while body and isinstance(body[-1], Rule):
        body = body[:-1]
    return body, end
