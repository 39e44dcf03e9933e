"""Reads messages of the Greek link between till and Mellon terminals: fields by `/`, their parts by `:`.

length(2, binary) | ECR or MEL, who speaks | variant(2) | version(2) | body. Bodies: A, H, Z, V questions (sale, cash
advance, refund, void) and their confirmation, R the result, E an error, X an echo. A result of variant 02 ends with the
receipt (P), which may hold any sign.

Source: "ECR-Mellon POS Integration, the basic communication protocol" 1.00B, public in arbdoescode/ECR-POS.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agent import pan
from agent.contract import Report
from agent.fields import Json, Kind, Outcome, TransactionType
from drivers.currencies import BY_NUMBER
from drivers.framing import Broken, Frame, Reason
from drivers.terminals import stx_values as values
from drivers.terminals.stx_values import CARD, SCHEMES, Spec, free_text, shaped

LIMIT_BYTES: Final = 8192  # a receipt has at most 4 KB (6.5)
_HEAD: Final = 9
_LEAST: Final = _HEAD - 2 + 1

_START: Final = re.compile(rb"(?=..(?:ECR|MEL)[0-9]{4})", re.DOTALL)
_QUESTION: Final = re.compile(
    rb"([AHZV])/S([0-9]{6})/F([0-9]{1,12}):([0-9]{3}):[0-9]/D([0-9]{14})"
    rb"/R[0-9A-Za-z]{0,8}/H([0-9A-Za-z]{0,8})/T([0-9A-Za-z]{0,8})/.*",
    re.DOTALL,
)
_RESULT: Final = re.compile(rb"R/S([0-9]{6})/C([0-9]{2})(?:/D([^/]*)(?:/P(.*))?)?", re.DOTALL)
_ERROR: Final = re.compile(rb"E/([0-9]{3})")
_TYPES: Final = MappingProxyType(
    {
        b"A": TransactionType.SALE,
        b"H": TransactionType.OTHER,  # cash advance
        b"Z": TransactionType.REFUND,
        b"V": TransactionType.VOID,
    }
)
_DATA: Final = (  # 6.5, <trans-data>
    free_text("[card type]"),
    CARD,
    shaped("[amount]", "[0-9]{1,12}"),
    shaped("[final]", "[0-9]{1,12}"),
    shaped("acquirer", "[0-9]{1,3}"),
    shaped("terminal_id", "[0-9A-Za-z]{1,8}"),
    shaped("batch_no", "[0-9]{1,6}"),
    shaped("rrn", "[0-9.]{0,13}"),  # some banks: batch.stan
    shaped("trace_no", "[0-9]{1,6}"),
    shaped("auth_code", "[0-9A-Za-z]{1,8}"),
    shaped("[time]", "[0-9]{14}"),
)
_RIGHT: Final = b"\x1bR"
_NEXT_COPY: Final = b"\x1b\x0c"
_STYLE: Final = re.compile(rb"\x1b.", re.DOTALL)
_KINDS: Final = ("credit", "debit", "prepaid")


@dataclass(frozen=True, slots=True)
class Question:
    """What the till asked for. `raw` is without the custom data, which may be anything."""

    session: str
    transaction_type: TransactionType
    amount_minor: int
    currency: str | None
    operator: str
    receipt: str
    raw: bytes


def decode(buffer: bytes | bytearray) -> tuple[int, Frame | Broken | None]:
    """What stands at the front of `buffer` (as `framing.decode`). There is no check sign: only the head tells."""
    if not buffer:
        return 0, None
    if not _may_begin(buffer, 0):
        return _next_start(buffer), Broken(Reason.NOISE)
    total = 2 + int.from_bytes(buffer[:2], "big")
    return (total, Frame(bytes(buffer[:total]))) if len(buffer) >= _HEAD and total <= len(buffer) else (0, None)


def _next_start(buffer: bytes | bytearray) -> int:
    """Where behind the first byte a head stands, or may stand with what is still to come; the length when nowhere."""
    tail = max(1, len(buffer) - _HEAD + 1)
    whole = (found.start() for found in _START.finditer(buffer, 1) if _may_begin(buffer, found.start()))
    part = (place for place in range(tail, len(buffer)) if _may_begin(buffer, place))
    return min(next(whole, len(buffer)), next(part, len(buffer)))


def _may_begin(buffer: bytes | bytearray, place: int) -> bool:
    """Whether the bytes from `place` on are a head, as far as they came."""
    head = bytes(buffer[place : place + _HEAD])
    if head[0] > LIMIT_BYTES >> 8:
        return False
    if len(head) > 1 and not _LEAST <= int.from_bytes(head[:2], "big") <= LIMIT_BYTES:
        return False
    who, version = head[2:5], head[5:]
    return (b"ECR".startswith(who) or b"MEL".startswith(who)) and (not version or version.isdigit())


def asked(frame: Frame) -> Question | None:
    found = _QUESTION.fullmatch(frame.raw[_HEAD:])
    if found is None:
        return None
    kind, session, amount, currency, _, operator, receipt = found.groups()
    kept = frame.raw[_HEAD : _HEAD + found.end(7)]
    return Question(
        session.decode(),
        _TYPES[kind],
        int(amount),
        BY_NUMBER.get(currency.decode()),
        operator.decode(),
        receipt.decode(),
        kept,
    )


def read(frame: Frame, question: Question | None, currency: str, charset: str) -> Report | None:
    """What a result or an error says; confirmations and echoes are no report. Without its own number the key is its
    masked bytes, the line knows better.
    """
    body = frame.raw[_HEAD:]
    if error := _ERROR.fullmatch(body):
        warnings = ["the terminal did not take the till's request"]
        return _report(Kind.NOTICE, {"response_code": error[1].decode()}, frame.raw, warnings)
    if not body.startswith(b"R/"):
        return None
    result = _RESULT.fullmatch(body)
    if result is None:
        unread = frame.raw[:_HEAD] + b"R/" + values.hidden(body[2:])
        return _report(Kind.TRANSACTION, {"outcome": Outcome.UNKNOWN.value}, unread, ["the result could not be read"])
    session, code, data, receipt = result.groups()
    warnings = []
    outcome = Outcome.APPROVED if code == b"00" else Outcome.DECLINED
    fields: dict[str, Json] = {"response_code": code.decode(), "outcome": outcome.value}
    said, shown = _said((data or b"").split(b":") if data is not None else [], warnings)
    fields |= {name: value for name, value in said.items() if not name.startswith("[")}
    if question is not None and question.session != session.decode():
        warnings.append("the result is not of the session the till asked for last")
        question = None
    _add_question(fields, question, warnings)
    _add_payment(said, fields, (question.currency if question else None) or currency, warnings)
    raw = frame.raw[:_HEAD] + body[: result.start(3)] + shown if data is not None else frame.raw
    if receipt is None:
        return _report(Kind.TRANSACTION, fields, raw, warnings)
    # The receipt is for a printer, the frame round it is not: raw bytes beside a text of lines would be printed.
    fields["text"] = _text(receipt, charset)
    report = _report(Kind.TRANSACTION, fields, raw, warnings)
    kept = {name: value for name, value in report.fields.items() if name != "raw_sha256"}
    return Report(report.kind, report.key, kept, None)


def _report(kind: Kind, fields: dict[str, Json], raw: bytes, warnings: list[str]) -> Report:
    said: dict[str, Json] = {**fields, "raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "mellon-gr"}
    if warnings:
        said["warnings"] = [*warnings]
    return Report(kind, _key(fields, raw), said, raw)


def _key(fields: dict[str, Json], raw: bytes) -> str:
    parts = [str(fields[name]) for name in ("terminal_id", "batch_no", "trace_no") if name in fields]
    if len(parts) < 3 or fields.get("outcome") != Outcome.APPROVED:
        return values.raw_key(raw)
    return ":".join([*parts, str(fields.get("transaction_type", "untyped"))])


def _said(parts: list[bytes], warnings: list[str]) -> tuple[dict[str, str], bytes]:
    """The parts of a payment by name, and how `raw` may show them."""
    said: dict[str, str] = {}
    specs: tuple[Spec, ...] = (*_DATA, *[values.SECRET] * max(0, len(parts) - len(_DATA)))
    if parts and len(parts) != len(_DATA):
        warnings.append(f"the result has {len(parts)} parts, not {len(_DATA)}")
    for place, (part, spec) in enumerate(zip(parts, specs, strict=False), 1):
        text = values.told(f"D{place}", part, spec, warnings) if part.strip() else None
        if text and spec.name:
            said[spec.name] = text
    return said, b":".join(values.shown(part, spec) for part, spec in zip(parts, specs, strict=False))


def _add_question(fields: dict[str, Json], question: Question | None, warnings: list[str]) -> None:
    """The result does not say what it is the result of."""
    if question is None:
        warnings.append("the till's question was not heard: whether this is a sale, a refund or a void is unknown")
        return
    fields["transaction_type"] = question.transaction_type.value
    fields |= {"operator": question.operator} if question.operator else {}
    fields |= {"order_no": question.receipt} if question.receipt else {}
    if question.currency:
        fields |= {"amount_minor": question.amount_minor, "currency": question.currency}


def _add_payment(said: dict[str, str], fields: dict[str, Json], currency: str, warnings: list[str]) -> None:
    """What was paid may differ from what was asked for: points paid a part, or a tip was added."""
    if paid := said.get("[final]", said.get("[amount]")):
        fields |= {"amount_minor": int(paid), "currency": currency}
        if int(paid) != int(said.get("[amount]", paid)):
            warnings.append(f"asked for {said['[amount]']}, paid {paid} (points or a tip)")
    if digits := said.get("[time]"):
        moment = values.moment(digits[:8], digits[8:])
        fields |= {"terminal_time": moment} if moment else {}
    words = said.get("[card type]", "").upper().split()
    if words:
        fields["card_scheme"] = words[0] if words[0] in SCHEMES else " ".join(words)
        kind = next((kind for kind in _KINDS if kind.upper() in words), None)
        fields |= {"card_type": kind} if kind else {}
    if "card_masked" in fields:
        fields["method"] = "card"


def _text(receipt: bytes, charset: str) -> str:
    """The receipt's lines, both copies, without styles and with card numbers masked."""
    plain = _STYLE.sub(b"", receipt.replace(_NEXT_COPY, b"\n").replace(_RIGHT, b"  "))
    text = plain.decode(charset, "replace")
    lines = ["".join(sign if sign.isprintable() else " " for sign in line).rstrip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", pan.mask("\n".join(lines))).strip("\n")
