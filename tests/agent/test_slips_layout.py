"""Lines of paper: widths in printer bytes, breaks where Chinese allows them, amounts whole, nothing over the edge."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.slips.layout import expanded, lay_out, normalise, width, wrap
from agent.slips.model import Align, Captured, Cell, Cut, Feed, Image, Line, QrCode, Rule, Slip

NOT_FIRST = "，。、；：！？）》」』】”’…％"


def plain(line) -> str:
    return "".join(run.text for run in line.runs)


def lines_of(*cells: Cell, columns: int = 32) -> list[str]:
    return [plain(line) for line in lay_out(Slip("t", columns, (Line(cells),)))]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3),
        ("金额", 4),
        ("￥128.50", 8),
        ("—“”×℃№Ⅳ·", 16),  # narrow in Unicode, two bytes in GBK: wcwidth would say 8
        ("€", 2),
        ("囍𠮷", 4),
        ("", 0),
    ],
)
def test_width_is_what_the_printer_encodes(text: str, columns: int) -> None:
    assert width(text) == columns
    if all(len(sign.encode("gb18030")) < 4 for sign in text):
        assert width(text) == len(text.encode("gb18030"))


def test_width_in_a_one_byte_page() -> None:
    assert width("é", "cp437") == 1
    assert width("中", "cp437") == 2  # drawn


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("¥12", "￥12"),
        ("a\u00a0b", "a b"),
        ("e\u0301", "é"),
        ("\u200ba\ufe0fb\u202e", "ab"),
        ("a\tb\nc\x1bd", "a b cd"),
        ("ｶﾞ", "ガ"),
        ("10–12", "10-12"),
        ("\ud83d", "\ufffd"),
        ("q\u0323\u0303", "q"),
        ("全角\u3000空格", "全角\u3000空格"),
    ],
)
def test_normalise(text: str, said: str) -> None:
    assert normalise(text) == said


@given(st.text())
def test_normalise_is_final_and_speakable(text: str) -> None:
    said = normalise(text)
    assert normalise(said) == said
    assert not {unicodedata.category(sign) for sign in said} & {"Cc", "Cf", "Cs", "Mn", "Me", "Zl", "Zp"}


def test_wrap_keeps_punctuation_off_the_edges() -> None:
    assert wrap("本单由日志重组，非终端原始签购单。", 14) == ["本单由日志重", "组，非终端原始", "签购单。"]
    assert wrap("今日商户（测试）", 10) == ["今日商户", "（测试）"]


def test_wrap_keeps_words_and_amounts() -> None:
    assert wrap("total amount 1,234.50", 12) == ["total amount", "1,234.50"]
    assert wrap("余额￥1,234.50元", 12) == ["余额", "￥1,234.50元"]
    assert wrap("net of CHF 1,234.50 left", 12) == ["net of", "CHF 1,234.50", "left"]


def test_wrap_leaves_tables_alone() -> None:
    assert wrap("  a    b", 8) == ["  a    b"]


def test_wrap_breaks_what_cannot_be_kept() -> None:
    assert wrap("1234567890", 4) == ["1234", "5678", "90"]
    assert wrap("，" * 5, 4) == ["，，", "，，", "，"]


@given(st.text(alphabet=st.sampled_from("ab12，。（）“”￥中文 .-,(")), st.integers(2, 20))
def test_wrap_loses_nothing_and_fits(text: str, limit: int) -> None:
    text = normalise(text)
    lines = wrap(text, limit)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width(line) <= limit for line in lines)


@given(
    st.lists(st.sampled_from(["中", "文", "中，", "文。", "字）", "（国", "word", "12.50", " "]), max_size=30),
    st.integers(8, 20),
)
def test_no_line_starts_with_closing_punctuation(parts: list[str], limit: int) -> None:
    text = "字" + "".join(parts)
    assert not any(line[:1] and line[0] in NOT_FIRST for line in wrap(text, limit))


def test_two_cells_stand_at_the_edges() -> None:
    assert lines_of(Cell("终端号"), Cell("12345678", align=Align.RIGHT), columns=20) == ["终端号      12345678"]


def test_left_value_follows_its_label() -> None:
    assert lines_of(Cell("终端号"), Cell("12345678"), columns=20) == ["终端号 12345678"]


def test_label_yields_to_a_long_value() -> None:
    assert lines_of(Cell("商户"), Cell("幸福面馆人民路一店", align=Align.RIGHT), columns=16) == [
        "商户  幸福面馆人",
        "        民路一店",
    ]


def test_columns_are_kept_with_a_gutter() -> None:
    row = (Cell("消费预授权", columns=7), Cell("12", columns=4, align=Align.RIGHT), Cell("1.00", align=Align.RIGHT))
    assert lines_of(*row, columns=20) == ["消费预  12      1.00", "授权"]


def test_amount_takes_from_its_neighbours() -> None:
    row = (Cell("消费", columns=10), Cell("￥123,456.00", columns=6, align=Align.RIGHT))
    assert lines_of(*row, columns=17) == ["消费 ￥123,456.00"]


def test_amount_without_room_stands_on_the_next_line() -> None:
    double = Cell("￥999,999.00", align=Align.RIGHT, width=2, height=2)
    [line] = lay_out(Slip("t", 32, (Line((Cell("金额"), double)),)))
    assert [run.width for run in line.runs if "9" in run.text] == [2]
    label, line = lay_out(Slip("t", 24, (Line((Cell("金额"), double)),)))
    assert plain(label) == "金额"
    assert [(run.text, run.width) for run in line.runs] == [("￥999,999.00", 2)]


def test_table_row_with_a_huge_amount_keeps_every_word_whole() -> None:
    row = [Cell(text, columns=wide, align=Align.LEFT) for text, wide in (("13:14", 6), ("预授", 5), ("000351", 7))]
    last = Cell("1,123,456.00", columns=9, align=Align.RIGHT)
    assert lines_of(*row, last, columns=27) == ["13:14 预授 000351", "               1,123,456.00"]


def test_amount_shrinks_before_it_breaks() -> None:
    [line] = lay_out(Slip("t", 20, (Line((Cell("￥999,999.00", width=2, height=2),)),)))
    assert [(run.text, run.width, run.height) for run in line.runs] == [("￥999,999.00", 1, 2)]


def test_inverted_cell_is_a_bar() -> None:
    [line] = lay_out(Slip("t", 12, (Line((Cell("重打", align=Align.CENTER, invert=True, height=2),)),)))
    assert [(run.text, run.invert, run.height) for run in line.runs] == [
        (" " * 4, True, 2),
        ("重打", True, 2),
        (" " * 4, True, 2),
    ]


def test_rows_without_text() -> None:
    image = Image(8, 1, b"\xff")
    slip = Slip("t", 10, (Rule(), Rule("＝"), Feed(2), QrCode("x"), image, Cut()))
    lines = lay_out(slip)
    assert [plain(line) for line in lines[:4]] == ["-" * 10, "＝" * 5, "", ""]
    assert [line.row for line in lines[4:]] == [QrCode("x"), image, Cut()]


def test_captured_is_expanded_without_its_cuts() -> None:
    slip = Slip("t", 32, (Rule(), Captured(b"\x1b@ab", "ab\ncd"), Cut()))
    assert expanded(slip).rows == (Rule(), Line((Cell("ab"),)), Line((Cell("cd"),)), Cut())
    said = (Line((Cell("AB"),)), Cut(), Captured(b""))
    assert expanded(slip, lambda data: said).rows == (Rule(), Line((Cell("AB"),)), Cut())


cells = st.builds(
    Cell,
    st.text() | st.from_regex(r"-?[￥$]?\d{1,12}\.\d\d", fullmatch=True),
    st.none() | st.integers(-3, 60),
    st.sampled_from(Align),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(-1, 9),
    st.integers(-1, 9),
)


@given(st.lists(st.lists(cells, max_size=9), max_size=4), st.integers(8, 64))
def test_nothing_passes_the_edge(rows: list[list[Cell]], columns: int) -> None:
    slip = Slip("t", columns, tuple(Line(tuple(row)) for row in rows))
    for line in lay_out(slip):
        assert line.columns <= columns
        for run in line.runs:
            assert run.columns == width(run.text) * run.width
            assert not any(unicodedata.category(sign) in {"Cc", "Cf", "Cs"} for sign in run.text)


@given(st.integers(0, 10**9), st.sampled_from([32, 48]), st.integers(1, 3), st.text(alphabet="金额合计ab", max_size=20))
def test_amounts_are_whole(minor: int, columns: int, times: int, label: str) -> None:
    amount = f"￥{minor // 100:,}.{minor % 100:02}"
    row = Line((Cell(label), Cell(amount, align=Align.RIGHT, width=times, height=times)))
    assert sum(run.text == amount for line in lay_out(Slip("t", columns, (row,))) for run in line.runs) == 1
