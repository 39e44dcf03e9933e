"""One journal behind the other: nothing given up, no number given twice, nothing hidden."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import Stamper
from agent.entries import Kind
from agent.errors import NotRecorded, Refused, TryLater
from agent.history import FORMER, History, current_path
from agent.journal import FILE, Head, Journal, Reader
from agent.succession import SUCCEEDED, Opened, open_journal, put_aside, remember, succeed
from agent.verify import journals, verify
from tests.fakes.clock import FakeClock
from tests.fakes.drafts import sale

Open = Callable[[], Opened]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def open_(state: Path, stamp: Stamper, salt: Callable[[], str], ids: Callable[[], str]) -> Iterator[Open]:
    opened: list[Journal] = []

    def call() -> Opened:
        for journal in opened:
            journal.close()
        found = open_journal(state, stamp=stamp, salt=salt, new_id=ids)
        opened.append(found.journal)
        return found

    yield call
    for journal in opened:
        journal.close()


def numbers(state: Path) -> list[tuple[int, str]]:
    history = History(state)
    found, after = [], 0
    while page := history.entries(after, 7):
        found += [(number, entry.body.get("trace_no", entry.kind)) for number, entry in page]
        after = page[-1][0]
    history.close()
    return found


def traces(*of: int) -> list[str]:
    return [f"{n:06d}" for n in of]


def garble(path: Path, start: int = 100, end: int | None = None) -> None:
    """Overwrites part of a file, as a dying card does."""
    data = bytearray(path.read_bytes())
    end = len(data) if end is None else end
    data[start:end] = b"\xa5" * (end - start)
    path.write_bytes(data)


def test_a_box_begins_and_goes_on(open_: Open, state: Path):
    first = open_()
    assert first.trouble is None
    first.journal.append([sale(1)])
    remember(state, first.journal.head)
    again = open_()
    assert again.trouble is None
    assert again.journal.head.seq == 1
    assert not (state / FORMER).exists()


def test_two_keepers(open_: Open, state: Path, stamp: Stamper, salt: Callable[[], str], ids: Callable[[], str]):
    open_().journal.append([sale(1)])
    with pytest.raises(Refused):
        open_journal(state, stamp=stamp, salt=salt, new_id=ids)
    assert numbers(state) == [(1, "000001")]
    assert not (state / FORMER).exists()  # a running journal is never moved away


def test_a_damaged_file_is_kept_and_a_child_begins(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(n) for n in range(1, 6)])
    remember(state, journal.head)
    head = journal.head
    journal.close()
    garble(journal.path, 0)
    before = journal.path.read_bytes()
    opened = open_()
    assert opened.trouble is not None
    assert (state / FORMER / "0001-journal" / FILE).read_bytes() == before
    assert opened.journal.head.base == 5
    reader = Reader(opened.journal.path)
    assert (reader.meta()["parent_id"], reader.meta()["parent_head"]) == (head.journal_id, head.hash.hex())
    reader.close()
    opened.journal.append([sale(6)])
    assert numbers(state) == [(6, "000006")]
    assert History(state).unreadable == [state / FORMER / "0001-journal" / FILE]
    again = open_()
    assert (again.trouble, again.journal.head.seq) == (None, 1)


def test_what_a_damaged_journal_held_behind_its_mark_keeps_its_numbers(open_: Open, state: Path):
    """The mark is a minute old. Numbers behind it must not be given a second time, or those payments are never listed."""
    journal = open_().journal
    journal.append([sale(n) for n in range(1, 6)])
    remember(state, journal.head)
    journal.append([sale(n) for n in range(6, 11)])
    journal.close()
    connection = sqlite3.connect(journal.path)
    connection.execute("pragma user_version = 99")
    connection.close()
    opened = open_()
    assert opened.journal.head.base == 10
    opened.journal.append([sale(11)])
    assert [trace for _, trace in numbers(state)] == traces(*range(1, 12))


@pytest.mark.parametrize("mark", [None, b"", b"nonsense", b"{}", b'{"id":1,"base":"x","seq":null,"head":"zz"}'])
def test_without_a_mark_the_former_journals_say_where_to_go_on(open_: Open, state: Path, mark: bytes | None):
    journal = open_().journal
    journal.append([sale(n) for n in range(1, 4)])
    journal.close()
    if mark is not None:
        (state / "journal.mark").write_bytes(mark)
    connection = sqlite3.connect(journal.path)
    connection.execute("pragma user_version = 99")
    connection.close()
    second = open_().journal
    assert second.head.base == 3
    second.append([sale(4)])
    second.close()
    garble(second.path, 0)
    third = open_().journal
    assert third.head.base == 3  # nobody knows of the fourth any more
    third.append([sale(5)])
    assert numbers(state) == [(1, "000001"), (2, "000002"), (3, "000003"), (4, "000005")]


def test_an_older_copy_put_back_is_recognised_by_the_mark(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(n) for n in range(1, 4)])
    journal.close()
    shutil.copytree(journal.path.parent, state / "backup")
    journal = open_().journal
    journal.append([sale(n) for n in range(4, 7)])
    remember(state, journal.head)
    journal.close()
    shutil.rmtree(journal.path.parent)
    (state / "backup").rename(journal.path.parent)
    opened = open_()
    assert opened.trouble is not None
    assert "older copy" in str(opened.trouble)
    assert opened.journal.head.base == 6
    opened.journal.append([sale(7)])
    assert numbers(state) == [(1, "000001"), (2, "000002"), (3, "000003"), (7, "000007")]
    older, _ = journals(state)
    assert verify(older).troubles == ["the box remembers entry 6 of this journal otherwise, or it is gone"]
    remember(state, opened.journal.head)
    assert all(verify(path).whole for path in journals(state))


def test_the_journal_of_another_box_is_recognised(open_: Open, state: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("other")
    other = open_journal(elsewhere, stamp=Stamper(FakeClock()), salt=lambda: "00" * 16, new_id=lambda: "e" * 32).journal
    other.append([sale(n) for n in range(100, 150)])
    other.close()
    journal = open_().journal
    journal.append([sale(1)])
    remember(state, journal.head)
    journal.close()
    shutil.rmtree(journal.path.parent)
    shutil.copytree(other.path.parent, journal.path.parent)
    opened = open_()
    assert opened.trouble is not None
    assert opened.journal.head.base == 1  # behind our own, not behind the stranger's


def test_same_length_other_content_is_recognised(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(1)])
    remember(state, Head(journal.head.journal_id, 0, 1, b"\1" * 32))
    assert open_().trouble is not None


@pytest.mark.parametrize("act", ["file", "directory", "empty file"])
def test_what_was_deleted_has_a_child_all_the_same(open_: Open, state: Path, act: str):
    journal = open_().journal
    journal.append([sale(n) for n in range(1, 4)])
    remember(state, journal.head)
    journal.close()
    if act == "directory":
        shutil.rmtree(journal.path.parent)
    elif act == "file":
        journal.path.unlink()
    else:
        journal.path.write_bytes(b"")
    opened = open_()
    assert opened.journal.head.base == 3
    opened.journal.append([sale(4)])
    assert numbers(state) == [(4, "000004")]
    assert open_().journal.head.seq == 1


def test_an_empty_journal_in_between_hides_nobody(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(1), sale(2)])
    remember(state, journal.head)
    succeed_closed(journal, state)
    empty = open_().journal  # crashed before anything was written
    empty.close()
    put_aside(state)
    last = open_().journal
    last.append([sale(3)])
    assert numbers(state) == [(1, "000001"), (2, "000002"), (3, "000003")]


def succeed_closed(journal: Journal, state: Path) -> Path:
    journal.close()
    return succeed(state)


def test_an_orphan_log_is_kept_aside(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(1)])
    shutil.copytree(journal.path.parent, state / "crashed")
    journal.close()
    shutil.rmtree(journal.path.parent)
    (state / "crashed").rename(journal.path.parent)
    journal.path.unlink()
    log = (journal.path.parent / (FILE + "-wal")).read_bytes()
    assert open_().trouble is not None
    assert (state / FORMER / "0001-journal" / (FILE + "-wal")).read_bytes() == log


def test_the_worlds_troubles_put_nothing_aside(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(1)])
    remember(state, journal.head)
    journal.close()
    journal.path.rename(state / "away")
    journal.path.mkdir()  # SQLite says CANTOPEN
    with pytest.raises(TryLater):
        open_()
    assert not (state / FORMER).exists()
    journal.path.rmdir()
    (state / "away").rename(journal.path)
    assert open_().journal.head.seq == 1


def test_strange_neighbours_among_the_former(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(1)])
    journal.close()
    for name in ("lost+found", "notes.txt", "backup-of-0009", "0007-journal"):
        (state / FORMER / name).mkdir(parents=True)
    assert put_aside(state).name == "0008-journal"
    assert numbers(state) == [(1, "000001")]


def test_the_lock_is_free_after_a_refused_start(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(1)])
    remember(state, journal.head)
    remember(state, Head(journal.head.journal_id, 0, 9, b"\1" * 32))
    journal.close()
    before = len(os.listdir("/proc/self/fd"))
    opened = open_()
    opened.journal.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_the_mark_is_whole_or_the_one_before(state: Path):
    head = Head("j", 5, 7, b"\7" * 32)
    remember(state, head)
    assert json.loads((state / "journal.mark").read_text()) == {"id": "j", "base": 5, "seq": 7, "head": "07" * 32}
    (state / "journal.mark.new").write_text("half")
    remember(state, head)
    (state / "journal.mark").unlink()
    (state / "journal.mark").mkdir()  # cannot be replaced: no reason to stop
    remember(state, head)


# -- a journal that turns bad while the box runs -------------------------------------------------------------------


def spoil(journal: Journal) -> None:
    """Every page but the first, behind SQLite's back."""
    with contextlib.suppress(TryLater):  # spoilt before
        journal.checkpoint()
    journal._drop_connection()
    data = bytearray(journal.path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    journal.path.write_bytes(data)


@pytest.mark.parametrize("how", ["spoilt", "deleted", "directory deleted"])
def test_capture_goes_on_without_a_pause(open_: Open, state: Path, how: str):
    journal = open_().journal
    journal.append([sale(n, raw=b"x" * 5000) for n in range(1, 11)])
    head = journal.head
    watched = History(state)
    assert watched.last() == 10
    if how == "spoilt":
        spoil(journal)
    elif how == "deleted":
        journal.path.unlink()
    else:
        shutil.rmtree(journal.path.parent)
    [written] = journal.append([sale(11)])
    assert written.new
    assert journal.head.base == 10
    found = watched.entries(10)  # who reads along sees the new journal by itself
    assert [(number, entry.kind) for number, entry in found] == [(11, Kind.ALARM), (12, Kind.TRANSACTION)]
    assert found[0][1].body["code"] == SUCCEEDED
    assert watched.last() == 12
    reader = Reader(journal.path)
    assert reader.meta()["parent_head"] == head.hash.hex()
    reader.close()
    assert verify(journal.path).whole
    again = open_()
    assert (again.trouble, again.journal.head.seq) == (None, 2)


def test_a_disk_that_spoils_everything_does_not_fill_up_with_journals(open_: Open, state: Path, clock: FakeClock):
    journal = open_().journal
    journal.append([sale(1)])
    journal.path.unlink()
    journal.append([sale(2)])
    journal.path.unlink()
    for _ in range(5):
        with pytest.raises(NotRecorded):
            journal.append([sale(3)])
    assert len(list((state / FORMER).iterdir())) == 1
    clock.pass_(timedelta(minutes=2))
    assert journal.append([sale(3)])[0].new
    assert len(list((state / FORMER).iterdir())) == 2


def test_an_unplugged_disk_is_waited_for(open_: Open, state: Path):
    """What would be written under its mount point vanishes when it comes back."""
    journal = open_().journal
    journal.append([sale(1)])
    journal._device = -5  # as if another disk stood at the place now
    journal.path.parent.rename(state / "unplugged")
    with pytest.raises(NotRecorded):
        journal.append([sale(2)])
    assert not (state / FORMER).exists()
    (state / "unplugged").rename(journal.path.parent)
    assert journal.append([sale(2)])[0].entry.seq == 2


def test_two_threads_begin_one_successor(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(1)])
    journal.path.unlink()
    threads = [threading.Thread(target=partial(journal.append, [sale(n)])) for n in range(2, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list((state / FORMER).iterdir())) == 1
    assert sorted(trace for _, trace in numbers(state)) == [*traces(*range(2, 8)), "alarm"]


# -- history ------------------------------------------------------------------------------------------------------


def test_an_unreadable_entry_is_stepped_over_and_named(open_: Open, state: Path):
    journal = open_().journal
    journal.append([sale(n) for n in range(1, 31)])
    connection = sqlite3.connect(journal.path, isolation_level=None)
    connection.execute("drop trigger entries_never_change")
    connection.execute("update entries set line = x'ff' where seq in (5, 6, 17)")
    connection.close()
    assert [number for number, _ in numbers(state)] == [n for n in range(1, 31) if n not in (5, 6, 17)]
    history = History(state)
    history.entries(0)
    assert history.unreadable == [journal.path]


def test_a_damaged_page_hides_only_itself(open_: Open, state: Path):
    journal = open_().journal
    for n in range(1, 401):
        journal.append([sale(n)])
    journal.close()
    data = bytearray(journal.path.read_bytes())
    place = data.find(b'"trace_no":"000200"') // 4096 * 4096
    data[place : place + 8] = b"\xff" * 8
    journal.path.write_bytes(data)
    seen = [trace for _, trace in numbers(state)]
    assert len(seen) > 380
    assert seen == sorted(set(seen))
    assert "000200" not in seen
    assert {"000001", "000400"} <= set(seen)


def test_history_across_journals(open_: Open, state: Path):
    for first in (1, 11, 21):
        journal = open_().journal
        journal.append([sale(n, raw=f"paper {n}".encode()) for n in range(first, first + 10)])
        if first < 21:
            succeed_closed(journal, state)
    assert numbers(state) == [(n, f"{n:06d}") for n in range(1, 31)]
    history = History(state)
    assert (history.last(), history.base) == (30, 20)
    for number in (1, 10, 11, 20, 21, 30):
        entry = history.entry(number)
        assert entry is not None
        assert entry.body["trace_no"] == f"{number:06d}"
        assert history.raw(number) == f"paper {number}".encode()
        assert len(history.hash_at(number)) == 32
        assert history.find("counter", "transaction", entry.key) == (number, entry)
    assert history.entry(0) is None
    assert history.entry(31) is None
    assert history.raw(31) is None
    assert history.hash_at(30) == journal.head.hash
    assert len(history.hash_at(0)) == 32
    assert history.find("counter", "transaction", "nowhere") is None
    assert history.last_at() == history.entry(30).at
    history.close()


def test_a_history_opened_before_there_is_a_journal(state: Path, open_: Open):
    history = History(state)
    assert (history.last(), history.entries(0), history.last_at(), history.base) == (0, [], "", 0)
    assert history.hash_at(0) == b""
    open_().journal.append([sale(1)])
    assert history.last() == 1


@settings(max_examples=20)
@given(
    st.lists(
        st.sampled_from(["write", "write", "restart", "succeed", "spoil", "delete", "rewind", "mark"]), max_size=12
    )
)
def test_no_number_is_given_twice_whatever_happens(tmp_path_factory: pytest.TempPathFactory, story: list[str]):
    """Numbers only grow; each payment that can still be read is read once, under the number it was given."""
    state = tmp_path_factory.mktemp("s")
    ids, salts, clock = iter(range(1, 10_000)), iter(range(1, 100_000)), FakeClock()

    def opened() -> Journal:
        return open_journal(
            state,
            stamp=Stamper(clock),
            salt=lambda: f"{next(salts):032x}",
            new_id=lambda: f"{next(ids):032x}",
        ).journal

    journal, count, given_out = opened(), 0, {}
    for step in story:
        clock.pass_(timedelta(minutes=2))
        if step == "write":
            count += 1
            [written] = journal.append([sale(count, raw=b"x" * 3000)])
            number = journal.head.base + written.entry.seq
            assert not given_out or number > max(given_out)
            given_out[number] = f"{count:06d}"
        elif step == "mark":
            remember(state, journal.head)
        elif step == "spoil" and journal.path.exists():
            spoil(journal)
        elif step == "delete" and journal.head.seq:
            journal.path.unlink(missing_ok=True)
        else:
            remember(state, journal.head)
            journal.close()
            if step == "succeed" and current_path(state).exists() and verify(current_path(state)).whole:
                succeed(state)
            if step == "rewind" and current_path(state).exists():
                shutil.copy(current_path(state), state / "older")
                reopened = opened()
                reopened.append([sale(900 + count)])
                remember(state, reopened.head)
                given_out[reopened.head.base + reopened.head.seq] = f"{900 + count:06d}"
                reopened.close()
                shutil.copy(state / "older", current_path(state))
            journal = opened()
    journal.close()
    found = [(number, trace) for number, trace in numbers(state) if trace.isdecimal()]
    assert [number for number, _ in found] == sorted({number for number, _ in found})
    assert all(given_out.get(number) == trace for number, trace in found)
    shutil.rmtree(state)
