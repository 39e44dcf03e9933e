"""A bench for the printing role: the virtual printer's inside as a link, a journal in memory, and time that is counted.

The link is the real one's contract (`agent.ports.Link`) and can be broken after any byte, so every offset of a paper
can be tried in a moment. Tests over real sockets and ptys use `drivers.simulators.printer.VirtualPrinter`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent.contract import Level
from agent.entries import Draft, Entry, Stamp, seal
from agent.errors import NotRecorded
from agent.ports import HungUpError
from agent.print_jobs import Job, jobs, request, slip_of
from agent.print_queue import Queue
from agent.printer_line import Patience
from agent.printing import Printing
from agent.slips.model import Cell, Cut, Line, Slip
from drivers.printers.escpos import EscPos
from drivers.simulators.printer_model import PrinterModel

_ALWAYS_READABLE = os.open("/dev/null", os.O_RDONLY)
START_S = datetime(2026, 6, 22, 3, 0, tzinfo=UTC).timestamp()
HASTE = Patience(
    answer_s=0.3, stall_s=0.3, stall_limit_s=3.0, silence_limit_s=2.0, settle_s=0.1, settle_limit_s=0.2,
    ask_s=0.05, close_s=0.2, retry_s=0.05, retry_limit_s=0.2, poll_s=0.0,
)  # fmt: skip


def slip(mark: str, lines: int = 5) -> Slip:
    """A slip whose last line is `END <mark>`: counting it on paper counts the papers."""
    rows = [Line((Cell("签购单 PURCHASE SLIP", bold=True, height=2),))]
    rows += [Line((Cell(f"凭证号 {number:06d}"), Cell("￥128.50"))) for number in range(lines)]
    return Slip(f"slip {mark}", 32, (*rows, Line((Cell(f"END {mark}"),)), Cut()))


def printed(paper: bytes, mark: str) -> int:
    return paper.count(f"END {mark}\n".encode())


@dataclass
class Written:
    entry: Entry
    new: bool = True


@dataclass
class MemoryJournal:
    """Keeps entries in a list; recognises what it holds, as the real one does. `failures` commits fail from `fail_at`."""

    wall_s: Callable[[], float]
    entries: list[Entry] = field(default_factory=list)
    raws: dict[str, bytes] = field(default_factory=dict)
    fail_at: int = 1 << 30
    failures: int = 0

    def append(self, drafts: list[Draft]) -> list[Written]:
        if self.fail_at <= len(self.entries) and self.failures:
            self.failures -= 1
            raise NotRecorded("the disk is full")
        return [self._put(draft) for draft in drafts]

    def _put(self, draft: Draft) -> Written:
        held = next(
            (e for e in self.entries if (e.source, e.kind, e.key) == (draft.source, draft.kind, draft.key)), None
        )
        if held:
            assert dict(held.body) == dict(draft.body), "the same identity with another content"
            return Written(held, new=False)
        at = datetime.fromtimestamp(self.wall_s(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = seal(draft, Stamp(at, 0, "boot", "ok", "2026-06-22"), len(self.entries) + 1, "00")
        self.entries.append(entry)
        if draft.raw is not None:
            self.raws[draft.key] = draft.raw
        return Written(entry)


@dataclass
class ModelLink:
    """A line to a `PrinterModel`. `break_at` is the number of bytes it carries before `on_break` happens."""

    model: PrinterModel
    break_at: int = 1 << 30
    on_break: Callable[[ModelLink], None] = lambda _link: None
    chunk: int = 64
    name: str = "model"
    carried: int = 0
    broken: bool = False
    closed: bool = False
    _answers: bytes = b""

    def fileno(self) -> int:
        return _ALWAYS_READABLE

    def read(self) -> bytes:
        if self.broken:
            raise HungUpError("{name} hung up", "", name=self.name)
        self._answers += self.model.print_lines(1) + self.model.changes()
        data, self._answers = self._answers, b""
        return data

    def write(self, data: bytes) -> int:
        assert not self.closed
        if self.broken:
            raise HungUpError("{name} hung up", "", name=self.name)
        taken = data[: min(len(data), self.chunk, self.model.room, max(self.break_at - self.carried, 0))]
        self._answers += self.model.receive(taken)
        self.carried += len(taken)
        if self.carried >= self.break_at:
            self.break_at = 1 << 30
            self.on_break(self)
            if self.broken and not taken:
                raise HungUpError("{name} hung up", "", name=self.name)
        return len(taken)

    def close(self) -> None:
        self.closed = True


class FakeAlarms:
    def __init__(self) -> None:
        self.on: set[str] = set()

    def raise_(self, alarm: object) -> None:
        self.on.add(alarm.code)  # type: ignore[attr-defined]  # tests only: any alarm

    def clear(self, code: str) -> None:
        self.on.discard(code)


class Bench:
    """One printer, its role, its queue and its journal, with time that passes only as fast as the role asks."""

    def __init__(self, level: Level = Level.STATUS, buffer_bytes: int = 65536, patience: Patience = HASTE) -> None:
        self.now = 1000.0
        self.level = level
        self.patience = patience
        self.model = PrinterModel(buffer_bytes=buffer_bytes)
        self.journal = MemoryJournal(self.wall_s)
        self.alarms = FakeAlarms()
        self.links: list[ModelLink] = []
        self.make_link: Callable[[], ModelLink] = lambda: ModelLink(self.model)
        self.ids = itertools.count(1)
        self.start()

    def wall_s(self) -> float:
        return START_S + self.now

    def start(self) -> None:
        """The agent's start, also its restart: nothing is known but the journal."""
        self.queue = Queue(self.journal.append, jobs(self.journal.entries).values())
        self.queue.recover()
        self.role = Printing(
            "counter", EscPos(32, "gb18030", self.level), self.level, open_link=self._open, queue=self.queue,
            load=lambda job: slip_of(self.journal.raws[job.id]), alarms=self.alarms, wall_s=self.wall_s,
            patience=self.patience,
        )  # fmt: skip

    def _open(self) -> ModelLink:
        self.links.append(self.make_link())
        return self.links[-1]

    def ask(self, mark: str = "", purpose: str = "reprint", lines: int = 5) -> Job:
        job_id = f"job{next(self.ids)}"
        return self.queue.add(request(job_id, slip(mark or job_id, lines), purpose=purpose, printer="counter"))

    def step(self) -> None:
        self.now += max(self.role.step(self.now), 0.001)

    def run(self, until: Callable[[], bool] = lambda: False, seconds: float = 30.0) -> bool:
        """Steps until it is so, or so much time has passed."""
        end = self.now + seconds
        while self.now < end:
            if until():
                return True
            self.step()
        return until()

    def job(self, job_id: str) -> Job:
        """As the journal tells it."""
        return jobs(self.journal.entries)[job_id]

    @property
    def paper(self) -> bytes:
        self.model.print_lines(1 << 20)
        return b"".join(self.model.pieces) + bytes(self.model.hanging)
