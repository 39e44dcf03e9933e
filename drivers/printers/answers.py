"""What a printer says of itself: the bytes that come back, told apart and read.

Answers carry no name; their fixed bits tell them apart ("Transmission status identification", Epson ESC/POS
reference; Citizen's and Star's TM modes are the same). XON and XOFF may stand between any two bytes. Too little is
unknown, never wrong: a printer that does not answer is neither fine nor out of paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.contract import PrinterStatus, Truth

# DLE EOT 1 to 4 in one write, four answers: at most four may be outstanding (TM-P60 note).
QUESTION: Final = b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04"

_XON: Final = 0x11
_XOFF: Final = 0x13
_BLOCK_HEADS: Final = frozenset(b"\x35\x37\x39\x3b\x3d\x5f")
_BLOCK_LIMIT: Final = 128  # no answer of the reference is longer; noise must not swallow what follows for ever


@dataclass(frozen=True, slots=True)
class RealTime:
    """One answer to DLE EOT; which of the four is known by its place only. Bit 7 is off: MY-628 uses it otherwise."""

    value: int


@dataclass(frozen=True, slots=True)
class AutoStatus:
    """Four bytes sent without being asked (ASB, GS a)."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Queued:
    """One byte answering GS r or GS I, sent when the command is reached in the printer's buffer."""

    value: int


@dataclass(frozen=True, slots=True)
class Block:
    """A headed answer up to its NUL: `37 22 …` process id, `5F …` names. `data` is without the NUL."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Flow:
    on: bool


Answer = RealTime | AutoStatus | Queued | Block | Flow


def told_apart(data: bytes) -> Iterator[Answer]:
    """The answers in `data`, whole ones only; what is cut off at the end or fits nothing is left out."""
    place = 0
    while place < len(data):
        byte = data[place]
        place += 1
        if byte in (_XON, _XOFF):
            yield Flow(byte == _XON)
        elif byte in _BLOCK_HEADS:
            end = data.find(0, place, place + _BLOCK_LIMIT)
            if end < 0:
                if len(data) - place < _BLOCK_LIMIT:
                    return  # its end has not come yet
                continue
            yield Block(data[place - 1 : end].translate(None, b"\x11\x13"))
            place = end + 1
        elif byte & 0x13 == 0x12:
            yield RealTime(byte & 0x7F)
        elif byte & 0x93 == 0x10:
            frame, place = _frame(data, place - 1)
            if frame is None:
                return
            if frame:
                yield AutoStatus(frame)
        elif byte & 0x90 == 0:
            yield Queued(byte)


def _frame(data: bytes, start: int) -> tuple[bytes | None, int]:
    """The ASB frame at `start` and where it ends. None when cut off, b"" when what follows is no frame's rest."""
    frame = bytearray(data[start : start + 1])
    place = start + 1
    while len(frame) < 4:
        if place == len(data):
            return None, place
        byte = data[place]
        if byte not in (_XON, _XOFF):
            if byte & 0x90:  # bytes 2 to 4 are 0xx0xxxx: the frame was cut off, another answer begins here
                return b"", place
            frame.append(byte)
        place += 1
    return bytes(frame), place


def read(data: bytes) -> PrinterStatus:
    """The status that `data` proves. Bad news of either source stands; all four DLE EOT answers count, or none."""
    answers = list(told_apart(data))
    real_time = [answer.value for answer in answers if isinstance(answer, RealTime)]
    frames = [answer.frame for answer in answers if isinstance(answer, AutoStatus)]
    status = PrinterStatus()
    if frames:
        status = _of_frame(frames[-1])
    if len(real_time) >= 4:
        status = _worse(status, _of_four(*real_time[-4:]))
    return status


def _of_four(printer: int, offline: int, error: int, paper: int) -> PrinterStatus:
    """DLE EOT 1 to 4. Both bits of a paper sensor come together; where they do not, the answers are out of step."""
    if paper & 0x0C not in (0, 0x0C) or paper & 0x60 not in (0, 0x60):
        return PrinterStatus()
    return _seen(
        offline=printer & 0x08,
        cover_open=offline & 0x04,
        # n=2 bit 5 "stopped by paper end" is said by printers whose paper sensor bits of n=4 are not wired.
        paper_end=paper & 0x60 or offline & 0x20,
        near_end=paper & 0x0C,
        # n=3: 04 recoverable, 08 cutter, 20 unrecoverable, 40 recovers by itself (head too hot).
        fault=error & 0x6C or offline & 0x40,
    )


def _of_frame(frame: bytes) -> PrinterStatus:
    """An ASB frame: byte 1 08 offline, 20 cover; byte 2 errors; byte 3 03 paper near end, 0C paper end."""
    first, second, third, _reserved = frame
    return _seen(
        offline=first & 0x08,
        cover_open=first & 0x20,
        paper_end=third & 0x0C,
        near_end=third & 0x03,
        fault=second & 0x6C,
    )


def _seen(*, offline: int, cover_open: int, paper_end: int, near_end: int, fault: int) -> PrinterStatus:
    """Bits as truths. With the cover open the paper sensors say nothing (Epson: detection is not reliable then)."""
    return PrinterStatus(
        online=_unless(offline),
        paper=Truth.UNKNOWN if cover_open else _unless(paper_end),
        paper_low=Truth.UNKNOWN if cover_open else _if(near_end),
        cover_closed=_unless(cover_open),
        fault=_if(fault),
    )


def _if(bit: int) -> Truth:
    return Truth.YES if bit else Truth.NO


def _unless(bit: int) -> Truth:
    return Truth.NO if bit else Truth.YES


def _worse(one: PrinterStatus, other: PrinterStatus) -> PrinterStatus:
    """Of two sayings the bad one, of a saying and silence the saying."""
    return PrinterStatus(
        online=_first(Truth.NO, one.online, other.online),
        paper=_first(Truth.NO, one.paper, other.paper),
        paper_low=_first(Truth.YES, one.paper_low, other.paper_low),
        cover_closed=_first(Truth.NO, one.cover_closed, other.cover_closed),
        fault=_first(Truth.YES, one.fault, other.fault),
    )


def _first(bad: Truth, one: Truth, other: Truth) -> Truth:
    if bad in (one, other):
        return bad
    return one if other is Truth.UNKNOWN else other
