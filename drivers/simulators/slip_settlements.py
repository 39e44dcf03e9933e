"""The settlement list a simulated card terminal prints, in the layouts of three firmwares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from drivers.simulators.slip_layouts import CREDIT, RULE, Sale, Shop, columns, money, stream, title, two


def settlement(
    shop: Shop, sales: Sequence[Sale], at: dt.datetime, *, balanced: bool = True, reprint: bool = False
) -> bytes:
    """The terminal's own totals of the batch, in the layout of its style."""
    batch = f"{sales[0].batch_no:06}" if sales else "000001"
    make = {1: _settlement_1, 2: _settlement_2, 3: _settlement_3}[shop.style]
    return stream(make(shop, sales, f"{at:%Y/%m/%d %H:%M:%S}", batch, balanced=balanced, reprint=reprint))


def _sums(sales: Sequence[Sale], *kinds: str) -> tuple[int, int]:
    chosen = [sale.amount_minor + sale.tip_minor for sale in sales if sale.kind in kinds]
    return len(chosen), sum(chosen)


_ROWS: Final = (
    ("消费/SALE", "sale"),
    ("退货/REFUND", "refund"),
    ("完成/AUTH COMPLETE", "completion"),
    ("离线/OFFLINE", "offline"),
)
_NO_ROWS: Final = ("电子现金消费/SALE", "完成(通知)/AUTH SETTLEMENT")


def _settlement_1(
    shop: Shop, sales: Sequence[Sale], at: str, batch: str, *, balanced: bool, reprint: bool
) -> list[str | bytes]:
    verdict = "" if reprint else " 对帐平" if balanced else " 对帐不平"  # this firmware leaves it out on a reprint
    lines: list[str | bytes] = [
        *title("结算总计单/SETTLEMENT REPORT"),
        f"商户名称(MERCHANT NAME):{shop.merchant_name}",
        f"商户编号(MERCHANT NO):{shop.merchant_id}",
        f"终端编号(TERMINAL NO):{shop.terminal_id}",
        f"批次号(BATCH NO):{batch}",
        f"日期/时间:{at}",
        "类型/TYPE              笔数/SUM    金额/AMOUNT",
    ]
    for side, chosen in (
        ("内卡", [sale for sale in sales if sale.scheme == "CUP"]),
        ("外卡", [sale for sale in sales if sale.scheme != "CUP"]),
    ):
        lines.append(f"{side}:{verdict}")
        for name, kind in _ROWS:
            count, total = _sums(chosen, kind)
            lines.append(_row(name, count, total))
        lines += [_row(name, 0, 0) for name in _NO_ROWS]
        lines.append(_row("圈存/LOAD", 0, 0) if side == "内卡" else RULE)
    return [*lines, *(["****重打印/DUPLICATED****"] if reprint else [])]


def _row(name: str, count: int, total: int) -> str:
    return name + " " * max(1, 26 - columns(name)) + f" {count:3d}  {money(total):>12}"


def _sides(sales: Sequence[Sale]) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Per side what came in (借记) and what went back (贷记)."""
    found = []
    for side, cup in (("内卡", True), ("外卡", False)):
        chosen = [sale for sale in sales if (sale.scheme == "CUP") is cup]
        found.append((side, _sums(chosen, "sale", "completion", "offline"), _sums(chosen, *CREDIT)))
    return found


def _settlement_2(
    shop: Shop, sales: Sequence[Sale], at: str, batch: str, *, balanced: bool, reprint: bool
) -> list[str | bytes]:
    said = "平" if balanced else "不平"
    lines: list[str | bytes] = [*title("中国银联签购单"), "结算总计单", f"商户编号:   {shop.merchant_id}"]
    lines += [f"终端编号:   {shop.terminal_id}", f"批次号:   {batch}", f"日期时间:   {at}", "类型      笔数      金额"]
    for side, debit, credit in _sides(sales):
        lines += [f"{side}:", _row("借记", *debit), _row("贷记", *credit), f"{side}对账{said}"]
    return [*lines, *(["****重打印****"] if reprint else [])]


_ROWS_3: Final = (("消费", "sale"), ("预授权完成(联机)", "completion"), ("离线:", "offline"), ("退货:", "refund"))


def _settlement_3(
    shop: Shop, sales: Sequence[Sale], at: str, batch: str, *, balanced: bool, reprint: bool
) -> list[str | bytes]:
    said = "平" if balanced else "不平"
    lines: list[str | bytes] = [*title("结算单(重打印)" if reprint else "POS结算单"), f"商户编号：{shop.merchant_id}"]
    lines += [two(f"终端编号：{shop.terminal_id}", f"批次号：{batch}"), f"日期时间：{at}"]
    lines += [f"内卡对帐{said}", f"外卡对帐{said}"]
    for side, cup in (("内卡", True), ("外卡", False)):
        chosen = [sale for sale in sales if (sale.scheme == "CUP") is cup]
        for name, kind in (
            ("消费", "sale"),
            ("预授权完成(联机)", "completion"),
            ("离线:", "offline"),
            ("退货:", "refund"),
        ):
            lines.append(_row(side + name, *_sums(chosen, kind)))
    return lines
