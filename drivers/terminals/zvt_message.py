"""What ZVT messages say: status information, end of day, aborts, and what the till asked for. Pure, no state.

- `04 0F` status information is the record of a payment, or of an end of day. It never says of which type the payment
  was: only the command says so, so `read` is told what was asked. Without it a reversal is known by the original's
  trace number; anything else stays untold.
- No message says the year (BMP AA, where it comes, does), and there is no batch number. A payment is known by terminal,
  time, trace, receipt number and amount, as it is said again when it is repeated (06 20).

Source: ZVT specification PA00P015_13.08, chapters 2 (commands), 3.1 (status information), 3.3 (abort), 8 (errors).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agent.contract import Report
from agent.fields import Json, Kind, Outcome, TransactionType
from drivers.terminals import zvt_fields as zvt
from drivers.terminals import zvt_values as values
from drivers.terminals.zvt_wire import Apdu

STATUS: Final = 0x040F
COMPLETION: Final = 0x060F
ABORT: Final = 0x061E
PRINT_LINE: Final = 0x06D1
PRINT_BLOCK: Final = 0x06D3
REPEAT: Final = 0x0620

DRIVER: Final = "zvt"
NO_TYPE: Final = "the terminal did not say of which type it was"

_TOTALS: Final = 0x0610
_END_OF_DAY: Final = 0x0650

# Commands of a till that move money: what they are, and where their bitmaps begin (behind a password).
_PAYMENTS: Final[Mapping[int, tuple[TransactionType, int]]] = MappingProxyType(
    {
        0x0601: (TransactionType.SALE, 0),
        0x0609: (TransactionType.LOAD, 3),
        0x060C: (TransactionType.TIP, 0),
        0x0621: (TransactionType.OFFLINE, 3),  # authorised by telephone
        0x0622: (TransactionType.PREAUTH, 0),
        0x0623: (TransactionType.COMPLETION, 0),  # a part of what was reserved
        0x0624: (TransactionType.COMPLETION, 0),
        0x0625: (TransactionType.PREAUTH_VOID, 0),
        0x0630: (TransactionType.VOID, 3),
        0x0631: (TransactionType.REFUND, 3),
    }
)
_OTHERS: Final = frozenset({0x0600, 0x0602, 0x0603, _TOTALS, REPEAT, _END_OF_DAY, 0x0670, 0x0693, 0x06C0, 0x0501})
_SCHEMES: Final = MappingProxyType(
    {
        2: "EC",
        5: "GIROCARD",
        6: "MASTERCARD",
        8: "AMERICAN EXPRESS",
        10: "VISA",
        11: "VISA ELECTRON",
        12: "DINERS",
        13: "V PAY",
        14: "JCB",
        46: "MAESTRO",
        198: "UNIONPAY",
    }
)
_METHODS: Final = MappingProxyType({97: "alipay", 107: "alipay"})
_ENTRY: Final = MappingProxyType({b"\0": "swipe", b"\1": "chip", b"\2": "contactless"})
# BMP 60: first and last receipt, then count and sum of each.
_GROUPS: Final = ("GIROCARD", "JCB", "EUROCARD", "AMERICAN EXPRESS", "VISA", "DINERS", "OTHER")
_TOTALS_BYTES: Final = 4 + 7 * len(_GROUPS)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the till asked for last."""

    code: int
    transaction_type: TransactionType | None = None
    amount_minor: int | None = None

    @property
    def is_payment(self) -> bool:
        return self.transaction_type is not None


def asked(apdu: Apdu) -> Asked | None:
    """The command a till gave, None when it is none that begins something."""
    if apdu.code not in _PAYMENTS:
        return Asked(apdu.code) if apdu.code in _OTHERS else None
    transaction_type, start = _PAYMENTS[apdu.code]
    items, _ = zvt.parse(apdu.data, start)
    amount = next((values.digits(item.value) for item in items if item.tag == 0x04), "")
    return Asked(apdu.code, transaction_type, int(amount) if amount else None)


def abort(apdu: Apdu, question: Asked | None) -> Report:
    """`06 1E`: the command ended without success. It names no payment, so it is none."""
    fields: dict[str, Json] = {"response_code": f"{apdu.data[0]:02X}"} if apdu.data else {}
    if question is not None and question.transaction_type is not None:
        fields |= {"transaction_type": question.transaction_type.value, "outcome": Outcome.DECLINED.value}
    return finished(Kind.NOTICE, "", fields, envelope(apdu) + values.masked(b"\x27" + apdu.data)[1:], [])


def read(apdu: Apdu, question: Asked | None, currency: str, charset: str) -> Report:
    """What a status information says."""
    items, end = zvt.parse(apdu.data)
    said = {item.tag: item.value for item in items}
    for container in (item for item in items if item.tag == 0x06):
        said |= {item.tag: item.value for item in zvt.objects(apdu.data, container.start, container.end)}
    warnings = [f"field {apdu.data[end]:02X} is not known, the rest was not read"] if end < len(apdu.data) else []
    fields = _common(said, charset)
    amount = _amount(said, question, currency, warnings)
    kind = _kind(said, question)
    if kind is Kind.TRANSACTION:
        fields |= amount | _payment(said, question, charset, warnings)
        if not amount and fields["outcome"] != Outcome.DECLINED:
            warnings.append("the terminal did not say the amount")
    elif kind in {Kind.SETTLEMENT, Kind.DETAIL_LIST}:
        fields |= _totals(said, amount, warnings)
    raw = envelope(apdu) + values.masked(apdu.data)
    return finished(kind, _key(kind, said, fields), fields, raw, warnings)


def envelope(apdu: Apdu) -> bytes:
    """The head of an APDU as it came."""
    size = len(apdu.data)
    length = bytes((size,)) if apdu.head_bytes == 3 else b"\xff" + size.to_bytes(2, "little")
    return apdu.code.to_bytes(2, "big") + length


def finished(kind: Kind, key: str, fields: Mapping[str, Json], raw: bytes, warnings: list[str]) -> Report:
    """A report; one without an identity of its own has that of its masked bytes."""
    digest = hashlib.sha256(raw).hexdigest()
    told: dict[str, Json] = {**fields, "raw_sha256": digest, "driver": DRIVER}
    if warnings:
        told["warnings"] = [*warnings]
    return Report(kind, key or f"sha256:{digest}", told, raw)


def _kind(said: Mapping[int, bytes], question: Asked | None) -> Kind:
    code = question.code if question is not None else 0
    done = said.get(0x27, b"\0") == b"\0"
    if 0x60 in said or code in {_END_OF_DAY, _TOTALS}:
        if not done:
            return Kind.NOTICE
        return Kind.DETAIL_LIST if code == _TOTALS else Kind.SETTLEMENT  # a batch whose totals are told stays open
    if said.keys() & {0x04, 0x0B, 0x87} or (question is not None and question.is_payment):
        return Kind.TRANSACTION
    return Kind.TRANSACTION if question is None and not done else Kind.NOTICE


def _common(said: Mapping[int, bytes], charset: str) -> dict[str, Json]:
    trace = values.digits(said.get(0x0B, b""))
    # Numbers longer than six digits: BMP 0B holds zeros, the number stands in the container (3.1.1).
    trace = values.digits(said.get(zvt.LONG_TRACE, b"")) if not trace.strip("0") else trace
    named = {
        "terminal_id": values.digits(said.get(0x29, b"")),
        "merchant_id": values.plain(said.get(0x2A, b"")),
        "trace_no": trace if trace.strip("0") else "",
        "response_code": said.get(0x27, b"").hex().upper(),
        "text": values.text(said.get(0x3C, b""), charset),
        "terminal_time": _moment(said),
    }
    return {name: value for name, value in named.items() if value}


def _moment(said: Mapping[int, bytes]) -> str | None:
    return values.moment(values.digits(said.get(0xAA, said.get(0x0D, b""))), values.digits(said.get(0x0C, b"")))


def _amount(said: Mapping[int, bytes], question: Asked | None, currency: str, warnings: list[str]) -> dict[str, Json]:
    """The terminal sends a currency only to a till that sent one (3.1.1): else it is the configured one."""
    minor = values.digits(said.get(0x04, b""))
    code = values.digits(said.get(0x49, b""))
    known = zvt.CURRENCIES.get(code) if code else currency
    if known is None:
        warnings.append(f"the currency {code} is not known, so the amount is not told")
        return {}
    if minor:
        return {"amount_minor": int(minor), "currency": known}
    if question is not None and question.amount_minor is not None:
        warnings.append("the amount is what the till asked for")
        return {"amount_minor": question.amount_minor, "currency": known}
    return {}


def _payment(said: Mapping[int, bytes], question: Asked | None, charset: str, warnings: list[str]) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    if 0x27 in said:
        fields["outcome"] = (Outcome.APPROVED if said[0x27] == b"\0" else Outcome.DECLINED).value
    else:
        fields["outcome"] = Outcome.UNKNOWN.value
        warnings.append("the terminal did not say how it ended")
    original = values.digits(said.get(0x37, b""))
    if question is not None and question.transaction_type is not None:
        fields["transaction_type"] = question.transaction_type.value
    elif original:
        fields["transaction_type"] = TransactionType.VOID.value
    else:
        warnings.append(NO_TYPE)
    if original:
        fields["original_trace_no"] = original
    if auth := values.plain(said.get(0x3B, b"")):
        fields["auth_code"] = auth
    return fields | _card(said, charset, warnings)


def _card(said: Mapping[int, bytes], charset: str, warnings: list[str]) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    card_type = said.get(0x8A, b"\xff")[0]
    name = values.text(said.get(0x8B, b""), charset)
    if scheme := name.upper() or _SCHEMES.get(card_type, ""):
        fields["card_scheme"] = scheme
    number = values.card(said.get(0x22, b""))
    if number is not None:
        fields["card_masked"] = number
    if values.is_clear_card(said.get(0x22, b"")):
        warnings.append("the terminal sent a full card number; it was masked here")
    if number is not None or 0x8A in said:
        fields["method"] = _METHODS.get(card_type, "card")
    if mode := _ENTRY.get(said.get(zvt.CARD_TECHNOLOGY, b"")):
        fields["entry_mode"] = mode
    return fields


def _totals(said: Mapping[int, bytes], amount: Mapping[str, Json], warnings: list[str]) -> dict[str, Json]:
    """The terminal's own figures: by card scheme where it sends them, else the one sum. Nothing is added up here."""
    data = said.get(0x60, b"")
    fields: dict[str, Json] = {"currency": amount["currency"]} if "currency" in amount else {}
    if len(data) != _TOTALS_BYTES:
        if data:
            warnings.append("the totals have not the length they should have")
        if "amount_minor" in amount:
            fields["totals"] = [_line({"amount_minor": amount["amount_minor"]})]
        return fields
    totals: list[Json] = []
    for place, scheme in enumerate(_GROUPS):
        part = data[4 + 7 * place : 11 + 7 * place]
        if sum_minor := values.digits(part[1:]):
            totals.append(_line({"card_scheme": scheme, "count": part[0], "amount_minor": int(sum_minor)}))
        else:
            warnings.append(f"the total of {scheme} is no number")
    return fields | {"totals": totals}


def _line(figures: Mapping[str, Json]) -> dict[str, Json]:
    """ZVT says turnover, not its types: all of a side, as `debit`."""
    return {"group": "all", "transaction_type": "debit", **figures}


def _key(kind: Kind, said: Mapping[int, bytes], fields: Mapping[str, Json]) -> str:
    """The terminal's own identity, "" when it names too little. The type is not in it: a repeat does not tell it."""
    date = values.digits(said.get(0x0D, b"")) or values.digits(said.get(0xAA, b""))[2:]
    when = values.moment(date, values.digits(said.get(0x0C, b"")))
    if when is None or not date or kind is Kind.NOTICE:
        return ""
    numbers = [values.digits(said.get(tag, b"")) for tag in (0x87, 0x04)]
    receipts = said.get(0x60, b"")[:4].hex()
    parts = [fields.get("terminal_id", ""), when, fields.get("trace_no", ""), *numbers]
    return ":".join([*map(str, parts), *([receipts, kind.value] if kind is not Kind.TRANSACTION else [])])
