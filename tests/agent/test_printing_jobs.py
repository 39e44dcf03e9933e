"""The life of a print job as entries tell it, and the queue that moves it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.entries import Draft
from agent.errors import NotRecorded, Refused, UsageError
from agent.print_jobs import (
    LIMITS_S,
    NEXT,
    OPEN,
    Job,
    Purpose,
    State,
    Why,
    change,
    expired,
    from_row,
    jobs,
    request,
    slip_of,
)
from agent.print_queue import WAITING_LIMIT, Queue, loader
from tests.fakes.printer import START_S, Bench, MemoryJournal, printed, slip

S = State


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal(lambda: START_S)


@pytest.fixture
def queue(journal: MemoryJournal) -> Queue:
    return Queue(journal.append)


def ask(queue: Queue, job_id: str = "j1", purpose: str = "reprint") -> Job:
    return queue.add(
        request(job_id, slip(job_id), purpose=purpose, printer="counter", of_seq=7, copy_no=1, reason="lost")
    )


def bring(queue: Queue, job_id: str, *states: State) -> Job:
    for state in states:
        queue.move(job_id, state)
    return queue.job(job_id)


UNKNOWN = (S.SENDING, S.UNKNOWN)


def test_a_job_is_its_entries(queue: Queue, journal: MemoryJournal) -> None:
    ask(queue)
    bring(queue, "j1", S.SENDING, S.SENT, S.HELD, S.SENT)
    queue.move("j1", S.UNCONFIRMED, Why.HEALTHY, offset=321)
    told = jobs(journal.entries)["j1"]
    assert told == queue.job("j1")
    assert (told.state, told.why, told.offset, told.of_seq, told.copy_no) == (S.UNCONFIRMED, Why.HEALTHY, 321, 7, 1)
    assert told.reason == "lost"
    assert slip_of(journal.raws["j1"]) == slip("j1")
    assert [entry.kind for entry in journal.entries] == ["print_job"] + ["print_state"] * 5
    assert {entry.source for entry in journal.entries} == {"printing"}
    assert journal.entries[0].body["sha256"] == journal.entries[0].raw_sha256
    assert len({entry.key for entry in journal.entries[1:]}) == 5


def test_the_index_row_gives_the_same_job(queue: Queue, journal: MemoryJournal) -> None:
    ask(queue)
    bring(queue, "j1", *UNKNOWN)
    queue.decide("j1", "came_out", "0001")
    born, *steps = journal.entries
    row = {**born.body, "id": born.key, "seq": born.seq, "at": born.at}
    row["history"] = [{**step.body, "at": step.at} for step in steps]
    assert from_row(row) == queue.job("j1")


@pytest.mark.parametrize("now", list(State))
@pytest.mark.parametrize("then", list(State))
def test_only_the_ways_of_the_table_are_taken(now: State, then: State, journal: MemoryJournal, queue: Queue) -> None:
    paths = {
        S.QUEUED: (), S.SENDING: (S.SENDING,), S.SENT: (S.SENDING, S.SENT), S.HELD: (S.SENDING, S.HELD),
        S.PRINTED: (S.SENDING, S.SENT, S.PRINTED), S.UNCONFIRMED: (S.SENDING, S.SENT, S.UNCONFIRMED),
        S.UNKNOWN: UNKNOWN, S.FAILED_BEFORE: (S.SENDING, S.FAILED_BEFORE), S.CANCELLED: (S.CANCELLED,),
        S.PRINTED_BY_OPERATOR: (*UNKNOWN, S.PRINTED_BY_OPERATOR),
    }  # fmt: skip
    ask(queue)
    job = bring(queue, "j1", *paths[now])
    # What is in the printer is never queued again, and only a person may call it off.
    person_only = {(S.HELD, S.CANCELLED), (S.HELD, S.QUEUED)}
    if then in NEXT[now] and (now, then) not in person_only:
        assert isinstance(change(job, then), Draft)
    else:
        with pytest.raises(Refused):
            change(job, then)


def test_a_printer_that_never_answers_a_marker_is_never_believed() -> None:
    """`printed` needs a marker, and no code of level 0 and 1 says it."""
    assert S.PRINTED not in NEXT[S.SENDING] | NEXT[S.QUEUED] | NEXT[S.UNKNOWN]


@given(st.lists(st.sampled_from([*State, "resume", "cancel", "came_out", "did_not_come_out"]), max_size=14))
@settings(max_examples=300, deadline=None)
def test_whatever_happens_a_job_with_bytes_out_is_never_started_again(steps: list[State | str]) -> None:
    journal = MemoryJournal(lambda: START_S)
    queue = Queue(journal.append)
    ask(queue)
    for step in steps:
        try:
            if isinstance(step, State):
                queue.move("j1", step)
            else:
                queue.decide("j1", step, "0001")
        except Refused:
            continue
    told = jobs(journal.entries)["j1"]
    assert told == queue.job("j1")
    out = False
    for before, after in zip(told.history, told.history[1:], strict=False):
        if after.state is S.FAILED_BEFORE:
            out = False  # said only where no byte had left
        assert not (out and after.state is S.QUEUED), told.history
        assert not (out and after.state is S.SENDING and before.state in (S.SENT, S.UNKNOWN)), told.history
        out = out or after.state in (S.SENDING, S.SENT)
    if told.state in (S.UNKNOWN, S.UNCONFIRMED, S.PRINTED, S.CANCELLED, S.PRINTED_BY_OPERATOR):
        assert queue.next("counter", START_S) is None


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_asking_twice_with_the_same_id_is_asking_once(queue: Queue, journal: MemoryJournal) -> None:
    """The day's list is asked for again by a restarted calendar, in the middle of its printing."""
    first = ask(queue, "list-2026-06-22")
    bring(queue, first.id, S.SENDING)
    again = ask(queue, "list-2026-06-22")
    assert again.state is S.SENDING
    assert len(queue.open()) == 1
    assert len([entry for entry in journal.entries if entry.kind == "print_job"]) == 1


def test_a_list_asked_for_again_after_it_was_printed_is_not_printed_again(queue: Queue, journal: MemoryJournal) -> None:
    ask(queue, "list-2026-06-22")
    bring(queue, "list-2026-06-22", S.SENDING, S.SENT, S.UNCONFIRMED)
    restarted = Queue(journal.append, [], recall=lambda job_id: jobs(journal.entries).get(job_id))
    assert ask(restarted, "list-2026-06-22").state is S.UNCONFIRMED
    assert restarted.open() == []
    forgetful = Queue(journal.append)
    with pytest.raises(UsageError):
        ask(forgetful, "list-2026-06-22")
    assert forgetful.next("counter", START_S) is None, "rather no paper than a second one"


def test_asking_whose_commit_may_have_worked_is_asked_again(journal: MemoryJournal) -> None:
    lose = [True]

    def append(drafts: list[Draft]) -> object:
        written = journal.append(drafts)
        if lose.pop():
            raise NotRecorded("time-out")
        return written

    queue = Queue(append, recall=lambda job_id: jobs(journal.entries).get(job_id))  # type: ignore[arg-type]  # it fails
    with pytest.raises(NotRecorded):
        ask(queue)
    assert ask(queue).state is S.QUEUED
    assert queue.next("counter", START_S) == queue.job("j1")
    assert len(journal.entries) == 1


def test_a_commit_that_may_have_worked_is_said_again_and_recognised(journal: MemoryJournal) -> None:
    class Lost:
        """The entry is written, the answer is lost."""

        lose = False

        def append(self, drafts: list[Draft]) -> object:
            written = journal.append(drafts)
            if self.lose:
                raise NotRecorded("time-out")
            return written

    store = Lost()
    queue = Queue(store.append)  # type: ignore[arg-type]  # a store that fails is no journal
    ask(queue)
    store.lose = True
    with pytest.raises(NotRecorded):
        queue.move("j1", S.SENDING, offset=0)
    assert queue.job("j1").state is S.QUEUED
    store.lose = False
    queue.move("j1", S.SENDING, offset=0)
    assert len(journal.entries) == 2
    assert jobs(journal.entries)["j1"] == queue.job("j1")


def test_after_a_restart_what_was_on_its_way_is_unknown_and_the_rest_goes_on(
    queue: Queue, journal: MemoryJournal
) -> None:
    for number, path in enumerate(
        [(), (S.SENDING,), (S.SENDING, S.SENT), (S.SENDING, S.HELD), (S.HELD,), (S.SENDING, S.FAILED_BEFORE), UNKNOWN]
    ):
        ask(queue, f"j{number}")
        bring(queue, f"j{number}", *path)
    later = Queue(journal.append, jobs(journal.entries).values())
    assert [job.id for job in later.recover()] == ["j1", "j2", "j3"]
    states = [later.job(f"j{number}").state for number in range(7)]
    assert states == [S.QUEUED, S.UNKNOWN, S.UNKNOWN, S.UNKNOWN, S.HELD, S.FAILED_BEFORE, S.UNKNOWN]
    assert later.job("j1").why == Why.RESTARTED
    assert later.recover() == []
    found = later.next("counter", START_S)
    assert found is not None
    assert found.id == "j0"


def test_a_job_held_by_a_person_or_unknown_does_not_block_the_ones_behind_it(queue: Queue) -> None:
    for number, path in enumerate([UNKNOWN, (S.HELD,), (), ()]):
        ask(queue, f"j{number}")
        bring(queue, f"j{number}", *path)
    found = queue.next("counter", START_S)
    assert found is not None
    assert found.id == "j2"
    assert queue.next("bar", START_S) is None


@pytest.mark.parametrize("purpose", [*Purpose, "something new"])
def test_what_waited_too_long_is_asked_about(purpose: str, queue: Queue) -> None:
    job = ask(queue, purpose=purpose)
    limit = LIMITS_S.get(purpose, 600)
    assert not expired(job, START_S + limit)
    assert expired(job, START_S + limit + 1)
    assert not expired(job, START_S - 200)
    assert expired(job, START_S - 1000), "stamped by a clock of another time: its age is unknown"
    assert queue.next("counter", START_S + limit + 1) is None
    assert (queue.job("j1").state, queue.job("j1").why) == (S.HELD, Why.TOO_OLD)
    queue.decide("j1", "resume", "0001")
    found = queue.next("counter", START_S + 1)
    assert found is not None
    assert found.why == Why.RESUMED


def test_started_in_vain_three_times_it_waits_for_a_person(queue: Queue) -> None:
    ask(queue)
    for _ in range(3):
        assert queue.next("counter", START_S)
        bring(queue, "j1", S.SENDING, S.FAILED_BEFORE)
    assert queue.next("counter", START_S) is None
    assert queue.job("j1").state in OPEN
    queue.decide("j1", "resume", "0001")
    assert queue.next("counter", START_S)


def test_too_many_waiting_papers_drop_the_oldest_wish_never_the_list(queue: Queue) -> None:
    ask(queue, "list", "day_list")
    for number in range(WAITING_LIMIT + 5):
        ask(queue, f"r{number}")
    assert len(queue.open()) == WAITING_LIMIT
    assert queue.job("list").state is S.QUEUED
    dropped = [queue.job(f"r{number}") for number in range(7)]
    assert [job.state for job in dropped] == [S.CANCELLED] * 6 + [S.QUEUED]
    assert dropped[0].why == Why.TOO_MANY


# -- what a person says ------------------------------------------------------------------------------------------------


def further(job: Job) -> Draft:
    return request(
        "again", slip("again"), purpose=job.purpose, printer=job.printer, copy_no=job.copy_no + 1, again_of=job.id
    )


@pytest.mark.parametrize("path", [UNKNOWN, (S.SENDING, S.SENT, S.UNCONFIRMED), (S.SENDING, S.HELD)])
def test_it_came_out(path: tuple[State, ...], queue: Queue) -> None:
    ask(queue)
    bring(queue, "j1", *path)
    job, new = queue.decide("j1", "came_out", "0001")
    assert (job.state, job.history[-1].operator, new) == (S.PRINTED_BY_OPERATOR, "0001", None)
    assert queue.next("counter", START_S) is None


@pytest.mark.parametrize("path", [UNKNOWN, (S.SENDING, S.SENT, S.UNCONFIRMED), (S.SENDING, S.HELD)])
def test_it_did_not_come_out_so_a_further_copy_does(
    path: tuple[State, ...], queue: Queue, journal: MemoryJournal
) -> None:
    ask(queue)
    bring(queue, "j1", *path)
    before = len(journal.entries)
    job, new = queue.decide("j1", "did_not_come_out", "0001", further)
    assert (job.state, job.why) == (S.CANCELLED, Why.AGAIN)
    assert new is not None
    assert (new.id, new.again_of, new.copy_no, new.state) == ("again", "j1", 2, S.QUEUED)
    assert len(journal.entries) == before + 2
    assert queue.next("counter", START_S) == new


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("came_out", ()),
        ("came_out", (S.SENDING,)),
        ("came_out", (S.CANCELLED,)),
        ("did_not_come_out", (S.SENDING, S.SENT, S.PRINTED)),
        ("did_not_come_out", ()),
        ("resume", ()),
        ("resume", UNKNOWN),
        ("resume", (S.SENDING, S.HELD)),
        ("cancel", (S.CANCELLED,)),
        ("cancel", UNKNOWN),
    ],
)
def test_words_that_do_not_fit_are_refused(action: str, path: tuple[State, ...], queue: Queue) -> None:
    ask(queue)
    bring(queue, "j1", *path)
    before = queue.job("j1")
    with pytest.raises(Refused):
        queue.decide("j1", action, "0001", further)
    assert queue.job("j1") == before


def test_unknown_words_and_papers_are_named(queue: Queue) -> None:
    ask(queue)
    with pytest.raises(UsageError, match="explode"):
        queue.decide("j1", "explode", "0001")
    with pytest.raises(UsageError, match="j9"):
        queue.decide("j9", "cancel", "0001")


def test_a_paper_done_before_the_last_restart_can_still_be_spoken_about(queue: Queue, journal: MemoryJournal) -> None:
    ask(queue)
    bring(queue, "j1", S.SENDING, S.SENT, S.UNCONFIRMED)
    later = Queue(
        journal.append, jobs(journal.entries).values(), recall=lambda job_id: jobs(journal.entries).get(job_id)
    )
    assert later.open() == []
    job, new = later.decide("j1", "did_not_come_out", "0001", further)
    assert job.state is S.CANCELLED
    assert new is not None


def test_cancelling_and_sending_at_the_same_moment_have_one_winner() -> None:
    for _ in range(20):
        journal = MemoryJournal(lambda: START_S)
        queue = Queue(journal.append)
        ask(queue)
        ready = threading.Barrier(2)
        won: list[str] = []

        def compete(
            name: str, act: Callable[[], object], ready: threading.Barrier = ready, won: list[str] = won
        ) -> None:
            ready.wait()
            try:
                act()
            except Refused:
                return
            won.append(name)

        def cancel(queue: Queue = queue) -> object:
            return queue.decide("j1", "cancel", "0001")

        def send(queue: Queue = queue) -> object:
            return queue.move("j1", S.SENDING)

        threads = [threading.Thread(target=compete, args=pair) for pair in (("cancel", cancel), ("send", send))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        state = queue.job("j1").state
        # Sending first and cancelling behind it is giving a paper up: nobody knows what came out.
        assert (sorted(won), state) in [(["cancel"], S.CANCELLED), (["cancel", "send"], S.UNKNOWN)]


def test_what_is_done_is_forgotten_in_the_end(queue: Queue) -> None:
    for number in range(200):
        ask(queue, f"j{number}")
        bring(queue, f"j{number}", S.SENDING, S.SENT, S.UNCONFIRMED)
    assert len(queue._jobs) <= 60


def test_the_slip_is_found_by_the_jobs_own_id(journal: MemoryJournal, queue: Queue) -> None:
    job = ask(queue)

    class Past:
        def find(self, source: str, kind: str, key: str) -> object:
            assert (source, kind) == ("printing", "print_job")
            return (1700, journal.entries[0]) if key == "j1" else None

        def raw(self, number: int) -> bytes | None:
            return journal.raws["j1"] if number == 1700 else None

    load = loader(Past())  # type: ignore[arg-type]  # as much of a history as is asked for
    assert load(job) == slip("j1")
    other = ask(queue, "j2")
    with pytest.raises(Refused, match="j2"):
        load(other)


def test_a_further_copy_is_printed_behind_an_unknown_one() -> None:
    bench = Bench()
    first = bench.ask("one")
    bench.queue.move(first.id, S.SENDING)
    bench.start()
    assert bench.job(first.id).state is S.UNKNOWN
    bench.queue.decide(first.id, "did_not_come_out", "0001", further)
    assert bench.run(lambda: bench.job("again").state is S.UNCONFIRMED)
    assert printed(bench.paper, "again") == 1
    assert printed(bench.paper, "one") == 0
