"""Frames found in a stream that may hold anything else too, above all STX | length | data | ETX | LRC.

Several terminal families wrap their messages so; they differ in how the length is written. The length leads, never
a search for ETX: data may hold 02 and 03. Arithmetic on bytes, no clock: whoever owns the line says when it went
silent. What is no frame comes out as `Loose` bytes with the reason, in order, so that a proxy can pass them on;
`Framer.dropped` counts them and never keeps them.

`Framer` is the small buffer round any `Decoder`: a function that looks at the front of a buffer and keeps no state.

Sources: the framing is read the same in several unrelated public programs, e.g. CaoEnXin/LiaoYang_POS
`Src/Commlib.c` (RS232NacTxd/RS232NacRxd), x-lugoo/HK_Indirect_EDC `ecr.c`, dasaintgray/iotelkiosk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

STX: Final = 0x02
ETX: Final = 0x03
ACK: Final = b"\x06"
NAK: Final = b"\x15"

_OVERHEAD: Final = 5  # STX, two bytes of length, ETX, LRC
LIMIT_BYTES: Final = 64 * 1024 - 1  # what two bytes can say at most


class Length(StrEnum):
    """How the two length bytes are written; they count the data only."""

    BCD = "bcd"  # 00 35 = 35
    BE16 = "be16"  # 00 23 = 35


class Reason(StrEnum):
    """Why bytes are no frame."""

    NOISE = "bytes between frames"
    LENGTH = "impossible length"
    END = "no ETX where the length says"
    CHECK = "wrong LRC"
    CUT_OFF = "frame cut off by silence"


@dataclass(frozen=True, slots=True)
class Layout:
    """The variant of one line. `limit_bytes` is the most data a frame may hold: it bounds memory and speeds resync."""

    length: Length = Length.BCD
    limit_bytes: int = LIMIT_BYTES


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame that passed its check. Its bytes stay out of repr(): they may hold card numbers."""

    raw: bytes = field(repr=False)

    @property
    def data(self) -> bytes:
        """What an STX frame carries: its bytes between length and ETX."""
        return self.raw[3:-2]


@dataclass(frozen=True, slots=True)
class Broken:
    """The bytes at the front are no frame."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Loose:
    """Bytes that are no frame, as they came."""

    raw: bytes = field(repr=False)
    reason: Reason = Reason.NOISE


def lrc(data: bytes | bytearray | memoryview) -> int:
    """XOR of all bytes. Folded in halves: a hostile stream makes us compute it often."""
    value, size = int.from_bytes(data, "big"), len(data)
    while size > 1:
        size = (size + 1) // 2
        value = (value >> 8 * size) ^ (value & ((1 << 8 * size) - 1))
    return value


def encode(data: bytes, layout: Layout) -> bytes:
    """The frame around `data`. Raises ValueError when the length does not fit."""
    limit = min(layout.limit_bytes, 9999) if layout.length is Length.BCD else layout.limit_bytes
    if not 0 < len(data) <= limit:
        raise ValueError(f"{len(data)} bytes do not fit a frame of 1 to {limit}")
    size = bytes.fromhex(f"{len(data):04d}") if layout.length is Length.BCD else len(data).to_bytes(2, "big")
    checked = size + data + bytes((ETX,))
    return bytes((STX,)) + checked + bytes((lrc(checked),))


def bcd(pair: bytes | bytearray) -> int | None:
    """The number a few BCD bytes say, None when a nibble is no digit."""
    text = pair.hex()
    return int(text) if text.isdecimal() else None


def decode(buffer: bytes | bytearray, layout: Layout) -> tuple[int, Frame | Broken | None]:
    """What stands at the front of `buffer` and how many bytes it takes; (0, None) = too few bytes to tell.

    A broken frame is given up only to the next STX in it: what was taken for its start may have been noise before
    the real one.
    """
    if not buffer:
        return 0, None
    if buffer[0] != STX:
        return _to_next_start(buffer), Broken(Reason.NOISE)
    if len(buffer) < 3:
        return 0, None
    size = bcd(buffer[1:3]) if layout.length is Length.BCD else int.from_bytes(buffer[1:3], "big")
    if size is None or not 0 < size <= layout.limit_bytes:
        return min(3, _to_next_start(buffer)), Broken(Reason.LENGTH)
    total = size + _OVERHEAD
    if len(buffer) < total:
        return 0, None
    if buffer[total - 2] != ETX:
        return min(total, _to_next_start(buffer)), Broken(Reason.END)
    if lrc(buffer[1 : total - 1]) != buffer[total - 1]:
        return min(total, _to_next_start(buffer)), Broken(Reason.CHECK)
    return total, Frame(bytes(buffer[:total]))


def _to_next_start(buffer: bytes | bytearray) -> int:
    """Where the next STX behind the first byte stands; the whole length when there is none."""
    start = buffer.find(STX, 1)
    return start if start > 0 else len(buffer)


Decoder = Callable[[bytes | bytearray], tuple[int, Frame | Broken | None]]


def stx(layout: Layout) -> Decoder:
    """The decoder of one variant of STX frames."""
    return lambda buffer: decode(buffer, layout)


class Framer:
    """A small buffer round a decoder: any cut of the stream gives the same frames.

    Between calls it holds at most one unfinished frame.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.dropped: Counter[Reason] = Counter()  # bytes that were no frame, by reason
        self._decoder = decoder
        self._buffer = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Loose]:
        self._buffer += data
        return self._take(Reason.NOISE)

    def silence(self) -> list[Frame | Loose]:
        """Nothing more is coming for what has begun: it was cut off, or its start was noise before a whole frame."""
        pieces: list[Frame | Loose] = []
        while self._buffer:
            pieces.append(self._loose(1, Reason.CUT_OFF))
            pieces += self._take(Reason.CUT_OFF)
        return pieces

    def _take(self, noise: Reason) -> list[Frame | Loose]:
        """Everything that can be told now; bytes between frames are called `noise`."""
        pieces: list[Frame | Loose] = []
        while True:
            used, found = self._decoder(self._buffer)
            if isinstance(found, Frame):
                del self._buffer[:used]
                pieces.append(found)
            elif isinstance(found, Broken):
                pieces.append(self._loose(used, noise if found.reason is Reason.NOISE else found.reason))
            else:
                return pieces

    def _loose(self, used: int, reason: Reason) -> Loose:
        raw = bytes(self._buffer[:used])
        del self._buffer[:used]
        self.dropped[reason] += used
        return Loose(raw, reason)
