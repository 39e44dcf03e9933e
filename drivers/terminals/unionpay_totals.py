"""The terminal's own lists: settlement (结算总计单), totals without settlement (交易总计单), details (交易明细).

Three styles of rows: name, count, amount below a heading 内卡/外卡; 借记/贷记 rows per side; rows whose name begins
with 内卡/外卡. Rows are told as printed, nothing is added up. A reprint of one firmware leaves the verdict out: then it
is unknown here too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agent.fields import Json, Kind, TransactionType

_SETTLEMENT: Final = re.compile(r"结\s*算\s*总\s*计\s*单|结\s*算\s*单|SETTLEMENT\s+(?:REPORT|SLIP)", re.IGNORECASE)
_TOTALS: Final = re.compile(r"交易总计单|交易汇总|TOTALS?\s+REPORT", re.IGNORECASE)
_DETAILS: Final = re.compile(r"交易明细|TXN\.? *LIST|TRANSACTION +LIST|UNSUCCESS+FUL +LIST|DENIED +LIST", re.IGNORECASE)

_GROUP: Final = re.compile(r"\s*(?P<group>内卡|外卡)\s*(?P<rest>.*)")
_GROUPS: Final = {"内卡": "domestic", "外卡": "foreign"}
_VERDICT: Final = re.compile(r"(?P<group>内卡|外卡)\s*:?\s*对\s*[帐账]\s*(?P<said>不平|平|出错|错误)")
_VERDICTS: Final = {"平": "balanced", "不平": "unbalanced", "出错": "error", "错误": "error"}
_ROW: Final = re.compile(
    r"\s*(?P<name>\S.*?)\s*:?\s+(?P<count>[0-9]{1,6})\s+(?:RMB|CNY|¥)?\s*-?(?P<whole>[0-9,]{1,15})\.(?P<part>[0-9]{2})\s*"
)
# debit and credit are all a terminal says of a side in the second style
_ROWS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"借记|DEBIT", "debit"),
        (r"贷记|CREDIT", "credit"),
        (r"完成.*撤销", TransactionType.COMPLETION_VOID.value),
        (r"完成|COMPLETE|AUTH SETTLEMENT", TransactionType.COMPLETION.value),
        (r"撤销|VOID", TransactionType.VOID.value),
        (r"退货|退款|REFUND", TransactionType.REFUND.value),
        (r"离线|OFFLINE", TransactionType.OFFLINE.value),
        (r"小费|TIPS?", TransactionType.TIP.value),
        (r"圈存|LOAD", TransactionType.LOAD.value),
        (r"消费|SALE", TransactionType.SALE.value),
    )
)


def read(lines: Sequence[str]) -> tuple[Kind, dict[str, Json], str] | None:
    """Kind, fields and profile of a list, or None. `lines` are normalised."""
    head = "\n".join(lines[:12])
    if _DETAILS.search(head):
        return Kind.DETAIL_LIST, {}, "unionpay-details"
    if _TOTALS.search(head):
        return Kind.DETAIL_LIST, _totals(lines), "unionpay-totals"
    if not _SETTLEMENT.search(head):
        return None
    fields = _totals(lines)
    verdict: dict[str, Json] = {
        _GROUPS[match["group"]]: _VERDICTS[match["said"]] for line in lines for match in _VERDICT.finditer(line)
    }
    if verdict:
        fields["verdict"] = verdict
    return Kind.SETTLEMENT, fields, "unionpay-settlement"


def _totals(lines: Sequence[str]) -> dict[str, Json]:
    rows: list[Json] = []
    group = "all"
    for line in lines:
        heading = _GROUP.fullmatch(line)
        own = group
        if heading:
            own = _GROUPS[heading["group"]]
            if not _ROW.fullmatch(line):
                group = own  # a heading: what follows belongs to it
                continue
        row = _ROW.fullmatch(line)
        kind = row and next((kind for pattern, kind in _ROWS if pattern.search(row["name"])), None)
        if row and kind:
            amount_minor = int(row["whole"].replace(",", "") or 0) * 100 + int(row["part"])
            rows.append(
                {"group": own, "transaction_type": kind, "count": int(row["count"]), "amount_minor": amount_minor}
            )
    return {"totals": rows, "currency": "CNY"} if rows else {}
