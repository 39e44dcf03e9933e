"""STX | length | data | ETX | LRC: any bytes, any cut, bounded memory and time."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing import ACK, Frame, Framer, Layout, Length, Loose, Reason, bcd, decode, encode, lrc, stx

BCD = Layout(Length.BCD, 2999)
BE16 = Layout(Length.BE16)
LAYOUTS = st.sampled_from([BCD, BE16, Layout(Length.BCD)])

# dasaintgray/iotelkiosk screen_controller.dart and others: sale of 1.00, settlement of host 001
SALE = bytes.fromhex("02003536303030303030303030313032303030301c343000123030303030303030303130301c0314")
SETTLE = bytes.fromhex("02002636303030303030303030313035303030301c484e00033030311c0323")

payloads = st.binary(min_size=1, max_size=300)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def frames(pieces: list[Frame | Loose]) -> list[bytes]:
    return [piece.data for piece in pieces if isinstance(piece, Frame)]


def test_public_vectors():
    for vector in (SALE, SETTLE):
        used, frame = decode(vector, BCD)
        assert used == len(vector)
        assert isinstance(frame, Frame)
        assert frame.raw == vector
        assert encode(frame.data, BCD) == vector


@given(st.binary(max_size=400))
def test_lrc_is_the_xor_of_all_bytes(data):
    assert lrc(data) == reduce(xor, data, 0)


@given(st.lists(payloads, max_size=4), st.lists(st.integers(0, 2000), max_size=12), LAYOUTS)
def test_any_cut_gives_the_same_frames(datas, cuts, layout):
    stream = b"".join(encode(data, layout) + ACK for data in datas)
    framer = Framer(stx(layout))
    pieces = [piece for chunk in chunks(stream, cuts) for piece in framer.feed(chunk)]
    assert frames(pieces) == datas
    assert not framer.waiting
    assert b"".join(piece.raw for piece in pieces) == stream


@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=8), LAYOUTS)
def test_arbitrary_bytes_come_out_as_they_went_in(data, cuts, layout):
    framer = Framer(stx(layout))
    pieces = [piece for chunk in chunks(data, cuts) for piece in framer.feed(chunk)] + framer.silence()
    assert b"".join(piece.raw for piece in pieces) == data
    assert not framer.waiting
    loose = sum(len(piece.raw) for piece in pieces if isinstance(piece, Loose))
    assert framer.dropped.total() == loose
    uncut = Framer(stx(layout))
    uncut.feed(data)
    uncut.silence()
    assert uncut.dropped == framer.dropped


@given(st.binary(max_size=200), payloads, LAYOUTS)
def test_a_frame_behind_noise_is_found(noise, data, layout):
    framer = Framer(stx(layout))
    pieces = framer.feed(noise) + framer.feed(encode(data, layout)) + framer.silence()
    # Noise may by chance be a frame that swallows ours (1 in 2^16 a start); a resend then brings it.
    if data not in frames(pieces):
        assert frames(framer.feed(encode(data, layout)) + framer.silence())[-1] == data


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"\x02\x00\x00\x03\x03", Reason.LENGTH),  # empty
        (b"\x02\x0a\x00" + b"x" * 40, Reason.LENGTH),  # no BCD
        (b"\x02\x99\x99" + b"x" * 40, Reason.LENGTH),  # more than this line may hold
        (SALE[:-2] + b"\x04\x14", Reason.END),
        (SALE[:-1] + b"\x15", Reason.CHECK),
        (b"xyz", Reason.NOISE),
    ],
)
def test_what_is_broken_says_why_and_the_next_frame_comes_through(broken, reason):
    framer = Framer(stx(BCD))
    pieces = framer.feed(broken + SETTLE)
    assert frames(pieces) == [SETTLE[3:-2]]
    assert framer.dropped[reason] > 0
    assert framer.dropped.total() == len(broken)


def test_a_cut_off_frame_is_let_go_by_silence_and_found_behind():
    framer = Framer(stx(BCD))
    assert framer.feed(SALE[:20]) == []
    assert framer.feed(SETTLE[:12]) == []  # the first frame still waits for its rest
    assert framer.waiting
    assert frames(framer.silence()) == []
    assert framer.dropped[Reason.CUT_OFF] == 32
    assert frames(framer.feed(SALE)) == [SALE[3:-2]]


def test_noise_that_looks_like_a_start_does_not_swallow_a_frame():
    framer = Framer(stx(BCD))
    assert framer.feed(b"\x02\x29\x99") == []
    assert framer.feed(SALE) == []  # could still be data of a long frame
    assert frames(framer.silence()) == [SALE[3:-2]]


def test_stx_and_etx_inside_the_data_are_data():
    data = b"\x02\x00\x01A\x03\x42\x03\x03\x02"
    for layout in (BCD, BE16):
        assert frames(Framer(stx(layout)).feed(encode(data, layout))) == [data]


def test_bytes_are_not_in_repr():
    framer = Framer(stx(BCD))
    shown = repr(framer.feed(b"4111111111111111" + encode(b"4111111111111111", BCD))) + repr(framer)
    assert "4111" not in shown


def test_bcd():
    assert bcd(b"\x03\x88") == 388
    assert bcd(b"\x0a\x00") is None


@pytest.mark.parametrize("size", [0, 3000])
def test_encode_refuses_what_the_length_cannot_say(size):
    with pytest.raises(ValueError, match="do not fit"):
        encode(b"x" * size, BCD)


HOSTILE = [
    b"\x02",
    b"\x00\xff",
    b"\x02\x03\xe8\x03",  # every fourth byte starts a frame with an ETX in the right place
    b"\x02\x10\x00\x03",
    b"\x02\xf0\x00\x03",
]


@pytest.mark.parametrize("layout", [BCD, Layout(Length.BE16, 8192)])
@pytest.mark.parametrize("pattern", HOSTILE)
def test_hostile_streams_cost_bounded_memory(pattern, layout):
    framer = Framer(stx(layout))
    stream = (pattern * 20000)[:40000]
    framer.feed(stream[:10000])
    tracemalloc.start()
    for start in range(0, len(stream), 4096):
        framer.feed(stream[start : start + 4096])
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 4 * 8192


@pytest.mark.parametrize("pattern", HOSTILE)
def test_hostile_streams_cost_bounded_time(pattern):
    framer = Framer(stx(BCD))
    stream = (pattern * 30000)[:115200]
    started = time.process_time()
    framer.feed(stream)
    # 115200 baud take ten seconds to bring these bytes.
    assert time.process_time() - started < 3
