"""The index can be thrown away at any time: it comes back the same, whatever was in the journal."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.entries import Draft, Kind
from agent.errors import TryLater
from agent.index import FILE
from agent.search import wanted
from agent.succession import put_aside, remember
from tests.fakes.box import Box
from tests.fakes.drafts import sale


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    box.close()


def job(key: str, of_seq: int | None = 1, **body: Any) -> Draft:
    return Draft(
        Kind.PRINT_JOB,
        "printing",
        key,
        {"purpose": "reprint", "title": "t", "printer": "p", "copy_no": 1, "template": "", "sha256": "", **body}
        | ({} if of_seq is None else {"of_seq": of_seq}),
        b"slip",
    )


def state(key: str, name: str, number: int = 1) -> Draft:
    return Draft(Kind.PRINT_STATE, "printing", f"{key}:{number}:{name}", {"job": key, "state": name, "offset": 0})


def day_close(day: str, number: int, **body: Any) -> Draft:
    figures = {"day": day, "number": number, "first_seq": 1, "last_seq": 1, "head": "", "late": False, "count": 0}
    return Draft(Kind.DAY_CLOSE, "calendar", day, {**figures, "totals": [], **body}, b"{}")


def alarm(code: str, place: int, *, end: bool = False) -> Draft:
    if end:
        return Draft(Kind.ALARM_END, "alarm", f"{code}:{place}", {"code": code})
    return Draft(Kind.ALARM, "alarm", f"{code}:{place}", {"code": code, "what": "w", "hint": "h", "values": {}})


# -- rebuilt = live -----------------------------------------------------------------------------------------------

extras = st.sampled_from(
    [
        {},
        {"rrn": "123456789012"},
        {"rrn": "999999999999"},
        {"outcome": "unknown"},
        {"outcome": "declined"},
        {"amount_minor": 777},
        {"batch_no": None},
        {"transaction_type": None},
        {"amount_minor": None, "currency": None},
        {"terminal_time": "2026-11-22T10:00:00"},
        {"terminal_time": "2025-01-01T10:00:00"},
        {"text": "长" * 9000},
        {"merchant_name": "饺子馆", "text": "a\nb"},
    ]
)
drafts = st.one_of(
    st.builds(
        lambda number, source, extra, raw: sale(number, raw=raw, source=source, **extra),
        st.integers(1, 3),
        st.sampled_from(["till", "printer"]),
        extras,
        st.sampled_from([None, b"a", b"b"]),
    ),
    st.builds(job, st.sampled_from(["j1", "j2"]), st.sampled_from([None, 1, 2])),
    st.builds(
        state,
        st.sampled_from(["j1", "j2", "j3"]),
        st.sampled_from(["sending", "printed", "held", "unknown", "state of 2031"]),
        st.integers(1, 3),
    ),
    st.builds(day_close, st.sampled_from(["2026-11-21", "2026-11-22"]), st.integers(1, 2)),
    st.builds(lambda code, n, end: alarm(code, n, end=end), st.sampled_from("ab"), st.integers(1, 3), st.booleans()),
    st.builds(
        lambda kind, key, body: Draft(kind, "till", key, body, b"raw"),
        st.sampled_from(
            ["settlement", "detail_list", "notice", "slip", "blind", "clock", "receipt", "start", "new kind"]
        ),
        st.sampled_from("xyz"),
        st.sampled_from([{}, {"terminal_id": "1", "totals": []}, {"batch_no": "2"}, {"from": "a"}]),
    ),
    # bodies that are not as their kind wants them
    st.builds(
        lambda kind, key: Draft(kind, "odd", key, {"state": [], "job": {}}),
        st.sampled_from(["print_job", "print_state", "day_close", "alarm", "alarm_end", "transaction"]),
        st.sampled_from("xy"),
    ),
)


@settings(max_examples=20)
@given(st.lists(drafts | st.sampled_from(["look", "restart", "succeed"]), max_size=25))
def test_rebuilt_is_live(tmp_path_factory: pytest.TempPathFactory, story: list[Any]):
    box = Box(tmp_path_factory.mktemp("box"))
    for step in story:
        if isinstance(step, Draft):
            box.write(step)
        elif step == "look":
            box.index.catch_up()
        else:
            remember(box.state, box.journal.head)
            box.close()
            if step == "succeed" and box.journal.head.seq:
                put_aside(box.state)
            box.open()
    box.index.catch_up()
    assert box.index.dump() == box.rebuilt()
    box.close()
    shutil.rmtree(box.state)


def test_a_page_and_a_half(box: Box):
    for place in range(0, 750, 50):
        box.write(*(sale(number) for number in range(place, place + 50)))
        if place == 200:
            box.index.catch_up()
    assert box.index.catch_up() == 750
    assert box.index.catch_up() == 750
    assert box.index.dump() == box.rebuilt()


def test_nothing_is_projected_twice_after_a_crash(box: Box):
    box.write(*(sale(number) for number in range(20)))
    box.index.catch_up()
    dump = box.index.dump()
    box.close()
    box.open()
    assert box.index.catch_up() == 20
    assert box.index.dump() == dump


def test_one_odd_entry_hides_nothing_behind_it(box: Box):
    box.write(
        Draft(Kind.PRINT_JOB, "printing", "j", {}), Draft(Kind.DAY_CLOSE, "calendar", "d", {"day": None}), sale(1)
    )
    assert [row["seq"] for row in box.found()] == [3]
    assert [row["seq"] for row in box.index.events("print_job")] == [1]
    assert [row["seq"] for row in box.index.events("day_close")] == [2]


# -- payments -----------------------------------------------------------------------------------------------------


def test_a_payment_and_all_its_papers(box: Box):
    numbers = box.write(
        sale(1, raw=b"a", text="a\nb", copy="merchant"),
        sale(2),
        sale(1, raw=b"b", text="a\nb", copy="customer"),
        sale(1, 999),
    )
    payment = box.found()[-1]
    assert payment["entries"] == [numbers[0], numbers[2], numbers[3]]
    assert (payment["raw"], payment["conflict"], payment["amount_minor"]) == (1, True, 100)
    for number in payment["entries"]:
        assert box.index.payment(number) == payment
    assert box.index.payment(99) is None
    assert "conflict" not in box.index.payment(numbers[1])


def test_reprints_are_counted_whichever_paper_they_were_of(box: Box):
    [first, copy] = box.write(sale(1, raw=b"a", text="a\nb"), sale(1, raw=b"b", text="a\nb"))
    box.write(job("j1", first), state("j1", "printed"), job("j2", copy), state("j2", "unconfirmed"), job("j3", first))
    assert box.found()[0]["reprints"] == 2


def test_two_payments_that_turn_out_to_be_one_leave_no_trace_of_two(box: Box):
    box.write(Draft(Kind.TRANSACTION, "printer", "ref:7", {k: v for k, v in sale(1).body.items() if k != "batch_no"}))
    [second] = box.write(sale(1, source="till"))
    assert len(box.found()) == 2
    box.write(Draft(Kind.TRANSACTION, "printer", "ref:7", sale(1).body))
    [payment] = box.found()
    assert payment["entries"] == [1, 2, 3]
    assert box.index.payment(second) == payment
    assert box.index.dump() == box.rebuilt()


def test_the_same_payment_said_again_to_the_next_journal(box: Box):
    box.write(sale(1))
    remember(box.state, box.journal.head)
    box.close()
    put_aside(box.state)
    box.open()
    box.write(sale(1), sale(2))
    assert [row["entries"] for row in box.found()] == [[3], [1, 2]]


def test_pages_of_a_search(box: Box):
    box.write(*(sale(number) for number in range(1, 31)))
    box.index.catch_up()
    everything = wanted("", "CNY")
    assert [row["seq"] for row in box.index.search(everything, limit=3)] == [30, 29, 28]
    assert [row["seq"] for row in box.index.search(everything, limit=3, offset=28)] == [2, 1]
    assert box.index.search(everything, "2026-11-21") == []
    assert len(box.index.search(everything, "2026-11-22", limit=100)) == 30


# -- which list a payment is on -----------------------------------------------------------------------------------


def lists(box: Box, *ends: int) -> list[list[tuple[int, str]]]:
    box.index.catch_up()
    starts = (0, *ends[:-1])
    return [
        [(row["seq"], row["outcome"]) for row in box.index.payments_between(after, last)]
        for after, last in zip(starts, ends, strict=True)
    ]


def test_money_is_counted_on_exactly_one_list(box: Box):
    box.write(sale(1), sale(2, outcome="unknown"), sale(3, outcome="unknown"), sale(4, outcome="declined"))
    box.write(sale(2))  # next day: it was approved
    assert lists(box, 4, 5) == [
        [(1, "approved"), (2, "unknown"), (3, "unknown"), (4, "declined")],
        [(2, "approved")],
    ]
    assert lists(box, 5) == [[(1, "approved"), (2, "approved"), (3, "unknown"), (4, "declined")]]


def test_a_copy_on_the_next_day_counts_nothing_again(box: Box):
    box.write(sale(1, raw=b"a"), sale(1, raw=b"b"))
    assert lists(box, 1, 2) == [[(1, "approved")], []]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 3), extras), max_size=10), st.lists(st.integers(0, 10), max_size=4))
def test_however_the_days_are_cut_no_cent_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[int, dict]], cuts: list[int]
):
    box = Box(tmp_path_factory.mktemp("box"))
    for number, extra in said:
        box.write(sale(number, **extra))
    last = box.index.catch_up()
    ends = [*sorted(min(cut, last) for cut in cuts), last]
    counted = [row for one in lists(box, *ends) for row in one if row[1] == "approved"]
    assert len({number for number, _ in counted}) == len(counted)
    assert {number for number, _ in counted} == {
        number for number, outcome in lists(box, last)[0] if outcome == "approved"
    }
    box.close()
    shutil.rmtree(box.state)


# -- damage and other versions ------------------------------------------------------------------------------------


def spoil(path: Path, start: int = 4096) -> None:
    data = bytearray(path.read_bytes())
    data[start:] = b"\xa5" * (len(data) - start)
    path.write_bytes(data)


@pytest.mark.parametrize("start", [0, 30, 4096])
def test_a_damaged_index_comes_back(box: Box, start: int):
    box.write(*(sale(number) for number in range(50)))
    box.index.catch_up()
    dump = box.index.dump()
    box.close()
    spoil(box.state / FILE, start)
    box.open()
    box.index.catch_up()
    assert box.index.dump() == dump


@pytest.mark.parametrize("ask", [lambda box: box.found(), lambda box: box.write(sale(99)) and box.index.catch_up()])
def test_damage_found_while_the_box_runs_heals(box: Box, ask: Callable[[Box], object]):
    box.write(*(sale(number) for number in range(50)))
    box.index.catch_up()
    box.index._connection.execute("pragma wal_checkpoint(truncate)")
    box.index._connection.execute("pragma shrink_memory")
    spoil(box.state / FILE)
    ask(box)
    assert len(box.found()) == 50
    box.index.catch_up()
    assert box.index.dump() == box.rebuilt()


def test_another_version_is_thrown_away(box: Box):
    box.write(sale(1))
    box.index.catch_up()
    box.close()
    connection = sqlite3.connect(box.state / FILE)
    connection.execute("pragma user_version = 99")
    connection.close()
    box.open()
    assert len(box.found()) == 1


def test_an_index_of_entries_that_are_no_longer_there_is_computed_again(box: Box):
    """A copy of the state was put back without its mark: the same numbers now stand for other payments."""
    box.write(sale(1), sale(2))
    box.index.catch_up()
    box.close()
    shutil.rmtree(box.state / "journal")
    box.open()
    box.write(sale(7), sale(8), sale(9))
    assert [row["trace_no"] for row in box.found()] == ["000009", "000008", "000007"]


def test_a_full_disk_is_the_worlds_fault_and_loses_nothing(box: Box):
    box.write(sale(1))
    box.index.catch_up()
    (pages,) = box.index._connection.execute("pragma page_count").fetchone()
    box.index._connection.execute(f"pragma max_page_count = {pages}")
    box.write(*(sale(number, merchant_name="x" * 200) for number in range(2, 100)))
    with pytest.raises(TryLater):
        box.index.catch_up()
    assert len(box.index.search(wanted("", "CNY"))) == 1  # what is there can still be looked up
    box.index._connection.execute("pragma max_page_count = 100000")
    assert box.index.catch_up() == 99
    assert box.index.dump() == box.rebuilt()


def test_an_unreadable_entry_does_not_hide_the_others(box: Box):
    box.write(*(sale(number) for number in range(1, 11)))
    connection = sqlite3.connect(box.journal.path, isolation_level=None)
    connection.execute("drop trigger entries_never_change")
    connection.execute("update entries set line = x'ff' where seq = 5")
    connection.close()
    assert len(box.found()) == 9


def test_many_threads_may_ask(box: Box):
    troubles: list[BaseException] = []

    def ask(number: int) -> None:
        try:
            for place in range(20):
                box.write(sale(number * 100 + place))
                box.found("消费")
                box.index.payment(place)
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    assert len(box.found("")) == 50
    assert box.index.dump() == box.rebuilt()


# -- the other rows -----------------------------------------------------------------------------------------------


def test_jobs_and_their_states(box: Box):
    box.write(
        sale(1), job("a"), job("b", None), state("a", "sending", 1), state("a", "printed", 2), state("c", "printed")
    )
    box.index.catch_up()
    assert [row["id"] for row in box.index.jobs()] == ["b", "a"]
    assert [row["id"] for row in box.index.jobs(only_open=True)] == ["b"]
    assert [row["id"] for row in box.index.jobs(printer="other")] == []
    row = box.index.job("a")
    assert row is not None
    assert (row["state"], [step["state"] for step in row["history"]]) == ("printed", ["sending", "printed"])
    assert [row["id"] for row in box.index.jobs_of(1)] == ["a"]
    assert box.index.job("c") is None


def test_days_in_the_order_of_their_numbers(box: Box):
    box.write(day_close("2029-12-31", 1), day_close("2026-11-22", 2), day_close("2026-11-23", 2))
    box.index.catch_up()
    assert [row["day"] for row in box.index.days()] == ["2026-11-22", "2029-12-31"]
    assert box.index.day("2029-12-31")["number"] == 1
    assert box.index.day("2026-11-24") is None


def test_alarms_on_and_off(box: Box):
    box.write(alarm("a", 1), alarm("b", 1), alarm("a", 2), alarm("b", 3, end=True), alarm("c", 1, end=True))
    box.index.catch_up()
    assert [row["code"] for row in box.index.alarms()] == ["a"]
    box.write(alarm("a", 4, end=True), alarm("a", 5))
    box.index.catch_up()
    [row] = box.index.alarms()
    assert row["what"] == "w"


def test_papers_and_events(box: Box):
    box.write(
        Draft(Kind.SETTLEMENT, "till", "s1", {"terminal_id": "1", "text": "a\nb"}, b"raw"),
        Draft(Kind.SLIP, "till", "x", {"text": "?"}, b"raw"),
        Draft(Kind.BLIND, "till", "t1", {"from": "a", "to": "b"}),
        Draft(Kind.SETTLEMENT, "till", "s2", {"terminal_id": "1"}),
    )
    box.index.catch_up()
    assert [row["seq"] for row in box.index.papers("settlement")] == [4, 1]
    assert [row["raw"] for row in box.index.papers("settlement")] == [None, 1]
    assert [row["seq"] for row in box.index.papers("settlement", 1, 4)] == [4]
    assert box.index.paper(2)["kind"] == "slip"
    assert box.index.paper(3) is None
    assert [row["from"] for row in box.index.events("blind")] == ["a"]
    assert box.index.batch("1", "1", "") == []
