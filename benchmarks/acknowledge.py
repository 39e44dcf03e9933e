"""G3: from a frame on a pty to its acknowledgement, the keeper's capture against a daemon that only appends and syncs.

Both are processes of their own and answer the same frames in turn on a pty each; the peer waits as a terminal does.
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable
from pathlib import Path

from benchmarks.pairs import Figure, interleaved, quantile, quantile_ratio
from drivers.framing import Layout, Length, encode
from drivers.simulators.stx_terminal import message
from drivers.terminals.linkpos_message import Role

ROUNDS, TURNS = 5, 600

CONFIG = """
[storage]
directory = "{state}"
socket = "{socket}"
[[terminals]]
name = "pos"
driver = "stx-bcdlen"
mode = "ecr"
port = "serial:{port}"
settings = {{ currency = "CNY" }}
"""

# The limit: what any daemon must do that acknowledges what is on the disk.
BARE = """
import os, select, sys, termios, tty
line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
tty.setraw(line)
file = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
poll = select.epoll(); poll.register(line, select.EPOLLIN)
held = b""
while True:
    poll.poll()
    held += os.read(line, 8192)
    while len(held) >= 3 and len(held) >= (need := int(held[1:3].hex()) + 5):
        os.write(file, held[:need]); os.fdatasync(file); os.write(line, b"\\x06")
        held = held[need:]
"""


def frame(number: int) -> bytes:
    fields = {
        "02": "APPROVED".ljust(40),
        "40": f"{number + 100:012d}",
        "65": f"{number:06d}",
        "16": "T0000001",
        "50": "000001",
    }
    return encode(message(Role.RESPONSE, "20", "00", {**fields, "30": "411111******1111"}), Layout(Length.BCD))


def _line() -> tuple[int, str]:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    return ours, os.ttyname(theirs)


def _asker(line: int) -> Callable[[bytes], None]:
    def ask(data: bytes) -> None:
        os.write(line, data)
        answer = b""
        while not answer.endswith(b"\x06"):
            if not select.select([line], [], [], 10)[0]:
                raise SystemExit("no acknowledgement within 10 s")
            answer = os.read(line, 256)

    return ask


def run(directory: Path | None = None) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        ours_line, ours_name = _line()
        bare_line, bare_name = _line()
        config = Path(place) / "slipkeeper.toml"
        socket = f"/tmp/slipkeeper-bench-{os.getpid()}.sock"
        config.write_text(CONFIG.format(state=Path(place) / "state", socket=socket, port=ours_name))
        words = [sys.executable, "-m", "agent.cli", "--config", config, "run", "keeper"]
        keeper = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        bare = subprocess.Popen([sys.executable, "-I", "-c", BARE, bare_name, Path(place) / "bare"])
        try:
            while not select.select([ours_line], [], [], 0.1)[0]:  # it asks for the last transaction when it is there
                if keeper.poll() is not None:
                    raise SystemExit("the keeper did not start")
            os.read(ours_line, 256)
            time.sleep(2.0)  # index, desk and the first day are done
            numbers = iter(range(1_000_000))
            asks = _asker(ours_line), _asker(bare_line)
            frames = [frame(number) for number in range((ROUNDS + 1) * TURNS * 2)]
            interleaved(lambda: asks[0](frames[next(numbers)]), lambda: asks[1](frames[next(numbers)]), 1, 100)
            measured = interleaved(
                lambda: asks[0](frames[next(numbers)]), lambda: asks[1](frames[next(numbers)]), ROUNDS, TURNS
            )
        finally:
            keeper.terminate()
            bare.kill()
            keeper.wait(20)
            bare.wait()
            Path(socket).unlink(missing_ok=True)
    p50 = [quantile([t for pair in measured for t in pair[side]], 0.5) * 1e6 for side in (0, 1)]
    p99 = [quantile([t for pair in measured for t in pair[side]], 0.99) * 1e6 for side in (0, 1)]
    return [
        Figure(
            "G3 frame to ACK p50 / bare daemon",
            quantile_ratio(measured, 0.5),
            1.0,
            "less",
            f"{p50[0]:.0f} / {p50[1]:.0f} us",
        ),
        Figure(
            "G3 frame to ACK p99 / bare daemon",
            quantile_ratio(measured, 0.99),
            1.2,
            "less",
            f"{p99[0]:.0f} / {p99[1]:.0f} us",
        ),
    ]
