"""The capture role in a thread, over real ports and a real journal whose disk obeys the test."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from agent import plugins, ports
from agent.alerts import Alarms
from agent.capture import Capture, Line
from agent.clock import Stamper, SystemClock, iso
from agent.contract import Conversation, Mode
from agent.entries import Draft, Entry
from agent.errors import NotRecorded
from agent.forever import Stop, start
from agent.journal import Journal, Reader, Written
from drivers.framing import Layout, Length, encode
from drivers.simulators.stx_terminal import message
from drivers.terminals.linkpos_message import Role

ACK = b"\x06"


def frame(number: int, amount_minor: int = 100, code: str = "20") -> bytes:
    """An approved sale as a LinkPOS terminal tells it."""
    fields = {
        "02": "APPROVED".ljust(40),
        "40": f"{amount_minor:012d}",
        "65": f"{number:06d}",
        "16": "T0000001",
        "50": "000001",
    }
    return encode(message(Role.RESPONSE, code, "00", fields), Layout(Length.BCD))


class Store:
    """The journal, with a disk that fails (`broken`), hangs (`hang()`) or will not have one key (`poison`)."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.broken = False
        self.poison = ""
        self.tries = 0
        self._go_on = threading.Event()
        self._go_on.set()
        self.waiting = threading.Event()

    def append(self, drafts: list[Draft]) -> list[Written]:
        self.tries += 1
        self.waiting.set()
        assert self._go_on.wait(30)
        if self.broken or (self.poison and any(self.poison in draft.key for draft in drafts)):
            raise NotRecorded("the journal could not be written: {cause}", "check the disk", cause="test")
        return self.journal.append(drafts)

    def rest(self, *, idle: bool) -> None:
        self.journal.rest(idle=idle)

    @contextlib.contextmanager
    def hang(self) -> Iterator[None]:
        self.waiting.clear()
        self._go_on.clear()
        try:
            yield
        finally:
            self._go_on.set()


class Box:
    """Capture on some lines, running until the test ends."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = SystemClock()
        self.journal = Journal(
            directory / "journal", stamp=Stamper(self.clock), salt=lambda: os.urandom(16).hex(), journal_id="j"
        )
        self.store = Store(self.journal)
        self.alarms = Alarms(self.store.append, self._now)
        self.lines: list[Line] = []
        self.stop = Stop()
        self.rounds = 0
        self._thread: threading.Thread | None = None

    def _now(self) -> str:
        return iso(self.clock.now())

    def line(
        self,
        name: str,
        port: str,
        driver: str | Callable[[], Conversation] = "stx-bcdlen",
        mode: Mode = Mode.ECR,
        till: str = "",
        **settings: object,
    ) -> Box:
        if isinstance(driver, str):
            loaded = plugins.terminal(driver)
            values = {setting.name: setting.default for setting in loaded.settings} | settings
            make: Callable[[], Conversation] = lambda: loaded.converse(mode, values)  # noqa: E731 - one line of wiring
        else:
            make = driver
        address = ports.parse(till) if till else None
        self.lines.append(Line(name, str(driver), mode.value, ports.parse(port), address, make))
        return self

    def run(self) -> Box:
        self.capture = Capture(self.lines, self.store, self.alarms, now=self._now, mono_s=self.clock.mono_s)
        self.stop.on_stop.append(self.capture.poke)

        def step() -> float:
            self.rounds += 1
            return self.capture.step()

        self._thread = start("capture", step, self.stop)
        return self

    def close(self) -> None:
        self.stop.stop()
        if self._thread is not None:
            self._thread.join(10)
            assert not self._thread.is_alive(), "capture does not end"
            self.capture.close()
        self.journal.close()

    # -- looking ---------------------------------------------------------------------------------------------------

    def entries(self, kind: str = "") -> list[Entry]:
        reader = Reader(self.journal.path)
        found = [entry for entry, _ in reader.entries(0, 10_000) if kind in {"", entry.kind}]
        reader.close()
        return found

    def sold(self) -> list[str]:
        """Trace numbers of the sales in the journal."""
        return [entry.body.get("trace_no", "?") for entry in self.entries("transaction")]

    def port(self, name: str, side: str = "terminal") -> int:
        """The TCP port a line listens on."""

        def found() -> int:
            for line in self.capture._lines:
                for of, end in line.ends.items():
                    if line.config.name == name and of.value == side and end.listener is not None:
                        return end.listener.port
            return 0

        return until(found)

    def call(self, name: str, side: str = "terminal") -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self.port(name, side)), 5)
        line.settimeout(5)
        return line

    def connected(self, name: str) -> bool:
        return any(row["name"] == name and row["state"] == "connected" for row in self.capture.state())


class SerialLine:
    """A pty as a serial line: `name` is what capture opens (a link that may point elsewhere after a replug)."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.plug_in()

    @property
    def url(self) -> str:
        return f"serial:{self.link}?baud=115200"

    def plug_in(self) -> None:
        self.far, near = os.openpty()
        tty.setraw(near)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(near))
        self._near: int | None = near

    def let_go(self) -> None:
        """Only capture holds the near end now."""
        if self._near is not None:
            os.close(self._near)
            self._near = None

    def unplug(self) -> None:
        self.let_go()
        os.close(self.far)
        self.link.unlink(missing_ok=True)

    def send(self, data: bytes) -> None:
        os.write(self.far, data)

    def read(self, timeout_s: float = 5.0) -> bytes:
        if not select.select([self.far], [], [], timeout_s)[0]:
            return b""
        return os.read(self.far, 65536)


Found = TypeVar("Found")


def until(true: Callable[[], Found], limit_s: float = 10.0) -> Found:
    """What `true` gives, as soon as it is something."""
    end = time.monotonic() + limit_s
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
