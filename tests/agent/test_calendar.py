"""Days close once, in order, whatever the clock does: no payment on two lists, none on no list."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.calendar import Calendar, clock_step
from agent.config import Config, parse
from agent.entries import Draft, Kind
from agent.errors import Refused, UsageError
from agent.succession import put_aside, remember
from tests.fakes.box import Box
from tests.fakes.clock import FakeClock
from tests.fakes.drafts import sale

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


class Shop:
    """A box with a calendar; papers it asked for in `printed`."""

    def __init__(
        self, state: Path, local: str = "2026-11-22T12:00", zone: str = "Asia/Shanghai", cutoff: str = "04:00"
    ):
        self.config: Config = parse(f'[shop]\ntimezone = "{zone}"\n[day]\ncutoff = "{cutoff}"\n')
        self.zone = ZoneInfo(zone)
        self.clock = FakeClock(tick=timedelta())
        self.set(local)
        self.box = Box(state, self.clock, self.zone, self.config.day.starts_after)
        self.printed: list[str] = []
        self.paper: Callable[[dict, int], None] = self._print
        self.sales = 0
        self._start()

    def _start(self) -> None:
        box = self.box
        self.calendar = Calendar(
            self.config,
            box.journal,
            box.history,
            box.index,
            self.clock,
            print_list=lambda listed, seq: self.paper(listed, seq),  # noqa: PLW0108 - tests change the paper
            unsynced=lambda: {"count": 0, "since": ""},
        )

    def _print(self, listed: dict, seq: int) -> None:
        job = {
            "purpose": "day_list",
            "title": "",
            "printer": "p",
            "copy_no": 0,
            "template": "",
            "sha256": "",
            "of_seq": seq,
        }
        self.box.write(Draft(Kind.PRINT_JOB, "printing", f"list-{seq}", job))
        self.printed.append(listed["day"])

    def restart(self) -> None:
        self.box.close()
        self.box.open()
        self._start()

    def set(self, local: str) -> None:
        """Somebody sets the clock, or time goes by."""
        self.clock.set(datetime.fromisoformat(local).replace(tzinfo=self.zone).astimezone(UTC))

    def wait(self, **time: float) -> None:
        self.clock.pass_(timedelta(**time))

    def sell(self, amount_minor: int = 100, **fields: Any) -> int:
        self.sales += 1
        return self.box.write(sale(self.sales, amount_minor, **fields))[0]

    def closed(self) -> list[tuple[str, int, int]]:
        """Day, number and count of every list, oldest first."""
        self.box.index.catch_up()
        return [(row["day"], row["number"], row["count"]) for row in reversed(self.box.index.days(10_000))]

    def listed(self) -> list[int]:
        """Numbers of the payments that count, over all lists and the one that is open."""
        found = []
        for day, _, _ in self.closed():
            found += [p["seq"] for p in self.calendar.shown(day)["transactions"] if p["outcome"] == "approved"]
        newest = self.box.index.days(1)
        after = newest[0]["last_seq"] if newest else 0
        return found + [p["seq"] for p in self.box.index.payments_between(after, 2**60) if p["outcome"] == "approved"]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_evening_closes_by_itself(shop: Shop):
    shop.sell()
    assert shop.calendar.step() <= 300
    assert shop.closed() == []
    shop.set("2026-11-23T03:59:59")
    shop.sell(200)
    shop.calendar.step()
    assert shop.closed() == []
    shop.set("2026-11-23T04:00:00")
    shop.calendar.step()
    assert shop.closed() == [("2026-11-22", 1, 2)]
    assert shop.printed == ["2026-11-22"]
    row = shop.box.index.day("2026-11-22")
    assert row is not None
    assert (row["late"], row["totals"][0]["amount_minor"]) == (False, 300)
    shop.sell(999)
    shop.calendar.step()
    assert shop.closed() == [("2026-11-22", 1, 2)]
    assert shop.calendar.shown("2026-11-22")["count"] == 2


def test_it_sleeps_no_longer_than_until_the_end_of_the_day(shop: Shop):
    shop.set("2026-11-23T03:58:30")
    assert 85 <= shop.calendar.step() <= 90
    shop.set("2026-11-23T03:59:59")
    assert shop.calendar.step() == 1.0
    shop.set("2026-11-22T12:00:00")
    assert shop.calendar.step() == 300.0


def test_a_day_without_sales_has_a_list_too(shop: Shop):
    shop.sell()
    for day in ("23", "24", "25"):
        shop.set(f"2026-11-{day}T04:00")
        shop.calendar.step()
    assert shop.closed() == [("2026-11-22", 1, 1), ("2026-11-23", 2, 0), ("2026-11-24", 3, 0)]


def test_a_new_box_closes_nothing_before_it_began(shop: Shop):
    shop.calendar.step()
    shop.set("2026-11-25T04:00")
    shop.calendar.step()
    assert shop.closed() == []
    shop.sell()
    shop.set("2026-11-26T04:00")
    shop.calendar.step()
    assert shop.closed() == [("2026-11-25", 1, 1)]


def test_late_after_the_box_was_off_for_three_days(shop: Shop):
    shop.sell()
    shop.set("2026-11-25T09:00")
    shop.restart()
    shop.calendar.step()
    assert shop.closed() == [("2026-11-22", 1, 1), ("2026-11-23", 2, 0), ("2026-11-24", 3, 0)]
    assert [shop.box.index.day(f"2026-11-{d}")["late"] for d in (22, 23, 24)] == [True, True, True]
    assert shop.printed == ["2026-11-22", "2026-11-23", "2026-11-24"]


def test_late_means_a_quarter_of_an_hour(shop: Shop):
    for day, minute, late in ((23, 14, False), (24, 16, True)):
        shop.sell()
        shop.set(f"2026-11-{day}T04:{minute}:00")
        shop.calendar.step()
        assert shop.box.index.day(f"2026-11-{day - 1}")["late"] is late


def test_three_years_in_a_drawer(shop: Shop):
    shop.sell()
    shop.set("2029-11-22T12:00")
    shop.restart()
    shop.calendar.step()
    closed = shop.closed()
    assert len(closed) == 32  # the day of the sale and the last month, no roll of a thousand empty lists
    assert closed[0] == ("2026-11-22", 1, 1)
    assert closed[-1][0] == "2029-11-21"
    assert [number for _, number, _ in closed] == list(range(1, 33))


def test_a_hundred_days_the_calendar_did_not_run(shop: Shop):
    """Every day with sales gets its own list, however long ago."""
    for n in range(100):
        shop.set(f"{date(2026, 11, 22) + timedelta(days=n)}T12:00")
        if n % 10 == 0:
            shop.sell(n + 1)
    shop.calendar.step()
    with_sales = [(day, count) for day, _, count in shop.closed() if count]
    assert with_sales == [(str(date(2026, 11, 22) + timedelta(days=n)), 1) for n in range(0, 100, 10)]


# -- clocks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"), [("2027-03-27T12:00", "2027-03-28T04:00"), ("2026-12-05T12:00", "2026-12-06T04:00")]
)
def test_the_night_the_clocks_go_forward(tmp_path: Path, start: str, end: str):
    shop = Shop(tmp_path, start, "Europe/Berlin")
    shop.sell()
    elapsed = datetime.fromisoformat(end).replace(tzinfo=BERLIN).astimezone(UTC) - shop.clock.wall
    assert elapsed == timedelta(hours=15 if "03-28" in end else 16)
    shop.clock.pass_(elapsed - timedelta(seconds=10))
    assert 9 <= shop.calendar.step() <= 11
    assert shop.closed() == []
    shop.wait(seconds=10)
    shop.calendar.step()
    assert [count for _, _, count in shop.closed()] == [1]


@pytest.mark.parametrize("cutoff", ["04:00", "02:30", "00:00"])
def test_the_night_the_clocks_go_back(tmp_path: Path, cutoff: str):
    """The hour from two to three comes twice. Whatever the cut-off, each sale is on one list and all days close."""
    shop = Shop(tmp_path, "2027-10-30T20:00", "Europe/Berlin", cutoff)
    for _ in range(24 * 4):
        shop.sell()
        shop.calendar.step()
        shop.wait(minutes=30)
    shop.calendar.step()
    assert sorted(shop.listed()) == sorted(set(shop.listed()))
    assert len(shop.listed()) == shop.sales
    days = [day for day, _, _ in shop.closed()]
    assert days == sorted(set(days))
    assert {"2027-10-30", "2027-10-31"} <= set(days)
    assert not any(shop.box.index.day(day)["late"] for day in days)


def test_a_clock_that_cannot_be_true_closes_nothing(shop: Shop):
    shop.sell()
    shop.set("1970-01-01T00:05")
    assert shop.calendar.step() == 300.0
    shop.sell()
    assert shop.closed() == []
    with pytest.raises(Refused):
        shop.calendar.close("1970-01-01", print_list=False)
    shop.set("2026-11-23T04:00")
    shop.calendar.step()
    assert shop.closed() == [("2026-11-22", 1, 2)]


def test_a_new_box_without_a_battery(tmp_path: Path):
    shop = Shop(tmp_path, "1970-01-01T08:00:30")
    shop.sell()
    shop.calendar.step()
    shop.set("2026-11-22T12:00")
    shop.calendar.step()
    assert shop.closed() == []
    shop.set("2026-11-23T04:00")
    shop.sell()
    shop.calendar.step()
    shop.set("2026-11-24T04:00")
    shop.calendar.step()
    assert shop.closed() == [("2026-11-23", 1, 2)]


def test_a_clock_that_ran_ahead_for_an_hour_does_not_end_the_lists_for_years(shop: Shop):
    shop.sell()
    shop.set("2029-01-01T12:00")
    shop.sell()
    shop.calendar.step()
    ahead = len(shop.closed())
    shop.set("2026-11-22T13:00")
    shop.box.write(clock_step("2029-01-01T04:00:00.000Z", shop.clock.now()))
    shop.sell()
    shop.calendar.step()
    assert len(shop.closed()) == ahead
    for day in ("23", "24", "25"):
        shop.set(f"2026-11-{day}T04:30")
        shop.calendar.step()
        shop.sell()
    new = shop.closed()[ahead:]
    # the 22nd was closed while the clock ran ahead; what came later, and the sale of 2029, is on the next list
    assert [(day, count) for day, _, count in new] == [("2026-11-23", 3), ("2026-11-24", 1)]
    assert sorted(shop.listed()) == sorted(set(shop.listed()))
    assert len(shop.listed()) == shop.sales
    step = [day for day, _, _ in new if shop.calendar.shown(day)["clock"]]
    assert step == ["2026-11-23"]  # and the list says that the clock was set


def test_a_clock_set_back_by_days(shop: Shop):
    shop.sell()
    shop.set("2026-11-23T04:00")
    shop.calendar.step()
    shop.sell()
    shop.set("2026-11-10T12:00")
    shop.sell()
    shop.calendar.step()
    shop.set("2026-11-26T05:00")
    shop.sell()
    shop.calendar.step()
    assert [(day, count) for day, _, count in shop.closed()] == [
        ("2026-11-22", 1),
        ("2026-11-23", 2),
        ("2026-11-24", 0),
        ("2026-11-25", 0),
    ]
    assert len(shop.listed()) == len(set(shop.listed())) == 4


moves = st.one_of(
    st.just("sell"),
    st.just("sell"),
    st.just("step"),
    st.just("step"),
    st.just("restart"),
    st.just("unknown"),
    st.just("known"),
    st.just("succeed"),
    st.integers(1, 60 * 24 * 3),  # minutes that go by
    st.integers(-60 * 24 * 40, 60 * 24 * 40).map(float),  # the clock is set
)


@settings(max_examples=30)
@given(st.lists(moves, max_size=30))
def test_over_any_walk_of_the_clock_each_sale_is_on_exactly_one_list(
    tmp_path_factory: pytest.TempPathFactory, walk: list[Any]
):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    learnt = 0
    for move in walk:
        if move == "sell":
            shop.sell()
        elif move == "unknown":
            shop.sell(outcome="unknown")
            learnt = shop.sales
        elif move == "known" and learnt:
            shop.box.write(sale(learnt))
        elif move == "step":
            shop.calendar.step()
        elif move == "restart":
            shop.restart()
        elif move == "succeed" and shop.box.journal.head.seq:
            remember(shop.box.state, shop.box.journal.head)
            shop.box.close()
            put_aside(shop.box.state)
            shop.box.open()
            shop._start()
        elif isinstance(move, int):
            shop.wait(minutes=move)
        elif isinstance(move, float):
            shop.clock.set(shop.clock.wall + timedelta(minutes=move))
    shop.calendar.step()
    counted = shop.listed()
    assert len(counted) == len(set(counted)), "a sale stands on two lists"
    approved = {row["seq"] for row in shop.box.found_all() if row["outcome"] == "approved"}
    assert set(counted) == approved, "a sale stands on no list"
    numbers = [number for _, number, _ in shop.closed()]
    assert numbers == list(range(1, len(numbers) + 1))
    spans = [(row["first_seq"], row["last_seq"]) for row in reversed(shop.box.index.days(10_000))]
    assert all(first == before + 1 for (_, before), (first, _) in zip([(0, 0), *spans], spans, strict=False))
    shop.box.close()
    shutil.rmtree(shop.box.state)


# -- by hand ------------------------------------------------------------------------------------------------------


def test_closing_by_hand_and_again(shop: Shop):
    shop.sell()
    row = shop.calendar.close("2026-11-22", print_list=False)
    assert (row["number"], row["count"], shop.printed) == (1, 1, [])
    assert shop.calendar.close("2026-11-22", print_list=True) == row
    shop.sell()
    shop.set("2026-11-24T04:00")
    shop.calendar.step()
    assert shop.closed() == [("2026-11-22", 1, 1), ("2026-11-23", 2, 1)]


@pytest.mark.parametrize("day", ["", "today", "2026-13-01", "22.11.2026", "../../etc", "2026-11-22T00:00", "x" * 1000])
def test_what_is_no_day(shop: Shop, day: str):
    with pytest.raises(UsageError):
        shop.calendar.close(day, print_list=False)


def test_a_day_to_come_is_not_closed(shop: Shop):
    """Otherwise one wrong click ends the lists until then."""
    with pytest.raises(Refused):
        shop.calendar.close("2026-11-23", print_list=False)
    with pytest.raises(Refused):
        shop.calendar.close("2999-01-01", print_list=False)
    assert shop.closed() == []


def test_a_day_before_the_last_closed_one(shop: Shop):
    shop.sell()
    shop.calendar.close("2026-11-22", print_list=False)
    with pytest.raises(Refused, match="lies before the last closed day"):
        shop.calendar.close("2026-11-20", print_list=False)


def test_many_hands_at_once(shop: Shop):
    """The role and two people at the counter: one list a day, numbers without holes, nothing twice."""
    for day in range(22, 27):
        shop.set(f"2026-11-{day}T12:00")
        shop.sell()
    shop.set("2026-11-27T12:00")
    troubles: list[BaseException] = []

    def close(work: Callable[[], object]) -> None:
        try:
            work()
        except Refused:
            pass
        except BaseException as error:
            troubles.append(error)

    work: list[Callable[[], object]] = [
        shop.calendar.step,
        lambda: shop.calendar.close("2026-11-27", print_list=False),
        lambda: shop.calendar.close("2026-11-24", print_list=True),
        shop.calendar.step,
    ]
    threads = [threading.Thread(target=close, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    shop.calendar.step()
    numbers = [number for _, number, _ in shop.closed()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert sorted(shop.listed()) == sorted(set(shop.listed()))
    assert len(shop.listed()) == 5


# -- what a list says ---------------------------------------------------------------------------------------------


def test_the_open_list(shop: Shop):
    shop.sell(12850)
    shown = shop.calendar.shown("today")
    assert (shown["day"], shown["number"], shown["count"], shown["interim"]) == ("2026-11-22", 1, 1, True)
    assert shop.calendar.shown("2026-11-22")["interim"] is True
    assert shop.calendar.closes_at() == "2026-11-23T04:00+08:00"
    assert (shop.calendar.next_number(), shop.closed()) == (1, [])
    with pytest.raises(Refused):
        shop.calendar.shown("2026-11-21")


def test_a_closed_list_never_changes(shop: Shop):
    shop.sell(outcome="unknown")
    shop.set("2026-11-23T04:00")
    shop.calendar.step()
    before = shop.calendar.shown("2026-11-22")
    assert (before["count"], len(before["unknown"])) == (0, 1)
    shop.box.write(sale(1))  # the next morning it turns out that it was approved
    assert shop.calendar.shown("2026-11-22") == before
    after = shop.calendar.shown("today")
    assert (after["count"], after["unknown"], after["transactions"][0]["day"]) == (1, [], "2026-11-22")
    assert before["head"] == shop.box.history.hash_at(before["last_seq"]).hex()


def test_doubts_stand_on_the_list(shop: Shop):
    number = shop.sell()
    shop.box.write(
        Draft(Kind.BLIND, "till", "t", {"terminal": "till", "from": "a", "to": "b"}),
        Draft(Kind.CLOCK, "keeper", "c", {"what": "+2.0 s"}),
        Draft(
            Kind.PRINT_JOB,
            "printing",
            "j",
            {
                "purpose": "reprint",
                "title": "",
                "printer": "p",
                "copy_no": 1,
                "of_seq": number,
                "template": "",
                "sha256": "",
            },
        ),
    )
    shown = shop.calendar.shown("today")
    assert [row["seq"] for row in shown["unprinted"]] == [number]
    assert (shown["blind"][0]["from"], shown["clock"]) == ("a", ["+2.0 s"])


def test_a_batch_across_the_cut_off_is_compared_whole(shop: Shop):
    shop.set("2026-11-22T23:00")
    shop.sell(100)
    shop.set("2026-11-23T10:00")
    shop.calendar.step()
    shop.sell(50)
    totals = [{"group": "all", "transaction_type": "sale", "count": 2, "amount_minor": 150}]
    body = {"terminal_id": "10000001", "batch_no": "000001", "currency": "CNY", "totals": totals}
    shop.box.write(Draft(Kind.SETTLEMENT, "till", "s", body))
    [compared] = shop.calendar.shown("today")["terminals"]
    assert compared["difference"] == []


# -- paper --------------------------------------------------------------------------------------------------------


def test_a_broken_template_closes_the_day_all_the_same(shop: Shop, caplog: pytest.LogCaptureFixture):
    def broken(listed: dict, seq: int) -> None:
        raise KeyError("amout")

    shop.sell()
    shop.paper = broken
    shop.set("2026-11-24T04:00")
    with pytest.raises(KeyError):
        shop.calendar.step()
    with pytest.raises(KeyError):
        shop.calendar.step()
    assert shop.closed()[0] == ("2026-11-22", 1, 1)
    shop.paper = shop._print  # somebody mended it
    caplog.set_level(logging.CRITICAL)
    shop.calendar.step()
    assert shop.printed == ["2026-11-22", "2026-11-23"]


def test_a_kill_between_closing_and_paper(shop: Shop):
    def killed(listed: dict, seq: int) -> None:
        raise KeyboardInterrupt

    shop.sell()
    shop.paper = killed
    shop.set("2026-11-23T04:00")
    with pytest.raises(KeyboardInterrupt):
        shop.calendar.step()
    shop.paper = shop._print
    shop.restart()
    shop.calendar.step()
    shop.calendar.step()
    assert shop.printed == ["2026-11-22"]
    assert shop.closed() == [("2026-11-22", 1, 1)]
