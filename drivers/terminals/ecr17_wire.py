"""ECR17 on the wire: messages, answers and progress lines, and the check byte of which there are four.

- Message: `02`, payload in ASCII, `03`, LRC. Answer: `06 03 LRC` or `15 03 LRC`. Progress: `01`, 20 signs, `04`.
- The LRC begins with 7F. Which signs besides the payload it covers depends on the firmware: none (`std`), STX and ETX
  (`stx`), ETX (`noext`), STX (`stx_noext`). `Check` learns it from the first message that can be told, and goes over
  to another only when two messages in a row agree on that: one damaged message must not spoil the line.

Sources: Nexi "Traditional POS, Communication Protocol" (public); the four modes from
padosoft/react-native-ecr17-protocol (package/cpp/Lcr).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from drivers.framing import ACK, ETX, NAK, STX, Broken, Frame, Reason, lrc

LIMIT_BYTES: Final = 1536  # the longest message, a page of XML for additional services, has 1050

_SOH: Final = 0x01
_EOT: Final = 0x04
_BASE: Final = 0x7F
_PROGRESS_BYTES: Final = 22
_STARTS: Final = re.compile(rb"[\x01\x02\x06\x15]")
_HEAD: Final = re.compile(rb"[0-9]{8}0[A-Za-z]")


class Mode(StrEnum):
    """What the LRC covers besides the payload."""

    STD = "std"
    STX = "stx"
    NOEXT = "noext"
    STX_NOEXT = "stx_noext"


_EXTRA: Final = {Mode.STD: 0, Mode.STX: STX ^ ETX, Mode.NOEXT: ETX, Mode.STX_NOEXT: STX}
_BY_EXTRA: Final = {extra: mode for mode, extra in _EXTRA.items()}


def check_byte(payload: bytes | bytearray, mode: Mode) -> int:
    return _BASE ^ lrc(payload) ^ _EXTRA[mode]


def encode(payload: bytes, mode: Mode) -> bytes:
    """A message. Raises ValueError when a sign of the frame stands in the payload."""
    if not payload.isascii() or STX in payload or ETX in payload:
        raise ValueError("a payload is ASCII without 02 and 03")
    return bytes((STX,)) + payload + bytes((ETX, check_byte(payload, mode)))


def answer(sign: bytes, mode: Mode) -> bytes:
    """`06 03 LRC` or `15 03 LRC`."""
    return sign + bytes((ETX, check_byte(sign, mode)))


def payload(frame: Frame) -> bytes:
    """What a message carries, b"" of answers and progress lines."""
    return frame.raw[1:-2] if frame.raw[0] == STX else b""


def progress(text: bytes) -> bytes:
    return bytes((_SOH,)) + text.ljust(20)[:20] + bytes((_EOT,))


class Check:
    """The LRC of one line, both sides. `mode` is None until it is known."""

    def __init__(self, mode: Mode | None = None) -> None:
        self.mode = mode
        self._fixed = mode is not None
        self._doubt: Mode | None = None

    def forget(self) -> None:
        """The line was lost; the next peer may be another one."""
        if not self._fixed:
            self.mode = self._doubt = None

    def decode(self, buffer: bytes | bytearray) -> tuple[int, Frame | Broken | None]:
        """What stands at the front of `buffer`; (0, None) = too few bytes to tell."""
        if not buffer:
            return 0, None
        if buffer[0] == STX:
            return self._message(buffer)
        if buffer[0] in ACK + NAK:
            return self._answer(buffer)
        if buffer[0] == _SOH:
            return _progress(buffer)
        return _to_next_start(buffer), Broken(Reason.NOISE)

    def _message(self, buffer: bytes | bytearray) -> tuple[int, Frame | Broken | None]:
        end = buffer.find(ETX, 1, LIMIT_BYTES)
        again = buffer.find(STX, 1, end if end > 0 else LIMIT_BYTES)
        if again > 0:
            return again, Broken(Reason.END)
        if end < 0:
            return (_to_next_start(buffer), Broken(Reason.LENGTH)) if len(buffer) >= LIMIT_BYTES else (0, None)
        total = end + 2
        if len(buffer) < total:
            return 0, None
        extra = _BASE ^ lrc(buffer[1:end]) ^ buffer[end + 1]
        if not self._fits(extra, plain=_HEAD.match(buffer, 1) is not None):
            return min(total, _to_next_start(buffer)), Broken(Reason.CHECK)
        return total, Frame(bytes(buffer[:total]))

    def _answer(self, buffer: bytes | bytearray) -> tuple[int, Frame | Broken | None]:
        if len(buffer) > 1 and buffer[1] != ETX:
            return 1, Broken(Reason.NOISE)
        if len(buffer) < 3:
            return 0, None
        if not self._fits(_BASE ^ buffer[0] ^ buffer[2], plain=True):
            return 1, Broken(Reason.NOISE)
        return 3, Frame(bytes(buffer[:3]))

    def _fits(self, extra: int, *, plain: bool) -> bool:
        """Whether a check byte is right. `plain`: the message looks like one, so a mode may be learnt from it."""
        said = _BY_EXTRA.get(extra)
        if said is None:
            return False
        if said is self.mode:
            self._doubt = None
            return True
        if self._fixed or not plain:
            return False
        if self.mode is None or self._doubt is said:
            self.mode, self._doubt = said, None
            return True
        self._doubt = said
        return False


def _progress(buffer: bytes | bytearray) -> tuple[int, Frame | Broken | None]:
    """A line for the till's display; its 20 signs are text."""
    known = buffer[1:_PROGRESS_BYTES]
    if _STARTS.search(known[: _PROGRESS_BYTES - 2]):
        return 1, Broken(Reason.NOISE)
    if len(buffer) < _PROGRESS_BYTES:
        return 0, None
    if buffer[_PROGRESS_BYTES - 1] != _EOT:
        return 1, Broken(Reason.NOISE)
    return _PROGRESS_BYTES, Frame(bytes(buffer[:_PROGRESS_BYTES]))


def _to_next_start(buffer: bytes | bytearray) -> int:
    found = _STARTS.search(buffer, 1)
    return found.start() if found else len(buffer)
