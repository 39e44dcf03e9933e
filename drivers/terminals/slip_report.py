"""One captured slip as one report: read by the first parser that knows it, kept whole when none does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from agent.contract import Report
from agent.fields import Fields, Json, Kind
from drivers import typeset
from drivers.terminals import unionpay_slip
from drivers.terminals.slip_stream import CapturedSlip

DRIVER: Final = "slip-tap"
# Every parser takes the lines of a slip and says what it is, or None.
PARSERS: Final[tuple[Callable[[Sequence[str]], unionpay_slip.Reading | None], ...]] = (unionpay_slip.read,)
_MOST_LINES: Final = 600
_MOST_COLUMNS: Final = 200  # no paper is wider; a parser's time is bounded by both
_NATURAL: Final = ("terminal_id", "batch_no", "trace_no", "transaction_type")
# Where the terminal prints no batch: what all copies of one payment have in common.
_OTHERWISE: Final = (
    *("terminal_id", "merchant_id", "transaction_type", "trace_no", "rrn", "order_no", "amount_minor", "terminal_time"),
)


def report_of(slip: CapturedSlip, charset: str) -> Report:
    """`slip` is masked already."""
    text = typeset.text(slip.data, charset)
    lines = [line[:_MOST_COLUMNS] for line in text.split("\n")[:_MOST_LINES]]
    reading = next((found for parser in PARSERS if (found := parser(lines)) is not None), None)
    digest = hashlib.sha256(slip.data).hexdigest()
    fields: dict[str, Json] = {} if reading is None else dict(reading.fields)
    kind = Kind.SLIP if reading is None else reading.kind
    fields |= {"raw_sha256": digest, "driver": DRIVER, "profile": "none" if reading is None else reading.profile}
    if text:
        fields["text"] = text
    warnings: list[Json] = [*_warnings(slip, text), *(reading.warnings if reading else ())]
    if warnings:
        fields["warnings"] = warnings
    # Parts of one long slip may be the same byte for byte and are still two stretches of paper.
    content = f"sha256:{digest}:{slip.part}" if slip.part else f"sha256:{digest}"
    return Report(kind, _key(kind, fields) or content, fields, slip.data)


def _warnings(slip: CapturedSlip, text: str) -> list[str]:
    found = []
    if slip.part:
        end = ", the last one" if slip.last else ""
        found.append(f"part {slip.part}{end} of a slip too long to keep in one: {slip.title or 'untitled'}")
    if slip.showed_card:
        found.append("the terminal sent a full card number; it was masked here")
    if not text:
        found.append("a picture without text")
    return found


def _key(kind: Kind, fields: Fields) -> str:
    """The terminal's own identity of the thing, "" when it has none."""
    if kind is Kind.SETTLEMENT and {"terminal_id", "batch_no"} <= fields.keys():
        return f"{fields['terminal_id']}:{fields['batch_no']}:settlement"
    if kind is not Kind.TRANSACTION:
        return ""
    if fields.keys() >= set(_NATURAL):
        natural = ":".join(str(fields[name]) for name in _NATURAL)
        if fields.get("outcome") == "approved":
            return natural
        return f"{natural}:{fields['outcome']}:{fields.get('terminal_time', '')}"  # its trace number is used again
    if fields.keys() & {"terminal_time", "rrn", "order_no", "trace_no"}:
        return "|".join(str(fields.get(name, "")) for name in _OTHERWISE)
    return ""
