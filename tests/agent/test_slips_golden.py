"""Every packaged template, language and width against the text it printed when a person last looked at it.

`SLIPKEEPER_GOLDEN=write pytest tests/agent/test_slips_golden.py` writes them anew; then look at the difference.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from agent.slips import fonts, marks, render_png, render_text
from agent.slips.layout import width
from agent.slips.model import Captured, Cut, Slip
from agent.slips.template import Templates
from tests.agent.slips_data import CASES, SALE

GOLDEN = Path(__file__).parents[1] / "golden" / "slips"
WRITE = os.environ.get("SLIPKEEPER_GOLDEN") == "write"
PAPERS = [(language, columns) for language in ("zh", "en") for columns in (32, 48)]


def marked(slip: Slip, language: str, origin: str = "composed") -> Slip:
    return marks.reprint(
        slip,
        language=language,
        copy_no=2,
        original_at="2026-06-22T13:14:15",
        printed_at="2026-06-23T09:00:12+08:00",
        operator="李梅",
        origin=origin,
    )


def raw(columns: int) -> Slip:
    text = "银联POS签购单\n商户存根  MERCHANT COPY\n卡号:622202******8888  I\n金额(AMOUNT):\nRMB:128.50\n"
    return Slip("消费 ￥128.50", columns, (Captured(text.encode("gb18030") + b"\n\x1dVB\0", text), Cut()), "captured")


def pages(case: str) -> dict[str, Slip]:
    templates = Templates(None)
    made = {}
    for language, columns in PAPERS:
        if case == "reprint_raw":
            slip = marked(raw(columns), language, "raw")
        elif case == "reprint":
            slip = marked(templates.slip("sale", language, columns, SALE), language)
        else:
            name, data = CASES[case]
            slip = templates.slip(name, language, columns, data)
        made[f"{language} {columns}"] = slip
    return made


@pytest.mark.parametrize("case", [*CASES, "reprint", "reprint_raw"])
def test_text(case: str) -> None:
    made = pages(case)
    text = "\n".join(f"=== {paper}: {slip.title}\n{render_text.text(slip)}" for paper, slip in made.items())
    for paper, slip in made.items():
        assert all(width(line) <= int(paper[3:]) for line in render_text.text(slip).splitlines())
    path = GOLDEN / f"{case}.txt"
    if WRITE:
        path.write_text(text)
    assert text == path.read_text()


def test_picture() -> None:
    """The picture in the README is what the software draws now (where the same faces are installed)."""
    drawn = render_png.png(Templates(None).slip("sale", "zh", 32, SALE))
    path = GOLDEN / "sale_zh.png"
    if WRITE:
        path.write_bytes(drawn)
    assert path.stat().st_size < 60_000
    faces = fonts.faces()
    used = {face.path.name for face in faces.chinese[:1]} | ({faces.latin.path.name} if faces.latin else set())
    if used != {"NotoSansSC-Regular.otf", "DejaVuSansMono.ttf"}:
        pytest.skip(f"other faces here: {used}")
    picture = Image.open(io.BytesIO(drawn))
    golden = Image.open(path)
    assert picture.size == golden.size
    difference = ImageChops.difference(picture.convert("L"), golden.convert("L"))
    assert sum(difference.histogram()[64:]) < 0.005 * golden.width * golden.height
