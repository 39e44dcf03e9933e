"""Reads one LinkPOS message by the tables of `linkpos` and says what it says: a report, masked, without memory.

Data of a frame: transport header `60` destination(4) source(4); presentation header format `1`, `0` request /
`1` response / `2` status, transaction code(2), response code(2), more-indicator(1), 1C; then fields of
type(2) length(2 bytes BCD) value 1C. All ASCII but the lengths.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from agent.contract import Report
from agent.errors import UsageError
from agent.fields import Json, Kind, Outcome
from drivers.framing import ETX, STX, Frame, bcd, lrc
from drivers.terminals import stx_values as values
from drivers.terminals.linkpos import Acquirer, Meaning

# No longer data is legal here: the first length byte 30 (an ASCII "0") is then never one, and a start that was noise
# inside text is dropped at once.
LIMIT_BYTES: Final = 2999

NO_AMOUNT: Final = "the terminal did not say the amount"

_SEPARATOR: Final = 0x1C
_HEADER: Final = re.compile(rb"60[0-9]{8}1([012])([0-9A-Z]{2})([!-~ ]{2})([0-9])\x1c")


class Role(Enum):
    REQUEST = b"0"
    RESPONSE = b"1"
    STATUS = b"2"  # "insert card" and the like, before the response


@dataclass(frozen=True, slots=True)
class Item:
    """One field; `start` is where its value stands in the data. Kept out of repr(): it may be a card number."""

    type: str
    value: bytes = field(repr=False)
    start: int


@dataclass(frozen=True, slots=True)
class Message:
    """The parts of one message. `end` is where reading stopped: the whole length when all could be read."""

    role: Role
    code: str
    response_code: str
    more: bool
    items: tuple[Item, ...]
    end: int


def parse(data: bytes) -> Message | None:
    """The message in the data of a frame, None when it is none. Fields that cannot be read end it early."""
    header = _HEADER.match(data)
    if header is None:
        return None
    items, place = [], header.end()
    while item := _item(data, place):
        items.append(item)
        place = item.start + len(item.value) + 1
    role, code, response_code, more = header.groups()
    return Message(Role(role), code.decode(), response_code.decode(), more != b"0", tuple(items), place)


def _item(data: bytes, place: int) -> Item | None:
    size = bcd(data[place + 2 : place + 4]) if len(data) >= place + 5 else None
    start = place + 4
    if size is None or len(data) <= start + size or data[start + size] != _SEPARATOR:
        return None
    return Item(data[place : place + 2].decode("latin-1"), data[start : start + size], start)


def read(frame: Frame, acquirer: Acquirer, currency: str) -> Report | None:
    """What a response says. Requests, status messages and other languages are no report."""
    message = parse(frame.data)
    if message is None or message.role is not Role.RESPONSE:
        return None
    meaning = acquirer.codes.get(message.code)
    warnings: list[str] = []
    fields = _fields(message, acquirer, currency, warnings)
    if message.end < len(frame.data):
        warnings.append(f"what stands behind byte {message.end} could not be read")
    if message.more:
        warnings.append("the terminal announced another part")
    if meaning is None:
        warnings.append(f"transaction code {message.code} is not in the table of {acquirer.name}")
        # It may be a payment of a kind we do not know. What names neither amount nor approval is none.
        pays = "amount_minor" in fields or "auth_code" in fields
        meaning = Meaning(Kind.TRANSACTION if pays else Kind.NOTICE)
    kind = _judge(message, meaning, acquirer, fields, warnings)
    raw = masked(frame, message, acquirer)
    fields |= {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "stx-bcdlen", "profile": acquirer.name}
    if warnings:
        fields["warnings"] = [*warnings]
    return Report(kind, _key(kind, message, fields, raw), fields, raw)


def asked(frame: Frame, acquirer: Acquirer, currency: str) -> Report | None:
    """What a request asks for. It tells of no money, but its amount is the only one some banks' answers leave."""
    message = parse(frame.data)
    if message is None or message.role is not Role.REQUEST:
        return None
    warnings: list[str] = []
    fields = _fields(message, acquirer, currency, warnings)
    meaning = acquirer.codes.get(message.code)
    if meaning is not None and meaning.transaction_type is not None:
        fields["transaction_type"] = meaning.transaction_type.value
    raw = masked(frame, message, acquirer)
    fields |= {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "stx-bcdlen", "profile": acquirer.name}
    fields["warnings"] = ["a request of the till, no answer of the terminal", *warnings]
    return Report(Kind.NOTICE, values.raw_key(raw), fields, raw)


def _fields(message: Message, acquirer: Acquirer, currency: str, warnings: list[str]) -> dict[str, Json]:
    """The canonical fields of all items that fit their shape; what does not is named in `warnings`."""
    said: dict[str, str] = {}
    for item in message.items:
        spec = acquirer.fields.get(item.type, values.SECRET)
        value = values.told(item.type, item.value, spec, warnings)
        if value and spec.name in said:
            warnings.append(f"field {item.type} came twice")
        elif value and spec.name:
            said[spec.name] = value
    fields: dict[str, Json] = {name: value for name, value in said.items() if not name.startswith("[")}
    if "amount_minor" in said:
        fields |= {"amount_minor": int(said["amount_minor"]), "currency": currency}
    if "[time]" in said and (moment := values.moment(said.get("[date]", ""), said["[time]"])):
        fields["terminal_time"] = moment
    elif "[time]" in said or "[date]" in said:
        warnings.append("date and time are none")
    if name := said.get("[merchant]", "")[:23].strip():
        fields["merchant_name"] = name
    if issuer := said.get("[issuer]"):
        fields |= {"card_scheme": issuer.upper()} if issuer.upper() in values.SCHEMES else {"issuer": issuer}
    if "card_masked" in said:
        fields["method"] = "card"
    return fields


def _judge(
    message: Message, meaning: Meaning, acquirer: Acquirer, fields: dict[str, Json], warnings: list[str]
) -> Kind:
    """Adds response code, outcome and type; returns the kind of report."""
    code = message.response_code.strip()
    if code:
        fields["response_code"] = code
    if meaning.retrieval and "trace_no" not in fields:
        return Kind.NOTICE  # nothing was retrieved, or only printed: it tells of no money
    if meaning.kind not in (Kind.TRANSACTION, Kind.SETTLEMENT):
        return meaning.kind
    outcome = acquirer.outcomes.get(code, Outcome.UNKNOWN)
    if meaning.retrieval:
        fields["reprint"] = True
        # "00" may say no more than that something was found; the approval code is the bank's own word.
        outcome = outcome if "auth_code" in fields else Outcome.UNKNOWN
    fields["outcome"] = outcome.value
    if meaning.transaction_type is not None:
        fields["transaction_type"] = meaning.transaction_type.value
    if meaning.kind is Kind.TRANSACTION and "amount_minor" not in fields:
        warnings.append(NO_AMOUNT)
    return meaning.kind


def _key(kind: Kind, message: Message, fields: Mapping[str, Json], raw: bytes) -> str:
    if kind is Kind.TRANSACTION:
        names = ("terminal_id", "batch_no", "trace_no")
        if "reprint" in fields and all(name in fields for name in names):
            return ":".join([*(str(fields[name]) for name in names), "retrieved"])
        return values.transaction_key(fields, raw)
    names = ("terminal_id", "batch_no", "acquirer")
    settled = kind is Kind.SETTLEMENT and fields.get("outcome") == Outcome.APPROVED and not message.more
    if settled and all(name in fields for name in names):
        return ":".join([*(str(fields[name]) for name in names), "settlement"])
    return values.raw_key(raw)


def masked(frame: Frame, message: Message, acquirer: Acquirer) -> bytes:
    """The frame without card numbers and secrets, same length.

    The LRC is computed anew: the one that came is the XOR of the hidden digits with what is left, one equation more
    than anybody should have about a card number.
    """
    data = bytearray(frame.data)
    for item in message.items:
        end = item.start + len(item.value)
        data[item.start : end] = values.shown(item.value, acquirer.fields.get(item.type, values.SECRET))
    rest = data[message.end :]
    data[message.end :] = bytes(sign if sign == _SEPARATOR else 0x2A for sign in rest)
    body = frame.raw[1:3] + bytes(data) + bytes((ETX,))
    return bytes((STX,)) + body + bytes((lrc(body),))


def ask_last(acquirer: Acquirer) -> bytes:
    """The data that asks for the last transaction once more."""
    return _request(acquirer.ask_last)


def ask_settlement(acquirer: Acquirer, host: str = "") -> bytes:
    """The data that asks the terminal to settle with a host (three digits; "" = whichever it has)."""
    if host and not (len(host) == 3 and host.isascii() and host.isdecimal()):
        raise UsageError("a host number has three digits, not {host}", "001 is usually the bank's own", host=repr(host))
    return _request(acquirer.ask_settlement) + (b"HN\x00\x03" + host.encode() + b"\x1c" if host else b"")


def _request(code: str) -> bytes:
    """A request with a header only: this module has no way to name an amount."""
    return b"600000000010" + code.encode("ascii") + b"000\x1c"
