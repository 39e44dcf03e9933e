"""Reads one Transbank POS Integrado message by its tables and says what it says: a report, masked, without memory.

The text of a frame is fields joined by `|`: function(4), response code(2), then what the function's table names. All
ASCII; amounts are whole Chilean pesos, which have no decimals. Answers with a code other than 00 are rejections, says
the vendor, without exception.

Source: Transbank's public reference "POS Integrado" (github TransbankDevelopers/transbank-developers-docs,
referencia/posintegrado) and the fixtures of TransbankDevelopers/transbank-pos-sdk-python (BSD-3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agent.contract import Report
from agent.fields import Json, Kind, Outcome, TransactionType
from drivers import text_frames
from drivers.framing import Decoder, Frame
from drivers.terminals import stx_values as values
from drivers.terminals.stx_values import SECRET, Spec, free_text, shaped

CURRENCY: Final = "CLP"
_DIGITS: Final = 4  # of a function
LIMIT_BYTES: Final = 4096  # a voucher of 40 columns is the longest field

_NUMBER: Final = r"[0-9]{0,9}"
_HEAD: Final = (shaped("response_code", "[0-9]{2}"),)
_WHO: Final = (shaped("merchant_id", "[0-9]{0,12}"), shaped("terminal_id", "[0-9A-Za-z]{0,8}"))
_WHAT: Final = (
    free_text("order_no"),  # ticket or boleta: the till's own number
    shaped("auth_code", "[0-9A-Za-z]{0,8}"),
    shaped("[amount]", "-?[0-9]{1,9}"),
)
_SHARES: Final = (shaped("", _NUMBER), shaped("", _NUMBER))  # instalments and the amount of one
_HOW: Final = (
    shaped("card_masked", "[0-9]{0,4}"),  # the last four digits
    shaped("[operation]", "[0-9]{0,6}"),  # counts the terminal's transactions
    shaped("[card type]", "[A-Z]{0,2}"),
    shaped("", "[0-9/]{0,8}"),  # accounting date of debit sales; its form is not public
    SECRET,  # account number of debit cards
    shaped("[brand]", "[A-Z]{0,2}"),
    shaped("[date]", "(?:[0-9]{8})?"),  # DDMMYYYY
    shaped("[time]", "(?:[0-9]{6})?"),
    shaped("[operator]", "[0-9]{0,4}"),
    shaped("[tip]", _NUMBER),
)
_MORE: Final = (shaped("", _NUMBER), shaped("", "[0-9]{0,12}"))  # cash back, the provider's commerce code
_SALE: Final = (*_HEAD, *_WHO, *_WHAT, *_SHARES, *_HOW)
_DETAIL: Final = (*_HEAD, *_WHO, *_WHAT, *_HOW, *_SHARES, *_MORE)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a function tells. `optional`: how many fields at the end may be missing."""

    kind: Kind
    layout: tuple[Spec, ...]
    transaction_type: TransactionType | None = None
    optional: int = 0


_PAYS: Final = Kind.TRANSACTION
ANSWERS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "0210": Meaning(_PAYS, _SALE, TransactionType.SALE),
        "0260": Meaning(_PAYS, _SALE, TransactionType.SALE),  # the last sale once more
        "0261": Meaning(_PAYS, _DETAIL, TransactionType.SALE, len(_MORE)),  # one line of the open batch
        "0271": Meaning(_PAYS, (*_SALE, SECRET, *_MORE), TransactionType.SALE, 1 + len(_MORE)),  # several merchants
        "0281": Meaning(_PAYS, (*_SALE, SECRET, *_MORE), TransactionType.SALE, 1 + len(_MORE)),
        "1210": Meaning(
            _PAYS,
            (*_HEAD, *_WHO, shaped("auth_code", "[0-9A-Za-z]{0,8}"), shaped("[operation]", "[0-9]{0,6}")),
            TransactionType.VOID,
        ),
        "0710": Meaning(Kind.SETTLEMENT, (*_HEAD, shaped("[count]", _NUMBER), shaped("[total]", "-?[0-9]{1,9}"))),
        "0510": Meaning(Kind.SETTLEMENT, (*_HEAD, *_WHO)),
        "0810": Meaning(Kind.NOTICE, (*_HEAD, *_WHO)),  # keys loaded
    }
)
# What a till asks for that moves money or closes the batch: the amount's place.
REQUESTS: Final[Mapping[str, tuple[TransactionType | None, tuple[Spec, ...]]]] = MappingProxyType(
    {
        "0200": (TransactionType.SALE, (shaped("[amount]", "[0-9]{1,9}"), free_text("order_no"))),
        "0270": (TransactionType.SALE, (shaped("[amount]", "[0-9]{1,9}"), free_text("order_no"))),
        "1200": (TransactionType.VOID, (shaped("[operation]", "[0-9]{0,6}"),)),
        "0500": (None, ()),
    }
)
# The till's other questions, and the terminal's messages while it is at work: nothing happened.
_TALK: Final = frozenset({"0100", "0250", "0280", "0290", "0300", "0700", "0800", "0900"})
_LIST_REQUEST: Final = b"0260|"  # a till asks for the list with the number that answers for the last sale

# Transbank's table of abbreviations; those of Chilean shop cards stay as they come.
_SCHEMES: Final = MappingProxyType({"VI": "VISA", "MC": "MASTERCARD", "AX": "AMEX", "DC": "DINERS", "DB": "REDCOMPRA"})
_CARD_TYPES: Final = MappingProxyType({"CR": "credit", "DB": "debit"})


def read(frame: Frame) -> Report | None:
    """What an answer of the terminal says. Questions and messages in between are no report."""
    text = text_frames.text_of(frame)
    function, *rest = text.split(b"|")
    name = function.decode("ascii", "replace")
    if (
        len(function) != _DIGITS
        or name in _TALK
        or name in REQUESTS
        or (text.startswith(_LIST_REQUEST) and len(rest) < 3)
    ):
        return None
    meaning = ANSWERS.get(name)
    if meaning is None:
        return _unknown(name, rest)
    warnings: list[str] = []
    said = _said(meaning.layout, rest, warnings)
    if len(rest) < len(meaning.layout) - meaning.optional:
        warnings.append(f"the answer {name} is shorter than its layout")
    fields: dict[str, Json] = {label: value for label, value in said.items() if not label.startswith("[")}
    _how_it_was_paid(said, fields, warnings)
    kind = _judge(name, meaning, said, fields, warnings)
    raw = _masked(function, meaning.layout, rest)
    fields |= {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "transbank", "profile": name}
    if warnings:
        fields["warnings"] = [*warnings]
    return Report(kind, _key(kind, fields, raw), fields, raw)


def asked(frame: Frame) -> Report | None:
    """What a till asks for that moves money or closes the batch: a notice, nothing happened yet."""
    function, *rest = text_frames.text_of(frame).split(b"|")
    request = REQUESTS.get(function.decode("ascii", "replace"))
    if request is None:
        return None
    transaction_type, layout = request
    warnings = ["a request of the till, no answer of the terminal"]
    said = _said(layout, rest, warnings)
    fields: dict[str, Json] = {label: value for label, value in said.items() if not label.startswith("[")}
    if transaction_type is not None:
        fields["transaction_type"] = transaction_type.value
    if amount := said.get("[amount]"):
        fields |= {"amount_minor": int(amount), "currency": CURRENCY}
    if transaction_type is TransactionType.VOID and (operation := said.get("[operation]")):
        fields["original_trace_no"] = operation.zfill(6)
    raw = _masked(function, layout, rest)
    fields |= {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "transbank", "warnings": [*warnings]}
    return Report(Kind.NOTICE, values.raw_key(raw), fields, raw)


def decoder() -> Decoder:
    return text_frames.decoder(_DIGITS, LIMIT_BYTES)


def ends_list(report: Report) -> bool:
    """Whether `report` is what a terminal says behind the last line of its list, or instead of one."""
    return report.kind in (Kind.DETAIL_LIST, Kind.NOTICE)


def _said(layout: tuple[Spec, ...], rest: list[bytes], warnings: list[str]) -> dict[str, str]:
    """The fields by name. A field that has not its shape is named in `warnings` and left out."""
    said: dict[str, str] = {}
    for place, (spec, value) in enumerate(zip(layout, rest, strict=False), 1):
        text = values.told(str(place), value, spec, warnings) if value.strip() else None
        if text and spec.name:
            said[spec.name] = text
    return said


def _how_it_was_paid(said: Mapping[str, str], fields: dict[str, Json], warnings: list[str]) -> None:
    """Card, time, operator, tip: where several raw fields make one of ours."""
    if "card_masked" in fields:
        fields["method"] = "card"
    if card_type := _CARD_TYPES.get(said.get("[card type]", "")):
        fields["card_type"] = card_type
    if brand := said.get("[brand]"):
        fields["card_scheme"] = _SCHEMES.get(brand, brand)
    date, time = said.get("[date]", ""), said.get("[time]", "")
    if moment := values.moment(date[4:] + date[2:4] + date[:2], time) if time else None:
        fields["terminal_time"] = moment
    elif date or time:
        warnings.append("date and time are none")
    if said.get("[operator]", "").strip("0"):
        fields["operator"] = said["[operator]"]
    if tip := int(said.get("[tip]", "0")):
        fields["tip_minor"] = tip


def _judge(name: str, meaning: Meaning, said: Mapping[str, str], fields: dict[str, Json], warnings: list[str]) -> Kind:
    """Adds outcome, type, amount and numbers; returns the kind of report."""
    approved = fields.get("response_code") == "00"
    if meaning.kind is Kind.NOTICE:
        return Kind.NOTICE
    if name == "0261" and "auth_code" not in fields:
        return Kind.DETAIL_LIST if approved else Kind.NOTICE  # the mark behind the last line, or no list at all
    if name in ("0260", "0281") and not approved:
        return Kind.NOTICE  # there is no last sale
    fields["outcome"] = (Outcome.APPROVED if approved else Outcome.DECLINED).value
    if "response_code" not in fields:
        fields["outcome"] = Outcome.UNKNOWN.value
    if meaning.kind is Kind.SETTLEMENT:
        _add_totals(said, fields, warnings)
        return Kind.SETTLEMENT
    amount = said.get("[amount]", "")
    transaction_type = TransactionType.VOID if amount.startswith("-") else meaning.transaction_type
    fields["transaction_type"] = str(transaction_type)
    if amount:
        fields |= {"amount_minor": abs(int(amount)), "currency": CURRENCY}
    else:
        warnings.append("the terminal did not say the amount")
    if operation := said.get("[operation]"):
        # A void bears the number of the sale it voids. 1210 leaves the zeros out that the list has.
        number = "original_trace_no" if transaction_type is TransactionType.VOID else "trace_no"
        fields[number] = operation.zfill(6)
    return Kind.TRANSACTION


def _add_totals(said: Mapping[str, str], fields: dict[str, Json], warnings: list[str]) -> None:
    if "[count]" not in said or "[total]" not in said:
        return
    line: dict[str, Json] = {"group": "all", "count": int(said["[count]"]), "currency": CURRENCY}
    total = int(said["[total]"])
    if total < 0:
        warnings.append(f"the total is negative: {total}")
    else:
        line["amount_minor"] = total
    fields |= {"totals": [line], "currency": CURRENCY}


def _unknown(name: str, rest: list[bytes]) -> Report:
    """A function that is in no table: its code is told, its fields may hold anything."""
    raw = text_frames.encode(b"|".join([name.encode(), *(values.hidden(value) for value in rest)]))
    fields: dict[str, Json] = {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "transbank"}
    fields["warnings"] = [f"function {name} is in no table"]
    return Report(Kind.NOTICE, values.raw_key(raw), fields, raw)


def _masked(function: bytes, layout: tuple[Spec, ...], rest: list[bytes]) -> bytes:
    """The frame without card numbers and secrets, same length, LRC anew (the old one tells of hidden digits)."""
    specs = (*layout, *[SECRET] * max(0, len(rest) - len(layout)))
    shown = [values.shown(value, spec) for value, spec in zip(rest, specs, strict=False)]
    return text_frames.encode(b"|".join([function, *shown]))


def _key(kind: Kind, fields: Mapping[str, Json], raw: bytes) -> str:
    """No batch number is on the wire and the counter may begin anew, so the moment stands for the batch.

    A void's answer (1210) has no moment, the list has one: its key is what both tell, the numbers of the sale.
    """
    if kind is not Kind.TRANSACTION or fields.get("outcome") != Outcome.APPROVED:
        return values.raw_key(raw)
    void = fields.get("transaction_type") == TransactionType.VOID
    names = ("terminal_id", "auth_code", "original_trace_no") if void else ("terminal_id", "terminal_time", "trace_no")
    parts = [str(fields[name]) for name in names if name in fields]
    complete = len(parts) == len(names) and (void or len(parts[1]) >= len("0000-00-00T00:00"))
    return ":".join([*parts, str(fields["transaction_type"])]) if complete else values.raw_key(raw)
