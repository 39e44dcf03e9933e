"""Any bytes are read within limits and refused by name; what is read is chained as the agent's own code chains it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.entries import follow, genesis
from tests.upstream.box import Journal
from upstream.receiving.problems import Code, Problem
from upstream.receiving.rate import Guesses
from upstream.receiving.wire import Heading, load, read_batch, read_heading, unpack


@contextmanager
def maybe_refused(*codes: Code) -> Iterator[None]:
    """Fine, or refused as one of these; anything else fails the test."""
    try:
        yield
    except Problem as problem:
        if problem.code not in codes:
            raise


@given(st.binary(max_size=400), st.sampled_from(["", "identity", "gzip", "br"]))
def test_any_body_is_unpacked_or_refused(body, encoding):
    with maybe_refused(Code.TORN, Code.TOO_LARGE, Code.UNSUPPORTED):
        assert len(unpack(body, encoding, 300)) <= 300


@given(st.binary(max_size=300))
def test_unpacking_undoes_packing(body):
    assert unpack(gzip.compress(body), "gzip", 300) == body


@given(st.binary(max_size=300))
def test_any_lines_are_read_or_refused(plain):
    with maybe_refused(Code.FRAMING, Code.HEAD_MISMATCH, Code.TOO_LARGE):
        read_batch(Heading(1, bytes(32), bytes(32), 0), plain)


@given(st.dictionaries(st.sampled_from(["Journal-From", "Journal-Prev", "Journal-Head", "Journal-Backlog"]), st.text()))
def test_any_headers_are_read_or_refused(headers):
    with maybe_refused(Code.FRAMING):
        read_heading(headers)


@given(st.integers(1, 6), st.integers(0, 5))
def test_the_chain_is_the_agents(first, more):
    journal = Journal("wire")
    last = first + more
    lines = journal.lines(first, last)
    batch = read_batch(Heading(first, journal.head(first - 1), journal.head(last), 0), b"\n".join(lines))
    chained = list(follow(journal.head(first - 1), first, lines))
    assert [line.chain for line in batch.lines] == [value for _, value in chained]
    assert [line.digest for line in batch.lines] == [entry.digest for entry, _ in chained]
    assert (batch.last, batch.head) == (last, journal.head(last))
    assert [batch.chain_at(seq) for seq in range(first - 1, last + 1)] == [
        journal.head(seq) for seq in range(first - 1, last + 1)
    ]


@given(st.binary(max_size=60))
def test_any_line_loads_or_is_nothing(line):
    found = load(line)
    assert found is None or isinstance(found, dict)


@pytest.mark.parametrize("flip", range(0, 400, 37))
def test_one_changed_bit_anywhere_is_noticed(flip):
    journal = Journal("bits")
    plain = bytearray(b"\n".join(journal.lines(1, 2)))
    plain[flip] ^= 1
    with pytest.raises(Problem):
        read_batch(Heading(1, genesis(journal.journal_id), journal.head(2), 0), bytes(plain))


def test_guesses_are_forgotten_with_time():
    now = [0.0]
    guesses = Guesses(3, 60, lambda: now[0])
    for _ in range(3):
        guesses.check("a")
        guesses.failed("a")
    with pytest.raises(Problem) as caught:
        guesses.check("a")
    assert caught.value.retry_after_s == 61
    guesses.check("b")
    now[0] = 60.5
    guesses.check("a")
    for number in range(30):
        guesses.failed(str(number))
    with pytest.raises(Problem):
        guesses.check("anybody")
