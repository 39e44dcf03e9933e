"""What a printer would answer: the values that keep tills and terminals printing (Epson ESC/POS reference).

Three kinds of question. Real-time ones (DLE) are answered on arrival. Queued ones (GS I, GS a) are answered in their
turn. Markers (GS r, GS ( H) are what senders wait for to know that everything before has been printed: for them our
answer is the acknowledgement, and it belongs behind the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.tokens import Token


class Turn(Enum):
    """When an answer may go out."""

    NOW = 0
    IN_ORDER = 1
    CONFIRMED = 2


@dataclass(frozen=True, slots=True)
class Model:
    """The printer we say we are. `font` is the answer to GS I 69."""

    number: int
    maker: str
    name: str
    font: str


MODELS: Final[Mapping[str, Model]] = {
    "TM-T88V": Model(0x20, "EPSON", "TM-T88V", "CHINA GB18030"),
    "TM-T81": Model(0x20, "EPSON", "TM-T81", "CHINA GB18030"),
    "TM-T82": Model(0x20, "EPSON", "TM-T82", "CHINA GB18030"),
}

# DLE EOT n: online, drawer pin high as without a drawer (n = 1); nothing open, no error, paper there.
_REALTIME: Final = {1: b"\x16", 2: b"\x12", 3: b"\x12", 4: b"\x12"}
_ASB: Final = b"\x14\x00\x00\x0f"


def answer(token: Token, model: Model) -> tuple[bytes, Turn]:
    """The bytes a printer of this model would send for one question, b"" for none."""
    rule = _RULES.get(token.name)
    if rule is None or token.flaw:
        return b"", Turn.NOW
    make, turn = rule
    return make(token.params, model), turn


def _realtime(params: bytes, _model: Model) -> bytes:
    return _REALTIME.get(params[0], b"")


def _clear_buffers(params: bytes, _model: Model) -> bytes:
    """DLE DC4 fn 8: there is no buffer to clear, what came is on paper."""
    return b"\x37\x25\x00" if params == b"\x08\x01\x03\x14\x01\x06\x02\x08" else b""


def _status_back(params: bytes, _model: Model) -> bytes:
    """GS a n: the state now; it never changes, so nothing follows."""
    return _ASB if params[0] else b""


def _identity(params: bytes, model: Model) -> bytes:
    number = params[0]
    short = {1: model.number, 49: model.number, 2: 0x03, 50: 0x03, 3: 0x01, 51: 0x01}
    long = {65: "1.00", 66: model.maker, 67: model.name, 68: "0", 69: model.font}
    if number in short:
        return bytes([short[number]])
    if number in long:
        return b"\x5f" + long[number].encode("ascii") + b"\0"
    return b"\x3d" + bytes([number, 0]) if number in (33, 35, 96, 110) else b""


def _paper(params: bytes, _model: Model) -> bytes:
    return b"\x00" if params[0] in (1, 2, 49, 50) else b""


def _process_id(params: bytes, _model: Model) -> bytes:
    """GS ( H fn 48: the four bytes back when their data is on paper."""
    return b"\x37\x22" + params[4:8] + b"\0" if params[2:4] == b"\x30\x30" and len(params) == 8 else b""


def _constant(data: bytes) -> Callable[[bytes, Model], bytes]:
    return lambda _params, _model: data


_RULES: Final[Mapping[str, tuple[Callable[[bytes, Model], bytes], Turn]]] = {
    "DLE EOT": (_realtime, Turn.NOW),
    "DLE DC4": (_clear_buffers, Turn.NOW),
    "GS a": (_status_back, Turn.IN_ORDER),
    "GS I": (_identity, Turn.IN_ORDER),
    "FS ( e": (_constant(b"\x39\x00\x40\x00"), Turn.IN_ORDER),
    "ESC u": (_constant(b"\x00"), Turn.IN_ORDER),
    "ESC v": (_constant(b"\x00"), Turn.IN_ORDER),
    "GS r": (_paper, Turn.CONFIRMED),
    "GS ( H": (_process_id, Turn.CONFIRMED),
}
