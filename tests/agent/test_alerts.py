"""An alarm is one entry when it begins and one when it ends, whatever the journal does meanwhile."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from agent.alerts import Alarm, Alarms
from agent.entries import Draft, Kind
from agent.errors import NotRecorded, TryLater
from agent.journal import Journal, Reader
from tests.fakes.clock import FakeClock


def told(journal: Journal) -> list[tuple[str, str]]:
    reader = Reader(journal.path)
    found = [(entry.kind, entry.body["code"]) for entry, _ in reader.entries(0)]
    reader.close()
    return found


def alarm(code: str = "a", **values: str) -> Alarm:
    return Alarm(code, "{place} is gone", "plug it in", dict(values))


@pytest.fixture
def alarms(journal: Journal, clock: FakeClock) -> Alarms:
    return Alarms(journal.append, clock.iso)


def test_a_trouble_that_lasts_is_told_once(alarms: Alarms, journal: Journal):
    for _ in range(5):
        alarms.raise_(alarm(place="x"))
        alarms.settle()
    assert told(journal) == [("alarm", "a")]
    assert alarms.on() == [alarm(place="x")]
    for _ in range(5):
        alarms.clear("a")
    assert told(journal) == [("alarm", "a"), ("alarm_end", "a")]
    assert alarms.on() == []


def test_an_end_without_a_beginning_is_nothing(alarms: Alarms, journal: Journal):
    alarms.clear("a")
    assert told(journal) == []


def test_coming_and_going_within_a_moment_of_a_standing_clock(journal: Journal):
    alarms = Alarms(journal.append, lambda: "2026-11-22T04:00:00.000Z")
    for _ in range(3):
        alarms.raise_(alarm())
        alarms.clear("a")
    alarms.raise_(alarm())
    assert [kind for kind, _ in told(journal)] == ["alarm", "alarm_end"] * 3 + ["alarm"]


def test_what_could_not_be_journalled_is_told_later_in_order(clock: FakeClock):
    taken: list[Draft] = []
    works = False

    def append(drafts: list[Draft]) -> None:
        if not works:
            raise NotRecorded("no", "")
        taken.extend(drafts)

    alarms = Alarms(append, clock.iso)
    alarms.raise_(alarm("journal_not_written"))
    alarms.raise_(alarm("other"))
    alarms.clear("other")
    assert taken == []
    assert [a.code for a in alarms.on()] == ["journal_not_written"]
    works = True
    alarms.settle()
    alarms.settle()
    assert [(draft.kind, draft.body["code"]) for draft in taken] == [
        (Kind.ALARM, "journal_not_written"),
        (Kind.ALARM, "other"),
        (Kind.ALARM_END, "other"),
    ]


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()])
def test_nothing_owed_is_forgotten_by_an_exception(clock: FakeClock, error: BaseException):
    taken: list[Draft] = []
    failing = True

    def append(drafts: list[Draft]) -> None:
        if failing:
            raise error
        taken.extend(drafts)

    alarms = Alarms(append, clock.iso)
    with pytest.raises(type(error)):
        alarms.raise_(alarm())
    failing = False
    alarms.settle()
    assert len(taken) == 1


def test_a_fault_that_comes_and_goes_all_night_fills_no_memory(clock: FakeClock):
    def append(drafts: list[Draft]) -> None:
        raise NotRecorded("no", "")

    alarms = Alarms(append, clock.iso)
    for _ in range(1500):
        alarms.raise_(alarm())
        alarms.clear("a")
    assert len(alarms._owed) <= 1000


def test_restored_alarms_are_not_told_again(alarms: Alarms, journal: Journal):
    alarms.restore({"a": alarm()})
    alarms.raise_(alarm())
    assert told(journal) == []
    alarms.clear("a")
    assert told(journal) == [("alarm_end", "a")]


@pytest.mark.parametrize("what", ["{nowhere} is {wrong}", "{", "{0}", "100 %", "{a.b}"])
def test_words_from_outside_cannot_break_it(alarms: Alarms, journal: Journal, what: str):
    alarms.raise_(Alarm("odd", what, what, {}))
    assert told(journal) == [("alarm", "odd")]


def test_what_cannot_be_written_is_refused_and_blocks_nothing(alarms: Alarms, journal: Journal):
    with pytest.raises(ValueError, match="surrogates"):
        alarms.raise_(Alarm("odd", "\ud800", "", {}))
    alarms.raise_(alarm())
    assert told(journal) == [("alarm", "a")]


def test_of_an_error():
    error = TryLater("{place} is {n} m away", "walk", place="the box", n=5)
    assert Alarm.of("far", error) == Alarm("far", "{place} is {n} m away", "walk", {"place": "the box", "n": "5"})


def test_from_many_threads(alarms: Alarms, journal: Journal):
    def flap(code: str) -> None:
        for _ in range(20):
            alarms.raise_(alarm(code))
            alarms.clear(code)

    threads = [threading.Thread(target=partial(flap, code)) for code in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = told(journal)
    assert len(found) == 4 * 40
    for code in "abcd":
        assert [kind for kind, of in found if of == code] == ["alarm", "alarm_end"] * 20
