"""ZVT on the wire: where an APDU begins and ends, on a serial line and over TCP. Arithmetic on bytes.

- An APDU is `CC II LL data`: class, instruction, length of the data; LL = FF says that two bytes little-endian follow.
- TCP carries bare APDUs. Nothing marks a beginning, so a connection that lost its place stays lost until silence: what
  was cut off there is given up whole, never searched for something that looks like an APDU.
- Serial (9600 8N2, some 115200): `10 02`, the APDU with every 10 doubled, `10 03`, CRC low and high. The CRC runs over
  the APDU (not doubled) and the 03. The other end answers each block with one byte, 06 or 15.

Sources: ZVT specification PA00P015/PA00P016 (transport and application protocol), checked with the vectors of
karolyi/ecrterm and the captures of Portalum/Portalum.Zvt and bezahl-online/zvt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from drivers.framing import ACK, ETX, NAK, STX, Broken, Decoder, Frame, Framer, Loose, Reason

DLE: Final = 0x10
LIMIT_BYTES: Final = 16 * 1024  # the longest APDU we wait for; receipts in the field stay below 2 KiB

_START: Final = bytes((DLE, STX))
_END: Final = bytes((DLE, ETX))
_BODY: Final = re.compile(rb"(?:[^\x10]+|\x10\x10)*")
_LONG: Final = 0xFF
# Payments, receipts, status, displays, menus, service, answers: no other class is defined.
_CLASSES: Final = frozenset({0x04, 0x05, 0x06, 0x08, 0x0F, 0x80, 0x84})
_POLY: Final = 0x8408  # CRC-16, reflected, begins with 0


@dataclass(frozen=True, slots=True)
class Apdu:
    """One message. `code` is class and instruction, e.g. 0x040F. Its data stay out of repr(): card numbers."""

    code: int
    data: bytes = field(repr=False)
    head_bytes: int = 3  # class, instruction, length as it was written

    @property
    def is_answer(self) -> bool:
        """Whether it answers a message (80 00, 84 xx) rather than being one that wants an answer."""
        return self.code >> 8 in {0x80, 0x84}


@dataclass(frozen=True, slots=True)
class Transport:
    """One way of carrying APDUs. `accepted` and `refused` answer a block, empty where nobody does."""

    framer: Callable[[], Framer]
    wrap: Callable[[bytes], bytes]
    unwrap: Callable[[bytes], bytes]
    accepted: bytes = b""
    refused: bytes = b""


def encode(code: int, data: bytes = b"") -> bytes:
    """The bytes of an APDU. Raises ValueError when the data are longer than a length can say."""
    if len(data) > 0xFFFF:
        raise ValueError(f"{len(data)} bytes do not fit an APDU")
    size = bytes((len(data),)) if len(data) < _LONG else bytes((_LONG,)) + len(data).to_bytes(2, "little")
    return code.to_bytes(2, "big") + size + data


def parse(raw: bytes) -> Apdu | None:
    """The APDU that `raw` is, whole and nothing else."""
    head, size = _sizes(raw)
    if not head or len(raw) != head + size:
        return None
    return Apdu(int.from_bytes(raw[:2], "big"), raw[head:], head)


def _sizes(raw: bytes | bytearray) -> tuple[int, int]:
    """Bytes of the head and of the data; (0, 0) when too few are here to tell."""
    if len(raw) < 3:
        return 0, 0
    if raw[2] != _LONG:
        return 3, raw[2]
    return (5, int.from_bytes(raw[3:5], "little")) if len(raw) >= 5 else (0, 0)


# -- TCP ---------------------------------------------------------------------------------------------------------------


def decode_tcp(buffer: bytes | bytearray) -> tuple[int, Frame | Broken | None]:
    """What stands at the front of a TCP stream; (0, None) = too few bytes to tell."""
    if not buffer:
        return 0, None
    if buffer[0] not in _CLASSES:
        known = (place for place, sign in enumerate(buffer) if sign in _CLASSES)
        return next(known, len(buffer)), Broken(Reason.NOISE)
    head, size = _sizes(buffer)
    if not head:
        return 0, None
    if size > LIMIT_BYTES:
        return head, Broken(Reason.LENGTH)
    return (head + size, Frame(bytes(buffer[: head + size]))) if len(buffer) >= head + size else (0, None)


class WholeFramer(Framer):
    """A framer for streams without marks: what silence cuts off is one piece of loose bytes."""

    def silence(self) -> list[Frame | Loose]:
        return [self._loose(len(self._buffer), Reason.CUT_OFF)] if self._buffer else []


# -- serial ------------------------------------------------------------------------------------------------------------


def crc(data: bytes) -> int:
    """CRC-16 as ZVT computes it: reflected, poly 8408, begins with 0."""
    value = 0
    for byte in data:
        value = (value >> 8) ^ _CRC[(value ^ byte) & 0xFF]
    return value


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_POLY if byte & 1 else 0)
    return byte


_CRC: Final = tuple(_crc_of(byte) for byte in range(256))


def wrap_serial(apdu: bytes) -> bytes:
    check = crc(apdu + bytes((ETX,))).to_bytes(2, "little")
    return _START + apdu.replace(b"\x10", b"\x10\x10") + _END + check


def unwrap_serial(raw: bytes) -> bytes:
    """The APDU in a whole block."""
    return raw[2:-4].replace(b"\x10\x10", b"\x10")


def decode_serial(buffer: bytes | bytearray) -> tuple[int, Frame | Broken | None]:
    """What stands at the front of a serial stream; (0, None) = too few bytes to tell.

    A broken block is given up only to the next `10 02` in it: a 10 of the data is always doubled, so that is a start.
    """
    if not buffer:
        return 0, None
    if buffer[0] != DLE:
        place = buffer.find(DLE)
        return (place if place > 0 else len(buffer)), Broken(Reason.NOISE)
    if len(buffer) < 2:
        return 0, None
    if buffer[1] != STX:
        return 1, Broken(Reason.NOISE)
    found = _BODY.match(buffer, 2)
    end = found.end() if found else 2
    if end > 2 * LIMIT_BYTES:
        return _to_next_start(buffer), Broken(Reason.LENGTH)
    if len(buffer) < end + 2:
        return 0, None
    if buffer[end + 1] != ETX:
        return _to_next_start(buffer), Broken(Reason.END)
    total = end + 4
    if len(buffer) < total:
        return 0, None
    raw = bytes(buffer[:total])
    if crc(unwrap_serial(raw) + bytes((ETX,))) != int.from_bytes(raw[-2:], "little"):
        return min(total, _to_next_start(buffer)), Broken(Reason.CHECK)
    return total, Frame(raw)


def _to_next_start(buffer: bytes | bytearray) -> int:
    """Where the next `10 02` behind the first byte stands, or may stand once more has come; else the whole length."""
    start = buffer.find(_START, 1)
    if start > 0:
        return start
    return len(buffer) - 1 if len(buffer) > 1 and buffer[-1] == DLE else len(buffer)


def _same(apdu: bytes) -> bytes:
    return apdu


def _framing(decoder: Decoder, kind: type[Framer]) -> Callable[[], Framer]:
    return lambda: kind(decoder)


TRANSPORTS: Final[Mapping[str, Transport]] = MappingProxyType(
    {
        "tcp": Transport(_framing(decode_tcp, WholeFramer), _same, _same),
        "serial": Transport(_framing(decode_serial, Framer), wrap_serial, unwrap_serial, ACK, NAK),
    }
)
