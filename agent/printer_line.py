"""An open connection to a printer and how long to wait for what on it. No decisions about papers."""

from __future__ import annotations

import fcntl
import select
import sys
import termios
from dataclasses import dataclass, field
from typing import Final

from agent.contract import Level, PrinterStatus, Truth
from agent.ports import Link
from agent.print_jobs import Why

CHUNK: Final = 4096
LOOK_S: Final = 0.02  # between two looks while something is going on
_INBOX: Final = 4096  # no answer is longer; a babbling line must not fill the memory
_READS: Final = 16


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    answer_s: float = 1.0  # for the answers to a question
    stall_s: float = 3.0  # no byte taken or no answer: the paper is held
    stall_limit_s: float = 600.0  # no byte taken and no reason known
    silence_limit_s: float = 60.0  # everything sent, no answer any more
    settle_s: float = 2.0  # healthy for so long after the last byte, longer for long papers, up to
    settle_limit_s: float = 10.0
    ask_s: float = 0.5  # between questions behind the last byte
    close_s: float = 2.0  # for the printer to read all before we hang up
    retry_s: float = 1.0  # after a printer that was not ready; doubles up to
    retry_limit_s: float = 15.0
    poll_s: float = 60.0  # between looks at a printer without work; 0 = never

    def settling_s(self, length: int) -> float:
        return min(self.settle_s + length / 2000, self.settle_limit_s)

    def retrying_s(self, tries: int) -> float:
        return min(self.retry_s * 2.0 ** min(tries, 10), self.retry_limit_s)


@dataclass(frozen=True, slots=True)
class PrinterState:
    """What the desk shows of a printer. `why` is a message id, "" when nothing is wrong; `job` the one on its way."""

    name: str
    level: Level
    status: PrinterStatus
    why: str
    job: str


@dataclass(slots=True)
class Line:
    """`outbox` is what still has to be written, `inbox` what came back since the last question.

    `left` counts the bytes on our side of the cable, those in the kernel too; `moved_at` is when that last changed.
    """

    link: Link
    moved_at: float
    heard_at: float = 0.0
    asked_at: float = 0.0
    left: int = 0
    outbox: bytes = b""
    inbox: bytearray = field(default_factory=bytearray)

    def exchange(self, now: float) -> None:
        """Reads what is there, writes what fits. Raises TryLater when the line is gone."""
        for _ in range(_READS):
            # A serial line without bytes answers a read as if it had hung up (VMIN 0), so it is asked first.
            data = self.link.read() if _readable(self.link) else b""
            if not data:
                break
            self.inbox += data
            self.heard_at = now
        del self.inbox[:-_INBOX]
        if self.outbox:
            self.outbox = self.outbox[self.link.write(self.outbox[:CHUNK]) :]
        left = len(self.outbox) + _in_kernel(self.link)
        if left != self.left:
            self.left, self.moved_at = left, now

    def ask(self, question: bytes, now: float) -> None:
        self.inbox.clear()
        self.outbox = question
        self.asked_at = now

    def say_no_more(self) -> bool:
        """Tells the other side that nothing more comes, where the line can say so."""
        shut_down = getattr(self.link, "shut_down_writing", None)
        if shut_down is None:
            return False
        shut_down()
        return True


def _readable(link: Link) -> bool:
    """Whether a read would say something: bytes, or that the line is gone."""
    poll = select.poll()
    poll.register(link.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _in_kernel(link: Link) -> int:
    """Bytes written but not yet sent (serial) or not yet acknowledged (TCP); 0 where the device cannot tell."""
    try:
        answer = fcntl.ioctl(link.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(answer, sys.byteorder)


def reason(status: PrinterStatus) -> str:
    """Why a printer cannot print, the thing a person can do something about first. "" when it did not say."""
    if status.cover_closed is Truth.NO:
        return Why.COVER_OPEN
    if status.paper is Truth.NO:
        return Why.NO_PAPER
    if status.fault is Truth.YES:
        return Why.FAULT
    return Why.OFFLINE if status.online is Truth.NO else ""
