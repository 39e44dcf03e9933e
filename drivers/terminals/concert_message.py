"""Reads the fixed texts of Concert E+ ("protocole E+", Telium Manager): a question of 34 signs, an answer of 80 or 25.

The answer's report field (REP) holds the card number in clear: it is masked here, before anything else. Only the first
word of it is a number; what stands behind is hidden altogether, and all of it when a cheque was read.

Sources: Ousret/pyTeliumManager 2.4.2 (MIT) `telium/payment.py`, `telium/constant.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agent.contract import Report
from agent.fields import Json, Kind, Outcome, TransactionType
from drivers import text_frames
from drivers.currencies import BY_NUMBER
from drivers.framing import Decoder, Frame
from drivers.terminals import stx_values as values

_DIGITS: Final = 10  # both texts begin with till number(2) and a status and an amount, or an amount(8)
_LIMIT_BYTES: Final = 80
_QUESTION: Final = re.compile(
    r"(?P<till>[0-9]{2})(?P<amount>[0-9]{8})(?P<flag>[01])(?P<mode>[0-9A-Z])(?P<type>[0-9])(?P<currency>[0-9]{3})"
    r"(?P<private>[ -~]{10})(?P<wait>A01[01])(?P<force>B01[01])"
)
_ANSWER: Final = re.compile(
    rb"(?P<till>[0-9]{2})(?P<status>[0-9])(?P<amount>[0-9]{8})(?P<mode>[0-9A-Z ])(?P<rep>[ -\xff]{55})?"
    rb"(?P<currency>[0-9]{3})(?P<private>[ -~]{10})"
)
_SIZES: Final = (80, 25)
_LEAST_CARD: Final = 12

_OUTCOMES: Final = MappingProxyType({"0": Outcome.APPROVED, "7": Outcome.DECLINED})  # 9: not verified
_TYPES: Final = MappingProxyType(
    {"0": TransactionType.SALE, "1": TransactionType.REFUND, "2": TransactionType.REFUND}  # debit, credit, refund
)
_CHEQUE: Final = "C"
_METHODS: Final = MappingProxyType({"C": "other", "0": "other"})
_SCHEMES: Final = MappingProxyType({"2": "AMEX", "6": "DINERS", "9": "JCB", "U": "UNIONPAY"})


@dataclass(frozen=True, slots=True)
class Question:
    """What the till asked for. `raw` has no card number in it."""

    till: str
    amount: str
    currency: str
    transaction_type: TransactionType | None
    waits: bool  # the answer comes when the payment has ended, not when it has begun
    raw: bytes


def decoder() -> Decoder:
    return text_frames.decoder(_DIGITS, _LIMIT_BYTES)


def asked(frame: Frame) -> Question | None:
    found = _QUESTION.fullmatch(text_frames.text_of(frame).decode("latin-1"))
    if found is None:
        return None
    transaction_type = _TYPES.get(found["type"])
    return Question(
        found["till"], found["amount"], found["currency"], transaction_type, found["wait"] == "A010", frame.raw
    )


def read(frame: Frame, question: Question | None) -> Report | None:
    """What an answer says; its key is its masked bytes, the line knows better. None when it is no answer."""
    text = text_frames.text_of(frame)
    found = _ANSWER.fullmatch(text) if len(text) in _SIZES else None
    if found is None:
        return None
    said = {name: value.decode("latin-1") for name, value in found.groupdict(b"").items()}
    warnings: list[str] = []
    fields = _fields(said, found["rep"] or b"", warnings)
    _add_question(said, fields, question, warnings)
    raw = _masked(text, said["mode"], found["rep"])
    fields |= {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "concert-eplus"}
    fields["profile"] = "full" if found["rep"] is not None else "short"
    if warnings:
        fields["warnings"] = [*warnings]
    return Report(Kind.TRANSACTION, values.raw_key(raw), fields, raw)


def _fields(said: Mapping[str, str], rep: bytes, warnings: list[str]) -> dict[str, Json]:
    fields: dict[str, Json] = {
        "response_code": said["status"],
        "outcome": _OUTCOMES.get(said["status"], Outcome.UNKNOWN).value,
    }
    if currency := BY_NUMBER.get(said["currency"]):
        fields |= {"amount_minor": int(said["amount"]), "currency": currency}
    else:
        warnings.append(f"currency {said['currency']} is in no table: the amount is not told")
    if said["mode"].strip():
        fields["method"] = _METHODS.get(said["mode"], "card")
    if scheme := _SCHEMES.get(said["mode"]):
        fields["card_scheme"] = scheme
    word = rep.split(b" ")[0]
    if said["mode"] != _CHEQUE and len(word) >= _LEAST_CARD and (card := values.card(word)):
        fields["card_masked"] = card
        if values.is_clear_card(word):
            warnings.append("the terminal sent a full card number; it was masked here")
    return fields


def _add_question(
    said: Mapping[str, str], fields: dict[str, Json], question: Question | None, warnings: list[str]
) -> None:
    """The answer does not say which way the money went; the question it answers does."""
    if question is None:
        warnings.append("the till's question was not heard: whether this is a sale or a refund is unknown")
        return
    if (question.till, question.amount, question.currency) != (said["till"], said["amount"], said["currency"]):
        warnings.append("the answer is not to what the till asked for last")
    elif question.transaction_type is None:
        warnings.append("the till asked for a kind of payment that is in no table")
    else:
        fields["transaction_type"] = question.transaction_type.value
    if not question.waits:
        fields["outcome"] = Outcome.UNKNOWN.value
        warnings.append("the till did not wait for the end of the payment: the answer says no more than that it began")


def _masked(text: bytes, mode: str, rep: bytes | None) -> bytes:
    """The frame without card number, same length; the LRC is computed anew, the old one tells of hidden digits."""
    if rep is None:
        return text_frames.encode(text)
    shown = values.hidden(rep) if mode == _CHEQUE else values.hidden_card(rep)
    return text_frames.encode(text[:12] + shown + text[67:])
