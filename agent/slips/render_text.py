"""A slip as plain text, for logs, mails, the terminal and golden files: the lines of paper, sizes left aside."""

from __future__ import annotations

from collections.abc import Iterator

from agent.slips.layout import PhysicalLine, Run, Understand, expanded, lay_out
from agent.slips.model import Align, Captured, Cut, Image, QrCode, Slip
from agent.slips.wrapping import normalise, width, wrap


def text(slip: Slip, understand: Understand | None = None) -> str:
    """The slip's lines, each ended by a newline, none wider than the paper. Bigger letters keep their place."""
    slip = expanded(slip, understand)
    lines = [said for line in lay_out(slip) for said in _lines(line, slip.columns)]
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\n" for line in lines)


def _lines(line: PhysicalLine, columns: int) -> Iterator[str]:
    row = line.row
    if row is None:
        yield "".join(map(placed, line.runs)).rstrip(" ")
    elif isinstance(row, QrCode):
        yield "[QR]".center(columns).rstrip(" ")
        yield from wrap(normalise(row.data), columns)
    elif isinstance(row, Image):
        yield f"[{row.width_dots}x{row.height_dots}]".center(columns).rstrip(" ")
    elif isinstance(row, Cut):
        yield ""
    else:
        assert isinstance(row, Captured)  # `expanded` left none
        yield ""


def placed(run: Run) -> str:
    """The run's text in the columns its enlarged letters take on paper."""
    spare = run.columns - width(run.text)
    before = {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[run.align]
    return " " * before + run.text + " " * (spare - before)
