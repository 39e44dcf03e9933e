"""Finds `label: value` pairs in the lines of a slip, in every way firmwares print them.

Three styles of the same slip exist (terminals of LiaoYang, HX123S and openpos firmware): the value on the next line, on
the same line, or two pairs on a line, the second at column 29. Labels carry blanks inside (`卡    号`), English in
brackets or behind a slash, half- or full-width colons. So: normalise, know the labels, take the value from the same or
the next line with something on it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# canonical name (or "_name" for what only separates values) -> labels; longer ones win over shorter ones
LABELS: Final[dict[str, tuple[str, ...]]] = {
    "merchant_name": ("商户名称", "商户名", "特约商户", "MERCHANT NAME"),
    "merchant_id": ("商户编号", "商户号", "商户代码", "MERCHANT NO", "MERCHANT ID", "MID"),
    "terminal_id": ("终端编号", "终端号", "TERMINAL NO", "TERMINAL ID", "TID"),
    "operator": ("操作员号", "操作员", "收银员号", "收银员", "OPERATOR NO", "OPERATOR", "CASHIER"),
    "issuer": ("发卡银行", "发卡行", "发卡机构", "ISSUER"),
    "acquirer": ("收单机构", "收单银行", "收单行", "ACQUIRER", "ACQ"),
    "card_scheme": ("外卡组织", "卡组织", "CARD ORG"),
    "card_type": ("卡类型", "卡种", "CARD TYPE"),
    "card": ("卡号", "CARD NUMBER", "CARD NO"),
    "type": ("交易类型", "交易类别", "交易种类", "TXN. TYPE", "TXN TYPE", "TRANS TYPE", "TRANSACTION TYPE"),
    "_expiry": ("卡有效期", "有效期", "EXP. DATE", "EXP DATE", "EXPIRY DATE"),
    "batch_no": ("批次号", "批次", "BATCH NO", "BATCH"),
    "trace_no": ("凭证号", "流水号", "POS流水号", "终端流水号", "VOUCHER NO", "TRACE NO", "TRACE"),
    "auth_code": ("授权码", "授权号", "AUTH NO", "AUTH CODE", "APPROVAL CODE", "APP CODE"),
    "rrn": ("交易参考号", "系统参考号", "检索参考号", "参考号", "REF. NO", "REF NO", "REFERENCE NO", "RRN"),
    "moment": ("日期/时间", "日期时间", "交易时间", "交易日期时间", "DATE/TIME", "DATE TIME"),
    "date": ("交易日期", "日期", "DATE"),
    "time": ("时间", "TIME"),
    "settle_date": ("清算日期", "清算日", "SETTLE DATE"),
    "amount": ("交易金额", "消费金额", "支付金额", "金额", "AMOUNT"),
    "tip": ("小费", "TIPS", "TIP"),
    "total": ("总计", "合计", "总金额", "累计金额", "TOTAL"),
    "response_code": ("应答码", "返回码", "RESPONSE CODE", "RESP CODE"),
    "order_no": ("商户订单号", "商户单号", "订单编号", "订单号", "ORDER NO"),
    "channel_no": ("渠道订单号", "渠道单号", "交易单号", "支付宝交易号", "微信订单号", "付款凭证号", "第三方订单号"),
    "method": ("支付方式", "付款方式", "支付渠道", "PAY TYPE"),
    "original_trace_no": ("原凭证号", "原流水号", "原交易凭证号", "原交易流水号", "ORIG VOUCHER NO", "ORIG TRACE NO"),
    "original_rrn": ("原参考号", "原交易参考号", "原系统参考号", "ORIG REF NO"),
    "original_date": ("原交易日期", "原日期", "ORIG DATE"),
    "original_auth_code": ("原授权码", "原授权号", "原预授权码", "预授权码", "ORIG AUTH NO"),
    "_issuer_says": ("发卡行返回", "中心返回", "收单行返回"),
    "_remark": ("备注", "REFERENCE", "REMARK"),
    "_version": ("版本号", "版本", "VERSION"),
    "_phone": ("服务电话", "客服电话", "电话", "TEL"),
    "_chip": ("ARQC", "TVR", "AID", "TSI", "ATC", "TC", "APPLAB", "APPNAME", "UNPR", "CSN", "AIP", "CVMR", "IAD"),
    "_sign": ("持卡人签名", "签名", "CARDHOLDER SIGNATURE"),
}
# The time of these may stand alone on the next line.
_DATES: Final = frozenset({"moment", "date"})
# These may stand without a colon, straight before their value.
_BARE: Final = frozenset({"type", "amount"})
_STOPS: Final = re.compile(r"[-=_*—─━]{5,}|.*(?:存根|持卡人签名|SIGNATURE|本人确认|I ACKNOWLEDGE|重打印|DUPLICATE)")


@dataclass(frozen=True, slots=True)
class Pair:
    """One label and its value; `below` says the value stood on the next line, `second` that a pair stood before."""

    name: str
    value: str
    line: int
    below: bool = False
    second: bool = False


def normal(line: str) -> str:
    """Half-width forms for full-width ones, no blanks at the end. Works for looking, never for showing."""
    return unicodedata.normalize("NFKC", line).replace("\u00a0", " ").rstrip()


def _label_pattern() -> re.Pattern[str]:
    spelled = [(label, name) for name, labels in LABELS.items() for label in labels]
    spelled.sort(key=lambda item: -len(item[0]))
    choices = "|".join(_spelling(label) for label, _ in spelled)
    english = r"\([^():]{0,30}\)|/[A-Z][A-Z ./]{0,24}?(?=\s*:|\s*$)"
    # At the line's start or behind a blank or bracket; English may follow in brackets or behind a slash.
    return re.compile(
        rf"(?:^|(?<=[\s\[(]))\s*(?P<label>{choices})\s*(?P<english>{english})?\s*(?P<colon>:)?", re.IGNORECASE
    )


def _spelling(label: str) -> str:
    """Hanzi may be spread by blanks; English stands as words."""
    if label.isascii():
        return re.escape(label).replace(r"\ ", r"\s*") + r"\.?(?![A-Za-z])"
    return r"\s*".join(re.escape(sign) for sign in label)


_PATTERN: Final = _label_pattern()
_NAMES: Final = {re.sub(r"[\s.]", "", label).upper(): name for name, labels in LABELS.items() for label in labels}


def pairs(lines: Sequence[str]) -> list[Pair]:
    """Every pair in normalised lines, in order."""
    found: list[Pair] = []
    for number, line in enumerate(lines):
        labels = [match for match in _PATTERN.finditer(line) if _is_label(match, line)]
        for place, match in enumerate(labels):
            end = labels[place + 1].start() if place + 1 < len(labels) else len(line)
            value, below = line[match.end() : end].strip(), False
            if not value and place + 1 == len(labels):
                value = _next_value(lines, number)
                below = bool(value)
            elif name_of(match["label"]) in _DATES and _is_time_below(value, lines, number):
                value = f"{value} {lines[number + 1].strip()}"
            found.append(Pair(name_of(match["label"]), value.rstrip("]").strip(), number, below, second=place > 0))
    return found


def name_of(label: str) -> str:
    return _NAMES[re.sub(r"[\s.]", "", label).upper()]


def _is_label(match: re.Match[str], line: str) -> bool:
    """A label has a colon, or ends its line (value below), or is one of those that go without."""
    if match["colon"]:
        return True
    if name_of(match["label"]) in _BARE and match.end() < len(line):
        return not line[: match.start()].strip()
    return bool(match["english"]) and match.end() == len(line.rstrip())


def _next_value(lines: Sequence[str], number: int) -> str:
    """The next line with something on it, unless it is a label, a rule or another part of the slip."""
    for line in lines[number + 1 :]:
        if line.strip():
            taken = any(_is_label(match, line) for match in _PATTERN.finditer(line)) or _STOPS.match(line.strip())
            return "" if taken else line.strip()
    return ""


def _is_time_below(value: str, lines: Sequence[str], number: int) -> bool:
    below = lines[number + 1].strip() if number + 1 < len(lines) else ""
    return ":" not in value and re.fullmatch(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?", below) is not None
