"""Reads Caisse-AP over IP (Concert V3) messages: ASCII items of tag(2) | length(3 digits) | value, the first one CZ.

A message has no length and no end sign: it ends where another begins, where no item can stand, or where the line goes
silent. The answer repeats the question's items and adds its own.

Sources, facts only: the tags as akretion/caisse-ap-ip (client and terminal simulator) sends and explains them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from agent.contract import Report
from agent.fields import Json, Kind, Outcome, TransactionType
from drivers.currencies import BY_NUMBER
from drivers.terminals import stx_values as values
from drivers.terminals.stx_values import CARD, SECRET, Spec, shaped

LIMIT_BYTES: Final = 8192
START: Final = b"CZ004"
_HEAD: Final = re.compile(rb"CZ004[0-9]{4}")
_ITEM: Final = re.compile(rb"([A-Z][A-Z0-9])([0-9]{3})")

TAGS: Final[Mapping[str, Spec]] = MappingProxyType(
    {
        "CZ": shaped("", "[0-9]{4}"),  # version
        "CJ": shaped("", "[0-9A-Z]{1,12}"),  # who made the till's software
        "CA": shaped("", "[0-9]{1,2}"),  # till
        "CB": shaped("[amount]", "[0-9]{1,12}"),
        "CC": shaped("[mode]", "[0-9A-Z]{3}"),
        "CD": shaped("[type]", "[0-9]"),
        "CE": shaped("[currency]", "[0-9]{3}"),
        "CF": shaped("", "[ -~]{1,12}"),  # private
        "CG": shaped("merchant_id", "[0-9A-Za-z]{1,15}"),  # the shop's contract
        "CI": shaped("[entry]", "[0-9]"),
        "BA": shaped("", "[0-9]"),  # 1 = answer before the payment has ended
        "AA": CARD,
        "AB": SECRET,  # expiry
        "AC": shaped("auth_code", "[0-9A-Za-z]{1,8}"),
        "AE": shaped("[status]", "[0-9]{2}"),
        "AF": shaped("[cause]", "[0-9]{2}"),
        "AI": shaped("", "[0-9A-F]{10,32}"),  # application identifier of the card
    }
)
_REPEATED: Final = ("CB", "CD", "CE")  # of the question, where an answer leaves them out
_OUTCOMES: Final = MappingProxyType({"10": Outcome.APPROVED, "01": Outcome.DECLINED})  # 11: only begun
_TYPES: Final = MappingProxyType({"0": TransactionType.SALE, "1": TransactionType.REFUND})
_ENTRIES: Final = MappingProxyType({"1": "chip", "2": "contactless"})
_CHEQUE: Final = "00C"
_SCHEMES: Final = MappingProxyType({"002": "AMEX", "00D": "AMEX"})


class End(Enum):
    """How far a message at the front of a buffer goes."""

    HERE = auto()  # something else follows
    MAYBE = auto()  # the buffer ends behind a whole item
    INSIDE = auto()  # the buffer ends inside an item


@dataclass(frozen=True, slots=True)
class Item:
    """One item; `start` is where its value stands. The value may be a card number: kept out of repr()."""

    tag: str
    value: bytes = field(repr=False)
    start: int


def begin(buffer: bytes | bytearray) -> int:
    """Where a message begins, or may begin with the bytes that are still to come; the length when nowhere."""
    whole = _HEAD.search(buffer)
    for place in range(max(0, len(buffer) - len(START) - 3), len(buffer)):
        if whole is not None and whole.start() <= place:
            break
        rest = bytes(buffer[place:])
        if START.startswith(rest) or (rest.startswith(START) and rest[len(START) :].isdigit()):
            return place
    return whole.start() if whole is not None else len(buffer)


def extent(buffer: bytes | bytearray) -> tuple[int, End]:
    """How many bytes the message at the front takes, and whether that is all of it."""
    place = 0
    while place < len(buffer):
        head = _ITEM.match(buffer, place)
        if head is None:
            begun = re.fullmatch(rb"[A-Z](?:[A-Z0-9][0-9]{0,2})?", buffer[place:])
            return place, End.INSIDE if begun else End.HERE
        if place and head[1] == b"CZ":
            return place, End.HERE
        if head.end() + int(head[2]) > len(buffer):
            return place, End.INSIDE
        place = head.end() + int(head[2])
    return place, End.MAYBE


def items(message: bytes) -> list[Item]:
    found, place = [], 0
    while head := _ITEM.match(message, place):
        place = head.end() + int(head[2])
        found.append(Item(head[1].decode(), message[head.end() : place], head.end()))
    return found


def masked(message: bytes) -> bytes:
    """The message without card numbers and secrets, same length. A tag in no table shows nothing."""
    shown = bytearray(message)
    for item in items(message):
        shown[item.start : item.start + len(item.value)] = values.shown(item.value, TAGS.get(item.tag, SECRET))
    return bytes(shown)


def read(message: bytes, question: bytes) -> Report | None:
    """What an answer says; its key is its masked bytes, the line knows better. None when it is no answer."""
    came = {item.tag: item.value for item in items(message)}
    if "AE" not in came:
        return None
    warnings: list[str] = []
    asked = {item.tag: item.value for item in items(question)}
    for tag in _REPEATED:
        if tag not in came and tag in asked:
            came[tag] = asked[tag]
            warnings.append(f"{tag} is what the till asked for, the answer does not say it")
    fields = _fields(came, warnings)
    raw = masked(message)
    fields |= {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "caisse-ap"}
    if warnings:
        fields["warnings"] = [*warnings]
    return Report(Kind.TRANSACTION, values.raw_key(raw), fields, raw)


def _fields(came: Mapping[str, bytes], warnings: list[str]) -> dict[str, Json]:
    said: dict[str, str] = {}
    for tag, value in came.items():
        spec = TAGS.get(tag, SECRET)
        if (text := values.told(tag, value, spec, warnings)) and spec.name:
            said[spec.name] = text
    fields: dict[str, Json] = {name: value for name, value in said.items() if not name.startswith("[")}
    status = said.get("[status]", "")
    fields["outcome"] = _OUTCOMES.get(status, Outcome.UNKNOWN).value
    if status:
        fields["response_code"] = "/".join(part for part in (status, said.get("[cause]", "")) if part)
    currency = BY_NUMBER.get(said.get("[currency]", ""))
    if "[amount]" in said and currency:
        fields |= {"amount_minor": int(said["[amount]"]), "currency": currency}
    else:
        warnings.append("the amount, or its currency, was not said")
    if transaction_type := _TYPES.get(said.get("[type]", "")):
        fields["transaction_type"] = transaction_type.value
    if entry_mode := _ENTRIES.get(said.get("[entry]", "")):
        fields["entry_mode"] = entry_mode
    mode = said.get("[mode]", "")
    if mode or "card_masked" in fields:
        fields["method"] = "other" if mode == _CHEQUE else "card"
    if scheme := _SCHEMES.get(mode):
        fields["card_scheme"] = scheme
    return fields
