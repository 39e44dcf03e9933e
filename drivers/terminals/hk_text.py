"""Hong Kong EDC terminals (PAX S60) that talk text to a till: `"<START>","STATUS=A","TXNID=000345",…,"<END>"`.

No STX, no check: a message is what stands between the two signs. Each is answered by the empty message
`"<START>","<END>"`; the terminal waits 1.0 + 0.5 s for it and makes three attempts. With DETAIL=Y in the till's
request the answer names terminal, batch and merchant; without, it can only be told by what it says.

Source, facts only: x-lugoo/HK_Indirect_EDC `HK_EDC_MAIN/ecr.c` and `ecrtrans.c`; one source, one vendor.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.contract import Report
from agent.errors import UsageError
from agent.fields import Json, Kind, Outcome, TransactionType
from agent.money import exponent
from drivers.framing import Broken, Frame, Reason
from drivers.terminals import stx_values as values
from drivers.terminals.stx_values import CARD, SECRET, Spec, free_text, shaped

START: Final = b'"<START>"'
END: Final = b'"<END>"'
EMPTY: Final = START + b"," + END  # also the acknowledgement
LIMIT_BYTES: Final = 1024  # the terminal's own buffer

_ITEM: Final = re.compile(rb'"([A-Z]{1,32})=([^"]*)"')
_AMOUNT: Final = r"-?[0-9]{1,10}(\.[0-9]{1,3})?"

FIELDS: Final[Mapping[str, Spec]] = MappingProxyType(
    {
        "STATUS": shaped("[status]", r"[A-Z]"),  # A approved, R rejected
        "TXNTYPE": shaped("[type]", r"[A-Z]{1,10}"),
        "TXNDATE": shaped("[date]", r"[0-9]{8}"),
        "TXNTIME": shaped("[time]", r"[0-9]{4}"),
        "TXNID": shaped("trace_no", r"[0-9]{1,6}"),  # the invoice number, as INVOICENO
        "INVOICENO": shaped("trace_no", r"[0-9]{1,6}"),
        "APPCODE": shaped("auth_code", r"[0-9A-Z]{1,6}"),
        "PAN": CARD,  # whole or masked, by a switch of the terminal
        "EXPDATE": SECRET,
        "CARDHOLDERNAME": SECRET,
        "AMT": shaped("[amount]", _AMOUNT),
        "ENTRYMODE": shaped("[entry]", r"[SCFTM]"),
        "TERMINALID": shaped("terminal_id", r"[0-9A-Z]{1,8}"),
        "MERCHANTID": shaped("merchant_id", r"[0-9A-Z]{1,15}"),
        "CARDTYPE": free_text("[issuer]"),
        "BATCHNO": shaped("batch_no", r"[0-9]{1,6}"),
        "REFERENCENO": shaped("rrn", r"[0-9A-Z]{1,12}"),
        "TXNNO": shaped("", r"[0-9]{1,6}"),  # the till's own numbers, given back
        "TXNCONSEQUENTIALNO": shaped("", r"[0-9]{1,4}"),
        "APP": free_text(""),
        "AID": free_text(""),
        "TC": free_text(""),
        "ACQNAME": shaped("acquirer", r"[0-9A-Z ]{1,10}"),
        **{name: shaped(f"[{name}]", r"[0-9]{1,6}") for name in ("SALENUM", "VOIDNUM", "REFUNDNUM", "VRFNUM")},
        **{name: shaped(f"[{name}]", _AMOUNT) for name in ("SALEAMT", "VOIDAMT", "REFUNDAMT", "VRFAMT")},
    }
)
_TYPES: Final = {"SALE": TransactionType.SALE, "VOID": TransactionType.VOID}
_ENTRY: Final = {"S": "swipe", "C": "chip", "F": "fallback", "T": "contactless", "M": "manual"}
# A void of a refund moves money like a sale but is none.
_TOTALS: Final = (("SALE", "sale"), ("VOID", "void"), ("REFUND", "refund"), ("VRF", "other"))


def decode(buffer: bytes | bytearray) -> tuple[int, Frame | Broken | None]:
    """What stands at the front of `buffer`: a message, bytes between messages, or too little to tell."""
    if not buffer.startswith(START):
        keep = buffer.find(START) if START in buffer else len(buffer) - _begun(buffer)
        return (keep, Broken(Reason.NOISE)) if keep else (0, None)
    again = buffer.find(START, len(START), LIMIT_BYTES)
    end = buffer.find(END, len(START), LIMIT_BYTES)
    if again > 0 and (end < 0 or again < end):
        return again, Broken(Reason.END)
    if end > 0:
        return end + len(END), Frame(bytes(buffer[: end + len(END)]))
    if len(buffer) >= LIMIT_BYTES:
        return len(START), Broken(Reason.LENGTH)
    return 0, None


def _begun(buffer: bytes | bytearray) -> int:
    """How many bytes at the end of `buffer` may be the beginning of a start sign."""
    return next((size for size in range(len(START) - 1, 0, -1) if buffer.endswith(START[:size])), 0)


def read(frame: Frame, currency: str, *, own_question: bool) -> Report | None:
    """What an answer says; requests and acknowledgements say nothing.

    `own_question`: only the agent asks on this line, and it never pays. A rejection is then no declined payment.
    """
    items = [(match[1].decode("ascii"), match[2]) for match in _ITEM.finditer(frame.raw)]
    names = {name for name, _ in items}
    if not names & {"STATUS", "ACQNAME"} or "CMD" in names:
        return None
    warnings: list[str] = []
    said: dict[str, str] = {}
    for name, value in items:
        spec = FIELDS.get(name, SECRET)
        text = values.told(name, value, spec, warnings)
        if text and spec.name and said.setdefault(spec.name, text) != text:
            warnings.append(f"{name} says something else than before")
    raw = _masked(frame.raw)
    fields: dict[str, Json] = {name: value for name, value in said.items() if not name.startswith("[")}
    kind = _settle(said, fields, currency) if "[status]" not in said else _pay(said, fields, currency, warnings)
    if said.get("[status]") == "R" and own_question:
        kind = Kind.NOTICE
        fields = {name: value for name, value in fields.items() if name not in {"outcome", "transaction_type"}}
    elif kind is Kind.TRANSACTION and "amount_minor" not in fields:
        warnings.append("the terminal did not say the amount")
    fields |= {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "stx-bcdlen", "profile": "hk-text"}
    if warnings:
        fields["warnings"] = [*warnings]
    key = values.transaction_key(fields, raw) if kind is Kind.TRANSACTION else values.raw_key(raw)
    return Report(kind, key, fields, raw)


def _pay(said: Mapping[str, str], fields: dict[str, Json], currency: str, warnings: list[str]) -> Kind:
    fields["response_code"] = said["[status]"]
    outcomes = {"A": Outcome.APPROVED, "R": Outcome.DECLINED}
    fields["outcome"] = outcomes.get(said["[status]"], Outcome.UNKNOWN).value
    if "[type]" in said:
        fields["transaction_type"] = _TYPES.get(said["[type]"], TransactionType.OTHER).value
    amount_minor = _minor(said.get("[amount]", ""), currency)
    if amount_minor is not None:
        fields |= {"amount_minor": amount_minor, "currency": currency}
    elif "[amount]" in said:
        warnings.append("the amount has other decimals than the currency")
    if moment := values.moment(said.get("[date]", ""), said.get("[time]", "")):
        fields["terminal_time"] = moment
    if "[entry]" in said:
        fields["entry_mode"] = _ENTRY[said["[entry]"]]
    if issuer := said.get("[issuer]"):
        fields |= {"card_scheme": issuer.upper()} if issuer.upper() in values.SCHEMES else {"issuer": issuer}
    if "card_masked" in fields:
        fields["method"] = "card"
    return Kind.TRANSACTION


def _settle(said: Mapping[str, str], fields: dict[str, Json], currency: str) -> Kind:
    """Totals of the open batch by acquirer. The terminal counts; nothing is added here."""
    totals: list[Json] = []
    for name, transaction_type in _TOTALS:
        count, amount_minor = said.get(f"[{name}NUM]"), _minor(said.get(f"[{name}AMT]", ""), currency)
        if count is not None and amount_minor is not None:
            totals.append(
                {
                    "group": "all",
                    "transaction_type": transaction_type,
                    "count": int(count),
                    "amount_minor": amount_minor,
                }
            )
    fields |= {"totals": totals, "currency": currency} if totals else {}
    return Kind.DETAIL_LIST  # the batch stays open: as 交易总计单, not a settlement


def _minor(amount: str, currency: str) -> int | None:
    """Minor units of "128.50"; a leading minus is how some write a void: the type has the direction."""
    whole, _, part = amount.removeprefix("-").partition(".")
    return int(whole + part) if whole and len(part) == exponent(currency) else None


def _masked(raw: bytes) -> bytes:
    """The message without card numbers and secrets, same length; what is no `"NAME=value"` keeps only its signs."""
    parts, place = [], 0
    for match in _ITEM.finditer(raw):
        parts += [_bones(raw[place : match.start(2)], match[1]), values.shown(match[2], _spec(match[1]))]
        place = match.end(2)
    return b"".join([*parts, _bones(raw[place:], b"")])


def _spec(name: bytes) -> Spec:
    return FIELDS.get(name.decode("ascii"), SECRET)


def _bones(between: bytes, name: bytes) -> bytes:
    """The bytes from one value to the next: the signs and the next name; anything else is hidden."""
    tail = b'"' + name + b"=" if name else b""
    head = between[: len(between) - len(tail)]
    known = re.compile(rb'"<START>"|"<END>"|[",\r\n]')
    shown, place = bytearray(), 0
    for match in known.finditer(head):
        shown += values.hidden(head[place : match.start()]) + match[0]
        place = match.end()
    return bytes(shown) + values.hidden(head[place:]) + tail


def ask_transaction(trace_no: str) -> bytes:
    """The message that asks for one transaction by its invoice number."""
    if not re.fullmatch(r"[0-9]{1,6}", trace_no, re.ASCII):
        raise UsageError("{trace_no} is no trace number", "one to six digits, as on the slip", trace_no=repr(trace_no))
    return _message("GETTXN", b"INVOICENO", trace_no)


def ask_totals(acquirer: str) -> bytes:
    """The message that asks for an acquirer's totals of the open batch."""
    if not re.fullmatch(r"[0-9A-Z]{1,10}", acquirer, re.ASCII):
        hint = "its short name in the terminal, one to ten capitals"
        raise UsageError("{acquirer} is no acquirer's name", hint, acquirer=repr(acquirer))
    return _message("GETTOTAL", b"ACQNAME", acquirer)


def _message(command: str, name: bytes, about: str) -> bytes:
    return b'%s,"CMD=%s","%s=%s",%s' % (START, command.encode("ascii"), name, about.encode("ascii"), END)
