"""The courier against a fake upstream on a real socket, with a real journal; only time is made up."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import enrol
from agent.entries import Draft
from agent.errors import DamagedJournal
from agent.journal import Journal, Reader
from agent.succession import current_path, put_aside
from agent.sync_journals import Held, Journals
from agent.sync_loop import BEAT_S, Courier
from agent.sync_state import ask_now, directory
from agent.sync_world import World
from tests.fakes.courier import Box, chore, drain, lines_of, new_journal, sale
from tests.fakes.upstream import LASTING, PASSING, FakeUpstream, Kept


class Shop:
    """A box, its journal, its upstream, its courier."""

    def __init__(self, state: Path, upstream: FakeUpstream) -> None:
        self.upstream = upstream
        self.journal: Journal = new_journal(state)
        self.box = Box(state, upstream.url)
        self.box.enrol(upstream, self.journal)
        self.courier: Courier = self.box.courier()

    @property
    def kept(self) -> Kept:
        return self.upstream.journals.get(self.journal.head.journal_id, Kept(b""))

    def sell(self, count: int = 1) -> None:
        self.journal.append([sale() for _ in range(count)])

    def arrived(self) -> bool:
        return self.kept.cursor == self.journal.head.seq == self.box.desk.state["cursor"]

    def drain(self) -> None:
        drain(self.courier, self.box.clock, self.arrived)
        assert self.kept.lines == lines_of(self.box.state)

    def rest(self, seconds: float) -> None:
        """Lets the courier do what it does, for so long."""
        until = self.box.clock.mono + seconds
        while self.box.clock.mono < until:
            self.box.clock.sleep(max(self.courier.step(), 0.5))

    def restart(self) -> None:
        self.courier.close()
        self.courier = self.box.courier()


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as served:
        yield served


@pytest.fixture
def shop(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Shop]:
    made = Shop(tmp_path, upstream)
    yield made
    made.courier.close()
    made.journal.close()


# --- the good days ---------------------------------------------------------------------------------------------------


def test_entries_arrive_byte_for_byte_and_the_cursor_is_asked_first(shop: Shop) -> None:
    shop.sell(3)
    shop.drain()
    assert [(seen.method, seen.path.rpartition("/")[2]) for seen in shop.upstream.seen][1:] == [("POST", "entries")]
    assert shop.upstream.seen[0].method == "GET"
    [post] = shop.upstream.posts()
    assert post.headers["user-agent"].startswith("slipkeeper/")
    assert post.headers["content-type"] == "application/x-ndjson"
    assert gzip.decompress(post.body) == b"".join(line + b"\n" for line in shop.kept.lines)
    assert shop.box.desk.state["state"] == "ok"
    assert shop.box.desk.state["unsent"] == 0


def test_money_goes_at_once_housekeeping_waits_for_company(shop: Shop) -> None:
    shop.sell()
    shop.drain()
    began_s = shop.box.clock.mono
    shop.journal.append([chore()])
    shop.rest(25)
    assert not shop.arrived()
    shop.rest(10)
    assert shop.arrived()
    began_s = shop.box.clock.mono
    shop.journal.append([chore()])
    shop.rest(1)
    shop.sell()
    shop.drain()
    assert shop.box.clock.mono - began_s < 5


def test_upstream_may_gather_money_for_two_seconds_but_no_longer(shop: Shop) -> None:
    shop.upstream.linger_s = 60
    shop.sell()
    shop.drain()
    for _ in range(3):
        shop.sell()
        shop.rest(0.5)
    assert len(shop.upstream.posts()) == 1
    shop.rest(2)
    assert shop.arrived()
    assert len(shop.upstream.posts()) == 2


def test_a_backlog_goes_in_full_batches_back_to_back(shop: Shop) -> None:
    shop.upstream.max_entries = 50
    shop.journal.append([chore() for _ in range(333)])
    slept = shop.box.clock.mono
    shop.drain()
    assert shop.box.clock.mono - slept < 2
    sizes = [len(gzip.decompress(post.body).splitlines()) for post in shop.upstream.posts()]
    assert sizes == [50] * 6 + [33]
    assert [int(post.headers["journal-backlog"]) for post in shop.upstream.posts()] == [283, 233, 183, 133, 83, 33, 0]


def test_upstream_sets_the_pace(shop: Shop) -> None:
    shop.upstream.max_entries, shop.upstream.after_s = 10, 20
    shop.sell(40)
    began_s = shop.box.clock.mono
    shop.drain()
    assert shop.box.clock.mono - began_s >= 60


def test_an_idle_box_is_heard_of_every_five_minutes(shop: Shop) -> None:
    shop.sell()
    shop.drain()
    shop.rest(3 * BEAT_S + 30)
    beats = [seen for seen in shop.upstream.seen if seen.path.endswith("/status")]
    assert len(beats) == 3
    told = json.loads(beats[0].body)
    assert told["cursor"] == told["seq"] == 1
    assert told["head"] == shop.kept.head(1).hex()
    assert told["disk_free_bytes"] > 0
    assert told["terminals"] == [{"name": "pos1", "driver": "x", "state": "connected"}]


def test_a_heartbeat_learns_that_upstream_lost_data(shop: Shop) -> None:
    shop.sell(10)
    shop.drain()
    shop.upstream.forget(shop.journal.head.journal_id, 4)
    shop.rest(BEAT_S + 10)
    assert shop.arrived()
    assert shop.kept.lines == lines_of(shop.box.state)


def test_sync_now_sends_what_would_have_waited(shop: Shop) -> None:
    shop.sell()
    shop.drain()
    shop.journal.append([chore()])
    shop.rest(1)
    assert not shop.arrived()
    ask_now(shop.box.state)
    shop.rest(1)
    assert shop.arrived()


def raw_sale(text: bytes) -> Draft:
    return replace(sale(), raw=text)


def test_captured_bytes_follow_when_everything_else_is_there(shop: Shop) -> None:
    slips = [b"\x1b@" + bytes([65 + place]) * 100 for place in range(5)]
    shop.journal.append([*map(raw_sale, slips), chore()])
    shop.drain()
    shop.rest(5)
    assert set(shop.upstream.blobs.values()) == set(slips)
    for name, data in shop.upstream.blobs.items():
        assert name == hashlib.sha256(data).hexdigest()
    order = [seen.method for seen in shop.upstream.seen]
    assert order.index("PUT") > order.index("POST")
    count = order.count("PUT")
    shop.restart()
    shop.sell()
    shop.drain()
    shop.rest(5)
    assert [seen.method for seen in shop.upstream.seen].count("PUT") == count == 5


@pytest.mark.parametrize("fault", ["reset", "lost", "500", "503", "portal", "half", "not-json", "404", "413", "401"])
def test_captured_bytes_never_hold_a_sale_up(shop: Shop, fault: str) -> None:
    shop.upstream.put_faults.extend([fault] * 2)
    shop.journal.append([raw_sale(b"first")])
    shop.drain()
    shop.rest(5)
    began_s = shop.box.clock.mono
    shop.journal.append([raw_sale(b"second")])
    shop.drain()
    assert shop.box.clock.mono - began_s < 5
    shop.rest(2000)
    expected = set() if fault == "413" else {b"first", b"second"}  # what upstream never takes stays here
    assert set(shop.upstream.blobs.values()) == expected
    assert "on" not in shop.box.desk.alarms().values()


def test_captured_bytes_without_measure_stay_here(shop: Shop) -> None:
    shop.journal.append([raw_sale(b"x" * ((1 << 20) + 1)), raw_sale(b"last")])
    shop.drain()
    shop.rest(5)
    assert set(shop.upstream.blobs.values()) == {b"last"}


# --- receipts and what the keeper hears ------------------------------------------------------------------------------


def test_receipts_are_for_money_only_and_at_most_one_a_minute(shop: Shop) -> None:
    """The keeper journals each receipt: were that worth a receipt itself, it would never end."""
    desk, journal = shop.box.desk, shop.journal
    post = desk.post

    def keeper(path: str, body: object) -> object:
        if path == "/v1/sync/receipt":
            journal.append([replace(chore(), kind="receipt")])
        return post(path, body)

    desk.post = keeper  # type: ignore[method-assign] - a fake that answers as the keeper does
    for _ in range(6):
        shop.sell()
        shop.rest(30)
    receipts = desk.bodies("/v1/sync/receipt")
    assert 3 <= len(receipts) <= 4
    shop.rest(3600)
    assert shop.arrived()
    assert len(desk.bodies("/v1/sync/receipt")) <= 4
    last = desk.bodies("/v1/sync/receipt")[-1]
    assert last["head"] == shop.kept.head(last["cursor"]).hex()
    assert last["upstream"] == "fake"


def test_a_receipt_is_owed_until_the_keeper_has_it(shop: Shop) -> None:
    shop.box.desk.down = True
    shop.sell()
    drain(shop.courier, shop.box.clock, lambda: shop.kept.cursor == 1)
    shop.rest(5)
    shop.restart()
    shop.box.desk.down = False
    shop.rest(15)
    assert [body["cursor"] for body in shop.box.desk.bodies("/v1/sync/receipt")] == [1]


def test_a_keeper_that_is_away_or_says_no_never_stops_sending(shop: Shop) -> None:
    shop.box.desk.refuse = {"/v1/sync/receipt", "/v1/alarms"}
    shop.sell()
    shop.drain()
    shop.box.desk.down = True
    shop.sell(20)
    drain(shop.courier, shop.box.clock, lambda: shop.kept.cursor == 21)
    shop.rest(5)
    shop.box.desk.down = False
    shop.rest(15)
    assert shop.box.desk.state["cursor"] == 21


def test_the_state_says_what_waits_since_when_and_why(shop: Shop) -> None:
    shop.sell()
    shop.drain()
    shop.upstream.stop()
    shop.sell(4)
    found: list[dict[str, object]] = []

    def look() -> None:
        if len(shop.box.clock.slept) > 200:
            found.append(shop.box.desk.state)
            shop.box.stopped.set()

    shop.box.clock.on_sleep = look
    shop.rest(1)
    state = found[-1]
    assert (state["state"], state["cursor"], state["unsent"]) == ("waiting", 1, 4)
    assert state["oldest_unsent_at"] == "2026-11-20T12:00:00.000Z"
    assert state["last_ok_at"]
    assert state["last_error"]["what"].startswith("nobody answers")  # type: ignore[index] - a JSON object
    shop.box.stopped.clear()
    shop.box.clock.on_sleep = lambda: None
    shop.upstream.start()
    shop.drain()
    assert shop.box.desk.state["last_error"] == ""


def test_a_clock_that_is_off_is_told_once_an_hour(shop: Shop) -> None:
    shop.box.clock.wall = __import__("datetime").datetime.now(shop.box.clock.wall.tzinfo)
    shop.upstream.offset_s = 90
    shop.sell()
    shop.drain()
    [told] = shop.box.desk.bodies("/v1/sync/clock")
    assert 85_000 < told["offset_ms"] < 95_000
    for _ in range(5):
        shop.sell()
        shop.rest(60)
    assert len(shop.box.desk.bodies("/v1/sync/clock")) == 1


# --- the bad days ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
def test_whatever_passes_is_waited_out(shop: Shop, fault: str) -> None:
    shop.sell(3)
    shop.upstream.faults.extend([fault, fault])  # the question and the second question
    shop.drain()
    shop.sell(2)
    shop.upstream.faults.extend([fault])  # the batch itself
    shop.drain()
    assert "on" not in shop.box.desk.alarms().values()


@pytest.mark.parametrize("fault", LASTING)
def test_what_only_a_person_can_mend_keeps_everything_and_alarms(shop: Shop, fault: str) -> None:
    shop.sell(3)
    shop.drain()
    shop.upstream.always = fault
    shop.sell(4)

    def mend() -> None:
        if any(state == "on" for state in shop.box.desk.alarms().values()) and shop.box.clock.mono > 100_900:
            shop.upstream.always = ""

    shop.box.clock.on_sleep = mend
    shop.drain()
    shop.rest(2)
    alarms = {body["code"] for body in shop.box.desk.bodies("/v1/alarms") if body["state"] == "on"}
    assert len(alarms) == 1
    assert set(shop.box.desk.alarms().values()) == {"off"}  # mended is said too


def test_a_refused_token_is_tried_four_times_an_hour_not_more(shop: Shop) -> None:
    shop.upstream.always = "401"
    shop.sell()
    asked: list[float] = []

    def count() -> None:
        asked.append(len(shop.upstream.seen))
        if shop.box.clock.mono > 100_000 + 2 * 3600:
            shop.box.stopped.set()

    shop.box.clock.on_sleep = count
    shop.rest(1)
    assert 7 <= len(shop.upstream.seen) <= 10


def test_retry_after_is_kept_and_more(shop: Shop) -> None:
    shop.upstream.faults.append("429")
    shop.sell()
    began_s = shop.box.clock.mono
    shop.drain()
    assert 7 <= shop.box.clock.mono - began_s <= 15


def test_sync_now_does_not_wait_for_a_quarter_of_an_hour(shop: Shop) -> None:
    shop.upstream.always = "401"
    shop.sell()

    def person() -> None:
        if len(shop.box.clock.slept) == 20:
            shop.upstream.always = ""
            ask_now(shop.box.state)

    shop.box.clock.on_sleep = person
    shop.drain()
    assert shop.box.clock.mono - 100_000 < 15


def test_a_torn_batch_shrinks_to_the_poison_and_everything_before_it_arrives(shop: Shop) -> None:
    shop.upstream.poison = 37
    shop.sell(60)

    def cure() -> None:
        if shop.box.desk.alarms().get("sync_poison") == "on":
            shop.upstream.poison = 0

    shop.box.clock.on_sleep = cure
    assert shop.kept.cursor == 0
    shop.drain()
    [alarm] = [body for body in shop.box.desk.bodies("/v1/alarms") if body["state"] == "on"]
    assert alarm["values"] == {"seq": "37", "status": "400"}


def test_a_batch_that_is_too_large_is_halved(shop: Shop) -> None:
    shop.upstream.most_lines = 7
    shop.sell(100)
    began_s = shop.box.clock.mono
    shop.drain()
    assert shop.box.clock.mono - began_s < 5  # halving is no failure


def test_an_upstream_that_takes_no_gzip_gets_none(shop: Shop) -> None:
    shop.upstream.gzip_taken = False
    shop.sell(5)
    shop.drain()
    assert [post.headers["content-encoding"] for post in shop.upstream.posts()] == ["gzip", "identity"]


@pytest.mark.parametrize("keep", [0, 1, 7, 19])
def test_an_upstream_restored_from_a_backup_gets_the_rest_again(shop: Shop, keep: int) -> None:
    shop.sell(20)
    shop.drain()
    shop.upstream.forget(shop.journal.head.journal_id, keep)
    shop.sell(5)
    shop.drain()
    assert "gap" in shop.upstream.refused
    assert "on" not in shop.box.desk.alarms().values()


def test_an_upstream_that_never_gets_further_is_not_hammered(shop: Shop) -> None:
    """Says 200 and forgets each time."""
    jid = shop.journal.head.journal_id
    shop.upstream.on_post = lambda: shop.upstream.forget(jid, 0)
    shop.upstream.max_entries = 5
    shop.sell(20)

    def end() -> None:
        if len(shop.box.clock.slept) > 3000:
            shop.box.stopped.set()

    shop.box.clock.on_sleep = end
    shop.rest(1500)
    assert len(shop.upstream.seen) < 200


def test_losing_the_courier_s_own_memory_costs_one_question(shop: Shop) -> None:
    shop.sell(9)
    shop.drain()
    shop.courier.close()
    for path in directory(shop.box.state).glob("sync.db*"):
        path.unlink()
    shop.courier = shop.box.courier()
    shop.sell()
    commits = shop.upstream.commits
    shop.drain()
    assert shop.upstream.commits == commits + 1
    assert len(gzip.decompress(shop.upstream.posts()[-1].body).splitlines()) == 1


def test_a_start_after_a_power_cut_is_spread(tmp_path: Path, upstream: FakeUpstream) -> None:
    journal = new_journal(tmp_path)
    box = Box(tmp_path, upstream.url)
    box.enrol(upstream, journal)
    journal.append([sale()])
    for mono, expected in ((30.0, 20.0), (5000.0, 0.0)):
        box.clock.mono = mono
        upstream.forget(journal.head.journal_id, 0)
        courier = box.courier(window_s=20)
        drain(courier, box.clock, lambda: upstream.journals[journal.head.journal_id].cursor == 1)
        assert expected <= box.clock.mono - mono <= expected + 1
        courier.close()
    journal.close()


def test_a_box_that_is_not_enrolled_says_so_and_goes_on_once_it_is(tmp_path: Path, upstream: FakeUpstream) -> None:
    journal = new_journal(tmp_path)
    box = Box(tmp_path, upstream.url)
    courier = box.courier()
    journal.append([sale()])

    def person() -> None:
        if len(box.clock.slept) == 10:
            assert box.desk.state["state"] == "trouble"
            assert box.desk.alarms()["sync_not_enrolled"] == "on"
            box.enrol(upstream, journal)

    box.clock.on_sleep = person
    drain(courier, box.clock, lambda: bool(upstream.journals) and box.desk.state["cursor"] == 1)
    assert box.desk.alarms()["sync_not_enrolled"] == "off"
    courier.close()
    journal.close()


def test_a_box_without_an_upstream_is_off(tmp_path: Path) -> None:
    journal = new_journal(tmp_path)
    box = Box(tmp_path, "http://127.0.0.1:9")
    courier = box.courier(configured=False)
    journal.append([sale()])
    for _ in range(5):
        assert courier.step() > 0
        box.clock.sleep(1)
    assert box.desk.state["state"] == "off"
    assert box.desk.alarms() == {}
    courier.close()
    journal.close()


def test_it_waits_for_a_journal_that_is_not_there_yet(tmp_path: Path, upstream: FakeUpstream) -> None:
    box = Box(tmp_path, upstream.url)
    courier = box.courier()
    for _ in range(3):
        assert courier.step() > 0
        box.clock.sleep(1)
    assert box.desk.state["state"] == "waiting"
    journal = new_journal(tmp_path)
    box.enrol(upstream, journal)
    journal.append([sale()])
    drain(courier, box.clock, lambda: upstream.journals[journal.head.journal_id].cursor == 1)
    courier.close()
    journal.close()


class _Damaged(Reader):
    """Cannot read entry 3."""

    def entries(self, after: int, limit: int = 500) -> list[tuple[object, bytes]]:  # type: ignore[override] - a fake
        found = super().entries(after, limit)
        if any(entry.seq == 3 for entry, _ in found):
            raise DamagedJournal("a journal line cannot be read: {cause}", cause="made up")
        return found  # type: ignore[return-value] - a fake


def test_what_stands_before_a_damage_still_arrives(tmp_path: Path, upstream: FakeUpstream) -> None:
    journal = new_journal(tmp_path)
    box = Box(tmp_path, upstream.url)
    box.enrol(upstream, journal)
    journal.append([sale() for _ in range(5)])
    world = World(box.clock, box.desk, box.clock.sleep, box.stopped.is_set, box.draw)
    courier = Courier(tmp_path, Journals(tmp_path, box.client, _Damaged), world)
    box.clock.on_sleep = lambda: box.stopped.set() if box.clock.mono > 101_000 else None
    while not box.stopped.is_set():
        box.clock.sleep(max(courier.step(), 0.5))
    assert upstream.journals[journal.head.journal_id].cursor == 2
    assert box.desk.alarms()["sync_damaged"] == "on"
    assert box.desk.state["unsent"] == 3
    courier.close()
    journal.close()


# --- forks and journals that follow ----------------------------------------------------------------------------------


def _clone_sells(shop: Shop, other: Path, count: int) -> None:
    """A copy of the box, with the same journal and token, sends something of its own."""
    source = Reader(current_path(shop.box.state))
    common = source.entries(0, 10_000)
    source.close()
    twin = new_journal(other, journal_id=shop.journal.head.journal_id)
    for entry, _ in common:
        assert entry.line
    twin.append([sale(1) for _ in range(count)])
    reader = Reader(current_path(other))
    shop.kept.lines[:] = [entry.wire() for entry, _ in reader.entries(0, 10_000)]
    shop.kept.chain[:] = [hash_ for _, hash_ in reader.entries(0, 10_000)]
    reader.close()
    twin.close()


def _keeper_begins_anew(shop: Shop) -> None:
    head = shop.journal.head
    shop.journal.close()
    put_aside(shop.box.state)
    shop.journal = new_journal(shop.box.state, parent=head)
    shop.sell(2)


@pytest.mark.parametrize("theirs", [2, 5, 9])  # fewer than ours, as many, more
def test_a_fork_stops_the_journal_and_the_box_goes_on_in_a_new_one(shop: Shop, tmp_path: Path, theirs: int) -> None:
    _clone_sells(shop, tmp_path / "twin", theirs)
    first = shop.journal.head.journal_id
    shop.sell(5)
    shop.box.desk.succeed = lambda: _keeper_begins_anew(shop)
    before = list(shop.kept.lines)
    drain(shop.courier, shop.box.clock, lambda: shop.journal.head.journal_id != first)
    drain(shop.courier, shop.box.clock, lambda: shop.journal.head.journal_id in shop.upstream.journals)
    shop.drain()
    assert shop.upstream.journals[first].lines == before  # theirs stands, ours is in former/
    [asked] = shop.box.desk.bodies("/v1/journal/succeed")
    assert asked == {"reason": "fork", "journal_id": first, "agreed_seq": 0}
    assert shop.box.desk.alarms()["fork"] == "on"
    assert shop.kept.parent["journal_id"] == first
    shop.restart()
    shop.rest(60)
    assert shop.box.desk.state["state"] == "ok"


def test_a_fork_is_remembered_and_nothing_is_sent_until_the_keeper_follows(shop: Shop, tmp_path: Path) -> None:
    _clone_sells(shop, tmp_path / "twin", 3)
    shop.sell(5)
    shop.rest(300)
    assert 5 <= len(shop.box.desk.bodies("/v1/journal/succeed")) <= 15
    assert shop.box.desk.state["state"] == "trouble"
    asked = len(shop.upstream.seen)
    shop.restart()
    shop.rest(300)
    assert len(shop.upstream.seen) == asked


def test_an_upstream_gone_mad_sheds_one_journal_a_day(shop: Shop, tmp_path: Path) -> None:
    shop.box.desk.succeed = lambda: _keeper_begins_anew(shop)
    shop.upstream.on_post = lambda: None
    for place in range(3):
        shop.sell(3)
        drain(shop.courier, shop.box.clock, lambda: shop.journal.head.journal_id in shop.upstream.journals)
        _clone_sells(shop, tmp_path / f"twin{place}", 2)
        shop.rest(120)
    assert len(shop.box.desk.bodies("/v1/journal/succeed")) == 1


def test_enrolling_anew_gives_a_stopped_journal_another_chance(shop: Shop, tmp_path: Path) -> None:
    _clone_sells(shop, tmp_path / "twin", 3)
    shop.sell(5)
    shop.rest(60)
    shop.kept.lines.clear()
    shop.kept.chain.clear()
    shop.rest(60)
    assert not shop.kept.lines
    shop.box.enrol(shop.upstream, shop.journal)
    shop.drain()


def test_one_word_of_fork_is_not_enough(shop: Shop) -> None:
    """The journal agrees when asked again: upstream contradicts itself, and no journal is shed for that."""
    shop.sell(3)
    shop.drain()
    answer = shop.upstream.answer
    shop.upstream.answer = lambda seen: (  # type: ignore[method-assign] - a liar
        (409, {"code": "fork", "cursor": 1, "head": "ab" * 32}) if seen.path.endswith("entries") else answer(seen)
    )
    shop.sell()

    def end() -> None:
        if shop.box.desk.alarms().get("sync_contradiction") == "on":
            shop.upstream.answer = answer  # type: ignore[method-assign] - honest again

    shop.box.clock.on_sleep = end
    shop.drain()
    assert not shop.box.desk.bodies("/v1/journal/succeed")


def test_a_former_journal_is_sent_too_and_never_in_the_way(shop: Shop) -> None:
    first = shop.journal.head.journal_id
    shop.sell(30)
    shop.upstream.max_entries = 10
    _keeper_begins_anew(shop)
    shop.drain()
    drain(shop.courier, shop.box.clock, lambda: shop.upstream.journals[first].cursor == 30)
    assert shop.box.desk.alarms().get("fork") is None
    asked = len(shop.upstream.seen)
    shop.rest(240)
    assert len(shop.upstream.seen) == asked  # done is done for today


def test_a_former_journal_that_upstream_no_longer_takes_does_not_stop_the_current_one(shop: Shop) -> None:
    first = shop.journal.head.journal_id
    shop.sell(30)
    _keeper_begins_anew(shop)
    shop.upstream.journals[first].closed = True
    shop.drain()
    shop.sell()
    shop.drain()
    shop.rest(10)
    assert shop.box.desk.state["unsent"] == 30
    assert shop.box.desk.state["state"] == "trouble"


def test_an_older_copy_put_back_is_no_fork_when_upstream_has_all_of_it(shop: Shop) -> None:
    """The keeper saw it by itself and began anew; what the copy holds stands upstream already."""
    first = shop.journal.head.journal_id
    shop.sell(10)
    shop.drain()
    twin = shop.kept
    more = new_journal(shop.box.state.parent / f"{shop.box.state.name}-more", journal_id=first)
    more.close()
    twin.lines.append(b"{}")
    twin.chain.append(bytes(32))
    _keeper_begins_anew(shop)
    shop.drain()
    shop.rest(30)
    assert shop.box.desk.alarms().get("fork") is None
    assert shop.box.desk.state["state"] == "ok"


def test_two_successions_while_offline_are_enrolled_in_order(shop: Shop) -> None:
    shop.upstream.stop()
    shop.sell(4)
    _keeper_begins_anew(shop)
    second = shop.journal.head.journal_id
    _keeper_begins_anew(shop)
    shop.upstream.start()
    shop.drain()
    drain(shop.courier, shop.box.clock, lambda: shop.upstream.journals[second].cursor == 2)
    assert len(shop.upstream.journals) == 3


def test_the_fork_of_a_successor_is_found_by_its_first_hash(tmp_path: Path, upstream: FakeUpstream) -> None:
    """Enrolled without its parent, the chain begins elsewhere: that must not be sent as if it fitted."""
    first = new_journal(tmp_path)
    head = first.head
    first.close()
    put_aside(tmp_path)
    journal = new_journal(tmp_path, parent=head)
    journal.append([sale()])
    box = Box(tmp_path, upstream.url)
    box.enrol(upstream, journal)  # as if upstream knew nothing of the parent
    courier = box.courier()
    for _ in range(20):
        box.clock.sleep(max(courier.step(), 0.5))
    assert box.desk.alarms()["fork"] == "on"
    assert upstream.journals[journal.head.journal_id].cursor == 0
    courier.close()
    journal.close()


def test_held_knows_its_own_name(shop: Shop) -> None:
    reader = Reader(current_path(shop.box.state))
    held = Held(current_path(shop.box.state), reader, enrol.Asking.of(reader))
    assert held.journal_id == shop.journal.head.journal_id
    assert math.isfinite(shop.courier.step())
    reader.close()
