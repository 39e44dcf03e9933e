"""Pictures dot by dot: where ink must be and where none may be, at 203 dpi; PDF and HTML; the same lines as the bytes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pictures

from agent import plugins
from agent.contract import Level
from agent.slips import drawing, fonts, qr, render_html, render_png, render_text
from agent.slips.layout import PhysicalLine, Run, lay_out
from agent.slips.model import Align, Captured, Cell, Cut, Feed, Image, Line, QrCode, Rule, Slip
from agent.slips.template import Templates
from tests.agent.slips_data import CASES, DAY, SALE

LEFT, TOP, PITCH = 40, 40, 30  # margins of 58 mm paper, and from line to line


def slip_of(*rows: object, columns: int = 32) -> Slip:
    return Slip("t", columns, tuple(rows))


def cell(text: str, **look: object) -> Line:
    return Line((Cell(text, **look),))


def ink(*rows: object, columns: int = 32) -> Pictures.Image:
    return render_png.paper(slip_of(*rows, columns=columns))


def black(picture: Pictures.Image, left: int, top: int, right: int, bottom: int) -> int:
    """Dots with ink in a box."""
    return sum(picture.crop((left, top, right, bottom)).histogram()[128:])


# -- geometry ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "across"), [(32, 464), (48, 640), (42, 42 * 12 + 80)])
def test_size_of_the_paper(columns: int, across: int) -> None:
    slip = slip_of(cell("a"), Rule(), Feed(2), cell("b", width=2, height=2), Cut(), columns=columns)
    picture = Pictures.open(io.BytesIO(render_png.png(slip)))
    assert picture.size == (across, 2 * TOP + 4 * PITCH + 2 * 24 + 6)
    assert picture.mode == "P"
    assert picture.info["dpi"] == pytest.approx((203, 203), abs=0.1)


def test_ink_is_in_its_columns_and_nowhere_else() -> None:
    picture = ink(Line((Cell("终端", columns=10), Cell("88", align=Align.RIGHT))))
    line = (TOP, TOP + PITCH)
    assert black(picture, LEFT, line[0], LEFT + 4 * 12, line[1]) > 100
    assert black(picture, LEFT + 4 * 12, line[0], LEFT + 30 * 12, line[1]) == 0
    assert black(picture, LEFT + 30 * 12, line[0], LEFT + 32 * 12, line[1]) > 50
    for margin in ((0, 0, LEFT, picture.height), (LEFT + 384, 0, 464, picture.height), (0, 0, 464, TOP)):
        assert black(picture, *margin) == 0


@pytest.mark.parametrize("sign", "gjy_|@W$(){}中囍，￥")
@pytest.mark.parametrize(("wide", "high"), [(1, 1), (2, 1), (1, 2), (2, 2), (8, 8)])
def test_every_letter_fills_its_own_cell(sign: str, wide: int, high: int) -> None:
    letter = drawing.glyph(sign, wide, high, bold=False)
    assert letter.size == ((1 if sign.isascii() else 2) * wide * 12, high * 24)
    left, top, right, bottom = letter.getbbox()
    assert right - left > 0
    assert bottom - top > 0


def test_double_size_stands_on_the_same_foot() -> None:
    picture = ink(Line((Cell("A"), Cell("A", width=2, height=2, align=Align.RIGHT))))
    small = picture.crop((LEFT, TOP, LEFT + 12, TOP + 54)).getbbox()
    big = picture.crop((LEFT + 384 - 24, TOP, LEFT + 384, TOP + 54)).getbbox()
    assert abs(small[3] - big[3]) <= 5
    assert (big[3] - big[1]) == pytest.approx(2 * (small[3] - small[1]), abs=3)


def test_bold_is_heavier_and_underline_is_a_line() -> None:
    plain, bold, under = (ink(cell("金额128", **look)) for look in ({}, {"bold": True}, {"underline": True}))
    box = (LEFT, TOP, LEFT + 7 * 12, TOP + PITCH)
    assert black(bold, *box) > 1.15 * black(plain, *box)
    assert black(under, LEFT, TOP + 26, LEFT + 84, TOP + 28) == 2 * 84


def test_inverted_line_is_a_bar_across_the_paper() -> None:
    picture = ink(cell("重打印", align=Align.CENTER, invert=True, height=2))
    assert black(picture, LEFT, TOP, LEFT + 384, TOP + 2) == 2 * 384
    assert black(picture, LEFT, TOP, LEFT + 100, TOP + 54) == 100 * 54
    letters = 384 * 54 - black(picture, LEFT, TOP, LEFT + 384, TOP + 54)
    assert letters > 500


def test_qr_modules_stand_where_a_reader_looks() -> None:
    data = "slipkeeper/day/1 2026-06-22 12 187"
    picture = ink(QrCode(data, 4))
    modules = qr.modules(data)
    size = len(modules) * 4
    left, top = (464 - size) // 2, TOP + 6
    read = [
        [picture.getpixel((left + x * 4 + 2, top + y * 4 + 2)) > 128 for x in range(len(modules))]
        for y in range(len(modules))
    ]
    assert read == [list(row) for row in modules]
    assert black(picture, left - 16, top, left, top + size) == 0  # the quiet zone: four modules


def test_qr_shrinks_to_the_paper_and_becomes_text_beyond() -> None:
    picture = ink(QrCode("x" * 1200, 8))
    assert picture.width == 464
    assert black(picture, 0, 0, LEFT, picture.height) == 0
    assert lay_out(slip_of(cell("y" * 3000)))[0].runs[0].text in render_text.text(slip_of(QrCode("y" * 3000)))
    assert ink(QrCode("y" * 3000)).height > 90 * PITCH


def test_images() -> None:
    bits = bytes([0b11110000, 0b00001111])
    picture = ink(Image(8, 2, bits, Align.RIGHT))
    assert black(picture, LEFT + 376, TOP, LEFT + 380, TOP + 1) == 4
    assert black(picture, LEFT + 376, TOP, LEFT + 384, TOP + 2) == 8
    assert ink(Image(768, 10, b"\xff" * 960)).size == (464, 2 * TOP + 5)  # too broad: made smaller
    for odd in (Image(0, 5, b""), Image(8, 0, b""), Image(64, 64, b"\xff"), Image(8, 1, b"\xff" * 99)):
        ink(odd)


def test_cuts_in_between_are_lines_and_the_last_is_the_edge() -> None:
    picture = Pictures.open(io.BytesIO(render_png.png(slip_of(cell("a"), Cut(), cell("b"), Feed(3), Cut()))))
    assert picture.height == 2 * TOP + 2 * PITCH + 36
    assert picture.convert("RGBA").getpixel((4, picture.height - 1))[3] == 0  # teeth: nothing there
    without = Pictures.open(io.BytesIO(render_png.png(slip_of(cell("a")))))
    assert without.convert("RGBA").getpixel((4, without.height - 1))[3] == 255


def test_endless_paper_is_drawn_to_a_limit() -> None:
    picture = ink(*[cell(str(number)) for number in range(3000)])
    assert 40_000 - PITCH < picture.height < 40_000 + 3 * PITCH + 2 * TOP


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            Cell,
            st.text(max_size=30),
            st.none() | st.integers(0, 40),
            st.sampled_from(Align),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.integers(1, 8),
            st.integers(1, 8),
        ),
        max_size=4,
    ),
    st.sampled_from([32, 48]),
)
def test_any_cells_make_a_picture_and_a_page(cells: list[Cell], columns: int) -> None:
    slip = slip_of(Line(tuple(cells)), columns=columns)
    picture = render_png.paper(slip)
    margin = (picture.width - columns * 12) // 2
    assert black(picture, 0, 0, margin, picture.height) == 0
    assert black(picture, margin + columns * 12, 0, picture.width, picture.height) == 0
    Page().feed(render_html.html(slip))


def test_golden_cases_make_pictures() -> None:
    for name, data in CASES.values():
        for columns in (32, 48):
            picture = Pictures.open(io.BytesIO(render_png.png(Templates(None).slip(name, "en", columns, data))))
            assert picture.size[1] > 300


# -- fonts -------------------------------------------------------------------------------------------------------------


def test_faces_are_found_by_name(tmp_path: Path) -> None:
    for name in (
        "wqy-zenhei.ttf",
        "NotoSansSC-Regular.otf",
        "simhei.ttf",
        "DejaVuSansMono.ttf",
        "other.ttf",
        "note.txt",
    ):
        path = tmp_path / "deep" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    found = fonts.search([tmp_path, tmp_path / "absent"])
    assert [face.path.name for face in found.chinese] == ["NotoSansSC-Regular.otf", "simhei.ttf"]
    assert found.latin is not None
    assert found.latin.path.name == "DejaVuSansMono.ttf"
    brought = tmp_path / "deep" / "other.ttf"
    assert fonts.search([tmp_path], brought).chinese[0].path == brought
    assert fonts.search([]) == fonts.Faces((), None)


def test_without_any_face_there_are_boxes() -> None:
    """In a process of its own: faces are looked up once."""
    script = (
        "import logging, sys\n"
        "from agent.slips import fonts, render_png\n"
        "from agent.slips.model import Cell, Line, Slip\n"
        "from agent.slips.drawing import can_draw\n"
        "fonts.directories, fonts.packaged = tuple, lambda: None\n"
        "picture = render_png.paper(Slip('t', 32, (Line((Cell('中 8 ￥'),)),)))\n"
        "assert not can_draw('中') and can_draw('8')\n"
        "assert picture.getpixel((42, 40 + 3 + 3)) == 255, 'no box'\n"
        "assert picture.crop((40 + 36, 40, 40 + 48, 70)).getbbox(), 'no digit'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "no_chinese_font" in done.stderr


def test_a_line_as_dots_for_a_printer() -> None:
    image = drawing.dots(PhysicalLine((Run("户8", 6, width=2, height=2),)))
    assert (image.width_dots, image.height_dots) == (72, 48)
    assert len(image.bits) == 9 * 48
    if drawing.can_draw("户"):
        assert 200 < sum(byte.bit_count() for byte in image.bits) < 72 * 48 // 2


def test_can_draw() -> None:
    assert drawing.can_draw("A")
    assert not drawing.can_draw("\U0010fffd")


# -- pdf ---------------------------------------------------------------------------------------------------------------


def test_pdf_has_the_size_of_the_paper_and_no_date() -> None:
    slip = Templates(None).slip("sale", "zh", 32, SALE)
    made = render_png.pdf(slip)
    assert made == render_png.pdf(slip)
    assert made.startswith(b"%PDF-")
    assert b"/CreationDate" not in made
    across, down = (float(size) for size in re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", made).groups())
    assert across == pytest.approx(464 / 203 * 72, abs=0.5)  # 58 mm
    assert down == pytest.approx(render_png.paper(slip).height / 203 * 72, abs=0.5)


def test_long_pdf_has_pages() -> None:
    slip = slip_of(*[cell(str(number)) for number in range(500)])
    assert len(re.findall(rb"/Type /Page\b", render_png.pdf(slip))) == 2


# -- html --------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page loads, runs and says; fails on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.said: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in {"src", "href", "action"} or name.startswith("on")]
        if tag not in {"meta", "hr", "img", "path", "!doctype"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.said.append(data)


def test_html_is_one_page_that_loads_nothing() -> None:
    slip = Templates(None).slip("day_list", "zh", 48, DAY)
    slip = Slip(slip.title, 48, (Image(8, 1, b"\xff"), Cut(), *slip.rows))
    made = render_html.html(slip)
    page = Page()
    page.feed(made)
    assert page.open == []
    assert not page.tags & {"script", "link", "iframe", "object", "form"}
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not re.search(r"url\(|@import|https?:", made)
    assert "svg" in page.tags


def test_html_escapes() -> None:
    made = render_html.html(Slip("<b>&", 32, (cell("<script>alert('x')</script>&\"", bold=True),)))
    assert "<script" not in made
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;" in made
    assert "<title>&lt;b&gt;&amp;</title>" in made


def test_html_says_what_the_text_says() -> None:
    slip = Templates(None).slip("sale", "zh", 32, SALE)
    page = Page()
    page.feed(render_html.html(slip))
    said = "".join(page.said).split("\n", 3)[-1]
    assert "".join(said.split()) == "".join(render_text.text(slip).split())


# -- one layout, many papers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in CASES if case != "test_page"])
@pytest.mark.parametrize("columns", [32, 48])
def test_bytes_text_and_picture_agree(case: str, columns: int) -> None:
    """What the printer's bytes say, read back by the printer's own reader, is the text, and the picture is as high."""
    printer = plugins.printer("escpos").make(columns, "gb18030", Level.WRITE_ONLY)
    name, data = CASES[case]
    slip = Templates(None).slip(name, "zh", columns, data)
    data_bytes = printer.encode(slip)
    read_back = Slip("t", columns, (Captured(data_bytes), Cut()))
    ours = [line.split() for line in render_text.text(slip).splitlines() if line.strip()]
    theirs = [line.split() for line in render_text.text(read_back, printer.understand).splitlines() if line.strip()]
    assert theirs == ours
