"""The whole system on one machine, for somebody who wants to see it: simulated terminals and printer, keeper, courier,
upstream on localhost. Every part is the real program in a process of its own; only the devices are simulated.

What happens: two terminals sell, a slip is printed again, the network is cut and comes back, the terminal settles, the
day is closed and its list prints itself, everything is sent, and both sides are compared.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agent.desk_client import Desk
from agent.errors import SlipkeeperError, TryLater

_START_S: Final = 30.0
_SLIP_EVERY_S: Final = 1.2
TEST_CARD: Final = "4111111111111111"  # published for tests; sent whole, to be masked by the driver
_CONFIG: Final = """\
# Written by slipkeeper demo.
[shop]
name = "{shop}"
language = "{language}"
currency = "CNY"

[storage]
directory = "{state}"
socket = "{socket}"

[day]
cutoff = "04:00"

[upstream]
url = "{url}"
start_window_s = 0

[[terminals]]
name = "counter-1"
driver = "slip-tap"
mode = "printer"
port = "pty:{directory}/terminal"

[[terminals]]
name = "counter-2"
driver = "stx-bcdlen"
mode = "proxy"
port = "tcp://127.0.0.1:{terminal_port}"
till_port = "tcp-listen://127.0.0.1:{till_port}"
settings = {{ currency = "CNY" }}

[[printers]]
name = "receipts"
port = "tcp://127.0.0.1:{printer_port}"
level = 1
"""


@dataclass(frozen=True, slots=True)
class Ports:
    upstream: int
    terminal: int
    till: int
    printer: int


@dataclass(slots=True)
class Result:
    """What the demo did, for its summary and for the test that runs it."""

    directory: str
    sold: int = 0
    reprinted: str = ""
    offline_unsent: int = 0
    list_number: int = 0
    list_count: int = 0
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    papers: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


class Demo:
    """Starts everything, tells the story, ends everything. `say(message, **values)` shows one line of the story."""

    def __init__(self, directory: Path, language: str, say: Callable[..., None]) -> None:
        self._directory = directory.resolve()
        self._language = language
        self._say = say
        self._ports = Ports(*_free_ports(4))
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        # A socket's path is short by law (107 bytes), a demo's directory need not be.
        self._socket = Path(f"/tmp/slipkeeper-demo-{os.getpid()}.sock")  # noqa: S108 - mode 0660, removed at the end
        self.desk = Desk(self._socket, 10.0)
        self.result = Result(str(self._directory))

    @property
    def config(self) -> Path:
        return self._directory / "slipkeeper.toml"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports.upstream}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Everything up; everything down at the end, whatever happened."""
        try:
            self._set_up()
            yield
        finally:
            for name in reversed(list(self._children)):
                self._end(name)
            self._socket.unlink(missing_ok=True)

    # -- the story -------------------------------------------------------------------------------------------------

    def story(self, seconds: float) -> Result:
        """About `seconds` of a shop's day. Troubles are collected, not raised: a demo shows what it found."""
        began = time.monotonic()
        pause = max(1.0, seconds / 8)
        self._say("two terminals are selling; every slip is journalled before it is acknowledged")
        self._sell(seconds)
        self._until("the first sales", lambda: self._count() >= 3)
        time.sleep(pause)
        self._reprint()
        self._say("the network is cut: selling goes on")
        self._end("upstream")
        before = self._count()
        self._until("sales without a network", lambda: self._count() > before)
        time.sleep(pause)
        self.result.offline_unsent = self.desk.get("/v1/status")["sync"].get("unsent", 0)
        self._say("{count} entries wait for the network; it comes back", count=self.result.offline_unsent)
        self._start_upstream()
        time.sleep(max(0.0, began + seconds * 0.6 - time.monotonic()))
        self._settle()
        self._close_day()
        self._compare()
        return self.result

    def _sell(self, seconds: float) -> None:
        """The slip terminal sells for about half the time, then settles, as in the evening."""
        count = max(5, int(seconds * 0.5 / _SLIP_EVERY_S))
        self._start(
            "slips",
            *("-m", "drivers.simulators.slip_terminal", "--port", str(self._directory / "terminal"), "--style", "1"),
            *("--every", str(_SLIP_EVERY_S), "--count", str(count), "--settle"),
        )
        self._start(
            "till",
            *("-m", "drivers.simulators.stx_terminal", "till", "--connect", f"127.0.0.1:{self._ports.till}"),
            *("--count", "0", "--interval-s", "1.7", "--amounts", "12850,3600,990,4551,25800", "--void-every", "5"),
        )

    def _reprint(self) -> None:
        answer = self.desk.post("/v1/reprints", {"last": True, "reason": "the customer lost it", "operator": "01"})
        self._say("reprinting the last slip, copy {copy_no}", copy_no=answer["copy_no"])
        done = {"printed", "unconfirmed", "printed_by_operator"}
        self._until("the reprint", lambda: self.desk.get(f"/v1/jobs/{answer['job']}")["state"] in done)
        self.result.reprinted = answer["job"]

    def _settle(self) -> None:
        """The terminals stop; the slip terminal has printed its own totals by then."""
        self._say("the terminal settles and prints its own totals")
        slips = self._children["slips"]
        self._until("the terminal to settle", lambda: slips.poll() is not None, 60.0)
        if slips.returncode:
            self.result.troubles.append(f"the slip terminal ended with {slips.returncode}")
        self._end("till")
        self._until("the settlement list", lambda: bool(self.desk.get("/v1/settlements")["settlements"]))

    def _close_day(self) -> None:
        self.result.sold = self._count()
        row = self.desk.post("/v1/days/close", {})
        self.result.list_number, self.result.list_count = row["number"], row["count"]
        self._say(
            "the day is closed as list {number} with {count} transactions; it prints itself",
            number=row["number"],
            count=row["count"],
        )
        self._until("the papers", lambda: not self.desk.get("/v1/jobs", open=1)["jobs"])
        self.result.papers = sorted(str(path) for path in (self._directory / "paper").glob("*.png"))

    def _compare(self) -> None:
        """Both sides must end with the same number of entries and the same head."""

        def equal() -> bool:
            self.desk.post("/v1/sync/now", {})
            status = self.desk.get("/v1/status")
            if status["sync"].get("unsent"):
                return False
            self.result.ours = {"cursor": status["journal"]["seq"], "head": status["journal"]["head"]}
            self.result.theirs = self._upstream_says(status["journal"]["id"])
            return bool(self.result.ours == self.result.theirs)

        self._until("upstream to hold everything", equal, 60.0)

    def _upstream_says(self, journal_id: str) -> dict[str, Any]:
        """Cursor and head as upstream proves them from the bytes it stores."""
        proof = self._run_upstream("verify", "--json")
        for journal in json.loads(proof)["journals"]:
            if journal["journal_id"] == journal_id:
                return {"cursor": journal["cursor"], "head": journal["head"]}
        return {}

    def _count(self) -> int:
        return len(self.desk.get("/v1/transactions", limit=500)["transactions"])

    def _until(self, what: str, true: Callable[[], bool], limit_s: float = 30.0) -> None:
        """Waits for something to become true; what does not is a trouble of the result."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            try:
                if true():
                    return
            except TryLater:
                pass
            time.sleep(0.2)
        self.result.troubles.append(f"waited {limit_s:.0f} s in vain for {what}")

    # -- setting up ------------------------------------------------------------------------------------------------

    def _set_up(self) -> None:
        for name in ("state", "upstream", "paper", "log"):
            shutil.rmtree(self._directory / name, ignore_errors=True)
            (self._directory / name).mkdir(parents=True)
        ports = self._ports
        self.config.write_text(
            _CONFIG.format(
                shop="示范便利店" if self._language == "zh" else "Corner shop",
                language=self._language,
                state=self._directory / "state",
                socket=self._socket,
                url=self.url,
                directory=self._directory,
                terminal_port=ports.terminal,
                till_port=ports.till,
                printer_port=ports.printer,
            )
        )
        self._say("starting upstream at {url}", url=self.url)
        self._start_upstream()
        self._start(
            "printer",
            *("-m", "drivers.simulators.printer", "--listen", f"127.0.0.1:{ports.printer}"),
            *("--out", str(self._directory / "paper")),
        )
        self._start(
            "terminal",
            *("-m", "drivers.simulators.stx_terminal", "terminal", "--listen", f"127.0.0.1:{ports.terminal}"),
            *("--card", TEST_CARD),
        )
        code = json.loads(self._run_upstream("enroll-code", "--json"))["code"]
        self._start("keeper", "-m", "agent.cli", "--config", str(self.config), "run", "keeper")
        self._wait_for_desk()
        self._check(self._slipkeeper("enroll", self.url, code))
        self._start("courier", "-m", "agent.cli", "--config", str(self.config), "run", "courier")

    def _start_upstream(self) -> None:
        self._start(
            "upstream",
            *("-m", "agent.cli", "upstream", "serve", "--listen", f"127.0.0.1:{self._ports.upstream}"),
            *("--data", str(self._directory / "upstream")),
        )
        _await_port(self._ports.upstream)

    def _run_upstream(self, *words: str) -> str:
        return self._check(self._slipkeeper("upstream", *words, "--data", str(self._directory / "upstream")))

    def _slipkeeper(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "agent.cli", "--config", str(self.config), *words],
            check=False,
            capture_output=True,
            cwd=self._directory,
            timeout=60,
        )

    @staticmethod
    def _check(done: subprocess.CompletedProcess[bytes]) -> str:
        if done.returncode:
            raise SlipkeeperError(
                "{words} failed: {cause}", "", words=" ".join(done.args[3:]), cause=done.stderr.decode()[-500:]
            )
        return done.stdout.decode()

    def _wait_for_desk(self) -> None:
        end = time.monotonic() + _START_S
        while True:
            try:
                self.desk.get("/v1/status")
            except TryLater:
                if time.monotonic() > end or self._children["keeper"].poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return

    def _start(self, name: str, *words: str) -> None:
        log = (self._directory / "log" / f"{name}.log").open("ab")
        with log:
            self._children[name] = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._directory
            )

    def _end(self, name: str) -> None:
        child = self._children.pop(name)
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            self.result.troubles.append(f"{name} did not end by itself")
            child.kill()
            child.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _await_port(port: int) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as cause:
            if time.monotonic() > end:
                raise TryLater("port {port} does not open", "see the log directory of the demo", port=port) from cause
            time.sleep(0.1)
        else:
            return
