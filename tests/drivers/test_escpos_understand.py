"""Captured streams as rows: what preview and pictures show is where the printer put it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import Level
from agent.slips import render_text
from agent.slips.layout import PhysicalLine, lay_out
from agent.slips.model import Align, Captured, Cell, Cut, Feed, Image, Line, QrCode, Row, Rule, Slip
from drivers.printers.escpos import EscPos
from drivers.printers.understand import from_broader_paper, rows

PRINTER = EscPos(32, "gb18030", Level.WRITE_ONLY)


def back(*slip: Row) -> Slip:
    return Slip("", 32, PRINTER.understand(PRINTER.encode(Slip("", 32, slip))))


def look(line: PhysicalLine) -> list[tuple[str, tuple[object, ...]]]:
    """Every character that shows, with its look."""
    return [
        (sign, (run.bold, run.underline, run.invert, run.width, run.height))
        for run in line.runs
        for sign in run.text
        if sign != " " or run.invert or run.underline
    ]


def indent(line: PhysicalLine) -> int:
    """Columns before the first character that shows."""
    place = 0
    for run in line.runs:
        blanks = len(run.text) - len(run.text.lstrip(" "))
        if blanks < len(run.text):
            return place + blanks * run.width
        place += run.columns
    return place


cells = st.builds(
    Cell, st.text("金额：￥a1 ", min_size=1, max_size=6).map(str.strip).filter(lambda text: len(text) > 1), st.integers(7, 12) | st.none(),
    st.sampled_from(Align), st.booleans(), st.booleans(), st.just(False), st.just(1), st.integers(1, 3),
)  # fmt: skip


@given(st.lists(cells, min_size=1, max_size=3).map(lambda found: Line(tuple(found))))
@settings(max_examples=150, deadline=None)
def test_what_the_encoder_wrote_is_read_back_to_the_look_and_nearly_to_the_column(line: Line) -> None:
    ours, theirs = lay_out(Slip("", 32, (line,))), lay_out(back(line))
    if any(found.columns > 32 - len(line.cells) for found in ours):
        return  # a full line may have to give up a change of look that has no blank beside it
    assert [look(found) for found in ours] == [look(found) for found in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert abs(indent(one) - indent(other)) <= 1
        assert abs(one.columns - other.columns) <= len(line.cells)


def test_looks_side_by_side_on_a_full_line_stay() -> None:
    line = Line((Cell("下划线", underline=True), Cell("反白", align=Align.RIGHT, invert=True)))
    [found] = lay_out(back(line))
    assert look(found)[0] == ("下", (False, True, False, 1, 1))
    assert look(found)[-1] == ("白", (False, False, True, 1, 1))
    assert found.columns == 32


def test_an_amount_in_big_letters_beside_its_label_stays() -> None:
    line = Line((Cell("金额", bold=True), Cell("￥128.50", align=Align.RIGHT, width=2, height=2)))
    [ours], [theirs] = lay_out(Slip("", 32, (line,))), lay_out(back(line))
    assert (look(ours), ours.columns) == (look(theirs), theirs.columns)


def test_pictures_codes_feeds_and_cuts() -> None:
    assert back(QrCode("x", 6), Image(16, 2, b"abcd", Align.RIGHT), Cut(partial=False)).rows == (
        QrCode("x", 6),
        Image(16, 2, b"abcd", Align.RIGHT),
        Cut(partial=False),
    )
    assert rows(b"a\n\x1bd\x05\x1dk\x04AB\x00", 32) == (
        Line((Cell("a"),)),
        Feed(5),
        Line((Cell("[code39] AB"),)),
    )


def test_a_slip_of_broader_paper_is_laid_out_anew() -> None:
    wide = (
        b"-" * 48
        + b"\n"
        + "商户名称：北京测试百货有限公司 终端编号：00000001\n".encode("gb18030")
        + b"AMOUNT: 128.50\n\x1dV\x00"
    )
    assert from_broader_paper(wide, 32)
    assert not from_broader_paper(wide, 48)
    assert not from_broader_paper("商户名称：北京测试百货有限公司东城区第一分店\nRMB 1.00\n".encode("gb18030"), 32)
    assert rows(wide, 32)[0] == Rule("-")
    assert rows(wide, 48)[0] == Line((Cell("-" * 48),))
    data = PRINTER.encode(Slip("", 32, (Captured(wide), Cut())))
    assert wide not in data
    text = render_text.text(Slip("", 32, PRINTER.understand(data)))
    assert text.splitlines() == ["-" * 32, "商户名称：北京测试百货有限公司", "终端编号：00000001", "AMOUNT: 128.50"]
    assert data.count(b"\x1dV") == 1
    broad = EscPos(48, "gb18030", Level.WRITE_ONLY).encode(Slip("", 48, (Captured(wide), Cut())))
    assert wide.removesuffix(b"\x1dV\x00") in broad


@pytest.mark.parametrize("columns", [20, 32, 48])
@given(st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
def test_any_bytes_give_rows_that_can_be_laid_out_and_encoded(columns: int, data: bytes) -> None:
    for line in lay_out(Slip("", columns, rows(data, columns))):
        assert line.columns <= columns
    EscPos(columns, "gb2312", Level.STATUS).encode(Slip("", columns, (Captured(data),)))
