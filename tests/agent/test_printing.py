"""The printing role, at every byte of a paper: printed once, or shown as held or unknown. Never twice, never silent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.contract import Level
from agent.errors import NotRecorded, TryLater
from agent.print_jobs import State, Why
from drivers.printers.escpos import EscPos
from tests.fakes.printer import HASTE, Bench, ModelLink, printed, slip

DONE = {State.UNCONFIRMED, State.UNKNOWN, State.CANCELLED}


def done(bench: Bench, job_id: str) -> Callable[[], bool]:
    return lambda: bench.job(job_id).state in DONE


@pytest.mark.parametrize(("level", "why"), [(Level.STATUS, Why.HEALTHY), (Level.WRITE_ONLY, Why.CANNOT_ANSWER)])
def test_a_paper_comes_out_and_no_more_is_claimed_than_proven(level: Level, why: Why) -> None:
    bench = Bench(level)
    job = bench.ask("one")
    assert bench.run(done(bench, job.id))
    told = bench.job(job.id)
    assert [step.state for step in told.history] == [State.QUEUED, State.SENDING, State.SENT, State.UNCONFIRMED]
    assert told.why == why
    assert told.offset == len(EscPos(32, "gb18030", level).encode(slip("one")))
    assert printed(bench.paper, "one") == 1
    assert not bench.alarms.on


def test_sending_is_recorded_before_the_first_byte_leaves() -> None:
    bench = Bench()
    job = bench.ask("one")
    seen: list[State] = []
    write = ModelLink.write

    class Watching(ModelLink):
        def write(self, data: bytes) -> int:
            if data != bench.role._printer.question():
                seen.append(bench.job(job.id).state)
            return write(self, data)

    bench.make_link = lambda: Watching(bench.model)
    assert bench.run(done(bench, job.id))
    assert set(seen) == {State.SENDING}


def test_papers_come_out_in_order_one_after_another() -> None:
    bench = Bench()
    ids = [bench.ask(f"p{number}").id for number in range(3)]
    assert bench.run(lambda: all(bench.job(job_id).state is State.UNCONFIRMED for job_id in ids), 60)
    places = [bench.paper.index(f"END p{number}\n".encode()) for number in range(3)]
    assert places == sorted(places)
    assert len(bench.model.pieces) == 3


# -- before the first byte ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"lines_left": 0}, Why.NO_PAPER),
        ({"cover_open": True}, Why.COVER_OPEN),
        ({"offline": True}, Why.OFFLINE),
        ({"cutter_jammed": True}, Why.FAULT),
        ({"silent": True}, Why.NO_ANSWER),
    ],
)
def test_a_printer_that_is_not_ready_keeps_the_paper_queued_and_prints_it_when_it_is(fault: dict, why: Why) -> None:
    bench = Bench()
    for name, value in fault.items():
        setattr(bench.model.sensors, name, value)
    job = bench.ask("one")
    bench.run(seconds=5)
    assert bench.job(job.id).state is State.QUEUED
    assert bench.role.state().why == why
    assert "printer_counter" in bench.alarms.on
    assert printed(bench.paper, "one") == 0
    for name in fault:
        setattr(bench.model.sensors, name, None if name == "lines_left" else False)
    assert bench.run(done(bench, job.id))
    assert bench.job(job.id).state is State.UNCONFIRMED
    assert printed(bench.paper, "one") == 1
    assert not bench.alarms.on
    assert len(bench.job(job.id).history) == 4, "waiting writes nothing into the journal"


def test_a_printer_that_cannot_be_reached_is_tried_again() -> None:
    bench = Bench()
    tries = []

    def refuse() -> ModelLink:
        tries.append(bench.now)
        raise TryLater("no route")

    bench.make_link = refuse
    job = bench.ask("one")
    bench.run(seconds=5)
    assert bench.role.state().why == Why.NOT_REACHED
    assert 3 < len(tries) < 200, "it backs off"
    bench.make_link = lambda: ModelLink(bench.model)
    assert bench.run(done(bench, job.id))
    assert printed(bench.paper, "one") == 1


def test_a_slip_that_cannot_be_encoded_does_not_block_the_next_one() -> None:
    bench = Bench()
    bad = bench.ask("bad")
    bench.journal.raws[bad.id] = b'{"rows": 3}'
    good = bench.ask("good")
    assert bench.run(done(bench, good.id))
    assert bench.job(bad.id).state is State.FAILED_BEFORE
    assert bench.job(bad.id).why == Why.NOT_ENCODED
    assert bench.job(bad.id).attempts == 3, "and it is not tried for ever"
    assert printed(bench.paper, "good") == 1


# -- at every byte -----------------------------------------------------------------------------------------------------


def _paper_out(bench: Bench) -> Callable[[ModelLink], None]:
    return lambda _link: setattr(bench.model.sensors, "lines_left", 0)


def _cover(bench: Bench) -> Callable[[ModelLink], None]:
    return lambda _link: setattr(bench.model.sensors, "cover_open", True)


def _drop(bench: Bench) -> Callable[[ModelLink], None]:
    return lambda link: setattr(link, "broken", True)


def _power_cycle(bench: Bench) -> Callable[[ModelLink], None]:
    def cycle(link: ModelLink) -> None:
        bench.model.power_cycle()
        link.broken = True

    return cycle


def _silent_power_cycle(bench: Bench) -> Callable[[ModelLink], None]:
    """A serial line does not notice: the printer is silent for a while and then as good as new."""

    def cycle(link: ModelLink) -> None:
        bench.model.power_cycle()
        bench.model.sensors.silent = True

    return cycle


def _length(level: Level = Level.STATUS) -> int:
    printer = EscPos(32, "gb18030", level)
    return len(printer.question()) + len(printer.encode(slip("one")))


def breaks_once(bench: Bench, offset: int, fault: Callable) -> None:
    """The first connection meets the fault after so many bytes, question included; later ones are whole."""
    first = iter([ModelLink(bench.model, break_at=offset, on_break=fault(bench))])
    bench.make_link = lambda: next(first, None) or ModelLink(bench.model)


def repair(bench: Bench) -> None:
    sensors = bench.model.sensors
    sensors.lines_left, sensors.cover_open, sensors.silent = None, False, False


@pytest.mark.parametrize("buffer_bytes", [65536, 48])
@pytest.mark.parametrize("fault", [_paper_out, _cover])
def test_every_byte_paper_or_cover_holds_until_repaired_then_prints_once(fault: Callable, buffer_bytes: int) -> None:
    for offset in range(_length() + 1):
        bench = Bench(buffer_bytes=buffer_bytes)
        breaks_once(bench, offset, fault)
        job = bench.ask("one")
        bench.run(lambda b=bench, j=job: b.job(j.id).state is State.HELD or done(b, j.id)(), 10)
        state = bench.job(job.id).state
        if state is State.UNCONFIRMED:
            pass  # all of it had been printed when the fault came
        elif state is not State.QUEUED:
            assert state is State.HELD, (offset, state)
            # A printer with a tiny buffer may stop before it has read the command that lets it speak by itself.
            known = {Why.NO_PAPER, Why.COVER_OPEN}
            unsaid = {Why.TAKES_NOTHING} if buffer_bytes == 48 and offset < 80 else set()
            assert bench.job(job.id).why in known | unsaid, offset
            assert "printer_counter" in bench.alarms.on
        repair(bench)
        assert bench.run(done(bench, job.id)), (offset, bench.job(job.id))
        assert bench.job(job.id).state is State.UNCONFIRMED, (offset, bench.job(job.id))
        assert printed(bench.paper, "one") == 1, offset
        assert len(bench.links) <= 50


@pytest.mark.parametrize("fault", [_drop, _power_cycle])
@pytest.mark.parametrize("level", [Level.STATUS, Level.WRITE_ONLY])
def test_every_byte_a_lost_line_is_unknown_and_never_printed_again(fault: Callable, level: Level) -> None:
    asked = len(EscPos(32, "gb18030", level).question())
    for offset in range(_length(level) + 1):
        bench = Bench(level)
        breaks_once(bench, offset, fault)
        job = bench.ask("one")
        assert bench.run(done(bench, job.id)), (offset, bench.job(job.id))
        bench.run(seconds=3)
        told = bench.job(job.id)
        count = printed(bench.paper, "one")
        if offset <= asked:  # not one byte of it had left
            assert told.state is State.UNCONFIRMED, (offset, told)
            assert count == 1, offset
        else:
            assert told.state is State.UNKNOWN, (offset, told)
            assert told.offset == offset - asked, "what had left is told"
            assert count <= 1, offset
            assert "papers_counter" in bench.alarms.on


def test_every_byte_a_printer_that_was_silent_and_comes_back_is_unknown() -> None:
    for offset in range(len(EscPos(32, "gb18030", Level.STATUS).question()) + 1, _length() + 1, 3):
        bench = Bench()
        bench.make_link = lambda b=bench, o=offset: ModelLink(b.model, break_at=o, on_break=_silent_power_cycle(b))
        job = bench.ask("one")
        assert bench.run(lambda b=bench, j=job: b.job(j.id).state is State.HELD, 10), offset
        assert bench.job(job.id).why == Why.NO_ANSWER
        repair(bench)
        assert bench.run(done(bench, job.id))
        assert (bench.job(job.id).state, bench.job(job.id).why) == (State.UNKNOWN, Why.WAS_SILENT)
        assert printed(bench.paper, "one") <= 1


@pytest.mark.parametrize("level", [Level.STATUS, Level.WRITE_ONLY])
def test_every_byte_our_own_death_leaves_an_unknown_paper_that_is_not_printed_again(level: Level) -> None:
    asked = len(EscPos(32, "gb18030", level).question())
    for offset in range(_length(level) + 1):
        bench = Bench(level)
        dead: list[bool] = []
        bench.make_link = lambda b=bench, o=offset, d=dead: ModelLink(
            b.model, break_at=o, on_break=lambda _link: d.append(True), chunk=1 << 20
        )
        job = bench.ask("one")
        bench.run(lambda d=dead: bool(d))
        bench.make_link = lambda b=bench: ModelLink(b.model)
        bench.start()
        told = bench.job(job.id)
        bench.run(seconds=3)
        count = printed(bench.paper, "one")
        if told.state is State.QUEUED:
            assert count == 1, offset
        else:
            assert (told.state, told.why) == (State.UNKNOWN, Why.RESTARTED), offset
            assert offset >= asked
            assert count <= 1, offset
            assert bench.job(job.id) == told, "only a person moves it on"


def test_a_naive_loop_that_sends_again_after_an_error_prints_twice() -> None:
    """The negative control: this test's way of counting does notice a second paper."""
    data = EscPos(32, "gb18030", Level.WRITE_ONLY).encode(slip("one"))
    doubled = 0
    for offset in range(len(data) + 1):
        bench = Bench(Level.WRITE_ONLY)
        for link in (ModelLink(bench.model, break_at=offset, on_break=_drop(bench)), ModelLink(bench.model)):
            try:
                rest = data
                while rest:
                    rest = rest[link.write(rest) :]
                link.read()
            except TryLater:
                continue
            break
        doubled += printed(bench.paper, "one") > 1
    assert doubled > 0


# -- the journal fails -------------------------------------------------------------------------------------------------


def test_no_byte_leaves_while_the_journal_cannot_be_written_and_nothing_is_told_twice() -> None:
    for fail_at in range(1, 5):
        for lines in (12, 1200):  # one paper, and one long enough to have its progress recorded
            bench = Bench()
            job = bench.ask("one", lines=lines)
            bench.journal.fail_at, bench.journal.failures = fail_at, 3
            failed = 0
            for _ in range(6000):
                carried = bench.links[-1].carried if bench.links else 0
                before = len(bench.journal.entries)
                try:
                    bench.step()
                except NotRecorded:
                    failed += 1
                    bench.now += 0.5
                    if fail_at == 1:
                        assert bench.links[-1].carried == carried <= 12, "only the question has left"
                assert len(bench.journal.entries) - before <= 1
                if done(bench, job.id)():
                    break
            assert bench.job(job.id).state is State.UNCONFIRMED
            assert printed(bench.paper, "one") == 1
            assert failed == (3 if fail_at <= len(bench.journal.entries) - 1 else 0)


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_person_can_give_up_a_paper_the_printer_holds() -> None:
    bench = Bench(buffer_bytes=48)
    bench.make_link = lambda: ModelLink(bench.model, break_at=60, on_break=_paper_out(bench))
    job = bench.ask("one")
    assert bench.run(lambda: bench.job(job.id).state is State.HELD)
    bench.queue.decide(job.id, "cancel", "0001")
    bench.run(seconds=1)
    assert bench.links[0].closed
    told = bench.job(job.id)
    assert (told.state, told.why, told.history[-1].operator) == (State.UNKNOWN, Why.GIVEN_UP, "0001")


def test_called_off_while_the_printer_is_asked_nothing_is_printed() -> None:
    bench = Bench()
    job = bench.ask("one")
    bench.step()
    bench.queue.decide(job.id, "cancel", "0001")
    bench.run(seconds=2)
    assert bench.job(job.id).state is State.CANCELLED
    assert printed(bench.paper, "one") == 0
    assert all(link.closed for link in bench.links)


def test_old_papers_do_not_flood_out_after_an_outage() -> None:
    bench = Bench()
    bench.model.sensors.lines_left = 0
    reprints = [bench.ask(f"r{number}") for number in range(5)]
    list_ = bench.ask("list", purpose="day_list")
    bench.run(seconds=2)
    bench.now += 9 * 3600  # a night without paper
    bench.model.sensors.lines_left = None
    assert bench.run(done(bench, list_.id))
    assert printed(bench.paper, "list") == 1, "the evening's list is still wanted"
    for number, job in enumerate(reprints):
        assert (bench.job(job.id).state, bench.job(job.id).why) == (State.HELD, Why.TOO_OLD)
        assert printed(bench.paper, f"r{number}") == 0
    assert "papers_counter" in bench.alarms.on
    bench.queue.decide(reprints[0].id, "resume", "0001")
    for job in reprints[1:]:
        bench.queue.decide(job.id, "cancel", "0001")
    assert bench.run(done(bench, reprints[0].id))
    assert printed(bench.paper, "r0") == 1
    bench.run(seconds=1)
    assert not bench.alarms.on


def test_a_paper_behind_a_broken_one_starts_on_clean_paper() -> None:
    """The break is in the middle of a picture's data: without the rescue they would eat the next paper."""
    bench = Bench(patience=HASTE)
    first = bench.ask("one", lines=3)
    data = bench.role._printer.encode(slip("one", 3))
    picture = b"\x1dv0\x00\x30\x00\x80\x00" + bytes(100)
    bench.role._printer.encode = lambda _slip: data[:50] + picture + data[50:]  # type: ignore[method-assign]
    bench.make_link = lambda: ModelLink(bench.model, break_at=12 + 150, on_break=_drop(bench))
    assert bench.run(done(bench, first.id))
    assert bench.job(first.id).state is State.UNKNOWN
    bench.make_link = lambda: ModelLink(bench.model)
    del bench.role._printer.encode
    second = bench.ask("two")
    assert bench.run(done(bench, second.id))
    assert printed(bench.paper, "two") == 1
    assert printed(bench.model.pieces[-1], "two") == 1
    assert b"\0" * 64 not in bench.model.pieces[-1], "the broken piece was cut off before"
