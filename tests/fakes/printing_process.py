"""A keeper that only prints, as a process to be killed: `python -m tests.fakes.printing_process JOURNAL_DIR PORT_URL`.

Opens the journal as the keeper does, takes up what it holds, and steps until nothing is open any more.
"""

from __future__ import annotations

import itertools
import secrets
import sys
import time
from dataclasses import replace
from pathlib import Path

from agent import ports
from agent.clock import Stamper, SystemClock
from agent.contract import Level
from agent.entries import Entry
from agent.journal import FILE, Journal, Reader
from agent.print_jobs import State, jobs, slip_of
from agent.print_queue import Queue
from agent.printer_line import Patience
from agent.printing import Printing
from drivers.printers.escpos import EscPos
from tests.fakes.printer import FakeAlarms

SHORT = Patience(
    answer_s=0.5, stall_s=0.3, stall_limit_s=5.0, silence_limit_s=1.0, settle_s=0.1, settle_limit_s=0.1,
    ask_s=0.05, close_s=0.3, retry_s=0.05, retry_limit_s=0.1, poll_s=0.0,
)  # fmt: skip


def open_journal(directory: Path) -> Journal:
    return Journal(
        directory, stamp=Stamper(SystemClock()), salt=lambda: secrets.token_hex(16), journal_id="printing-test"
    )


class Desk:
    """The journal, the queue and one printer's role, over a real port."""

    def __init__(self, directory: Path, url: str, level: Level = Level.STATUS, patience: Patience = SHORT) -> None:
        self.journal = open_journal(directory)
        self.reader = Reader(directory / FILE)
        self.alarms = FakeAlarms()
        self.closed = False
        self.queue = Queue(self.journal.append, jobs(self.entries()).values())
        self.recovered = self.queue.recover()
        self.role = Printing(
            "counter", EscPos(32, "gb18030", level), level,
            open_link=lambda: ports.open_link(ports.parse(url)), queue=self.queue,
            load=lambda job: slip_of(self.reader.raw(job.seq) or b""), alarms=self.alarms, wall_s=time.time,
            patience=patience,
        )  # fmt: skip

    def entries(self) -> list[Entry]:
        return [entry for entry, _hash in self.reader.entries(0, 100_000)]

    def state(self, job_id: str) -> State:
        """As the disk tells it."""
        return jobs(self.entries())[job_id].state

    def run(self, job_id: str, *states: State, seconds: float = 10.0) -> State:
        """Steps until the job has come to one of `states`."""
        end = time.monotonic() + seconds
        while (state := self.queue.job(job_id).state) not in states:
            assert time.monotonic() < end, (state, self.queue.job(job_id).why)
            time.sleep(min(self.role.step(time.monotonic()), 0.02))
        assert self.state(job_id) is state
        return state

    def close(self) -> None:
        if self.role._line:
            self.role._leave()
        self.reader.close()
        self.journal.close()
        self.closed = True


def main(directory: str, url: str) -> None:
    # Time enough for the test to notice the last byte and to kill us before we are done.
    desk = Desk(Path(directory), url, patience=replace(SHORT, settle_s=2.0, settle_limit_s=2.0))
    for _ in itertools.count():
        if not desk.queue.open():
            break
        time.sleep(min(desk.role.step(time.monotonic()), 0.02))


if __name__ == "__main__":
    main(*sys.argv[1:])
