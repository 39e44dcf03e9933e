"""Frames STX | text | ETX | LRC: no length, so the first control sign behind STX must be the ETX.

Several old till protocols speak so (Transbank POS Integrado, Concert E+). The text is printable in whichever 8-bit
charset, its first bytes are digits; both make what is no frame known early, so that little waits for its end. The LRC
is the XOR of the text and ETX and may be any byte, control signs included.
"""

from __future__ import annotations

import re
from typing import Final

from drivers.framing import ETX, STX, Broken, Decoder, Frame, Reason, lrc

_CONTROL: Final = re.compile(rb"[\x00-\x1f]")


def encode(text: bytes) -> bytes:
    """The frame around `text`. Raises ValueError when it holds control signs."""
    if _CONTROL.search(text):
        raise ValueError("a control sign in the text would end the frame")
    checked = text + bytes((ETX,))
    return bytes((STX,)) + checked + bytes((lrc(checked),))


def text_of(frame: Frame) -> bytes:
    return frame.raw[1:-2]


def decoder(digits: int, limit_bytes: int) -> Decoder:
    """The decoder of a protocol whose texts begin with `digits` digits and have at most `limit_bytes` bytes."""
    return lambda buffer: _decode(buffer, digits, limit_bytes)


def _decode(buffer: bytes | bytearray, digits: int, limit_bytes: int) -> tuple[int, Frame | Broken | None]:
    if not buffer:
        return 0, None
    if buffer[0] != STX:
        return _to_next_start(buffer), Broken(Reason.NOISE)
    head = buffer[1 : 1 + digits]
    if head and not head.isdigit():
        return _to_next_start(buffer), Broken(Reason.END)
    control = _CONTROL.search(buffer, 1, limit_bytes + 2)
    if control is None:
        return (_to_next_start(buffer), Broken(Reason.LENGTH)) if len(buffer) > limit_bytes + 1 else (0, None)
    end = control.start()
    if buffer[end] != ETX:
        return _to_next_start(buffer), Broken(Reason.END)
    if len(buffer) < end + 2:
        return 0, None
    if lrc(buffer[1 : end + 1]) != buffer[end + 1]:
        return min(end + 2, _to_next_start(buffer)), Broken(Reason.CHECK)
    return end + 2, Frame(bytes(buffer[: end + 2]))


def _to_next_start(buffer: bytes | bytearray) -> int:
    start = buffer.find(STX, 1)
    return start if start > 0 else len(buffer)
