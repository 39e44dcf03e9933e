"""Printing over real sockets and ptys with the real journal: faults in the middle, and the death of our process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import Level
from agent.print_jobs import Job, State, Why, request
from agent.slips.model import Image
from drivers.printers.escpos import EscPos
from drivers.simulators.printer import VirtualPrinter
from tests.fakes.printer import printed, slip
from tests.fakes.printing_process import Desk

S = State
DONE = (S.UNCONFIRMED, S.UNKNOWN)
LENGTH = len(EscPos(32, "gb18030", Level.STATUS).encode(slip("one"))) + 12


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., VirtualPrinter]]:
    """Starts virtual printers, on TCP or (parameter "pty") on a pty."""
    started: list[VirtualPrinter] = []

    def make(*, serial: bool = False, **settings: object) -> VirtualPrinter:
        where = {"pty_path": tmp_path / "tty"} if serial else {"listen": ("127.0.0.1", 0)}
        started.append(VirtualPrinter(**where, **settings).start())  # type: ignore[arg-type]  # settings by name
        return started[-1]

    yield make
    for printer in started:
        printer.stop()


def url(printer: VirtualPrinter, tmp_path: Path, *, serial: bool = False) -> str:
    return f"serial:{tmp_path / 'tty'}?baud=115200" if serial else f"tcp://127.0.0.1:{printer.port}"


@pytest.fixture
def desk_on(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def make(where: str, level: Level = Level.STATUS) -> Desk:
        opened.append(Desk(tmp_path / "state", where, level))
        return opened[-1]

    yield make
    for desk in opened:
        if not desk.closed:
            desk.close()


def ask(desk: Desk, mark: str = "one") -> Job:
    return desk.queue.add(request(mark, slip(mark), purpose="reprint", printer="counter"))


def quiet(printer: VirtualPrinter) -> None:
    end = time.monotonic() + 3
    while printer.busy and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.03)


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("level", [Level.STATUS, Level.WRITE_ONLY])
def test_papers_come_out_whole(start: Callable, desk_on: Callable, tmp_path: Path, serial: bool, level: Level) -> None:
    printer = start(serial=serial, lines_per_s=400)
    desk = desk_on(url(printer, tmp_path, serial=serial), level)
    for mark in ("one", "two"):
        ask(desk, mark)
    for mark in ("one", "two"):
        assert desk.run(mark, *DONE) is S.UNCONFIRMED
    quiet(printer)
    encoder = EscPos(32, "gb18030", level)
    assert len(printer.pieces) == 2
    for piece, mark in zip(printer.pieces, ("one", "two"), strict=True):
        wanted = encoder.encode(slip(mark)).replace(b"\x1da\xff", b"")  # questions are no paper
        assert piece == wanted


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("fault", ["paper", "cover"])
def test_paper_or_cover_in_the_middle_holds_then_finishes_once(
    start: Callable, desk_on: Callable, tmp_path: Path, serial: bool, fault: str
) -> None:
    printer = start(serial=serial, lines_per_s=60)
    desk = desk_on(url(printer, tmp_path, serial=serial))
    ask(desk)
    if fault == "paper":
        printer.set(lines_left=3)
        desk.run("one", S.HELD)
    else:
        desk.run("one", S.SENDING, S.SENT)
        printer.set(cover_open=True)
        desk.run("one", S.HELD)
    assert desk.queue.job("one").why == (Why.NO_PAPER if fault == "paper" else Why.COVER_OPEN)
    assert "printer_counter" in desk.alarms.on
    printer.set(lines_left=None, cover_open=False)
    assert desk.run("one", *DONE) is S.UNCONFIRMED
    quiet(printer)
    assert printed(printer.paper, "one") == 1


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("offset", [13, LENGTH // 2, LENGTH])
def test_a_line_that_drops_leaves_an_unknown_paper_and_prints_the_next_whole(
    start: Callable, desk_on: Callable, tmp_path: Path, offset: int, serial: bool
) -> None:
    printer = start(serial=serial, bytes_per_s=20_000)
    printer.drop_after(offset)
    desk = desk_on(url(printer, tmp_path, serial=serial))
    ask(desk)
    assert desk.run("one", *DONE) is S.UNKNOWN
    ask(desk, "two")
    assert desk.run("two", *DONE) is S.UNCONFIRMED
    quiet(printer)
    assert printed(printer.paper, "one") <= 1
    assert printed(printer.pieces[-1], "two") == 1
    assert printed(printer.pieces[-1], "one") == 0, "another customer's paper is cut off first"
    assert desk.state("one") is S.UNKNOWN
    assert "papers_counter" in desk.alarms.on


@pytest.mark.parametrize("serial", [False, True])
def test_a_power_cut_at_the_printer(start: Callable, desk_on: Callable, tmp_path: Path, serial: bool) -> None:
    printer = start(serial=serial, lines_per_s=30)
    desk = desk_on(url(printer, tmp_path, serial=serial))
    ask(desk)
    desk.run("one", S.SENT)
    printer.power_cycle()
    assert desk.run("one", *DONE) is S.UNKNOWN
    quiet(printer)
    assert printed(printer.paper, "one") == 0, "what was in its buffer is lost: nobody may call this printed"


def test_bytes_that_wait_in_the_kernel_are_no_silence(start: Callable, desk_on: Callable, tmp_path: Path) -> None:
    """A big paper: all of it is handed over at once, the questions stand behind it until the printer goes on."""
    printer = start(buffer_bytes=4096, lines_per_s=2000)
    desk = desk_on(url(printer, tmp_path))
    big = replace(slip("one"), rows=(Image(384, 8000, b"\x00\x01" * 192_000), *slip("one").rows))
    desk.queue.add(request("one", big, purpose="reprint", printer="counter"))
    desk.run("one", S.SENDING, S.SENT)
    printer.set(offline=True)
    desk.run("one", S.HELD)
    assert desk.queue.job("one").why in (Why.OFFLINE, Why.TAKES_NOTHING)
    end = time.monotonic() + 1.5  # longer than silence is borne
    while time.monotonic() < end:
        time.sleep(min(desk.role.step(time.monotonic()), 0.02))
    assert desk.state("one") is S.HELD
    printer.set(offline=False)
    assert desk.run("one", *DONE) is S.UNCONFIRMED
    quiet(printer)
    assert printed(printer.paper, "one") == 1


def test_a_printer_that_is_switched_on_later_prints(start: Callable, desk_on: Callable, tmp_path: Path) -> None:
    printer = start()
    where = url(printer, tmp_path)
    printer.stop()
    desk = desk_on(where)
    ask(desk)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        time.sleep(min(desk.role.step(time.monotonic()), 0.02))
    assert desk.role.state().why == Why.NOT_REACHED
    assert desk.state("one") is S.QUEUED
    host, _, port = where.removeprefix("tcp://").partition(":")
    later = VirtualPrinter(listen=(host, int(port))).start()
    try:
        assert desk.run("one", *DONE) is S.UNCONFIRMED
        quiet(later)
        assert printed(later.paper, "one") == 1
    finally:
        later.stop()


def test_a_file_is_a_printer_that_cannot_answer(desk_on: Callable, tmp_path: Path) -> None:
    desk = desk_on(f"file:{tmp_path / 'out.bin'}", Level.WRITE_ONLY)
    ask(desk)
    assert desk.run("one", *DONE) is S.UNCONFIRMED
    assert (tmp_path / "out.bin").read_bytes() == EscPos(32, "gb18030", Level.WRITE_ONLY).encode(slip("one"))


@pytest.mark.parametrize("offset", [1, 14, LENGTH // 2, LENGTH - 2, LENGTH])
def test_our_process_is_killed_in_the_middle(start: Callable, desk_on: Callable, tmp_path: Path, offset: int) -> None:
    printer = start(bytes_per_s=1200, buffer_bytes=65536)
    where = url(printer, tmp_path)
    desk = desk_on(where)
    ask(desk)
    ask(desk, "two")
    desk.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.printing_process", str(tmp_path / "state"), where],
        stderr=subprocess.PIPE,
    )
    end = time.monotonic() + 20
    while printer.received < offset and time.monotonic() < end:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert process.stderr
    process.stderr.close()
    printer.set_speed(bytes_per_s=None)
    desk = desk_on(where)
    assert desk.run("two", *DONE) is S.UNCONFIRMED
    state = desk.queue.job("one").state
    quiet(printer)
    count = printed(printer.paper, "one")
    if state is S.UNCONFIRMED:
        assert count == 1
    else:
        assert (state, desk.queue.job("one").why) == (S.UNKNOWN, Why.RESTARTED)
        assert count <= 1
    assert printed(printer.paper, "two") == 1
    if offset > 12 + 30:
        assert state is S.UNKNOWN, "bytes of it had left"
