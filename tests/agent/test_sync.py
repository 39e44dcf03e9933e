"""What goes upstream and what its answers mean: pure values."""

from __future__ import annotations

import gzip
import json
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.entries import Draft, Entry, Kind, Stamp, follow, genesis, link, seal
from agent.errors import DamagedJournal
from agent.sync import BACKOFF_CAP_S, SLOW_S, Linger, Pace, build, retry_after_s, wait_s
from agent.sync_answers import Claim, NotNow, Reply, TooLarge, Torn, Uncompressed, judge

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = genesis(str(uuid.uuid4()))
HEAD = "ab" * 32


def entries(count: int, kind: str = Kind.TRANSACTION, filler: str = "") -> list[tuple[Entry, bytes]]:
    head, found = START, []
    for seq in range(1, count + 1):
        stamp = Stamp("2026-11-20T12:00:00.000Z", seq, "boot", "ok", "2026-11-20")
        entry = seal(Draft(kind, "pos1", f"k{seq}", {"text": [filler, "重打印"]}), stamp, seq, f"{seq:032x}")
        head = link(head, seq, entry.kind, entry.at, entry.digest)
        found.append((entry, head))
    return found


def reply(status: int, content: Any = None, **headers: str) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


# --- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_is_the_journals_own_bytes_and_leads_from_prev_to_head() -> None:
    found = entries(5)
    batch = build(found, START, Pace())
    assert (batch.first, batch.last, batch.prev, batch.head) == (1, 5, START, found[-1][1])
    assert batch.body.endswith(b"\n")
    lines = batch.body.removesuffix(b"\n").split(b"\n")
    assert lines == [entry.line for entry, _ in found]
    assert [hash_ for _, hash_ in follow(START, 1, lines)][-1] == batch.head


def test_headers_say_where_it_begins_and_gzip_gives_the_bytes_back() -> None:
    batch = build(entries(3), START, Pace())
    headers, body = batch.request(17, plain=False)
    assert gzip.decompress(body) == batch.body
    assert headers["Journal-From"] == "1"
    assert headers["Journal-Prev"] == START.hex()
    assert headers["Journal-Head"] == batch.head.hex()
    assert headers["Journal-Backlog"] == "17"
    assert batch.request(0, plain=True)[1] == batch.body


@given(
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(1, 6000),
)
def test_a_batch_keeps_to_the_pace_but_always_moves(count: int, most: int, size: int) -> None:
    found = entries(count)
    batch = build(found, START, Pace(max_entries=most, max_bytes=size))
    taken = batch.last - batch.first + 1
    assert 1 <= taken <= min(count, most)
    assert taken == 1 or len(batch.body) <= size
    longer = build(found, START, Pace(max_entries=taken + 1, max_bytes=1 << 30))
    assert taken in {count, most} or len(longer.body) > size  # nothing that fits is left behind


def test_only_money_makes_a_batch_worth_a_receipt() -> None:
    assert build(entries(2), START, Pace()).money
    assert build(entries(2, Kind.DAY_CLOSE), START, Pace()).money
    for kind in (Kind.RECEIPT, Kind.PRINT_STATE, Kind.START, "a kind of tomorrow"):
        assert not build(entries(2, kind), START, Pace()).money


def test_a_purged_entry_travels_as_its_stand_in_and_the_chain_holds() -> None:
    found = entries(3)
    entry = found[1][0]
    found[1] = (Entry(2, entry.kind, "pos1", "k2", entry.at, entry.day, {}, "", None, entry.digest), found[1][1])
    lines = build(found, START, Pace()).body.removesuffix(b"\n").split(b"\n")
    assert [hash_ for _, hash_ in follow(START, 1, lines)] == [hash_ for _, hash_ in found]


def test_damage_ends_the_batch_before_it_and_is_named_when_it_stands_first() -> None:
    found = entries(4)
    found[2] = (found[2][0], bytes(32))
    assert build(found, START, Pace()).last == 2
    with pytest.raises(DamagedJournal) as raised:
        build(found[2:], found[1][1], Pace())
    assert raised.value.values["seq"] == 3


# --- when ------------------------------------------------------------------------------------------------------------


def test_money_leaves_at_once_the_rest_within_half_a_minute() -> None:
    linger = Linger()
    linger.see(1, [Kind.PRINT_STATE], 100.0, 2.0)
    assert linger.due_s == 130.0
    linger.see(2, [Kind.TRANSACTION], 105.0, 0.0)
    assert linger.due_s == 105.0
    linger.sent(2, more=False)
    assert linger.due_s == float("inf")
    linger.see(3, [Kind.TRANSACTION], 200.0, 3600.0)
    assert linger.due_s == 202.0  # upstream may not ask for more


def test_what_is_left_of_a_backlog_is_due() -> None:
    linger = Linger()
    linger.see(900, [Kind.PRINT_STATE], 100.0, 2.0)
    linger.sent(500, more=True)
    assert linger.due_s <= 100.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("-7", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("7.5", 0.0),
        ("9" * 400, 3600.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=9), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=9999), usegmt=True), 3600.0),
        ("²", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(text: str, expected: float) -> None:
    assert retry_after_s(text, NOW) == expected


@given(st.text(max_size=40))
def test_no_retry_after_hurts(text: str) -> None:
    assert 0.0 <= retry_after_s(text, NOW) <= 3600.0


@given(st.integers(1, 10**9), st.floats(0, 3600), st.floats(0, 1))
def test_waits_grow_to_a_cap_with_full_jitter_and_never_below_what_was_asked(
    failures: int, after_s: float, share: float
) -> None:
    def draw(low: float, high: float) -> float:
        return low + share * (high - low)

    wait = wait_s(failures, after_s, slow=False, draw=draw)
    assert after_s <= wait <= max(BACKOFF_CAP_S, 2 * after_s)
    assert wait_s(failures, 0.0, slow=False, draw=draw) == pytest.approx(
        share * min(BACKOFF_CAP_S, 0.5 * 2 ** min(failures, 20))
    )
    assert 0.9 * SLOW_S <= wait_s(failures, after_s, slow=True, draw=draw) <= 1.1 * SLOW_S


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_claim_carries_cursor_head_pace_and_time() -> None:
    pace = {"after_s": 3, "linger_s": 1, "max_entries": 50, "max_bytes": 1000}
    told = {"cursor": 5, "head": HEAD, "next": pace, "server_time": "2026-11-20T13:00:00+01:00"}
    claim = judge(reply(200, told | {"upstream": {"id": "u1", "epoch": 2}}), NOW)
    assert claim == Claim(5, bytes.fromhex(HEAD), "", Pace(3, 1, 50, 1000), NOW, "u1", 2)


def test_what_upstream_wishes_is_bounded() -> None:
    wild = {"after_s": 1e300, "linger_s": -5, "max_entries": 0, "max_bytes": True}
    claim = judge(reply(200, {"cursor": 0, "head": HEAD, "next": wild}), NOW)
    assert isinstance(claim, Claim)
    assert claim.pace == Pace(3600.0, 0, 1, 512 * 1024)
    huge = b'{"cursor":0,"head":"' + HEAD.encode() + b'","next":{"max_entries":1' + b"0" * 400 + b"}}"
    claim = judge(reply(200, huge), NOW)
    assert isinstance(claim, Claim)
    assert claim.pace.max_entries == 5000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>room number?</html>",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"cursor":5}',
        b'{"cursor":"5","head":"' + HEAD.encode() + b'"}',
        b'{"cursor":5.0,"head":"' + HEAD.encode() + b'"}',
        b'{"cursor":true,"head":"' + HEAD.encode() + b'"}',
        b'{"cursor":-1,"head":"' + HEAD.encode() + b'"}',
        b'{"cursor":99999999999999999999999,"head":"' + HEAD.encode() + b'"}',
        b'{"cursor":5,"head":"' + HEAD.upper().encode() + b'"}',
        b'{"cursor":5,"head":"zz"}',
        b'{"cursor":5,"head":"' + HEAD.encode(),
    ],
)
def test_a_200_that_is_not_upstreams_moves_nothing(content: bytes) -> None:
    verdict = judge(reply(200, content), NOW)
    assert isinstance(verdict, NotNow)
    assert not verdict.slow
    assert not verdict.trouble.code  # nobody has to mend anything


@pytest.mark.parametrize(
    ("status", "content", "alarm", "slow"),
    [
        (401, {"code": "unauthorized"}, "sync_refused", True),
        (403, {"code": "other_journal"}, "sync_refused", True),
        (404, {"code": "unknown_journal"}, "sync_unknown", True),
        (410, {"code": "gone"}, "sync_version", True),
        (426, {"code": "too_old"}, "sync_version", True),
        (409, {"code": "closed"}, "sync_closed", True),
        (401, "<html>", "", False),  # a proxy's, not upstream's
        (403, "<html>", "", False),
        (404, "<html>", "", False),
        (409, {"code": "gap", "cursor": "x"}, "", False),
        (409, {"code": "something new", "cursor": 5, "head": HEAD}, "", False),
        (204, None, "", False),
        (302, None, "", False),
        (500, "oops", "", False),
        (503, {"code": "unavailable"}, "", False),
        (418, {"code": "teapot"}, "", False),
    ],
)
def test_no_status_ever_drops_anything(status: int, content: Any, alarm: str, slow: bool) -> None:
    verdict = judge(reply(status, content), NOW)
    assert isinstance(verdict, NotNow)
    assert (verdict.trouble.code, verdict.slow) == (alarm, slow)
    verdict.trouble.text()  # every place is filled


def test_conflicts_sizes_and_kinds() -> None:
    for code in ("gap", "fork"):
        claim = judge(reply(409, {"code": code, "cursor": 3, "head": HEAD}), NOW)
        assert isinstance(claim, Claim)
        assert (claim.code, claim.cursor) == (code, 3)
    assert isinstance(judge(reply(413), NOW), TooLarge)
    assert isinstance(judge(reply(415), NOW), Uncompressed)
    assert judge(reply(400, {"code": "torn"}), NOW) == Torn("torn")


def test_retry_after_counts_from_upstreams_own_clock() -> None:
    """A box that wakes up in 1999 would wait for ever otherwise."""
    there = format_datetime(NOW, usegmt=True)
    until = format_datetime(NOW + timedelta(seconds=30), usegmt=True)
    verdict = judge(reply(503, {}, retry_after=until, date=there), datetime(1999, 1, 1, tzinfo=UTC))
    assert isinstance(verdict, NotNow)
    assert verdict.after_s == 30.0


@given(
    st.integers(100, 599),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["cursor", "head", "code", "next", "server_time", "upstream", "limits", "id"]),
                    inner,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.dictionaries(st.sampled_from(["retry-after", "date", "location"]), st.text(max_size=12)),
)
def test_no_answer_breaks_the_judge(status: int, content: bytes, headers: dict[str, str]) -> None:
    verdict = judge(Reply(status, headers, content), NOW)
    if isinstance(verdict, Claim):
        assert status in {200, 409}
        assert len(verdict.head) == 32
    if isinstance(verdict, NotNow):
        verdict.trouble.text()
