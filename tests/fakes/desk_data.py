"""What the fake desk knows: a shop, a day of sales with every kind of trouble in it, slips as text."""

from __future__ import annotations

from typing import Any

from agent.money import Money

SHOP = "晨光便利店 一号店"
TYPES = {"sale": "消费(SALE)", "void": "消费撤销(VOID)", "refund": "退货(REFUND)", "preauth_void": "预授权撤销(CANCEL)"}


def status() -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "shop": SHOP,
        "language": "zh",
        "now": "2024-05-06T13:20:31+08:00",
        "clock": "ok",
        "journal": {"id": "3f0c1f7e", "seq": 1289, "head": "9a77c1d2e4b85f60", "size_bytes": 2_310_144},
        "terminals": [
            {
                "name": "pos1",
                "driver": "slip-tap",
                "mode": "printer",
                "state": "connected",
                "since": "2024-05-06T08:01:12+08:00",
                "last_at": "2024-05-06T13:14:15+08:00",
            }
        ],
        "printers": [
            {
                "name": "front",
                "level": 1,
                "status": {
                    "online": "yes",
                    "paper": "yes",
                    "paper_low": "unknown",
                    "cover_closed": "yes",
                    "fault": "no",
                },
                "queue": 0,
                "held": 0,
            }
        ],
        "day": {
            "date": "2024-05-06",
            "closes_at": "2024-05-07T04:00:00+08:00",
            "next_number": 13,
            "count": 8,
            "totals": [
                {"transaction_type": "sale", "currency": "CNY", "count": 6, "amount_minor": 1_234_550},
                {"transaction_type": "refund", "currency": "CNY", "count": 1, "amount_minor": 5_000},
            ],
            "unknown": 1,
        },
        "sync": {
            "state": "waiting",
            "cursor": 1286,
            "unsent": 3,
            "oldest_unsent_at": "2024-05-06T13:02:00+08:00",
            "last_ok_at": "2024-05-06T13:01:44+08:00",
            "last_error": "",
        },
        "unprinted": 2,
        "alarms": [],
    }


def sale(seq: int, time: str, minor: int, card: str, trace: str, **other: Any) -> dict[str, Any]:
    """One transaction as the desk tells it; `other` overrides."""
    return {
        "seq": seq,
        "at": f"2024-05-06T{time}+08:00",
        "day": "2024-05-06",
        "source": "pos1",
        "reprints": 0,
        "printed": "unknown",  # the terminal's own printer: nobody here can see it
        "transaction_type": "sale",
        "outcome": "approved",
        "amount_minor": minor,
        "currency": "CNY",
        "terminal_id": "12345678",
        "merchant_id": "898110057220001",
        "merchant_name": "晨光便利店",
        "batch_no": "000012",
        "trace_no": trace,
        "rrn": f"1305140{trace[1:]}",
        "auth_code": "123456",
        "method": "card",
        "card_masked": card,
        "terminal_time": f"2024-05-06T{time}",
        **other,
    }


def sales() -> list[dict[str, Any]]:
    """Newest first."""
    return [
        sale(1288, "13:14:15", 12850, "622202******8888", "000345", printed="no"),
        sale(1285, "13:02:40", 880, "622848******1234", "000344"),
        sale(1283, "12:47:03", 1_150_000, "411111******1111", "000343", outcome="unknown"),
        sale(
            1280, "12:31:59", 5000, "622202******0005", "000342", transaction_type="refund", reprints=2, printed="yes"
        ),
        sale(1277, "12:05:10", 23990, "622260******7777", "000341"),
        sale(1270, "11:58:44", 12850, "621700******4321", "000340", outcome="declined"),
        sale(1266, "10:22:31", 100, "622202******8888", "000339", transaction_type="preauth_void"),
        sale(1261, "09:05:00", 45000, "356600******0008", "000338", reprints=1, printed="yes"),
    ]


def job_row(name: str, purpose: str, title: str, *road: str) -> dict[str, Any]:
    """A print job in the first state of `road`; the rest lies ahead of it."""
    return {
        "id": name,
        "purpose": purpose,
        "title": title,
        "printer": "front",
        "state": road[0],
        "why": "",
        "seq": None,
        "copy_no": 0,
        "at": "2024-05-06T13:20:00+08:00",
        "operator": "",
        "reason": "",
        "again_of": "",
        "history": [{"state": road[0], "at": "2024-05-06T13:20:00+08:00", "why": ""}],
        "ahead": list(road[1:]),
    }


def open_jobs() -> list[dict[str, Any]]:
    """Two slips nobody saw, and a list that is no payment's slip."""
    held = job_row("old1", "reprint", "签购单 000345", "held")
    held |= {"seq": 1288, "copy_no": 1, "why": "the printer is out of paper"}
    unknown = job_row("old2", "reprint", "签购单 000342", "unknown")
    unknown |= {"seq": 1280, "copy_no": 2, "why": "the connection to the printer broke"}
    return [held, unknown, job_row("old3", "day_list", "结算清单", "held")]


def closed_days() -> list[dict[str, Any]]:
    return [
        {
            "day": f"2024-05-{5 - back:02}",
            "number": 12 - back,
            "seq": 1200 - 100 * back,
            "closed_at": f"2024-05-{6 - back:02}T04:00:00+08:00",
            "count": 34 - back,
            "totals": [{"transaction_type": "sale", "currency": "CNY", "count": 34, "amount_minor": 985_000}],
            "first_seq": 1100,
            "last_seq": 1199,
            "head": "ab" * 32,
            "late": back == 1,
        }
        for back in range(3)
    ]


def slip_text(one: dict[str, Any], as_what: str) -> str:
    """The paper: 48 columns, brackets and full-width signs as terminals print them."""
    rule = "-" * 48
    again = [f"     ** 重打印 / DUPLICATE  第 {one['reprints'] + 1} 次 **"] if as_what == "reprint" else []
    note = ["          状态说明（非签购单）"] if one["outcome"] != "approved" else []
    return "\n".join(
        [
            *again,
            *note,
            rule,
            "银联POS签购单/POS SALES SLIP",
            "商户存根                     MERCHANT COPY",
            rule,
            f"商户名称(MERCHANT NAME): {one['merchant_name']}",
            f"商户编号(MERCHANT NO): {one['merchant_id']}",
            f"终端编号(TERMINAL NO): {one['terminal_id']}",
            "发卡行(ISSUER): 工商银行  [外卡组织:CUP]",
            f"卡号(CARD NO): {one['card_masked']}",
            f"交易类型(TXN. TYPE): {TYPES.get(one['transaction_type'], one['transaction_type'])}",
            rule,
            f"批次号(BATCH NO)  :{one['batch_no']}",
            f"凭证号(VOUCHER NO):{one['trace_no']}",
            f"授权码(AUTH NO)   :{one['auth_code']}",
            f"日期/时间: {one['terminal_time'].replace('T', ' ')}",
            f"交易参考号(REF. NO): {one['rrn']}",
            f"金额(AMOUNT)：RMB {Money(one['amount_minor'], 'CNY').number()}",
            rule,
            *again,
        ]
    )
