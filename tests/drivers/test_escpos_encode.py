"""Slips as ESC/POS bytes: right Chinese, python-escpos as the oracle for Latin, and nothing but what was meant."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import Level
from agent.slips import drawing
from agent.slips.layout import lay_out
from agent.slips.model import Align, Cell, Cut, Feed, Image, Line, QrCode, Row, Rule, Slip
from drivers import paper
from drivers.printers.escpos import EscPos, driver
from drivers.tokens import Flaw, TokenKind, tokenize
from drivers.typeset import typeset

HEAD = bytes.fromhex("1b40 1d61ff 1c26")
CUT = bytes.fromhex("1d564200")


def encode(*rows: Row, charset: str = "gb18030", columns: int = 32, level: Level = Level.STATUS) -> bytes:
    return EscPos(columns, charset, level).encode(Slip("", columns, rows))


def test_the_driver_comes_in_by_the_door() -> None:
    assert driver.name == "escpos"
    printer = driver.make(48, "gbk", Level.WRITE_ONLY)
    assert printer.columns == 48
    assert printer.encode(Slip("", 48, ())) == bytes.fromhex("1b40 1c26"), "a silent printer is asked for nothing"


def test_chinese_is_sent_in_hanzi_mode_switched_on_once() -> None:
    data = encode(
        Line((Cell("金额：￥128.50（人民币）"),)), Line((Cell("：（），。"),)), Line((Cell("× ① ℃ “”…—"),)), Cut()
    )
    assert data.startswith(HEAD)
    assert data.count(b"\x1c&") == 1
    assert b"\x1c." not in data
    assert data.endswith(CUT)
    said = data[len(HEAD) : -len(CUT)]
    assert said.decode("gb18030") == "金额：￥128.50（人民币）\n：（），。\n× ① ℃ “”…—\n"
    assert b"?" not in said


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("¥12.00", "a3a4 31322e3030"),  # U+00A5 has four bytes in GB 18030; printers without them print "0 6"
        ("a\u00a0b", "612062"),
        ("–—―", "2d a1aa a1aa"),
        ("caf\u0065\u0301", "636166 a8a6"),  # composed; the pinyin letter
        ("\u202e\u200bx\x1bp\x00\x19", "7870"),
        ("ｶﾀｶﾅ", "a5ab a5bf a5ab a5ca"),
    ],
)
def test_signs_with_several_codes(text: str, sent: str) -> None:
    assert encode(Line((Cell(text),)))[len(HEAD) : -1] == bytes.fromhex(sent)


def test_sizes_and_looks_are_switched_only_where_they_change() -> None:
    big = Cell("金额", bold=True, width=2, height=2)
    data = encode(
        Line((replace(big, text="合计", columns=9), Cell("1.00", invert=True))), Line((Cell("x", underline=True),))
    )
    expected = b"\x1d!\x11\x1bE\x01" + "合计".encode("gbk") + b"\x1d!\x00" + b" "
    expected += b"\x1bE\x00\x1dB\x01" + b"1.00" + b" " * 19 + b"\n"
    expected += b"\x1b-\x01\x1c-\x01\x1dB\x00" + b"x\n"
    assert data[len(HEAD) :] == expected


# -- python-escpos as oracle -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oracle() -> type:
    with tempfile.TemporaryDirectory() as directory:  # it leaks one at every import
        before, tempfile.tempdir = tempfile.tempdir, directory
        os.environ["ESCPOS_CAPABILITIES_PICKLE_DIR"] = directory
        try:
            from escpos.printer import Dummy  # noqa: PLC0415 - slow, and only here
        finally:
            tempfile.tempdir = before
            del os.environ["ESCPOS_CAPABILITIES_PICKLE_DIR"]
    return Dummy


def test_plain_latin_is_what_python_escpos_sends(oracle: type) -> None:
    texts = ["Merchant copy", "AMOUNT: 128.50 USD", "~!@#$%^&*()_+{}|[]\\:;'<>,./"]
    dummy = oracle()
    for text in texts:
        dummy.text(text + "\n")
    sent = encode(*(Line((Cell(text),)) for text in texts))
    assert b"\x1bt\x00" + sent[len(HEAD) :] == dummy.output


looks = st.builds(
    Cell,
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=8),
    bold=st.booleans(),
    underline=st.booleans(),
    invert=st.booleans(),
    width=st.integers(1, 3),
    height=st.integers(1, 8),
)


@given(st.lists(looks, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_latin_of_any_look_prints_what_python_escpos_prints(oracle: type, cells: list[Cell]) -> None:
    dummy = oracle()
    for cell in cells:
        dummy.set(
            bold=cell.bold, underline=int(cell.underline), invert=cell.invert, custom_size=True,
            width=cell.width, height=cell.height,
        )  # fmt: skip
        dummy.text(cell.text + "\n")
    ours, theirs = typeset(encode(*(Line((cell,)) for cell in cells))), typeset(dummy.output)
    assert [_seen(item) for item in ours] == [_seen(item) for item in theirs]


def _seen(item: paper.Item) -> object:
    assert isinstance(item, paper.StyledLine)
    return [(run.text.rstrip(" "), run.style) for run in item.runs if run.text.strip(" ")]


def test_qr_codes_are_what_python_escpos_sends(oracle: type) -> None:
    dummy = oracle()
    dummy.qr("https://example.org/1", native=True, size=5, ec=1)
    sent = encode(QrCode("https://example.org/1", 5, Align.LEFT))[len(HEAD) :]
    assert set(_functions(sent)) == set(_functions(dummy.output))
    assert sent.endswith(_functions(dummy.output)[-1])


def _functions(data: bytes) -> list[bytes]:
    return [token.data for token in tokenize(data) if token.name == "GS ( k"]


# -- what is no text ---------------------------------------------------------------------------------------------------


def test_cut_is_fed_to_the_cutter_by_the_printer() -> None:
    assert encode(Cut(partial=False)).endswith(bytes.fromhex("1d564100"))


def test_pictures_are_bands_and_cropped_to_the_paper() -> None:
    image = Image(600, 300, b"\xff" * (75 * 300), Align.CENTER)
    tokens = [token for token in tokenize(encode(image)) if token.kind is TokenKind.RASTER]
    heads = [token.data[:8] for token in tokens]
    assert heads == [bytes.fromhex("1d763000 3000 8000")] * 2 + [bytes.fromhex("1d763000 3000 2c00")]
    assert all(token.flaw is Flaw.NONE for token in tokens)
    assert encode(image).endswith(b"\x1ba\x00")


def test_dots_that_spell_a_real_time_command_are_moved_by_one() -> None:
    for spelt in ("100401", "100501", "10140801"):
        dots = bytes.fromhex(spelt).ljust(8, b"\0")
        data = encode(Image(64, 1, dots))
        assert bytes.fromhex(spelt) not in data
        [picture] = [item for item in typeset(data) if isinstance(item, paper.Picture)]
        assert int.from_bytes(picture.dots.bits) == int.from_bytes(dots) >> 1


def test_a_picture_with_too_few_or_no_bits_is_still_whole() -> None:
    assert [t.flaw for t in tokenize(encode(Image(16, 4, b"\xff"), Image(0, 0, b""), Image(-3, 2, b"")))][
        -1
    ] is Flaw.NONE


def test_a_code_no_symbol_can_hold_is_printed_as_text() -> None:
    lines = [item for item in typeset(encode(QrCode("0123456789" * 300))) if isinstance(item, paper.StyledLine)]
    assert "".join(line.text for line in lines) == "0123456789" * 300


# -- any slip ----------------------------------------------------------------------------------------------------------

texts = st.text(
    st.one_of(
        st.characters(max_codepoint=0x17F),
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5),
        st.sampled_from("￥（）：，。—…“”×囍①￡㐀𠮷\u202e\x1b\x10\x04\n"),
    ),
    max_size=40,
)
cells = st.builds(
    Cell, texts, st.none() | st.integers(-1, 60), st.sampled_from(Align), st.booleans(), st.booleans(), st.booleans(),
    st.integers(-1, 12), st.integers(-1, 12),
)  # fmt: skip
rows = st.one_of(
    st.builds(Line, st.lists(cells, max_size=4).map(tuple)),
    st.builds(Rule, st.sampled_from(["-", "=", "", "—", "ab"])),
    st.builds(Feed, st.integers(-1, 5)),
    st.builds(Cut, st.booleans()),
    st.builds(QrCode, texts, st.integers(-3, 30), st.sampled_from(Align)),
)


@given(st.lists(rows, max_size=8).map(tuple), st.sampled_from([1, 20, 32, 48]), st.sampled_from(driver.charsets))
@settings(max_examples=80, deadline=None)
def test_any_slip_becomes_whole_commands_and_says_on_paper_what_the_layout_says(
    rows: tuple[Row, ...], columns: int, charset: str
) -> None:
    printer = EscPos(columns, charset, Level.WRITE_ONLY)
    data = printer.encode(Slip("", columns, rows))
    tokens = tokenize(data)
    assert all(token.flaw is Flaw.NONE for token in tokens)
    dangerous = {TokenKind.DRAWER, TokenKind.MEMORY, TokenKind.REALTIME, TokenKind.STATUS}
    assert not dangerous & {token.kind for token in tokens}
    printed = [item.text for item in typeset(data, charset) if isinstance(item, paper.StyledLine)]
    slip, drawn = printer._sayable(Slip("", columns, rows))
    meant = [line for line in lay_out(slip, charset) if line.row is None]
    meant = [line for line in meant if not any(drawn & set(run.text) for run in line.runs)]
    if not any(isinstance(row, QrCode) and not row.data for row in rows):
        said = ["".join(run.text for run in line.runs).rstrip() for line in meant]
        assert [text for text in printed if text] == [text for text in said if text]


# -- what the font lacks -----------------------------------------------------------------------------------------------


@pytest.fixture
def drawable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose font has the rare characters of these tests, whatever fonts this one has."""
    monkeypatch.setattr(drawing, "can_draw", lambda sign: sign in "堃镕ñ")


@pytest.mark.usefixtures("drawable")
def test_a_line_with_a_character_the_printer_lacks_is_drawn_and_the_others_are_not() -> None:
    data = encode(Line((Cell("持卡人：李堃"),)), Line((Cell("金额：￥1.00"),)), charset="gb2312")
    items = typeset(data)
    pictures = [item for item in items if isinstance(item, paper.Picture)]
    assert [(item.dots.width_dots, item.dots.height_dots) for item in pictures] == [(12 * 12, 24)]
    assert any(pictures[0].dots.bits)
    assert [item.text for item in items if isinstance(item, paper.StyledLine)] == ["金额：￥1.00"]
    assert not [i for i in typeset(encode(Line((Cell("李堃镕"),)))) if isinstance(i, paper.Picture)], "GB18030 has them"


@pytest.mark.usefixtures("drawable")
def test_a_character_nobody_can_draw_is_named_never_a_question_mark() -> None:
    data = encode(Line((Cell("𠮷野 \U0001f600"),)))
    assert "[U+20BB7]野 [U+1F600]".encode("gb18030") in data
    assert b"?" not in data[len(HEAD) :]


@pytest.mark.usefixtures("drawable")
def test_a_named_character_is_laid_out_in_the_room_its_name_takes() -> None:
    data = encode(Line((Cell("𠮷" * 4, columns=17), Cell("￥128.50", align=Align.RIGHT))))
    lines = [item.text for item in typeset(data) if isinstance(item, paper.StyledLine)]
    assert "".join(line.replace("￥128.50", "").strip() for line in lines) == "[U+20BB7]" * 4
    assert all(sum(1 if sign.isascii() else 2 for sign in line) <= 32 for line in lines)


def test_a_font_of_this_machine_draws_it() -> None:
    sign = next((sign for sign in "堃镕囍" if drawing.can_draw(sign)), None)
    if sign is None:
        pytest.skip("no Chinese font here")
    [picture] = [
        i for i in typeset(encode(Line((Cell(sign, width=2),)), charset="gb2312")) if isinstance(i, paper.Picture)
    ]
    assert picture.dots.width_dots == 48
    assert sum(byte.bit_count() for byte in picture.dots.bits) > 100
