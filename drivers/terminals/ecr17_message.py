"""What ECR17 messages say: results, totals, the closing of a session, and what the till asked for. Pure, no state.

Everything stands at fixed places (`ecr17_layouts`). Honest about time: a result says day of the year, hour and minute
(`DDDHHMM`) and no year. Up to day 59 that is a date whatever the year; behind it leap years differ by one, so the date
stays untold and a warning says both.

A plain result (`E` to `P`) names no amount: the one the till asked for is told, and said so. Results have no type
either: `E` answers a payment as well as a reversal.

Source: Nexi "Traditional POS" pages (public), standard ECR17.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from agent.contract import Report
from agent.fields import Json, Kind, Outcome, TransactionType
from drivers.framing import Frame
from drivers.terminals import stx_values as values
from drivers.terminals.ecr17_layouts import FILLED, HOST_TOTAL, NOT_CLOSED, TOTAL, Place, places_of
from drivers.terminals.ecr17_wire import payload
from drivers.terminals.stx_values import CARD

DRIVER: Final = "ecr17"
NO_TYPE: Final = "the terminal did not say of which type it was"

_HEAD: Final = 12  # terminal 8, reserved 1, code 1, result 2


_RESULTS: Final = frozenset("EVeicv")
_OWN_TYPE: Final[Mapping[str, TransactionType]] = MappingProxyType(
    {
        "e": TransactionType.PREAUTH,
        "i": TransactionType.PREAUTH,
        "c": TransactionType.COMPLETION,
        "v": TransactionType.COMPLETION,
    }
)
_OUTCOMES: Final = MappingProxyType({"00": Outcome.APPROVED, "01": Outcome.DECLINED, "05": Outcome.DECLINED})
_ENTRY: Final = MappingProxyType(
    {"ICC": "chip", "MAG": "swipe", "MAN": "manual", "CLM": "contactless", "CLI": "contactless"}
)

# What a till asks: type, where the amount stands.
_PAYMENTS: Final[Mapping[str, tuple[TransactionType, int]]] = MappingProxyType(
    {
        "P": (TransactionType.SALE, 24),
        "X": (TransactionType.SALE, 24),
        "S": (TransactionType.VOID, 0),
        "p": (TransactionType.PREAUTH, 24),
        "i": (TransactionType.PREAUTH, 24),
        "c": (TransactionType.COMPLETION, 24),
    }
)
_OTHERS: Final = frozenset("CTGRsHK")
_LAST_CERTAIN_DAY: Final = 59  # 28 February


@dataclass(frozen=True, slots=True)
class Asked:
    """What the till asked for last."""

    code: str
    transaction_type: TransactionType | None = None
    amount_minor: int | None = None
    original: Mapping[str, str] = field(default_factory=dict)


def code_of(data: bytes) -> str:
    """The letter of a message, "" when it is none."""
    return chr(data[9]) if len(data) >= 10 and data[:8].isdigit() else ""


def asked(data: bytes) -> Asked | None:
    """What a till's message begins, None when it begins nothing."""
    code = code_of(data)
    if code not in _PAYMENTS:
        return Asked(code) if code in _OTHERS else None
    transaction_type, start = _PAYMENTS[code]
    amount = data[start - 1 : start + 7] if start else b""
    original: dict[str, str] = {}
    if code == "S" and data[18:24].isdigit() and data[18:24].strip(b"0"):
        original = {"original_trace_no": data[18:24].decode()}
    if code in "ic" and data[159:168].isdigit():
        original = {"original_rrn": data[159:168].decode()}
    minor = int(amount) if len(amount) == 8 and amount.isdigit() else None
    return Asked(code, transaction_type, minor, original)


def is_result(data: bytes) -> bool:
    """Whether a terminal's message is the result of a payment."""
    return code_of(data) in _RESULTS and len(data) >= _HEAD


def read(frame: Frame, question: Asked | None, currency: str) -> Report:
    """What a result tells."""
    data = payload(frame)
    code, result = code_of(data), data[10:12].decode("latin-1")
    places = places_of(code, result, len(data))
    warnings: list[str] = []
    said = _said(data, places, warnings)
    fields: dict[str, Json] = {name: value for name, value in said.items() if name and not name.startswith("[")}
    fields |= {"terminal_id": data[:8].decode(), "outcome": _OUTCOMES.get(result, Outcome.UNKNOWN).value}
    if code_said := said.get("[action]", result if result.isdigit() else ""):
        fields["response_code"] = code_said
    fields |= _type(code, question, warnings) | _amount(said, question, currency, warnings) | _card(said)
    if "amount_minor" not in fields and fields["outcome"] != Outcome.DECLINED:
        warnings.append("the terminal did not say the amount")
    fields |= _when(said.get("[when]", ""), warnings)
    kind = Kind.NOTICE if question is not None and question.code == "H" else Kind.TRANSACTION  # H verifies a card
    return finished(kind, _key(said, data), fields, masked(frame, places), warnings)


def _key(said: Mapping[str, str], data: bytes) -> str:
    """The terminal's own identity of an approval, "" when it names too little. The amount is not in every telling."""
    when, stan = said.get("[when]", ""), said.get("trace_no", "")
    return ":".join((data[:8].decode(), when, stan, said.get("[online]", ""))) if when and stan else ""


def _said(data: bytes, places: tuple[Place, ...], warnings: list[str]) -> dict[str, str]:
    said = {}
    for place in places:
        value = place.of(data)
        if len(value) < place.size or not value.strip(b" 0" if place.spec in FILLED else b" "):
            continue  # reserved, or behind the end of a shorter message
        if place.spec is CARD:
            value = _without_fill(value)
        text = values.told(str(place.start), value, place.spec, warnings)
        if text and place.spec.name:
            said[place.spec.name] = text
    return said


def _without_fill(value: bytes) -> bytes:
    """A card number without the zeros in front of it; the last four always stay."""
    return value[:-4].lstrip(b"0") + value[-4:]


def _type(code: str, question: Asked | None, warnings: list[str]) -> dict[str, Json]:
    own = _OWN_TYPE.get(code)
    if question is not None and question.transaction_type is not None:
        return {"transaction_type": question.transaction_type.value, **question.original}
    if own is not None:
        return {"transaction_type": own.value}
    warnings.append(NO_TYPE)
    return {}


def _amount(said: Mapping[str, str], question: Asked | None, currency: str, warnings: list[str]) -> dict[str, Json]:
    if said.get("[exchanged]") == "1":
        warnings.append("the card was charged in its own currency")
    if "[amount]" in said:
        return {"amount_minor": int(said["[amount]"]), "currency": currency}
    if question is not None and question.amount_minor is not None:
        warnings.append("the amount is what the till asked for")
        return {"amount_minor": question.amount_minor, "currency": currency}
    return {}


def _card(said: Mapping[str, str]) -> dict[str, Json]:
    fields: dict[str, Json] = {"method": "card"} if "card_masked" in said else {}
    if said.get("[card]") == "1":  # 2 is "international", debit as well as credit, 3 anything
        fields |= {"card_scheme": "BANCOMAT", "card_type": "debit", "method": "card"}
    if entry := _ENTRY.get(said.get("[entry]", "")):
        fields["entry_mode"] = entry
    return fields


def _when(digits: str, warnings: list[str]) -> dict[str, Json]:
    """`DDDHHMM`: 001 is 1 January."""
    clock = values.moment("", digits[3:])
    if clock is None:
        return {}
    number = int(digits[:3])
    if not 1 <= number <= 366:
        return {"terminal_time": clock}
    if number <= _LAST_CERTAIN_DAY:
        return {"terminal_time": f"--{_day_of(2001, number):%m-%d}{clock}"}
    warnings.append(
        f"the terminal said day {number} of a year it did not name:"
        f" {_day_of(2001, number):%m-%d}, in a leap year {_day_of(2000, number):%m-%d}"
    )
    return {"terminal_time": clock}


def _day_of(year: int, number: int) -> dt.date:
    return dt.date(year, 1, 1) + dt.timedelta(days=number - 1)


# -- totals ------------------------------------------------------------------------------------------------------------


def totals(frame: Frame, after: str, currency: str) -> Report:
    """`C` closes a session, `T` only tells. `after`: the key of the last payment told before.

    Neither says when or names a number: two days with equal totals are told apart by what was paid between them.
    """
    data = payload(frame)
    code, result = code_of(data), data[10:12].decode("latin-1")
    done = result == "00"
    # The pages name no results for T; a total stands there all the same.
    places = (TOTAL, HOST_TOTAL) if done and code == "C" else (TOTAL,) if done else NOT_CLOSED
    warnings: list[str] = []
    said = _said(data, places, warnings)
    fields: dict[str, Json] = {name: value for name, value in said.items() if name and not name.startswith("[")}
    fields["terminal_id"] = data[:8].decode()
    if code_said := said.get("[action]", result if result.isdigit() else ""):
        fields["response_code"] = code_said
    raw = masked(frame, places)
    if not done or "[pos]" not in said:
        return finished(Kind.NOTICE, "", fields, raw, warnings)
    held: dict[str, Json] = {"group": "all", "transaction_type": "debit", "amount_minor": int(said["[pos]"])}
    fields |= {"currency": currency, "totals": [held]}
    if "[host]" in said:
        equal = int(said["[host]"]) == int(said["[pos]"])
        fields["verdict"] = {"all": "balanced" if equal else "unbalanced"}
        if not equal:
            warnings.append(f"the host's total is {int(said['[host]'])} cents")
    kind = Kind.SETTLEMENT if code == "C" else Kind.DETAIL_LIST
    key = ":".join([data[:8].decode(), code, said["[pos]"], said.get("[host]", ""), "after", after])
    return finished(kind, key, fields, raw, warnings)


def finished(kind: Kind, key: str, fields: Mapping[str, Json], raw: bytes, warnings: list[str]) -> Report:
    """A report; one without an identity of its own has that of its masked bytes."""
    digest = hashlib.sha256(raw).hexdigest()
    told: dict[str, Json] = {**fields, "raw_sha256": digest, "driver": DRIVER}
    if warnings:
        told["warnings"] = [*warnings]
    return Report(kind, key or f"sha256:{digest}", told, raw)


def masked(frame: Frame, places: tuple[Place, ...]) -> bytes:
    """The message with listed places only, same length, LRC in the same mode."""
    data = payload(frame)
    shown = bytearray(values.hidden(data))
    shown[:_HEAD] = data[:_HEAD]
    for place in places:
        value = place.of(data)
        shown[place.start - 1 : place.start - 1 + len(value)] = values.shown(value, place.spec)
    return rebuilt(frame, bytes(shown))


def rebuilt(frame: Frame, data: bytes) -> bytes:
    """The frame around other data of the same length; its check byte changes as the data did."""
    check = frame.raw[-1]
    for old, new in zip(payload(frame), data, strict=True):
        check ^= old ^ new
    return frame.raw[:1] + data + frame.raw[-2:-1] + bytes((check,))
