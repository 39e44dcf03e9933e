"""kill -9 at random moments, under load: what the terminal was told is recorded is recorded, exactly once.

A kill proves the crash logic, not the disk's durability (the page cache outlives a process); that needs a power cut.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from agent.journal_reader import Reader
from agent.succession import current_path
from agent.verify import verify
from drivers.framing import Layout, Length, encode
from drivers.simulators.stx_terminal import message
from drivers.terminals.linkpos_message import Role

KILLS = int(os.environ.get("SLIPKEEPER_KILLS", "200"))
BOXES = 4  # tests of their own, so that they run side by side
CHILD = Path(__file__).with_name("killed_keeper.py")
CONFIG = """
[storage]
directory = "{state}"
socket = "{socket}"
[[terminals]]
name = "pos"
driver = "stx-bcdlen"
mode = "ecr"
port = "tcp-listen://127.0.0.1:{port}"
settings = {{ currency = "CNY" }}
"""


class Terminal:
    """Pays without end: sends a result, waits for the ACK, says the same again until it comes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.acked: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.stopped = False
        self.thread = threading.Thread(target=self._pay, daemon=True)

    def frame(self, number: int) -> bytes:
        trace, amount = f"{number % 1_000_000:06d}", 100 + number
        self.sent[trace] = amount
        fields = {"02": "APPROVED".ljust(40), "40": f"{amount:012d}", "65": trace, "16": "T0000001", "50": "000001"}
        return encode(message(Role.RESPONSE, "20", "00", fields), Layout(Length.BCD))

    def _pay(self) -> None:
        number = 1
        while not self.stopped:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as line:
                    line.settimeout(2)
                    line.recv(64)  # the agent asks what it may have missed
                    while not self.stopped:
                        line.sendall(self.frame(number))
                        if line.recv(1) != b"\x06":
                            break
                        self.acked[f"{number % 1_000_000:06d}"] = 100 + number
                        number += 1
            except OSError:
                time.sleep(0.005)


class Box:
    def __init__(self, directory: Path, *words: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self.state = directory / "state"
        self.socket = Path(f"/tmp/slipkeeper-kill-{os.getpid()}-{self.port}.sock")
        self.config = directory / "slipkeeper.toml"
        self.config.write_text(CONFIG.format(state=self.state, socket=self.socket, port=self.port))
        self.words = words
        self.log = directory / "keeper.log"

    def run_for(self, seconds: float, terminal: Terminal) -> bool:
        """Starts the keeper, waits for the first payment it takes, kills it after `seconds` more. False: it never took one."""
        before = len(terminal.acked)
        with self.log.open("ab") as log:
            keeper = subprocess.Popen([sys.executable, CHILD, self.config, *self.words], stdout=log, stderr=log)
        end = time.monotonic() + 20
        while len(terminal.acked) == before and keeper.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(seconds)
        keeper.kill()
        keeper.wait()
        self.socket.unlink(missing_ok=True)
        return len(terminal.acked) > before

    def recorded(self) -> dict[str, list[int]]:
        reader = Reader(current_path(self.state))
        found: dict[str, list[int]] = {}
        after = 0
        while page := reader.entries(after):
            for entry, _ in page:
                after = entry.seq
                if entry.kind == "transaction":
                    found.setdefault(entry.body["trace_no"], []).append(entry.body["amount_minor"])
        reader.close()
        return found


def lost_doubled_invented(box: Box, terminal: Terminal) -> tuple[list[str], list[str], list[str]]:
    recorded = box.recorded()
    lost = [trace for trace, amount in terminal.acked.items() if amount not in recorded.get(trace, [])]
    doubled = [trace for trace, amounts in recorded.items() if len(amounts) != 1]
    invented = [trace for trace, amounts in recorded.items() if amounts[0] != terminal.sent.get(trace)]
    return lost, doubled, invented


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(BOXES))
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path, seed):
    chance = random.Random(seed)
    box = Box(tmp_path)
    terminal = Terminal(box.port)
    terminal.thread.start()
    for _ in range(max(1, KILLS // BOXES)):
        assert box.run_for(chance.uniform(0.0, 0.08), terminal), box.log.read_text()[-2000:]
        assert verify(current_path(box.state), 500).whole
    terminal.stopped = True
    terminal.thread.join(10)
    assert lost_doubled_invented(box, terminal) == ([], [], [])
    assert verify(current_path(box.state)).whole
    assert len(terminal.acked) >= KILLS // BOXES  # it was under load


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_keeper_that_acknowledges_early_is_caught(tmp_path):
    """The negative control: the same test must fail for a keeper that tells the terminal before the disk."""
    chance = random.Random(99)
    box = Box(tmp_path, "early")
    terminal = Terminal(box.port)
    terminal.thread.start()
    for _ in range(40):
        assert box.run_for(chance.uniform(0.0, 0.08), terminal)
        lost, _, _ = lost_doubled_invented(box, terminal)
        if lost:
            break
    terminal.stopped = True
    assert lost
