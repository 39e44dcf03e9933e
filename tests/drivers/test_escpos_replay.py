"""Captured bytes printed again: what was on the paper, and nothing a till or a merchant's name could have put there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import Level
from agent.slips.model import Captured, Cell, Cut, Line, Slip
from drivers import paper
from drivers.commands import TABLE
from drivers.printers.escpos import EscPos
from drivers.printers.replay import safe
from drivers.tokens import Flaw, TokenKind, tokenize
from drivers.typeset import typeset

READY = b"\x1c&"
TEXT = "商户名称：测试商户".encode("gb18030")
SALE = b"\x1b@\x1c&\x1ba\x01\x1d!\x11" + TEXT + b"\n\x1d!\x00\x1ba\x00" + b"RMB 128.50\n\x1bd\x03"

DANGEROUS = {
    "drawer": b"\x1bp\x00\x19\xfa",
    "drawer in real time": b"\x10\x14\x01\x00\x05",
    "power off": b"\x10\x14\x02\x01\x08",
    "clear buffers": b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08",
    "question": b"\x10\x04\x01",
    "recover": b"\x10\x05\x02",
    "ask ASB": b"\x1da\xff",
    "ask status": b"\x1dr\x01",
    "ask identity": b"\x1dI\x43",
    "ask for the process id": b"\x1d(H\x06\x00\x30\x30ABCD",
    "select another device": b"\x1b=\x02",
    "write NV images": b"\x1cq\x01\x01\x00\x01\x00" + bytes(8),
    "print NV image": b"\x1cp\x01\x00",
    "write NV graphics": b"\x1d(L\x0c\x000C0AB\x01\x01\x00\x01\x001\x80",
    "delete NV graphics": b"\x1d(L\x05\x000ACLR",
    "own characters": b"\x1b&\x03AA\x01\x00\x00\x00",
    "own Hanzi": b"\x1c2\xfe\xa1" + bytes(72),
    "self test": b"\x1d(A\x02\x00\x00\x02",
    "set up": b"\x1d(E\x03\x00\x01IN",
    "memory": b"\x1d(C\x05\x00\x00\x00\x00AB",
    "density": b"\x1d(K\x02\x0011",
    "macro": b"\x1d:",
    "run macro": b"\x1d^\x05\x00\x00",
    "buzzer": b"\x1bB\x03\x02",
    "buzzer of Epson": b"\x1b(A\x04\x00\x30\x31\x03\x0a",
    "panel buttons off": b"\x1bc5\x01",
    "paper sensors": b"\x1bc4\x00",
    "heat": b"\x1b7\x07\x50\x02",
    "cut": b"\x1dV\x00",
    "old cut": b"\x1bi",
    "bell": b"\x07",
    "cancel": b"\x18",
    "cut off in the middle": b"\x1dv0\x00\x30\x00\x80\x00" + bytes(10),
}


def encode(data: bytes, level: Level = Level.STATUS) -> bytes:
    return EscPos(32, "gb18030", level).encode(Slip("", 32, (Line((Cell("DUPLICATE"),)), Captured(data), Cut())))


def said(data: bytes) -> list[str]:
    return [item.text for item in typeset(data) if isinstance(item, paper.StyledLine) and item.text]


def test_a_harmless_slip_goes_out_as_it_came() -> None:
    data = encode(SALE)
    assert SALE.removeprefix(b"\x1b@") in data
    assert said(data) == ["DUPLICATE", "商户名称：测试商户", "RMB 128.50"]
    assert data.endswith(b"\x1b@\x1da\xff\x1c&\x1dVB\x00"), "our own state again before our own cut"


@pytest.mark.parametrize("what", DANGEROUS)
def test_what_is_dangerous_stays_away_wherever_it_stands(what: str) -> None:
    command = DANGEROUS[what]
    middle = SALE.index(TEXT) + len(TEXT)
    for place in (0, middle, len(SALE)):
        if what == "cut off in the middle" and place != len(SALE):
            continue  # there it would swallow what follows, on any printer
        clean = safe(SALE[:place] + command + SALE[place:], READY)
        assert command not in clean, place
        assert said(clean) == said(SALE), place


def test_the_list_of_dangers_is_complete() -> None:
    """Every command the tokenizer knows to be no slip's business is refused."""
    kinds = {TokenKind.DRAWER, TokenKind.MEMORY, TokenKind.REALTIME, TokenKind.STATUS, TokenKind.CUT}
    for prefix, command in TABLE.items():
        if command.kind in kinds:
            clean = safe(prefix + bytes(64), b"")
            assert not [token for token in tokenize(clean) if token.kind in kinds], prefix


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.sampled_from(list(DANGEROUS.values())),
            st.sampled_from([SALE, TEXT, b"\n", b"\x1b@", b"\x1d", b"\x10", b"\x1b", b"\x1dv0\x00\x01\x00\x02\x00ab"]),
        ),
        max_size=12,
    ).map(b"".join)
)
@settings(max_examples=300, deadline=None)
def test_no_bytes_bring_a_danger_through(data: bytes) -> None:
    clean = safe(data, b"")
    kinds = {TokenKind.DRAWER, TokenKind.MEMORY, TokenKind.REALTIME, TokenKind.STATUS, TokenKind.CUT}
    tokens = tokenize(clean)
    assert not [token for token in tokens if token.kind in kinds]
    assert all(token.flaw is Flaw.NONE for token in tokens)
    assert safe(clean, b"") == clean, "what is safe stays as it is"


def test_pictures_come_in_bands() -> None:
    raster = b"\x1dv0\x01\x30\x00\x2c\x01" + b"\xaa" * (48 * 300)
    tokens = tokenize(safe(raster, b""))
    assert [token.data[3:8].hex() for token in tokens] == ["0130008000", "0130008000", "0130002c00"]
    assert b"".join(token.data[8:] for token in tokens) == b"\xaa" * (48 * 300)


def test_a_picture_whose_length_is_a_lie_stays_away() -> None:
    assert safe(b"\x1dv0\x00\x00\x00\x00\x00" + b"text\n", b"") == b"text\n"
    assert safe(b"\x1dv0\x00\xff\x0f\x01\x00" + bytes(4095) + b"text\n", b"") == b"text\n", "a row of 4 KB fits no head"


def test_printers_of_the_terminal_that_start_in_hanzi_mode_are_met() -> None:
    """No FS & in the stream, because its printer powers up with Hanzi on: ours is told after every reset."""
    data = encode(b"\x1b@" + TEXT + b"\n")
    assert b"\x1b@\x1da\xff\x1c&" + TEXT in data
    latin = encode(b"\x1b@\x1bt\x10" + "café ñ".encode("cp1252") + b"\n")
    assert b"\x1b@\x1da\xff\x1bt\x10" in latin, "a code page of its own is left in peace"
    assert "café ñ" in said(latin)


def test_text_without_an_end_is_not_thrown_away_by_the_reset_behind_it() -> None:
    assert said(encode(b"no line feed")) == ["DUPLICATE", "no line feed"]
    assert said(encode(b"text\x1dV\x00more")) == ["DUPLICATE", "text", "more"]


def test_streams_of_other_makers_print_what_they_printed() -> None:
    for data in (
        b"\x1b@\x1c&"
        + "单号：0012 服务员：小小\r\n".encode("gbk")
        + b"\x1b!\x30"
        + "合计".encode("gbk")
        + b"\r\n\x1dV\x42\x28",
        b"\x1b@\x1bE\x01Example\n\x1bE\x00\x1ba\x01\x1dk\x04ABC\x00\x1d(k\x03\x001C\x05\x1d(k\x06\x001P0abc\x1d(k\x03\x001Q0\n",
        b"\x1bt\x00\x1c&\xd6\xd0\x1b$\x40\x00\xce\xc4\n\x1b*\x21\x02\x00abcdef\n",
    ):
        assert said(encode(data))[1:] == said(data)
        codes = [item for item in typeset(data) if isinstance(item, paper.Code | paper.Picture)]
        assert [i for i in typeset(encode(data)) if isinstance(i, paper.Code | paper.Picture)] == codes
