"""Bytes become the text and the rows a printer would put on paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import charsets
from drivers.paper import Align, Break, Code, Feed, Picture, StyledLine
from drivers.typeset import lines, text, typeset


def gb(words: str) -> bytes:
    return words.encode("gb18030")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (gb("商户存根\n"), "商户存根"),
        (b"\x1b@\x1c&" + gb("金额：￥12.00"), "金额：￥12.00"),
        ("商户存根 128.50\n终端号\n".encode(), "商户存根 128.50\n终端号"),  # UTF-8 wins when all of it is valid
        (b"\x1c&\x1b9\x01" + "金额".encode(), "金额"),
        (b"\x1c(C\x02\x000\x02" + "金额".encode(), "金额"),
        (b"\x1bt\x00\x82t\x82", "été"),
        (b"\x1bt\x10\x80 5,00", "€ 5,00"),
        (b"\x1bt\x00" + gb("消费明细"), "消费明细"),  # a library's habit: ESC t 0, no FS &, Chinese all the same
        (b"\x1bt\x00\xda\xc4\xc4\xbf", "┌──┐"),  # ... but frames of CP437 stay frames
        (b"\x1c.\x1bt\x00" + b"\x82\x1c&" + gb("金"), "é金"),
        (b"\xc4" * 32, "-" * 32),
        (b"\xcd" * 32, "=" * 32),
        (b"\xdb" * 8, "#" * 8),
        (gb("—" * 22), "—" * 22),
        (b"\xbd\xf0\x81", "金\ufffd"),
        (b"a\r\nb\r\n\r\nc\rd", "a\nb\n\nc\nd"),
        (b"ab\tc", "ab      c"),
        (b"\x1bD\x04\x0a\x00ab\tc\td", "ab  c     d"),
        (b"a\x1b$\x78\x00b", "a         b"),
        (b"4\x001\x001\x00", "411"),
        ("a\u202eb\u200bc".encode(), "abc"),
        (b"\x1bt\x00\x1b@" + gb("金额"), "金额"),
    ],
)
def test_text_of_a_stream(data, shown):
    assert text(data) == shown


@pytest.mark.parametrize(
    ("charset", "data", "shown"),
    [
        ("gbk", gb("陆"), "陆"),
        ("cp437", b"\x82", "é"),
        ("utf-8", "é".encode(), "é"),
        ("big5", "金額".encode("big5"), "金額"),
    ],
)
def test_a_forced_charset_is_believed(charset, data, shown):
    assert text(data, charset) == shown


def test_text_longer_than_a_token_is_not_torn():
    assert text(gb("a" + "金" * 5000)) == "a" + "金" * 5000


def test_runs_keep_their_style():
    (line,) = lines(b"\x1ba\x01\x1bE\x01" + gb("金额") + b"\x1bE\x00\x1d!\x11" + b"RMB\n")
    assert line.align is Align.CENTER
    assert [(run.text, run.style.bold, run.style.width, run.columns) for run in line.runs] == [
        ("金额", True, 1, 4),
        ("RMB", False, 2, 6),
    ]


def test_hanzi_size_is_not_the_size_of_letters():
    (line,) = lines(b"\x1c!\x0c" + gb("金额RMB\n"))
    assert [(run.text, run.style.width) for run in line.runs] == [("金额", 2), ("RMB", 1)]


def test_every_character_knows_its_bytes():
    data = b"\x1c&" + gb("卡号:６2") + b"\x1bE\x01" + b"22\n"
    (line,) = lines(data)
    found = [
        (sign, data[at : at + size])
        for run in line.runs
        for sign, at, size in zip(run.text, run.offsets, run.sizes, strict=True)
    ]
    assert found == [(sign, gb(sign)) for sign in "卡号:６222"]


def test_what_is_no_text_comes_in_order():
    qr = b"\x1d(k\x03\x00\x31\x43\x06" + b"\x1d(k\x05\x00\x31\x50\x30hi" + b"\x1d(k\x03\x00\x31\x51\x30"
    items = typeset(b"a\x1bd\x03" + qr + b"\x1dv0\x01\x01\x00\x02\x00\xff\x81" + b"b\x1dVB\x00")
    assert [type(item) for item in items] == [StyledLine, Feed, Code, Picture, StyledLine, Break]
    assert items[1] == Feed(2)
    assert (items[2].symbol.text, items[2].symbol.module_dots) == ("hi", 6)
    assert (items[3].dots.width_dots, items[3].dots.height_dots, items[3].dots.bits) == (16, 2, b"\xff\xff\xc0\x03")
    assert items[5] == Break("partial")


def test_column_pictures_are_turned_into_rows():
    (picture,) = typeset(b"\x1b*\x21\x02\x00" + b"\x80\x00\x01" + b"\x00\x00\x01")
    rows = [picture.dots.bits[at] for at in range(24)]
    assert (picture.dots.width_dots, picture.dots.height_dots) == (8, 24)
    assert (rows[0], rows[23], sum(rows[1:23])) == (0x80, 0xC0, 0)


def test_rules_are_recognised():
    shown = [line.is_rule for line in lines(gb("-" * 32 + "\n" + "—" * 22 + "\n金额 ---\n\n"))]
    assert shown == [True, True, False, False]


@given(st.binary(max_size=300), st.sampled_from(["auto", "gb18030", "utf-8", "cp437", "big5"]))
def test_any_bytes_can_be_set(data, charset):
    for line in lines(data, charset):
        assert 0 <= line.start <= line.end <= len(data)
        for run in line.runs:
            assert len(run.text) == len(run.offsets) == len(run.sizes)
            assert all(at + size <= len(data) for at, size in zip(run.offsets, run.sizes, strict=True))


@given(
    st.lists(st.binary(max_size=4) | st.text("金额￥a1€𠮷\u202e", max_size=3).map(gb), max_size=12).map(b"".join),
    st.integers(0, 99),
)
def test_the_quick_way_and_the_careful_way_agree(data, start):
    quick = charsets.decode(data, "gb18030", start)
    careful = [one for one in charsets._signs(data, "gb18030") if not charsets._HIDDEN.match(one[0])]
    assert list(zip(quick.text, quick.offsets, quick.sizes, strict=True)) == [
        (sign, start + at, size) for sign, at, size in careful
    ]


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Cf", "Co", "Zl", "Zp"]), max_size=40))
def test_what_gb18030_can_say_comes_back(words):
    data = words.encode("gb18030")
    assert charsets.decode(data, "gb18030").text == words or b"\xc4\xc4\xc4\xc4" in data or charsets._RULE.search(data)
