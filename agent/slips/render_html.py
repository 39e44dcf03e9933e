"""A slip as one HTML page that needs nothing from outside: for mails, browsers and the archive.

A printer column is one `ch`, so columns hold in any monospaced face; where Chinese is not twice as wide as Latin, each
run still begins and ends where it does on paper. Every text is escaped; there is no script and nothing to load.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Final

from agent.slips import qr
from agent.slips.layout import PhysicalLine, Run, Understand, expanded, lay_out
from agent.slips.model import Align, Cut, Image, QrCode, Slip

_STYLE: Final = """
body{margin:0;padding:1.5em;background:#e6e7e9}
.slip{margin:0 auto;padding:2.5ch 3ch;background:#fcfbf7;color:#1e1e22;box-shadow:0 1px 6px #0003;
font:16px/1.35 "Noto Sans Mono CJK SC","Sarasa Mono SC","Source Han Mono SC",NSimSun,SimSun,Menlo,Consolas,
"DejaVu Sans Mono",monospace;box-sizing:content-box}
.slip div{white-space:pre;min-height:1.35em}
.slip i{display:inline-block;font-style:normal;text-align:left}
.slip i.c{text-align:center}.slip i.r{text-align:right}
.slip b{font-weight:700}.slip u{text-underline-offset:.15em}
.slip s{display:inline-block;text-decoration:none;line-height:1.1}
.slip .v{background:#1e1e22;color:#fcfbf7;vertical-align:bottom}
.slip hr{border:0;border-top:1px dashed #aaa;margin:1.2em -3ch}
.slip svg,.slip img{display:inline-block;margin:.5em 0;image-rendering:pixelated}
@media print{body{background:none;padding:0}.slip{box-shadow:none}}
"""
_PITCH: Final = 1.35  # em from line to line, as in the style
_EM_DOTS: Final = 24  # a Chinese character; one em on screen
_CLASS: Final = {Align.LEFT: "", Align.CENTER: ' class="c"', Align.RIGHT: ' class="r"'}


def html(slip: Slip, understand: Understand | None = None) -> str:
    """A complete HTML document."""
    slip = expanded(slip, understand)
    lines = lay_out(slip)
    while lines and (isinstance(lines[-1].row, Cut) or not (lines[-1].runs or lines[-1].row)):
        lines.pop()  # the end of the page is the cut
    body = "\n".join(map(_line, lines))
    return (
        f'<!doctype html>\n<html>\n<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(slip.title)}</title><style>{_STYLE}</style></head>\n"
        f'<body><div class="slip" style="width:{max(slip.columns, 8)}ch">\n{body}\n</div></body>\n</html>\n'
    )


def _line(line: PhysicalLine) -> str:
    row = line.row
    if row is None:
        return f"<div>{''.join(map(_run, line.runs))}</div>"
    if isinstance(row, Cut):
        return "<hr>"
    if isinstance(row, QrCode):
        return f'<div style="text-align:{row.align}">{_symbol(row)}</div>'
    if isinstance(row, Image):
        return f'<div style="text-align:{row.align}">{_picture(row)}</div>'
    return ""


def _run(run: Run) -> str:
    text = escape(run.text)
    if (run.width > 1 or run.height > 1) and text.strip(" "):
        text = _sized(text, run)
    if run.bold:
        text = f"<b>{text}</b>"
    if run.underline:
        text = f"<u>{text}</u>"
    kind, bar = _CLASS[run.align], ""
    if run.invert:  # every piece of a bar is as high as its letters
        kind, bar = ' class="v c"', f";height:{_PITCH * run.height}em"
    return f'<i{kind} style="width:{run.columns}ch{bar}">{text}</i>'


def _sized(text: str, run: Run) -> str:
    style = f"font-size:{run.height}em"
    if run.width != run.height:
        origin = {Align.LEFT: "left", Align.CENTER: "center", Align.RIGHT: "right"}[run.align]
        style += f";transform:scaleX({run.width / run.height:.3g});transform-origin:{origin}"
        if run.width < run.height:  # the box keeps the unscaled width: hang it over the edges
            spare = (run.columns - run.columns * run.height / run.width) / run.height
            margins = {Align.LEFT: (0.0, spare), Align.CENTER: (spare / 2, spare / 2), Align.RIGHT: (spare, 0.0)}
            style += ";margin:0 {1:.3g}ch 0 {0:.3g}ch".format(*margins[run.align])
    return f'<s style="{style}">{text}</s>'


def _symbol(row: QrCode) -> str:
    rows = qr.modules(row.data)
    if not rows:
        return escape(row.data)
    count, size = len(rows), len(rows) * max(row.module_dots, 1) / _EM_DOTS
    path = "".join(f"M{x} {y}h1v1h-1z" for y, line in enumerate(rows) for x, dark in enumerate(line) if dark)
    return (
        f'<svg width="{size:.2f}em" height="{size:.2f}em" viewBox="0 0 {count} {count}" shape-rendering="crispEdges">'
        f'<path d="{path}"/></svg>'
    )


def _picture(row: Image) -> str:
    from PIL import Image as Pictures  # noqa: PLC0415 - heavy, and needed by few

    if row.width_dots <= 0 or row.height_dots <= 0:
        return ""
    stride = (row.width_dots + 7) // 8
    bits = row.bits[: stride * row.height_dots].ljust(stride * row.height_dots, b"\0")
    out = io.BytesIO()
    Pictures.frombytes("1", (row.width_dots, row.height_dots), bytes(byte ^ 255 for byte in bits)).save(out, "PNG")
    data = base64.b64encode(out.getvalue()).decode()
    style = f"width:{row.width_dots / _EM_DOTS:.2f}em;max-width:100%"
    return f'<img style="{style}" alt="" src="data:image/png;base64,{data}">'
