"""What comes back from a printer: told apart by bits, never guessed from too little (Epson, MY-628, Bixolon notes)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import Level, PrinterStatus, Truth
from drivers.printers.answers import QUESTION, AutoStatus, Block, Flow, Queued, RealTime, read, told_apart
from drivers.printers.escpos import EscPos

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
FINE = PrinterStatus(online=YES, paper=YES, paper_low=NO, cover_closed=YES, fault=NO)


def test_what_is_asked() -> None:
    assert EscPos(48, "gb18030", Level.STATUS).question() == bytes.fromhex("100401 100402 100403 100404") == QUESTION
    assert EscPos(48, "gb18030", Level.WRITE_ONLY).question() == b""


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("16 12 12 12", FINE),
        ("12 12 12 12", FINE),
        ("96 12 12 12", FINE),  # MY-628: bit 7 of n=1 is "paper not yet torn off"
        ("1a 32 12 7e", PrinterStatus(NO, NO, YES, YES, NO)),  # seen: emupos paper-out
        ("1a 16 12 12", PrinterStatus(NO, UNKNOWN, UNKNOWN, NO, NO)),  # seen: cover; its paper sensor says nothing
        ("1a 12 12 12", PrinterStatus(NO, YES, NO, YES, NO)),  # seen: offline
        ("16 12 12 1e", PrinterStatus(YES, YES, YES, YES, NO)),  # near end
        ("1e 52 1a 12", PrinterStatus(NO, YES, NO, YES, YES)),  # cutter
        ("16 12 32 12", PrinterStatus(YES, YES, NO, YES, YES)),  # unrecoverable
        ("16 12 52 12", PrinterStatus(YES, YES, NO, YES, YES)),  # head too hot
        ("16 32 12 12", PrinterStatus(YES, NO, NO, YES, NO)),  # stopped by paper end, sensor bits not wired
        ("10 00 00 00", FINE),  # a healthy frame, which python-escpos reads as "no paper"
        ("14 00 00 0f", FINE),
        ("18 00 0f 00", PrinterStatus(NO, NO, YES, YES, NO)),  # seen: paper out
        ("38 00 00 00", PrinterStatus(NO, UNKNOWN, UNKNOWN, NO, NO)),  # seen: cover open
        ("10 08 00 00", PrinterStatus(YES, YES, NO, YES, YES)),  # cutter
        ("10 00 03 00", PrinterStatus(YES, YES, YES, YES, NO)),
        ("18 00 0f 00 10 00 00 00", FINE),  # of two frames the later one
        ("10 00 00 00 1a 32 12 7e", PrinterStatus(NO, NO, YES, YES, NO)),  # bad news of either stands
        ("18 00 0f 00 16 12 12 12", PrinterStatus(NO, NO, YES, YES, NO)),
        ("13 16 11 12 12 13 11 12", FINE),  # flow control between
        ("37 22 41 42 43 44 00 16 12 12 12", FINE),
        ("5f 45 50 53 4f 4e 00 16 12 12 12", FINE),
        ("00 16 12 12 12", FINE),  # an answer to GS r
        ("16 12 12 12 1a 32 12 7e", PrinterStatus(NO, NO, YES, YES, NO)),  # the last four
        # too little, or out of step: unknown, never wrong
        ("", PrinterStatus()),
        ("16", PrinterStatus()),
        ("1a", PrinterStatus()),
        ("16 12 12", PrinterStatus()),
        ("10 00 00", PrinterStatus()),
        ("12 12 12 16", PrinterStatus()),
        ("37 22 41", PrinterStatus()),
        ("00 00", PrinterStatus()),
        ("18 00 16 12 12 12", FINE),  # a frame cut off by other answers
    ],
)
def test_reading(answer: str, status: PrinterStatus) -> None:
    assert EscPos(48, "gb18030", Level.STATUS).status(bytes.fromhex(answer)) == status


def test_telling_apart() -> None:
    data = bytes.fromhex("13 96 14 00 00 0f 372241424344 00 00 11 5f4550 00 03")
    assert list(told_apart(data)) == [
        Flow(on=False),
        RealTime(0x16),
        AutoStatus(bytes.fromhex("1400000f")),
        Block(b'7"ABCD'),
        Queued(0),
        Flow(on=True),
        Block(b"_EP"),
        Queued(3),
    ]


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    read(data)


@given(st.lists(st.sampled_from([b"\x16", b"\x12", b"\x1a", b"\x32"]), max_size=3), st.binary(max_size=0))
def test_less_than_four_answers_prove_nothing(answers: list[bytes], rest: bytes) -> None:
    assert read(b"".join(answers) + rest) == PrinterStatus()


real_time = st.tuples(
    st.sampled_from([0x12, 0x16, 0x1A, 0x1E]), st.sampled_from([0x12, 0x16, 0x32]), st.sampled_from([0x12, 0x1A, 0x32]),
    st.sampled_from([0x12, 0x1E, 0x72, 0x7E]),
)  # fmt: skip


@given(real_time, st.lists(st.tuples(st.integers(0, 4), st.sampled_from([b"\x11", b"\x13"])), max_size=6))
def test_flow_control_between_two_bytes_changes_nothing(four: tuple[int, ...], flows: list[tuple[int, bytes]]) -> None:
    parts = [bytes([byte]) for byte in four] + [b""]
    for place, flow in flows:
        parts[place] = flow + parts[place]
    assert read(b"".join(parts)) == read(bytes(four))


@given(real_time)
def test_every_strict_prefix_is_unknown(four: tuple[int, ...]) -> None:
    for end in range(4):
        assert read(bytes(four[:end])) == PrinterStatus()
    assert read(bytes(four)).online is not UNKNOWN
