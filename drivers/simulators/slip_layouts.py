"""What simulated card terminals print: the same payment in the layouts of three firmwares, as printer bytes.

Pure: nothing here reads a clock or rolls dice. Labels, order and punctuation follow what the firmwares of LiaoYang
(style 1: value below its label), HX123S (2: label and value on a line) and openpos (3: two pairs on a line) print;
card numbers are masked ones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 48
SECOND: Final = 29  # style 3: column of the second pair
RULE: Final = "-" * 47
START: Final = b"\x1b@\x1c&"
BIG, TALL, SMALL = b"\x1d!\x11", b"\x1d!\x01", b"\x1d!\x00"
CENTER, LEFT = b"\x1ba\x01", b"\x1ba\x00"
CUT: Final = b"\x1dVB\x00"

TYPES: Final = {
    "sale": ("消费", "SALE"),
    "void": ("消费撤销", "VOID"),
    "refund": ("退货", "REFUND"),
    "preauth": ("预授权", "AUTH"),
    "preauth_void": ("预授权撤销", "AUTH VOID"),
    "completion": ("预授权完成(请求)", "AUTH COMPLETE"),
    "completion_void": ("预授权完成撤销", "COMPLETE VOID"),
    "offline": ("离线结算", "OFFLINE"),
}
COPIES: Final = {
    "merchant": ("商户存根", "MERCHANT COPY"),
    "bank": ("银行存根", "BANK COPY"),
    "customer": ("持卡人存根", "CARDHOLDER COPY"),
}
CREDIT: Final = frozenset({"void", "refund", "completion_void"})  # money that goes back


@dataclass(frozen=True, slots=True)
class Shop:
    """A terminal and where it stands. `style` is 1, 2 or 3."""

    style: int = 1
    english: bool = True
    merchant_name: str = "测试商户"
    merchant_id: str = "898110057220001"
    terminal_id: str = "12345678"
    operator: str = "01"
    issuer: str = "工商银行"
    acquirer: str = "银联商务"


@dataclass(frozen=True, slots=True)
class Sale:
    """One payment of a simulated terminal. `at` is the terminal's own time."""

    amount_minor: int
    trace_no: int
    batch_no: int
    at: dt.datetime
    kind: str = "sale"
    card_masked: str = "622202******8888"
    entry: str = "I"
    auth_code: str = "123456"
    rrn: str = "130514000345"
    scheme: str = "CUP"
    tip_minor: int = 0
    original_trace_no: int = 0
    original_rrn: str = ""
    original_date: str = ""
    original_auth_code: str = ""


def columns(text: str) -> int:
    return len(text.encode("gb18030"))


def money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def slip(shop: Shop, sale: Sale, copy: str = "merchant", *, reprint: bool = False) -> bytes:
    """One copy of a payment's slip, with its cut."""
    layout = {1: _style_1, 2: _style_2, 3: _style_3}[shop.style]
    return stream(layout(shop, sale, copy, reprint=reprint))


def fault_slip(shop: Shop, sale: Sale) -> bytes:
    """A reversal that failed: looks like a slip, is no payment."""
    lines = ["***故障报告单,非凭证联***", *_style_2(shop, sale, "merchant", reprint=False)[3:], "冲正不成功,请人工处理"]
    return stream(lines)


def testing_slip(shop: Shop, sale: Sale) -> bytes:
    """What a terminal in test mode prints."""
    return stream([*_style_1(shop, sale, "merchant", reprint=False), "***测试/TESTING,凭证无效***"])


def stream(lines: Sequence[str | bytes]) -> bytes:
    body = b"".join(line if isinstance(line, bytes) else line.encode("gb18030") + b"\n" for line in lines)
    return START + body + b"\n" * 4 + CUT


def title(text: str) -> list[str | bytes]:
    size = BIG if columns(text) * 2 <= WIDTH else TALL
    return [CENTER + size + text.encode("gb18030") + b"\n" + SMALL + LEFT]


def _grouped(card: str) -> str:
    return " ".join(card[at : at + 4] for at in range(0, len(card), 4))


def _label(shop: Shop, chinese: str, english: str) -> str:
    return f"{chinese}({english})" if shop.english else chinese


def _remarks(sale: Sale) -> list[str | bytes]:
    """原… lines of voids, refunds and completions."""
    found: list[str | bytes] = []
    if sale.original_trace_no:
        found.append(f"原凭证号:{sale.original_trace_no:06}")
    if sale.original_rrn:
        found.append(f"原参考号:{sale.original_rrn}")
    if sale.original_date:
        found.append(f"原交易日期:{sale.original_date}")
    if sale.original_auth_code:
        found.append(f"{'预授权码' if sale.kind == 'completion' else '原预授权码'}:{sale.original_auth_code}")
    return found


def _head_1(shop: Shop, sale: Sale, copy: str) -> list[str | bytes]:
    chinese, english = TYPES[sale.kind]
    mine, theirs = COPIES[copy]
    return [
        RULE,
        *title("银联POS签购单/POS SALES SLIP" if shop.english else "银联POS签购单"),
        mine + " " * (29 - columns(mine)) + theirs,
        RULE,
        _label(shop, "商户名称", "MERCHANT NAME") + ":",
        shop.merchant_name,
        _label(shop, "商户编号", "MERCHANT NO") + ":",
        shop.merchant_id,
        _label(shop, "终端编号", "TERMINAL NO") + ":",
        shop.terminal_id,
        f"{_label(shop, '操作员号', 'OPERATOR NO')}:  {shop.operator}",
        f"{_label(shop, '发卡行', 'ISSUER')}:{shop.issuer}",
        *([f"[外卡组织:{sale.scheme}]"] if sale.scheme != "CUP" else []),
        _label(shop, "卡号", "CARD NO") + ":",
        f"{_grouped(sale.card_masked)}    {sale.entry}",
        f"{_label(shop, '收单行', 'ACQ')}:{shop.acquirer}",
        _label(shop, "交易类型", "TXN. TYPE") + ":",
        f"  {chinese}({english})" if shop.english else f"  {chinese}",
        f"{_label(shop, '卡有效期', 'EXP. DATE')}:   2028/12",
    ]


def _style_1(shop: Shop, sale: Sale, copy: str, *, reprint: bool) -> list[str | bytes]:
    lines = [
        *_head_1(shop, sale, copy),
        RULE,
        f"{_label(shop, '批次号', 'BATCH NO')}  :{sale.batch_no:06}",
        f"{_label(shop, '凭证号', 'VOUCHER NO')}:{sale.trace_no:06}",
        f"{_label(shop, '授权码', 'AUTH NO')}   :{sale.auth_code}",
        _label(shop, "日期/时间", "DATE/TIME") + ":",
        f"   {sale.at:%Y/%m/%d %H:%M:%S}",
        f"{_label(shop, '交易参考号', 'REF. NO')}:{sale.rrn}",
        _label(shop, "金额", "AMOUNT") + ":",
        BIG + f"RMB:{money(sale.amount_minor)}\n".encode() + SMALL,
    ]
    if sale.tip_minor:
        lines += [f"{_label(shop, '小费', 'TIPS')}:RMB:{money(sale.tip_minor)}"]
        lines += [f"{_label(shop, '总计', 'TOTAL')}:RMB:{money(sale.amount_minor + sale.tip_minor)}"]
    lines += [RULE, "备注/REFERENCE" if shop.english else "备注", *_remarks(sale)]
    if sale.entry == "I":
        lines += ["ARQC: 1A2B3C4D5E6F7081", "TVR: 0000048000", "AID: A000000333010102", "TSI: F800", "ATC: 0012"]
    lines += ["****重打印/DUPLICATED****"] if reprint else []
    lines += ["持卡人签名(CARDHOLDER SIGNATURE)", "", ""] if copy != "customer" else []
    return [*lines, RULE, "本人确认以上交易,同意将其计入本卡账户"]


def _style_2(shop: Shop, sale: Sale, copy: str, *, reprint: bool) -> list[str | bytes]:
    chinese, english = TYPES[sale.kind]
    mine, _ = COPIES[copy]
    return [
        *title("中国银联签购单"),
        f"{mine}     CARDHOLDER COPY",  # this firmware prints the wrong English on every copy
        RULE,
        f"{_label(shop, '商户名称', 'MERCHANT NAME')}:   {shop.merchant_name}",
        f"{_label(shop, '商户编号', 'MERCHANT NO')}:   {shop.merchant_id}",
        f"{_label(shop, '终端编号', 'TERMINAL NO')}:   {shop.terminal_id}",
        f"{_label(shop, '操作员号', 'OPERATOR NO')}:   {shop.operator}",
        f"{_label(shop, '发卡行', 'ISSUER')}:   {shop.issuer}",
        f"卡    号:   {sale.card_masked} /{sale.entry}",
        f"{_label(shop, '交易类型', 'TXN. TYPE')}:   {chinese + f'({english})' if shop.english else chinese}",
        f"{_label(shop, '批次号', 'BATCH NO')}:   {sale.batch_no:06}",
        f"{_label(shop, '凭证号', 'VOUCHER NO')}:   {sale.trace_no:06}",
        f"{_label(shop, '授权码', 'AUTH NO')}:   {sale.auth_code}",
        f"{_label(shop, '参考号', 'REF. NO')}:   {sale.rrn}",
        f"{_label(shop, '日期时间', 'DATE/TIME')}:   {sale.at:%Y/%m/%d}",
        f"      {sale.at:%H:%M:%S}",
        BIG + f"金额:   RMB {money(sale.amount_minor)}\n".encode("gb18030") + SMALL,
        *_remarks(sale),
        *(["****重打印****"] if reprint else []),
        *(["持卡人签名:", "", ""] if copy != "customer" else []),
        "本人确认以上交易",
    ]


def two(first: str, second: str) -> str:
    return first + " " * max(1, SECOND - 1 - columns(first)) + second


def _style_3(shop: Shop, sale: Sale, copy: str, *, reprint: bool) -> list[str | bytes]:
    chinese, english = TYPES[sale.kind]
    sign = "-" if sale.kind in CREDIT else ""  # this firmware shows the direction, the others do not
    return [
        *title("中国银联POS签购单"),
        COPIES[copy][0],
        RULE,
        f"商户名称：{shop.merchant_name}",
        two(f"商户编号：{shop.merchant_id}", f"操作员：{shop.operator}"),
        two(f"终端编号：{shop.terminal_id}", f"清算日期：{sale.at:%m/%d}"),
        two(f"发卡行：{shop.issuer}", f"收单行：{shop.acquirer}"),
        f"卡    号：{sale.card_masked} /{sale.entry}",
        f"交易类型：{chinese}/{english}",
        two(f"批次号：{sale.batch_no:06}", f"凭证号：{sale.trace_no:06}"),
        two(f"日  期：{sale.at:%Y/%m/%d}", f"时  间：{sale.at:%H:%M:%S}"),
        two(f"授权号：{sale.auth_code}", f"参考号：{sale.rrn}"),
        BIG + f"金额：     RMB  {sign}{money(sale.amount_minor)}\n".encode("gb18030") + SMALL,
        *_remarks(sale),
        *(["重打印(DUPLICATED)"] if reprint else []),
        *(["持卡人签名：", "", ""] if copy != "customer" else []),
        "请妥善保管",
    ]
