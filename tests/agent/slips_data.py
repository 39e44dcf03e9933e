"""A day in an invented noodle shop, as the templates are given it. Card numbers are synthetic and masked."""

from __future__ import annotations

from typing import Any

Data = dict[str, Any]

SALE: Data = {
    "transaction_type": "sale",
    "outcome": "approved",
    "amount_minor": 12850,
    "currency": "CNY",
    "terminal_id": "12345678",
    "merchant_id": "898110057220001",
    "merchant_name": "幸福面馆（人民路店）",
    "operator": "01",
    "batch_no": "000012",
    "trace_no": "000345",
    "rrn": "130514000345",
    "auth_code": "123456",
    "method": "card",
    "card_masked": "622202******8888",
    "card_scheme": "CUP",
    "issuer": "工商银行",
    "acquirer": "银联商务",
    "entry_mode": "chip",
    "terminal_time": "2026-06-22T13:14:15",
    "copy": "merchant",
    "seq": 345,
}
WALLET: Data = {
    "transaction_type": "sale",
    "outcome": "approved",
    "amount_minor": 4500,
    "currency": "CNY",
    "terminal_id": "12345678",
    "merchant_id": "898110057220001",
    "merchant_name": "幸福面馆（人民路店）",
    "batch_no": "000012",
    "trace_no": "000346",
    "method": "alipay",
    "entry_mode": "qr",
    "order_no": "20260622131500034600012345",
    "channel_no": "2026062222001412341234567890",
    "terminal_time": "2026-06-22T13:20:03",
    "seq": 346,
}
REFUND: Data = {
    **SALE,
    "transaction_type": "refund",
    "amount_minor": 2000,
    "trace_no": "000350",
    "original_rrn": "130514000345",
    "original_date": "2026-06-22",
    "terminal_time": "2026-06-22T15:02:44",
    "seq": 350,
}
PREAUTH: Data = {**SALE, "transaction_type": "preauth", "amount_minor": 12345600, "trace_no": "000351", "seq": 351}
UNKNOWN: Data = {
    **SALE,
    "outcome": "unknown",
    "amount_minor": 8800,
    "trace_no": "000352",
    "terminal_time": "2026-06-22T19:40:10",
    "seq": 352,
}
DECLINED: Data = {**UNKNOWN, "outcome": "declined", "response_code": "51", "trace_no": "000353", "seq": 353}


def _total(kind: str, count: int, amount_minor: int) -> Data:
    return {"transaction_type": kind, "currency": "CNY", "count": count, "amount_minor": amount_minor}


DAY: Data = {
    "shop": "幸福面馆（人民路店）",
    "day": "2026-06-22",
    "number": 12,
    "closed_at": "2026-06-22T23:00:02+08:00",
    "late": False,
    "interim": False,
    "first_seq": 101,
    "last_seq": 187,
    "head": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "totals": [_total("sale", 12, 123450), _total("refund", 1, 2000), _total("completion_void", 1, 1000)],
    "methods": [
        {"method": "card", "card_scheme": "CUP", "currency": "CNY", "count": 8, "amount_minor": 80000},
        {"method": "card", "card_scheme": "VISA", "currency": "CNY", "count": 1, "amount_minor": 30000},
        {"method": "wechat", "currency": "CNY", "count": 3, "amount_minor": 10450},
    ],
    "net": [{"currency": "CNY", "amount_minor": 120450}],
    "transactions": [SALE, WALLET, REFUND, PREAUTH, UNKNOWN],
    "unknown": [UNKNOWN],
    "unprinted": [WALLET],
    "unsynced": {"count": 12, "since": "2026-06-22T20:11:00"},
    "blind": [{"terminal": "前台", "from": "2026-06-22T16:01:12", "to": "2026-06-22T16:04:40"}],
    "clock": ["2026-06-22 08:00:01 系统时间向前跳 3 分 12 秒"],
    "terminals": [
        {
            "terminal_id": "12345678",
            "ours": [_total("sale", 12, 123450), _total("refund", 1, 2000)],
            "theirs": [_total("sale", 11, 118950), _total("refund", 1, 2000)],
            "difference": [{"currency": "CNY", "amount_minor": 4500}],
        },
        {"terminal_id": "87654321", "ours": [_total("sale", 1, 100)], "theirs": None, "difference": []},
    ],
}
CLEAR: Data = {
    **DAY,
    "unknown": [],
    "unprinted": [],
    "unsynced": {"count": 0},
    "blind": [],
    "clock": [],
    "transactions": [SALE, WALLET, REFUND],
    "terminals": [{**DAY["terminals"][0], "theirs": DAY["terminals"][0]["ours"], "difference": []}],
}
EMPTY: Data = {
    **CLEAR,
    "number": 13,
    "late": True,
    "closed_at": "2026-06-24T08:31:00+08:00",
    "totals": [],
    "methods": [],
    "net": [],
    "transactions": [],
    "terminals": [],
}
DETAILS: Data = {
    "shop": DAY["shop"],
    "day": DAY["day"],
    "printed_at": "2026-06-22T21:30:00",
    "transactions": [SALE, WALLET, REFUND, DECLINED],
    "net": [{"currency": "CNY", "amount_minor": 15350}],
}
SETTLEMENT: Data = {
    "terminal_id": "12345678",
    "merchant_id": "898110057220001",
    "merchant_name": "幸福面馆（人民路店）",
    "batch_no": "000012",
    "terminal_time": "2026-06-22T22:01:02",
    "currency": "CNY",
    "seq": 188,
    "totals": [
        {"group": "domestic", "transaction_type": "sale", "count": 11, "amount_minor": 118950},
        {"group": "domestic", "transaction_type": "refund", "count": 1, "amount_minor": 2000},
        {"group": "foreign", "transaction_type": "sale", "count": 0, "amount_minor": 0},
    ],
    "verdict": {"domestic": "balanced", "foreign": "unbalanced"},
}
TEST_PAGE: Data = {
    "shop": DAY["shop"],
    "printer": "前台 58mm",
    "charset": "gb18030",
    "printed_at": "2026-06-22T08:00:00+08:00",
}

# name of the golden file: template, data
CASES: dict[str, tuple[str, Data]] = {
    "sale": ("sale", SALE),
    "sale_signed": ("sale", {**SALE, "signature": True}),
    "sale_wallet": ("sale", WALLET),
    "refund": ("sale", REFUND),
    "unknown": ("status_note", UNKNOWN),
    "declined": ("status_note", DECLINED),
    "day_list": ("day_list", DAY),
    "day_list_clear": ("day_list", CLEAR),
    "day_list_empty_late": ("day_list", EMPTY),
    "interim": ("interim", CLEAR),
    "details": ("details", DETAILS),
    "settlement": ("settlement", SETTLEMENT),
    "test_page": ("test_page", TEST_PAGE),
}
