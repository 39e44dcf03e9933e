"""The lines ZVT terminals have printed by the till: `06 D1` line by line, `06 D3` a block at once. Pure.

A receipt may come in many messages: its last line says so (attribute 1xxx xxxx, but neither 80 nor FF). Whoever owns
the line gathers messages until then; here they become one text and one report.

The receipt type (1F07) is taken of the first line: CardComplete terminals mark single lines of a customer's receipt
as the merchant's (seen in a public capture).

Source: ZVT specification PA00P015_13.08, chapters 3.5 (print line), 3.6 (print text block), 7 (1F07, 25, 07, 09).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.contract import Report
from agent.fields import PAPER, Json, Kind
from drivers.scrub import scrub
from drivers.terminals import zvt_fields as zvt
from drivers.terminals import zvt_values as values
from drivers.terminals.zvt_message import PRINT_BLOCK, PRINT_LINE, REPEAT, Asked, envelope, finished
from drivers.terminals.zvt_wire import Apdu

MOST_BYTES: Final = 32 * 1024  # of one receipt; what is longer is told in parts

_FEEDS: Final = 0xFF  # this attribute: a number of empty lines follows
_NO_LAST: Final = frozenset({0x80, _FEEDS})  # attributes with the highest bit that are no end
_MOST_FEEDS: Final = 20
_COPIES: Final = {b"\1": "merchant", b"\2": "customer"}
_ADMINISTRATION: Final = b"\3"


@dataclass(frozen=True, slots=True)
class Printed:
    """One message of a receipt: its lines as (indent, start, end) in the data, its type, whether it ends with it."""

    apdu: Apdu
    lines: tuple[tuple[int, int, int], ...]
    receipt_type: bytes
    last: bool


def printed(apdu: Apdu) -> Printed | None:
    """The lines of a message, None when it prints nothing."""
    if apdu.code == PRINT_LINE and apdu.data:
        return _line(apdu)
    return _block(apdu) if apdu.code == PRINT_BLOCK else None


def _line(apdu: Apdu) -> Printed:
    data, attribute = apdu.data, apdu.data[0]
    start = 2 if attribute == _FEEDS else 1
    end = _container_at(data, start)
    items = _objects(data, end)
    if attribute == _FEEDS:
        count = data[1] if len(data) > 1 else 1
        lines: tuple[tuple[int, int, int], ...] = ((0, end, end),) * min(count, _MOST_FEEDS)
    else:
        lines = ((attribute & 0x0F if attribute < 0x80 else 0, start, end),)
    return Printed(apdu, lines, _type(items), _is_last(attribute))


def _container_at(data: bytes, start: int) -> int:
    """Where the TLV container begins; a line of text holds no 06."""
    place = data.find(b"\x06", start)
    return place if place >= 0 else len(data)


def _block(apdu: Apdu) -> Printed:
    items = _objects(apdu.data, 0)
    lines, indent, last = [], 0, False
    for item in items:
        if item.tag == zvt.TEXT_LINE:
            lines.append((indent, item.start, item.end))
        elif item.tag == zvt.ATTRIBUTE and item.value:
            last = last or _is_last(item.value[0])
            indent = item.value[0] & 0x0F if item.value[0] < 0x80 else 0
    return Printed(apdu, tuple(lines), _type(items), last)


def _objects(data: bytes, start: int) -> list[zvt.Item]:
    containers, _ = zvt.parse(data, start)
    return [item for outer in containers if outer.tag == 0x06 for item in zvt.objects(data, outer.start, outer.end)]


def _type(items: Sequence[zvt.Item]) -> bytes:
    return next((item.value for item in items if item.tag == zvt.RECEIPT_TYPE), b"")


def _is_last(attribute: int) -> bool:
    return attribute >= 0x80 and attribute not in _NO_LAST


def report(
    parts: Sequence[Printed], status: Report | None, question: Asked | None, charset: str, *, part: bool = False
) -> Report | None:
    """The receipt as one report; None when nothing stands on it.

    `status` is what the same command (`question`) told: the receipt of a payment is a paper of that payment. Any other
    is a notice (administration, end of day) or a slip. `part`: it is not whole.
    """
    clean = _scrubbed(parts)
    text = _text(parts, clean, charset)
    if not text.strip():
        return None
    raw = b"".join(_masked(piece, data) for piece, data in zip(parts, clean, strict=True))
    receipt_type = next((piece.receipt_type for piece in parts if piece.receipt_type), b"")
    fields: dict[str, Json] = {"text": text}
    if receipt_type in _COPIES:
        fields["copy"] = _COPIES[receipt_type]
    warnings = ["the receipt is not whole"] if part else []
    if clean != [piece.apdu.data for piece in parts]:
        warnings.append("the terminal sent a full card number; it was masked here")
    is_payment = status is not None and status.kind is Kind.TRANSACTION
    about_none = not is_payment and question is not None and not question.is_payment and question.code != REPEAT
    if receipt_type == _ADMINISTRATION or about_none:
        return finished(Kind.NOTICE, "", fields, raw, warnings)
    if status is not None and is_payment:
        facts = {name: value for name, value in status.fields.items() if name not in PAPER}
        return finished(Kind.TRANSACTION, status.key, {**facts, **fields}, raw, warnings)
    # Slips go to a printer as they are: so they are kept as their lines, not as messages.
    lines = (data[start:end] for piece, data in zip(parts, clean, strict=True) for _, start, end in piece.lines)
    return finished(Kind.SLIP, "", fields, b"".join(line + b"\n" for line in lines), warnings)


def _scrubbed(parts: Sequence[Printed]) -> list[bytes]:
    """The data of each message, card numbers masked as the whole paper shows them: also those a line end tears."""
    lines = [piece.apdu.data[start:end] for piece in parts for _, start, end in piece.lines]
    masked = scrub(b"\n".join(lines), "latin-1")
    clean, place = [], 0
    for piece in parts:
        data = bytearray(piece.apdu.data)
        for _, start, end in piece.lines:
            data[start:end] = masked[place : place + end - start]
            place += end - start + 1
        clean.append(bytes(data))
    return clean


def _text(parts: Sequence[Printed], clean: Sequence[bytes], charset: str) -> str:
    said = []
    for piece, data in zip(parts, clean, strict=True):
        for indent, start, end in piece.lines:
            line = " " * indent + data[start:end].decode(charset, "replace")
            said.append("".join(sign if sign.isprintable() else " " for sign in line).rstrip())
    return "\n".join(said).rstrip("\n")


def _masked(piece: Printed, data: bytes) -> bytes:
    """A message without anything that is neither a line nor known."""
    start = _container_at(data, 2 if data[:1] == b"\xff" else 1) if piece.apdu.code == PRINT_LINE else 0
    shown = bytearray(data[:start] + values.masked(data[start:]))
    for _, begin, end in piece.lines:
        shown[begin:end] = data[begin:end]
    return envelope(piece.apdu) + bytes(shown)
