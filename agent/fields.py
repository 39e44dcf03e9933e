"""The canonical field names of a report: the same in `decode`, journal lines, the database, templates and statements.

One table says each name, its shape and how people call it in English and Chinese. `problems()` is what drivers'
tests and the journal use to refuse a misspelt name or an amount that is no integer. A field that is unknown is
absent, never an empty guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Fields = Mapping[str, Json]


class Kind(StrEnum):
    """What a device said: kinds of a report."""

    TRANSACTION = "transaction"
    SETTLEMENT = "settlement"  # the terminal's own totals
    DETAIL_LIST = "detail_list"
    NOTICE = "notice"  # fault slip, test slip, sign-on: anything that is no money
    SLIP = "slip"  # text or image that no parser could read


class TransactionType(StrEnum):
    SALE = "sale"
    VOID = "void"
    REFUND = "refund"
    PREAUTH = "preauth"
    PREAUTH_VOID = "preauth_void"
    COMPLETION = "completion"
    COMPLETION_VOID = "completion_void"
    OFFLINE = "offline"
    ADJUSTMENT = "adjustment"
    TIP = "tip"
    BALANCE = "balance"
    LOAD = "load"
    REVERSAL = "reversal"
    OTHER = "other"


class Outcome(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"
    UNKNOWN = "unknown"


_TIME: Final = re.compile(r"(?:(?:\d{4}|-)-\d\d-\d\d)?T\d\d:\d\d(?::\d\d)?", re.ASCII)
_DATE: Final = re.compile(r"(?:\d{4}|-)-\d\d-\d\d", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_GROUPS: Final = ("domestic", "foreign", "all")
_CARD: Final = re.compile(r"\d{0,6}\*+\d{0,4}|\d{1,4}", re.ASCII)


def _writable(value: Json) -> bool:
    """Half a character (a surrogate) cannot be written as UTF-8: not into a line, not onto a disk."""
    return isinstance(value, str) and (value.isascii() or not _SURROGATES.search(value))


def _text(value: Json) -> bool:
    return isinstance(value, str) and value != "" and value == value.strip() and _writable(value)


def _minor(value: Json) -> bool:
    return type(value) is int and 0 <= value < 10**15


def _one_of(*names: str) -> Callable[[Json], bool]:
    return lambda value: value in names


def _shaped(pattern: re.Pattern[str]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _lines(value: Json) -> bool:
    return isinstance(value, str) and _writable(value)


def _sentences(value: Json) -> bool:
    return isinstance(value, list) and all(_lines(item) for item in value)


def _verdict(value: Json) -> bool:
    """What the terminal says of its own totals, by group."""
    return isinstance(value, dict) and all(
        group in _GROUPS and said in ("balanced", "unbalanced", "error") for group, said in value.items()
    )


def _totals(value: Json) -> bool:
    """Lines of the terminal's own totals."""
    return isinstance(value, list) and all(isinstance(line, dict) and _total(line) for line in value)


def _total(line: Mapping[str, Json]) -> bool:
    shapes = {
        "group": _one_of(*_GROUPS),
        # 借记 and 贷记 are all some terminals and the host's answer say of a side
        "transaction_type": _one_of(*TransactionType, "debit", "credit"),
        "card_scheme": _text,  # ZVT terminals add up by card organisation
        "count": _minor,
        "amount_minor": _minor,
        "currency": _shaped(_CURRENCY),
    }
    return all(name in shapes and shapes[name](item) for name, item in line.items())


@dataclass(frozen=True, slots=True)
class Field:
    """One canonical name: how people call it, and what a value may be."""

    name: str
    en: str
    zh: str
    fits: Callable[[Json], bool]


TABLE: Final[tuple[Field, ...]] = (
    Field("transaction_type", "Type", "交易类型", _one_of(*TransactionType)),
    Field("outcome", "Outcome", "结果", _one_of(*Outcome)),
    Field("amount_minor", "Amount", "金额", _minor),
    Field("currency", "Currency", "币种", _shaped(_CURRENCY)),
    Field("tip_minor", "Tip", "小费", _minor),
    Field("total_minor", "Total", "总计", _minor),
    Field("terminal_id", "Terminal", "终端号", _text),
    Field("merchant_id", "Merchant no.", "商户号", _text),
    Field("merchant_name", "Merchant", "商户名称", _text),
    Field("operator", "Operator", "操作员号", _text),
    Field("batch_no", "Batch", "批次号", _text),
    Field("trace_no", "Trace", "凭证号", _text),
    Field("rrn", "Reference", "参考号", _text),
    Field("auth_code", "Auth code", "授权码", _text),
    Field("response_code", "Response code", "应答码", _text),
    Field("order_no", "Order no.", "商户订单号", _text),
    Field("channel_no", "Channel no.", "渠道单号", _text),
    Field("method", "Method", "支付方式", _one_of("card", "wechat", "alipay", "unionpay_qr", "cash", "other")),
    Field("card_masked", "Card", "卡号", _shaped(_CARD)),
    Field("card_scheme", "Scheme", "卡组织", _text),
    Field("issuer", "Issuer", "发卡行", _text),
    Field("acquirer", "Acquirer", "收单行", _text),
    Field("entry_mode", "Entry mode", "输入方式", _one_of("chip", "swipe", "manual", "contactless", "fallback", "qr")),
    Field("card_type", "Card type", "卡类型", _one_of("debit", "credit", "prepaid")),
    Field("terminal_time", "Time", "日期时间", _shaped(_TIME)),
    Field("settle_date", "Settlement date", "清算日期", _shaped(_DATE)),
    Field("original_trace_no", "Original trace", "原凭证号", _text),
    Field("original_rrn", "Original reference", "原参考号", _text),
    Field("original_date", "Original date", "原交易日期", _shaped(_DATE)),
    Field("original_auth_code", "Original auth code", "原授权码", _text),
    Field("copy", "Copy", "联", _one_of("merchant", "customer", "bank")),
    Field("reprint", "Reprint", "重打印", lambda value: isinstance(value, bool)),
    Field("text", "Text", "文字", _lines),
    Field("totals", "Totals", "总计", _totals),
    Field("verdict", "Verdict", "对账结果", _verdict),
    Field("raw_sha256", "Raw SHA-256", "原始数据摘要", _shaped(re.compile(r"[0-9a-f]{64}"))),
    Field("driver", "Driver", "驱动", _text),
    Field("profile", "Profile", "版式", _text),
    Field("warnings", "Warnings", "警告", _sentences),
)
BY_NAME: Final = {field.name: field for field in TABLE}

# What belongs to one piece of paper, not to the payment: two copies of one sale differ only here.
PAPER: Final = frozenset({"copy", "reprint", "text", "raw_sha256", "driver", "profile", "warnings"})


def fits(name: str, value: Json) -> bool:
    """Whether `name` is a canonical field and `value` has its shape."""
    field = BY_NAME.get(name)
    return field is not None and field.fits(value)


def problems(fields: Fields) -> list[str]:
    """Every reason why `fields` may not be journalled: unknown names, values of the wrong shape. Empty when fine."""
    found = []
    for name, value in fields.items():
        field = BY_NAME.get(name)
        if field is None:
            found.append(f"unknown field {name!r}")
        elif not field.fits(value):
            found.append(f"{name} has the wrong shape: {value!r}")
    if "amount_minor" in fields and "currency" not in fields:
        found.append("amount_minor without currency")
    return found


def agree(name: str, one: Json, other: Json) -> bool:
    """Whether two tellers of one payment say the same. A vaguer word agrees with a clearer one: a time without
    seconds, a card of which only the last four digits show, an outcome that one of them did not learn.
    """
    if one == other or (name == "outcome" and Outcome.UNKNOWN in (one, other)):
        return True
    if not (isinstance(one, str) and isinstance(other, str)):
        return False
    if name == "terminal_time":
        return _same_moment(one, other)
    return name == "card_masked" and _same_card(one, other)


def _same_moment(one: str, other: str) -> bool:
    (one_day, _, one_time), (other_day, _, other_time) = one.partition("T"), other.partition("T")
    known = min(len(one_time), len(other_time))
    days = sorted((one_day.lstrip("-"), other_day.lstrip("-")), key=len)
    return one_time[:known] == other_time[:known] and days[1].endswith(days[0])


def _same_card(one: str, other: str) -> bool:
    """Digits at the same end must be the same, as far as both show them."""
    (one_head, _, one_tail), (other_head, _, other_tail) = one.rpartition("*"), other.rpartition("*")
    heads = sorted((one_head.rstrip("*"), other_head.rstrip("*")), key=len)
    tails = sorted((one_tail, other_tail), key=len)
    return heads[1].startswith(heads[0]) and tails[1].endswith(tails[0])
