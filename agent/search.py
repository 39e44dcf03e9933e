"""The one search box: words in, a condition out. Pure; the index runs it.

A word may be an amount or its beginning (128.50, 128), the last four digits of a card, a trace number, a time (13:14),
the beginning of a reference or auth code, or a word of the slip in Chinese or Latin letters. Every word must match.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.money import exponent

_AMOUNT: Final = re.compile(r"[￥¥$€£]?(0|[1-9]\d{0,9})(?:[.](\d{1,3}))?")
_TIME: Final = re.compile(r"([01]?\d|2[0-3])[:：]([0-5]\d)?")
_WORD_FIELDS: Final = (
    "merchant_name",
    "issuer",
    "acquirer",
    "card_scheme",
    "method",
    "transaction_type",
    "outcome",
    "rrn",
    "auth_code",
    "order_no",
    "channel_no",
    "terminal_id",
    "batch_no",
    "operator",
)
# What people type for a type or a method: the index knows the English name only.
_CHINESE: Final = {
    "sale": "消费",
    "void": "撤销",
    "refund": "退货",
    "preauth": "预授权",
    "completion": "预授权完成",
    "wechat": "微信",
    "alipay": "支付宝",
    "unionpay_qr": "云闪付",
    "cash": "现金",
    "unknown": "未知",
    "declined": "失败",
}


@dataclass(frozen=True, slots=True)
class Searchable:
    """What of a payment can be looked up besides its own columns."""

    last_four: str | None
    trace_no: str | None
    time: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody typed, word by word, and the currency a bare amount is in."""

    words: tuple[str, ...]
    currency: str

    def sql(self) -> tuple[str, list[object]]:
        """A condition on `transactions` and its values; "1" when nothing was typed."""
        conditions, values = [], []
        for word in self.words:
            condition, bound = _condition(word, self.currency)
            conditions.append(condition)
            values += bound
        return " and ".join(conditions) or "1", values


def wanted(text: str, currency: str) -> Wanted:
    """The search box's text, taken apart; at most eight words of 40 characters."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return Wanted(tuple(word[:40] for word in plain.split()[:8]), currency)


def searchable(fields: Mapping[str, Any]) -> Searchable:
    card = str(fields.get("card_masked", ""))
    last_four = card[-4:] if card[-4:].isdecimal() else None
    moment = re.search(r"T(\d\d:\d\d)", str(fields.get("terminal_time", "")))
    texts = [str(fields[name]) for name in _WORD_FIELDS if name in fields]
    texts += [_CHINESE[text] for text in texts if text in _CHINESE]
    words = [word for text in texts for word in _split(text)]
    trace = _trace(str(fields["trace_no"])) if "trace_no" in fields else None
    return Searchable(last_four, trace, moment.group(1) if moment else None, " ".join(dict.fromkeys(words)))


def _trace(text: str) -> str:
    """Terminals print 000345, people type 345."""
    return text.lower().lstrip("0") or "0"


def _condition(word: str, currency: str) -> tuple[str, list[object]]:
    if moment := _TIME.fullmatch(word):
        hour, minute = moment.groups()
        return "time like ?", [f"{int(hour):02d}:{minute or '%'}"]
    choices, values = [], list[object]()
    if amount := _AMOUNT.fullmatch(word):
        whole, part = amount.group(1), amount.group(2) or ""
        places = exponent(currency)
        if len(part) <= places:
            # what was not typed may be anything: 128 finds 128.50 too, 128.5 finds 128.50 to 128.59
            missing = places - len(part)
            choices.append("amount_minor between ? and ?")
            values += [int(whole + part + "0" * missing), int(whole + part + "9" * missing)]
    if word.isdecimal() and len(word) == 4:
        choices.append("last_four = ?")
        values.append(word)
    if word.isalnum() and len(word) <= 12:
        choices.append("trace_no = ?")
        values.append(_trace(word))
    parts = _split(word)
    if parts:
        match = " AND ".join(f'"{part}"*' for part in parts)
        choices.append("number in (select rowid from transaction_words where transaction_words match ?)")
        values.append(match)
    return f"({' or '.join(choices) or '0'})", values


def _split(text: str) -> list[str]:
    """Words of letters and digits; a run of Chinese as its two-character words, a single character as itself."""
    words = []
    for run in re.findall(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff_]+", unicodedata.normalize("NFKC", text).lower()):
        if "\u3400" <= run[0] <= "\u9fff" and len(run) > 1:
            words += [run[place : place + 2] for place in range(len(run) - 1)]
        else:
            words.append(run)
    return words
