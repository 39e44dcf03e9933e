"""The tokenizer: nothing lost, no cut matters, lengths as the vendors' documents say."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.tokens import LIMIT, TEXT_LIMIT, Flaw, Tokenizer, TokenKind, tokenize

# One of every command with its parameters, followed by a letter that must come out as text.
COMMANDS = {
    "ESC @": "1b 40",
    "ESC FF": "1b 0c",
    "ESC SP": "1b 20 05",
    "ESC !": "1b 21 30",
    "ESC $": "1b 24 18 00",
    "ESC %": "1b 25 01",
    "ESC &": "1b 26 03 41 42 02 01 02 03 04 05 06 01 07 08 09",
    "ESC *": "1b 2a 21 02 00 1b 40 0a 0a 0a 0a",
    "ESC -": "1b 2d 01",
    "ESC 2": "1b 32",
    "ESC 3": "1b 33 18",
    "ESC 7": "1b 37 07 64 02",
    "ESC 9": "1b 39 01",
    "ESC =": "1b 3d 01",
    "ESC B": "1b 42 03 02",
    "ESC D": "1b 44 08 10 18 00",
    "ESC E": "1b 45 01",
    "ESC J": "1b 4a 20",
    "ESC L": "1b 4c",
    "ESC W": "1b 57 00 00 00 00 80 01 40 00",
    "ESC Z": "1b 5a 01 01 03 04 00 1b 40 41 42",
    "ESC \\": "1b 5c 10 00",
    "ESC a": "1b 61 01",
    "ESC c": "1b 63 35 00",
    "ESC d": "1b 64 03",
    "ESC i": "1b 69",
    "ESC m": "1b 6d",
    "ESC p": "1b 70 00 19 fa",
    "ESC t": "1b 74 10",
    "ESC u": "1b 75 00",
    "ESC v": "1b 76",
    "ESC {": "1b 7b 01",
    "FS &": "1c 26",
    "FS .": "1c 2e",
    "FS !": "1c 21 0c",
    "FS -": "1c 2d 01",
    "FS S": "1c 53 00 00",
    "FS W": "1c 57 01",
    "FS C": "1c 43 01",
    "FS 2": "1c 32 fe a1" + " 1b" * 72,
    "FS ( C": "1c 28 43 02 00 30 02",
    "FS ( e": "1c 28 65 02 00 33 01",
    "FS p": "1c 70 01 00",
    "FS q": "1c 71 02 01 00 01 00" + " 0a" * 8 + " 01 00 02 00" + " 1b" * 16,
    "FS g 1": "1c 67 31 00 00 00 00 00 02 00 41 42",
    "FS g 2": "1c 67 32 00 00 00 00 00 02 00",
    "GS !": "1d 21 11",
    "GS $": "1d 24 00 01",
    "GS *": "1d 2a 01 01" + " 1b" * 8,
    "GS /": "1d 2f 00",
    "GS :": "1d 3a",
    "GS ^": "1d 5e 01 00 00",
    "GS B": "1d 42 01",
    "GS C": "1d 43 3b 31 3b 32 3b 33 3b 34 3b 35 3b",
    "GS D": "1d 44 30 43 30 41 41 30 31 42 4d 10 00 00 00" + " 1b" * 10,
    "GS I": "1d 49 43",
    "GS L": "1d 4c 00 00",
    "GS P": "1d 50 b4 b4",
    "GS Q": "1d 51 30 00 01 00 02 00 1b 1b",
    "GS V": "1d 56 42 00",
    "GS W": "1d 57 80 01",
    "GS a": "1d 61 ff",
    "GS k": "1d 6b 49 03 1b 40 0a",
    "GS r": "1d 72 01",
    "GS v": "1d 76 30 00 01 00 03 00 10 04 01",
    "GS z": "1d 7a 30 01 01",
    "GS ( A": "1d 28 41 02 00 00 02",
    "GS ( H": "1d 28 48 06 00 30 30 31 32 33 34",
    "GS ( L": "1d 28 4c 02 00 30 32",
    "GS ( k": "1d 28 6b 05 00 31 50 30 1b 40",
    "GS 8 L": "1d 38 4c 02 00 00 00 30 32",
    "DLE EOT": "10 04 01",
    "DLE ENQ": "10 05 01",
    "DLE DC4": "10 14 08 01 03 14 01 06 02 08",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_ends_where_its_parameters_end(name):
    data = bytes.fromhex(COMMANDS[name])
    command, text = tokenize(data + b"X")
    assert (command.name, command.data, command.flaw) == (name, data, Flaw.NONE)
    assert text.data == b"X"


@pytest.mark.parametrize(
    ("data", "params"),
    [
        (b"\x1dk\x04ABC\x00", b"\x04ABC\x00"),
        (b"\x1dk\x61\x01\x02\x02\x00hi", b"\x61\x01\x02\x02\x00hi"),
        (b"\x1dV\x00", b"\x00"),
        (b"\x10\x04\x07\x01", b"\x07\x01"),
        (b"\x10\x14\x01\x00\x01", b"\x01\x00\x01"),
        (b"\x1b*\x00\x02\x00ab", b"\x00\x02\x00ab"),
        (b"\x1dC\x31\x01\x00\x02\x00\x01\x01", b"\x31\x01\x00\x02\x00\x01\x01"),
    ],
)
def test_the_variants_of_a_command_have_their_own_length(data, params):
    command, text = tokenize(data + b"X")
    assert command.params == params
    assert text.data == b"X"


def test_kinds_tell_what_a_stream_is_good_for():
    kinds = {name: tokenize(bytes.fromhex(data))[0].kind for name, data in COMMANDS.items()}
    assert {name for name, kind in kinds.items() if kind is TokenKind.CUT} == {"ESC i", "ESC m", "GS V"}
    assert {kinds[name] for name in ("DLE EOT", "GS r", "GS a", "GS I", "GS ( H")} == {TokenKind.STATUS}
    assert kinds["ESC p"] is TokenKind.DRAWER
    assert tokenize(b"\x10\x14\x01\x00\x01")[0].kind is TokenKind.DRAWER
    assert {kinds[name] for name in ("FS q", "GS ( A", "ESC =", "ESC &", "FS 2")} == {TokenKind.MEMORY}


def test_what_nobody_knows_is_two_bytes_and_flagged():
    unknown, text = tokenize(b"\x1d~ABC")
    assert (unknown.data, unknown.flaw, text.data) == (b"\x1d~", Flaw.UNKNOWN, b"ABC")


def test_a_control_byte_behind_a_stray_lead_byte_is_not_swallowed():
    assert [token.name for token in tokenize(b"\x1b\x0a\x1b\x1b@")] == ["ESC", "LF", "ESC", "ESC @"]


def test_queries_inside_pictures_are_pictures():
    tokens = tokenize(b"\x1dv0\x00\x01\x00\x03\x00\x10\x04\x01")
    assert [token.kind for token in tokens] == [TokenKind.RASTER]


def test_a_claimed_length_over_the_limit_is_cut_and_the_rest_read_afresh():
    tokens = tokenize(b"\x1d8L\xff\xff\xff\xff" + b"\x00" * 93 + b"after\n", limit=100)
    assert tokens[0].flaw is Flaw.OVERLONG
    assert len(tokens[0].data) == 100
    assert [token.data for token in tokens[1:]] == [b"after", b"\n"]


def test_the_memory_a_lying_stream_costs_is_bounded():
    tokenizer = Tokenizer()
    tokenizer.feed(b"\x1d8L\xff\xff\xff\xff")
    block = b"a" * 65536
    tracemalloc.start()
    for _ in range(100):
        tokenizer.feed(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tokenizer.pending <= LIMIT
    assert peak < 4 * LIMIT  # 6.4 MB went in


PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([bytes.fromhex(data) for data in COMMANDS.values()]),
    st.sampled_from([bytes.fromhex(data)[:-1] for data in COMMANDS.values()]),
    st.text(alphabet="消费金额￥128.50abc", max_size=8).map(lambda text: text.encode("gb18030")),
    st.just(b"\r\n"),
)
STREAMS = st.lists(PIECES, max_size=25).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 400), max_size=8))
def test_no_cut_matters_and_nothing_is_lost(data, cuts):
    whole = tokenize(data, limit=150)
    tokenizer, pieces, before = Tokenizer(limit=150), [], 0
    for cut in [*sorted(cuts), len(data)]:
        pieces += tokenizer.feed(data[before:cut])
        before = max(before, min(cut, len(data)))
    assert pieces + tokenizer.flush() == whole
    assert b"".join(token.data for token in whole) == data
    assert [token.start for token in whole] == [sum(len(t.data) for t in whole[:n]) for n in range(len(whole))]


@given(STREAMS)
def test_byte_by_byte_is_the_same(data):
    tokenizer = Tokenizer()
    single = [token for byte in data for token in tokenizer.feed(bytes([byte]))]
    assert single + tokenizer.flush() == tokenize(data)


def test_long_text_comes_in_pieces():
    tokens = tokenize(b"a" * (TEXT_LIMIT + 1))
    assert [len(token.data) for token in tokens] == [TEXT_LIMIT, 1]
