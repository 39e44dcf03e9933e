"""Business days by wall time, stamps, and how far a clock may be believed."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Stamper, SystemClock, business_day, iso
from tests.fakes.clock import FakeClock

BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
FOUR = timedelta(hours=4)


@pytest.mark.parametrize(
    ("local", "zone", "cutoff", "day"),
    [
        ("2026-11-22T03:59:59.999+08:00", SHANGHAI, FOUR, "2026-11-21"),
        ("2026-11-22T04:00:00+08:00", SHANGHAI, FOUR, "2026-11-22"),
        ("2026-11-22T23:59:59+08:00", SHANGHAI, FOUR, "2026-11-22"),
        ("2026-11-22T00:00:00+08:00", SHANGHAI, timedelta(), "2026-11-22"),
        ("2026-01-01T03:00:00+08:00", SHANGHAI, FOUR, "2025-12-31"),
        ("2026-03-01T03:00:00+08:00", SHANGHAI, FOUR, "2026-02-28"),
        ("2026-11-21T20:30:00+00:00", SHANGHAI, FOUR, "2026-11-22"),
        # the clocks go forward: two o'clock becomes three
        ("2026-03-29T01:59:00+01:00", BERLIN, timedelta(hours=2, minutes=30), "2026-03-28"),
        ("2026-03-29T03:00:00+02:00", BERLIN, timedelta(hours=2, minutes=30), "2026-03-29"),
        ("2026-03-29T03:59:00+02:00", BERLIN, FOUR, "2026-03-28"),
        ("2026-03-29T04:00:00+02:00", BERLIN, FOUR, "2026-03-29"),
        # and back: the hour from two to three comes twice
        ("2026-10-25T03:59:00+01:00", BERLIN, FOUR, "2026-10-24"),
        ("2026-10-25T04:00:00+01:00", BERLIN, FOUR, "2026-10-25"),
    ],
)
def test_business_days(local: str, zone: ZoneInfo, cutoff: timedelta, day: str):
    assert business_day(datetime.fromisoformat(local), zone, cutoff) == date.fromisoformat(day)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.sampled_from([BERLIN, SHANGHAI, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]),
    st.integers(0, 23 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_every_moment_has_a_day_next_to_its_date(moment: datetime, zone: ZoneInfo, cutoff: timedelta):
    local = moment.astimezone(zone).date()
    assert business_day(moment, zone, cutoff) in {local, local - timedelta(days=1)}


def test_the_machines_own_zone(monkeypatch: pytest.MonkeyPatch):
    moment = datetime(2026, 11, 21, 20, 30, tzinfo=UTC)
    for name, day in (("Asia/Shanghai", "2026-11-22"), ("UTC", "2026-11-21")):
        monkeypatch.setenv("TZ", name)
        time.tzset()
        assert business_day(moment, None, FOUR).isoformat() == day
    monkeypatch.undo()
    time.tzset()


def test_times_are_written_one_way():
    assert iso(datetime(2026, 11, 22, 4, 0, 0, 123456, tzinfo=UTC)) == "2026-11-22T04:00:00.123Z"
    assert iso(datetime(2026, 11, 22, 12, 0, tzinfo=SHANGHAI)) == "2026-11-22T04:00:00.000Z"


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_they_sort_as_text(moment: datetime):
    written = iso(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", written)
    assert written <= iso(moment + timedelta(milliseconds=1))


@pytest.mark.parametrize(
    ("wall", "synced", "trust"),
    [
        (datetime(2026, 11, 22, tzinfo=UTC), True, "ok"),
        (datetime(2026, 11, 22, tzinfo=UTC), None, "ok"),
        (datetime(2026, 11, 22, tzinfo=UTC), False, "unsynced"),
        (datetime(1970, 1, 1, 0, 5, tzinfo=UTC), True, "doubtful"),
        (datetime(2020, 6, 1, tzinfo=UTC), False, "doubtful"),
    ],
)
def test_how_far_a_clock_is_believed(wall: datetime, synced: bool | None, trust: str):
    clock = FakeClock(wall)
    clock.synchronised = synced
    stamp = Stamper(clock, SHANGHAI, FOUR)()
    assert stamp.clock == trust
    assert stamp.boot == clock.boot_id
    assert stamp.mono_ms == int(clock.mono * 1000)
    assert stamp.at == iso(clock.wall)


def test_the_machines_clock():
    clock = SystemClock()
    before, mono = datetime.now(UTC), clock.mono_s()
    assert abs(clock.now() - before) < timedelta(seconds=5)
    assert clock.mono_s() >= mono
    assert clock.boot() == "" or len(clock.boot()) == 36
    assert clock.synced() in {True, False, None}


def test_looking_at_the_clock_starts_no_other_program():
    """A till's box has no compiler to ask where its C library is, and a unit may not run one."""
    before = os.times()
    began = time.monotonic()
    SystemClock().synced()
    assert time.monotonic() - began < 0.5
    after = os.times()
    assert (after.children_user, after.children_system) == (before.children_user, before.children_system)
