"""Chinese card slips (签购单) as canonical fields: the layouts of three firmwares, and what only looks like a slip.

Rules: the type says the direction, a minus sign does not; the Chinese copy label is believed, not the English one;
fault and test slips are notices, never money; a field that cannot be read is absent.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from agent import pan
from agent.fields import Json, Kind, TransactionType
from drivers.terminals import slip_values as values
from drivers.terminals import unionpay_totals
from drivers.terminals.slip_labels import Pair, normal, pairs

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser made of a slip."""

    kind: Kind
    fields: dict[str, Json]
    profile: str
    warnings: list[str] = field(default_factory=list)


_T: Final = TransactionType
# First match wins: compounds before their parts. Chinese and English as firmwares print them.
_TYPES: Final[tuple[tuple[re.Pattern[str], TransactionType], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"冲正|REVERSAL", _T.REVERSAL),
        (r"完成.*撤销|COMPLET\w* *(?:VOID|CANCEL)|VOID *COMPLET", _T.COMPLETION_VOID),
        (r"预授权.*撤销|(?:AUTH|PREAUTH) *(?:VOID|CANCEL)|VOID *(?:PRE-?)?AUTH", _T.PREAUTH_VOID),
        (r"完成|COMPLET|AUTH *SETTLEMENT", _T.COMPLETION),
        (r"预授权|PRE-?AUTH|\bAUTH\b", _T.PREAUTH),
        (r"撤销|VOID|CANCEL", _T.VOID),
        (r"退货|退款|REFUND|RETURN", _T.REFUND),
        (r"余额|BALANCE", _T.BALANCE),
        (r"调整|ADJUST", _T.ADJUSTMENT),
        (r"小费|\bTIPS?\b", _T.TIP),
        (r"离线|OFFLINE", _T.OFFLINE),
        (r"圈存|充值|LOAD", _T.LOAD),
        (r"消费|支付|收款|SALE|PURCHASE|PAYMENT|扫码", _T.SALE),
    )
)
_COPIES: Final = (
    (re.compile(r"商\s*户\s*(?:存\s*根|联)"), "merchant"),
    (re.compile(r"银\s*行\s*(?:存\s*根|联)"), "bank"),
    (re.compile(r"(?:持\s*卡\s*人|客\s*户|顾\s*客)\s*(?:存\s*根|联)"), "customer"),
    (re.compile(r"MERCHANT\s+COPY", re.IGNORECASE), "merchant"),
    (re.compile(r"BANK\s+COPY", re.IGNORECASE), "bank"),
    (re.compile(r"(?:CARDHOLDER|CUSTOMER)\s+COPY", re.IGNORECASE), "customer"),
)
_REPRINT: Final = re.compile(r"重\s*打\s*印|重\s*印|补\s*打|DUPLICATE|RE-?PRINT", re.IGNORECASE)
_FAULT: Final = re.compile(r"故障报告|非凭证联|冲正不成功")
_TEST: Final = re.compile(r"测试\s*[/(]\s*TESTING|凭证无效|\bTEST\s*MODE\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"签\s*购\s*单|SALES\s+SLIP|POS\s*凭\s*证|交易凭条", re.IGNORECASE)
_DECLINED: Final = re.compile(r"交易失败|交易未成功|交易被拒|\bDECLINED\b|NOT APPROVED", re.IGNORECASE)
_ENTRY: Final = re.compile(r"(?:\s+|\s*/\s*|\s*[(\[])(?P<letter>[ISMCFQN])[)\]]?\s*$")
_ENTRIES: Final = {"I": "chip", "S": "swipe", "M": "manual", "C": "contactless", "F": "fallback", "Q": "qr"}
_CARD_TYPES: Final = (("借记", "debit"), ("贷记", "credit"), ("信用", "credit"), ("预付", "prepaid"))
_METHODS: Final = (
    (re.compile(r"微信|WECHAT|WEIXIN", re.IGNORECASE), "wechat"),
    (re.compile(r"支付宝|ALIPAY", re.IGNORECASE), "alipay"),
    (re.compile(r"银联二维码|云闪付|银联扫码|UNIONPAY *QR", re.IGNORECASE), "unionpay_qr"),
    (re.compile(r"现金|CASH", re.IGNORECASE), "cash"),
    (re.compile(r"银行卡|刷卡|CARD", re.IGNORECASE), "card"),
)
_CODES: Final = {  # how many letters and digits each may have
    "merchant_id": (4, 20),
    "terminal_id": (4, 15),
    "operator": (1, 12),
    "batch_no": (1, 12),
    "trace_no": (1, 12),
    "auth_code": (2, 12),
    "rrn": (6, 24),
    "response_code": (2, 4),
    "order_no": (4, 64),
    "channel_no": (4, 64),
    "original_trace_no": (1, 12),
    "original_rrn": (6, 24),
    "original_auth_code": (2, 12),
}


def read(lines: Sequence[str]) -> Reading | None:
    """The slip these lines are, or None when it is nothing this parser knows. Card numbers are masked already."""
    plain = [normal(line) for line in lines]
    whole = "\n".join(plain)
    found = pairs(plain)
    fields = _common(found, whole)
    if _FAULT.search(whole):
        return Reading(Kind.NOTICE, fields, "unionpay-fault")
    if _TEST.search(whole):
        return Reading(Kind.NOTICE, fields, "unionpay-test")
    listed = unionpay_totals.read(plain)
    if listed is not None:
        kind, more, profile = listed
        return Reading(kind, fields | more, profile)
    return _transaction(found, fields, whole)


def _transaction(found: list[Pair], fields: dict[str, Json], whole: str) -> Reading | None:
    kind = _type_of(found, whole)
    money = _first(found, "amount", values.amount) or _first(found, "total", values.amount)
    if kind is None or money is None or not fields.keys() & {"terminal_id", "merchant_id", "trace_no"}:
        return None
    fields |= {
        "transaction_type": kind.value,
        "outcome": "declined" if _DECLINED.search(whole) else "approved",
        "amount_minor": money[0],
        "currency": money[1],
    }
    for name in ("tip", "total"):
        part = _first(found, name, values.amount)
        if part is not None:
            fields[f"{name}_minor"] = part[0]
    fields |= _card(found)
    method = _first(found, "method", _method) or ("card" if "card_masked" in fields else None)
    if method is not None:
        fields["method"] = method
    return Reading(Kind.TRANSACTION, fields, _style(found))


def _type_of(found: list[Pair], whole: str) -> TransactionType | None:
    """From its label, else a slip whose title says sale slip is of an unknown kind."""
    said = _first(found, "type", lambda value: next((kind for word, kind in _TYPES if word.search(value)), None))
    if said is not None:
        return said
    named = any(pair.name == "type" and pair.value for pair in found)
    return TransactionType.OTHER if named and _TITLE.search(whole) else None


def _common(found: list[Pair], whole: str) -> dict[str, Json]:
    """What stands on every kind of slip."""
    fields: dict[str, Json] = {}
    for name, (least, most) in _CODES.items():
        value = _first(found, name, functools.partial(values.code, least=least, most=most))
        if value is not None:
            fields[name] = value
    for name in ("merchant_name", "issuer", "acquirer"):
        value = _first(found, name, lambda text: text or None)
        if value is not None:
            fields[name] = value
    for name in ("settle_date", "original_date"):
        day = _first(found, name, values.date)
        if day is not None:
            fields[name] = day
    moment = _moment(found)
    if moment is not None:
        fields["terminal_time"] = moment
    copy = next((name for pattern, name in _COPIES if pattern.search(whole)), None)
    if copy is not None:
        fields["copy"] = copy
    if _REPRINT.search(whole):
        fields["reprint"] = True
    return fields


def _moment(found: list[Pair]) -> str | None:
    """In one value, or a date and a time apart."""
    moment = _first(found, "moment", values.moment)
    if moment is not None:
        return moment
    day = _first(found, "date", values.date)
    time = _first(found, "time", values.clock)
    return f"{day}T{time}" if day and time else _first(found, "date", values.moment)


def _card(found: list[Pair]) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    printed = next((pair.value for pair in found if pair.name == "card" and pair.value), "")
    entry = _ENTRY.search(printed)
    if entry:
        printed = printed[: entry.start()]
        if entry["letter"] in _ENTRIES:
            fields["entry_mode"] = _ENTRIES[entry["letter"]]
    masked = pan.mask_card(printed)
    if re.fullmatch(r"[0-9]{0,6}\*+[0-9]{0,4}|[0-9]{1,4}", masked):
        fields["card_masked"] = masked
    scheme = _first(found, "card_scheme", lambda text: text.upper() or None)
    if scheme is not None:
        fields["card_scheme"] = scheme
    kind = _first(found, "card_type", lambda text: next((name for word, name in _CARD_TYPES if word in text), None))
    if kind is not None:
        fields["card_type"] = kind
    return fields


def _method(text: str) -> str | None:
    return next((name for pattern, name in _METHODS if pattern.search(text)), "other" if text else None)


def _style(found: list[Pair]) -> str:
    """Which of the three layouts: 1 values below their labels, 3 two pairs on a line, 2 neither."""
    if sum(pair.below for pair in found) >= 3:
        return "unionpay-1"
    return "unionpay-3" if sum(pair.second for pair in found) >= 2 else "unionpay-2"


def _first(found: list[Pair], name: str, read_value: Callable[[str], T | None]) -> T | None:
    """The first value under this name that can be read."""
    for pair in found:
        if pair.name == name and pair.value:
            value = read_value(pair.value)
            if value is not None:
                return value
    return None
