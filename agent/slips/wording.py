"""The words of slips: what values are called on paper, and the sentences no template may leave out.

Slip words are not interface messages: a slip is written in the language of the shop's papers, whoever reads the screen.
So they stand here as tables, beside the templates, and the catalogue of `agent.words` knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Table = Mapping[str, tuple[str, str, str, str]]

# value: Chinese, Chinese in four columns, English, English in four columns
_TYPES: Final[Table] = {
    "sale": ("消费", "消费", "SALE", "SALE"),
    "void": ("消费撤销", "撤销", "VOID", "VOID"),
    "refund": ("退货", "退货", "REFUND", "RFND"),
    "preauth": ("预授权", "预授", "PRE-AUTH", "AUTH"),
    "preauth_void": ("预授权撤销", "预撤", "PRE-AUTH VOID", "AVOI"),
    "completion": ("预授权完成", "完成", "AUTH COMPLETE", "COMP"),
    "completion_void": ("预授权完成撤销", "完撤", "COMPLETE VOID", "CVOI"),
    "offline": ("离线消费", "离线", "OFFLINE SALE", "OFFL"),
    "adjustment": ("调整", "调整", "ADJUSTMENT", "ADJ"),
    "tip": ("小费", "小费", "TIP", "TIP"),
    "balance": ("余额查询", "余额", "BALANCE", "BAL"),
    "load": ("圈存", "圈存", "LOAD", "LOAD"),
    "reversal": ("冲正", "冲正", "REVERSAL", "REV"),
    "other": ("其他", "其他", "OTHER", "OTHR"),
    "debit": ("借记", "借记", "DEBIT", "DEB"),  # all some terminals say in their totals
    "credit": ("贷记", "贷记", "CREDIT", "CRED"),
}
_OUTCOMES: Final[Table] = {
    "approved": ("成功", "成功", "APPROVED", "OK"),
    "declined": ("失败", "失败", "DECLINED", "DECL"),
    "unknown": ("结果不明", "不明", "UNKNOWN", "UNKN"),
}
_METHODS: Final[Table] = {
    "card": ("银行卡", "卡", "Card", "CARD"),
    "wechat": ("微信支付", "微信", "WeChat Pay", "WX"),
    "alipay": ("支付宝", "阿里", "Alipay", "ALI"),
    "unionpay_qr": ("银联二维码", "银联", "UnionPay QR", "UPQR"),
    "cash": ("现金", "现金", "Cash", "CASH"),
    "other": ("其他", "其他", "Other", "OTHR"),
}
_ENTRY_MODES: Final[Table] = {  # the letters UnionPay slips print behind the card number
    "chip": ("插卡", "I", "chip", "I"),
    "swipe": ("刷卡", "S", "swipe", "S"),
    "manual": ("手工", "M", "manual", "M"),
    "contactless": ("非接", "C", "contactless", "C"),
    "fallback": ("降级刷卡", "F", "fallback", "F"),
    "qr": ("扫码", "Q", "QR", "Q"),
}
_CARD_TYPES: Final[Table] = {
    "debit": ("借记卡", "借记", "debit", "DEB"),
    "credit": ("贷记卡", "贷记", "credit", "CRED"),
    "prepaid": ("预付卡", "预付", "prepaid", "PREP"),
}
_COPIES: Final[Table] = {
    "merchant": ("商户存根", "商户", "MERCHANT COPY", "MERC"),
    "customer": ("持卡人存根", "持卡", "CARDHOLDER COPY", "CUST"),
    "bank": ("银行存根", "银行", "BANK COPY", "BANK"),
}
_GROUPS: Final[Table] = {
    "domestic": ("内卡", "内卡", "Domestic cards", "DOM"),
    "foreign": ("外卡", "外卡", "Foreign cards", "FOR"),
    "all": ("合计", "合计", "All cards", "ALL"),
}
_VERDICTS: Final[Table] = {
    "balanced": ("对账平", "平", "balanced", "OK"),
    "unbalanced": ("对账不平", "不平", "NOT BALANCED", "DIFF"),
    "error": ("对账出错", "出错", "ERROR", "ERR"),
}
_TABLES: Final[Mapping[str, Table]] = {
    "transaction_type": _TYPES,
    "outcome": _OUTCOMES,
    "method": _METHODS,
    "entry_mode": _ENTRY_MODES,
    "card_type": _CARD_TYPES,
    "copy": _COPIES,
    "group": _GROUPS,
    "verdict": _VERDICTS,
}
FIELDS: Final = frozenset(_TABLES)

_WEEKDAYS: Final = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}

_SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "composed": ("由日志重组，非终端原始签购单", "Composed from the journal, not by the terminal"),
    "composed_settlement": ("由日志重组，非终端原始结算单", "Composed from the journal, not by the terminal"),
    "raw": ("按终端原始打印数据补打", "From the terminal's own print"),
    "no_slip": ("状态说明（非签购单）", "STATUS NOTE (NOT A SALES SLIP)"),
    "about_unknown": (
        "本交易结果不明：可能已扣款，也可能未扣款。请在终端上查询或联系收单机构，查明之前勿放货、勿重刷。",
        "Outcome unknown: the customer may have been charged or not. Ask the terminal or the acquirer first.",
    ),
    "about_declined": ("本交易未成功，未收款。", "This transaction failed. Nothing was charged."),
    "interim": ("中间清单，不结账、不清零", "Interim list: closes nothing"),
    "late": ("迟结：本清单在营业日结束之后补出", "LATE: made after the day ended"),
    "duplicate": ("重打印 / DUPLICATE", "DUPLICATE"),
    "nth_copy": ("第 {count} 次补打", "Reprint no. {count}"),
    "original_at": ("原始时间", "Original"),
    "printed_at": ("补打时间", "Reprinted"),
    "operator": ("操作员", "Operator"),
    "slip_title": ("签购单", "Sales slip"),
    "day_list_title": ("结算清单", "Day list"),
    "interim_title": ("中间清单", "Interim list"),
    "details_title": ("交易明细", "Transaction details"),
    "settlement_title": ("终端结算单", "Terminal settlement"),
    "unread_title": ("终端小票", "Terminal slip"),
    "test_title": ("打印测试页", "Printer test page"),
    "number": ("第 {number} 号", "No. {number}"),
}


def word(field: str, value: str, language: str, *, short: bool = False) -> str:
    """What `value` of the canonical `field` is called; the value itself when nobody named it. Short: ≤ 4 columns."""
    names = _TABLES.get(field, {}).get(value)
    if names is None:
        return value
    return names[(0 if language == "zh" else 2) + short]


def bilingual(field: str, value: str, language: str) -> str:
    """As UnionPay slips print it: 消费/SALE on Chinese paper, SALE on English."""
    chinese, english = word(field, value, "zh"), word(field, value, "en")
    return f"{chinese}/{english}" if language == "zh" and chinese != english else english


def sentence(name: str, language: str, **values: object) -> str:
    text = _SENTENCES[name][language != "zh"]
    return text.format(**values) if values else text


def weekday(number: int, language: str) -> str:
    """0 is Monday."""
    return _WEEKDAYS["zh" if language == "zh" else "en"][number]
