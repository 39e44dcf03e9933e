"""A vendor's own till software against our proxy: real ptys, the real capture role, a real journal, a store that holds.

The till library opens `till`, a thread that plays the terminal holds `terminal`. Every entry that tells of money is
committed before its answer goes on, `hold_s` seconds late on top.
"""

from __future__ import annotations

import os
import select
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.alerts import Alarms
from agent.capture import Capture, Line
from agent.contract import Mode, TerminalDriver
from agent.entries import Draft, Entry, Stamp
from agent.journal import Journal, Written
from agent.ports import parse

DEVICE = {"transaction", "settlement", "detail_list", "notice", "conflict", "copy"}


class Holding:
    """The journal, late."""

    def __init__(self, journal: Journal, hold_s: float) -> None:
        self._journal = journal
        self._hold_s = hold_s
        self.entries: list[Entry] = []

    def append(self, drafts: list[Draft]) -> list[Written]:
        if any(draft.kind in DEVICE for draft in drafts):
            time.sleep(self._hold_s)
        written = self._journal.append(drafts)
        self.entries += [one.entry for one in written if one.new and one.entry.kind in DEVICE]
        return written

    def recorded(self, count: int) -> list[Entry]:
        """The entries once there are `count`: a disk slower than the capture's patience writes behind the answer."""
        until = time.monotonic() + 10.0
        while len(self.entries) < count and time.monotonic() < until:
            time.sleep(0.02)
        return self.entries

    def rest(self, *, idle: bool) -> None:
        pass


class Device:
    """The terminal's end of the line."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._file, termios.TCSANOW)

    def read(self, size: int, timeout_s: float = 8.0) -> bytes:
        """`size` bytes. Raises TimeoutError."""
        data = b""
        until = time.monotonic() + timeout_s
        while len(data) < size:
            if not select.select([self._file], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"only {data!r} came")
            data += os.read(self._file, size - len(data))
        return data

    def write(self, data: bytes) -> None:
        os.write(self._file, data)

    def close(self) -> None:
        os.close(self._file)


@contextmanager
def proxy(driver: TerminalDriver, directory: Path, hold_s: float) -> Iterator[tuple[Path, Device, Holding]]:
    """The path for the till's library, the terminal's end, and the store."""
    directory.mkdir(parents=True, exist_ok=True)
    till, terminal = directory / "till", directory / "terminal"
    started = time.monotonic()
    stamp = Stamp("2024-05-06T07:08:09.000Z", 0, "boot", "ok", "2024-05-06")
    journal = Journal(directory / "journal", stamp=lambda: stamp, salt=lambda: "00" * 16, journal_id="journal")
    store = Holding(journal, hold_s)
    capture = Capture(
        [Line("t", driver.name, "proxy", parse(f"pty:{terminal}"), parse(f"pty:{till}"), _talk(driver))],
        store,
        Alarms(lambda _: None, lambda: stamp.at),
        now=lambda: stamp.at,
        mono_s=time.monotonic,
    )
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            capture.step()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while not (till.exists() and terminal.exists() and capture.state()[0]["state"] == "connected"):
        assert time.monotonic() - started < 5, "the ports did not open"
        time.sleep(0.01)
    device = Device(terminal)
    try:
        yield till, device, store
    finally:
        stop.set()
        capture.poke()
        thread.join(5)
        capture.close()
        device.close()
        journal.close()


def _talk(driver: TerminalDriver):
    return lambda: driver.converse(Mode.PROXY, {})


@contextmanager
def playing(play: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Runs the terminal's part beside the till's; what goes wrong in it is raised at the end."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            play()
        except BaseException as cause:
            wrong.append(cause)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield wrong
    thread.join(20)
    assert not thread.is_alive(), "the terminal still waits"
    if wrong:
        raise wrong[0]
