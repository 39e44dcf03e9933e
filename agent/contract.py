"""What a driver must offer, and the values spoken between drivers and the agent.

A terminal driver is a `Conversation`: arithmetic on bytes, no I/O, no clock, no thread. Bytes go in, reports come out;
the bytes to send are fetched as values. It says only what the device said: no cache, no gap filling, no sums.

Rules every driver keeps (the contract suite in `tests/drivers/` holds them to it):
- only `confirm()` may make the acknowledging byte come out of `outgoing()`; a driver never acknowledges by itself;
- card numbers are masked before a report leaves the driver, in fields and in `raw`;
- any bytes, cut anywhere, give the same reports and never raise; noise costs bounded memory;
- the same thing said again gives a report with the same `key`: the journal recognises it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol, runtime_checkable

from agent.fields import Fields, Kind
from agent.slips.model import Row, Slip


class Side(StrEnum):
    """Where bytes come from or go to. A conversation that is no proxy knows only TERMINAL."""

    TERMINAL = "terminal"  # the device we keep a journal of (for `printer`: the peer that prints to us)
    TILL = "till"  # proxy: the cash register; inline printer: the real printer


class Mode(StrEnum):
    """The place of the agent between the devices (DESIGN §3, Capture)."""

    PROXY = "proxy"  # between till and terminal: holds the result until it is committed
    ECR = "ecr"  # the agent asks as the till would; never a payment
    TAP = "tap"  # receives only
    PRINTER = "printer"  # the agent is the printer
    DROP = "drop"  # a directory a vendor's DLL writes into


@dataclass(frozen=True, slots=True)
class Report:
    """What a driver says a device said.

    `key` is the device's own identity of the thing, unique per source and kind, for ever: the batch is in it, a
    counter that restarts is not. `fields` are canonical names (`agent.fields`). `raw` are the captured bytes with
    card numbers already masked, same length as they came.
    """

    kind: Kind
    key: str
    fields: Fields
    raw: bytes | None = None


class Conversation(Protocol):
    """One line to one device. At most five methods and one attribute; none blocks, none raises on bytes from outside.

    `quiet_s` is how many seconds of silence the conversation wants to be told of by `wake()`, None when silence
    means nothing to it now.
    """

    @property
    def quiet_s(self) -> float | None: ...

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        """Bytes as they came, in any cut. Returns what is complete now."""
        ...

    def wake(self, elapsed_s: float) -> list[Report]:
        """Nothing came for `elapsed_s` seconds; `math.inf` says the peer hung up. Returns what ends by silence."""
        ...

    def confirm(self, report: Report) -> None:
        """`report` is durable: its acknowledgement (or the held bytes) may go out now."""
        ...

    def abandon(self, report: Report) -> None:
        """`report` could not be recorded. A proxy lets the held bytes go (no sale is blocked); an ECR stays silent."""
        ...

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        """Bytes to send now, handed out once."""
        ...


@runtime_checkable
class Recovering(Protocol):
    """A conversation that can ask its device for what it may have missed. Asked after every (re)connection.

    It never asks for a payment, and what comes back is recognised where it is known already.
    """

    def recover(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """One key a driver reads from `[terminals.settings]`; `choices` empty = any value of the default's type."""

    name: str
    default: str | int | bool
    why: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TerminalDriver:
    """What an entry point in the group `slipkeeper.terminals` names."""

    name: str
    summary: str
    modes: frozenset[Mode]
    converse: Callable[[Mode, Mapping[str, object]], Conversation]
    settings: tuple[Setting, ...] = ()


class Truth(StrEnum):
    """Three-valued: a printer that does not answer is neither fine nor out of paper."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Level(IntEnum):
    """What a printer can prove, learnt once at set-up (escpos.md §3.4)."""

    WRITE_ONLY = 0  # L0: bytes go out, nothing comes back
    STATUS = 1  # L1: answers DLE EOT; "sent, and healthy before and after"
    MARKER = 2  # L2: answers GS r behind the data
    PROCESS_ID = 3  # L3: echoes a process id when the data is on paper


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """What the printer said of itself. Everything is unknown until it said so."""

    online: Truth = Truth.UNKNOWN
    paper: Truth = Truth.UNKNOWN  # YES = there is paper
    paper_low: Truth = Truth.UNKNOWN
    cover_closed: Truth = Truth.UNKNOWN
    fault: Truth = Truth.UNKNOWN  # cutter, head, unrecoverable

    @property
    def ready(self) -> Truth:
        """NO when anything known forbids to start, YES when the printer said it is fine, else unknown."""
        said = (self.online, self.paper, self.cover_closed)
        if Truth.NO in said or self.fault is Truth.YES:
            return Truth.NO
        return Truth.YES if self.online is Truth.YES and self.paper is Truth.YES else Truth.UNKNOWN


class Printer(Protocol):
    """Bytes of one printer family: pure, like a conversation. Transports and jobs are the agent's."""

    columns: int

    def encode(self, slip: Slip) -> bytes:
        """The whole job: initialise, rows, cut. `Captured` rows go out as they came, minus everything unsafe."""
        ...

    def question(self) -> bytes:
        """What to send to learn the status; b"" at level 0."""
        ...

    def status(self, answer: bytes) -> PrinterStatus:
        """Reads whatever came back so far; too little is unknown, never wrong."""
        ...

    def rescue(self) -> bytes:
        """What frees a printer from a half-received command after a job that broke off. Prints no text."""
        ...

    def understand(self, raw: bytes) -> tuple[Row, ...]:
        """A captured stream as rows, for preview, text and pictures."""
        ...


@dataclass(frozen=True, slots=True)
class PrinterDriver:
    """What an entry point in the group `slipkeeper.printers` names."""

    name: str
    summary: str
    make: Callable[[int, str, Level], Printer]  # columns, charset, level
    charsets: tuple[str, ...] = field(default=("gb18030", "gbk", "gb2312"))
