"""G6, G8, G9: what an idle keeper costs and how fast it starts, against a bare interpreter."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent.desk_client import Desk
from agent.errors import TryLater
from benchmarks.pairs import Figure, timed

IDLE_S = 20.0
STARTS = 5
CONFIG = """
[storage]
directory = "{state}"
socket = "{socket}"
[[terminals]]
name = "tap"
driver = "slip-tap"
mode = "printer"
port = "pty:{state}/terminal"
"""


def _start(config: Path, desk: Desk) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "agent.cli", "--config", str(config), "run", "keeper"]
    keeper = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    while True:
        try:
            desk.get("/v1/days", limit=1)
        except TryLater:
            if keeper.poll() is not None:
                raise SystemExit("the keeper did not start") from None
            time.sleep(0.005)
        else:
            return keeper


def _memory_kib(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def _cpu_and_switches(pid: int) -> tuple[float, int]:
    """CPU seconds and voluntary switches of all threads."""
    cpu = switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        cpu += int((task / "schedstat").read_text().split()[0])
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                switches += int(line.split()[1])
    return cpu / 1e9, switches


def run(directory: Path | None = None) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        socket = Path(f"/tmp/slipkeeper-bench-{os.getpid()}.sock")
        config = Path(place) / "slipkeeper.toml"
        (Path(place) / "state").mkdir()
        config.write_text(CONFIG.format(state=Path(place) / "state", socket=socket))
        desk = Desk(socket)
        first = _start(config, desk)  # creates the journal; what follows opens it
        first.terminate()
        first.wait(20)
        ratios = []
        for _ in range(STARTS):
            began = time.perf_counter()
            keeper = _start(config, desk)
            started = time.perf_counter() - began
            bare = timed(lambda: subprocess.run([sys.executable, "-I", "-c", "pass"], check=True))
            ratios.append(started / bare)
            keeper.terminate()
            keeper.wait(20)
        keeper = _start(config, desk)
        time.sleep(3.0)
        before = _cpu_and_switches(keeper.pid)
        time.sleep(IDLE_S)
        after = _cpu_and_switches(keeper.pid)
        rss, pss = _memory_kib(keeper.pid, "Rss") / 1024, _memory_kib(keeper.pid, "Pss") / 1024
        keeper.terminate()
        keeper.wait(20)
    cpu = (after[0] - before[0]) / IDLE_S * 100
    wakeups = (after[1] - before[1]) / IDLE_S
    return [
        Figure("G6 idle CPU, % of a core", cpu, 0.02, "less", f"over {IDLE_S:.0f} s"),
        Figure("G6 idle wake-ups a second", wakeups, 1.0, "less", "all threads"),
        Figure("G8 memory, MiB RSS", rss, 18.0, "less", f"PSS {pss:.1f} MiB"),
        Figure(
            "G9 start to answering / bare interpreter",
            statistics.median(ratios),
            3.0,
            "less",
            "journal, index and desk",
        ),
    ]
