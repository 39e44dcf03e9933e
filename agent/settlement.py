"""The day's list as figures: totals, what is unknown, and ours against the terminal's own. Pure.

Only approved payments count. Void, refund and the like carry their direction in the type, amounts are never negative;
`net` is the only figure with a sign. Currencies are never added to each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from agent.fields import Outcome, TransactionType

# The direction of the money. What is not here moves none (balance, pre-authorisation and its void).
_DIRECTION: Final[Mapping[str, int]] = {
    TransactionType.SALE: 1,
    TransactionType.COMPLETION: 1,
    TransactionType.OFFLINE: 1,
    TransactionType.TIP: 1,
    TransactionType.ADJUSTMENT: 1,
    TransactionType.LOAD: 1,
    TransactionType.VOID: -1,
    TransactionType.REFUND: -1,
    TransactionType.COMPLETION_VOID: -1,
    TransactionType.REVERSAL: -1,
    "debit": 1,  # totals of a terminal that adds its types up: 借记 and 贷记
    "credit": -1,
}
_ORDER: Final = {name: place for place, name in enumerate(TransactionType)}

Fields = Mapping[str, Any]


def counts(fields: Fields) -> bool:
    """Whether a payment is money: approved, with an amount."""
    return fields.get("outcome") == Outcome.APPROVED and "amount_minor" in fields and "currency" in fields


def totals(payments: Iterable[Fields]) -> list[dict[str, Any]]:
    """Count and sum of approved payments by type and currency, in the order of the types."""
    return _sums(payments, ("transaction_type", "currency"))


def methods(payments: Iterable[Fields]) -> list[dict[str, Any]]:
    """Count and signed sum by method and card scheme, money-moving types only."""
    moving = [p for p in payments if _DIRECTION.get(p.get("transaction_type", ""), 0)]
    return _sums(moving, ("method", "card_scheme", "currency"), signed=True)


def net(payments: Iterable[Fields]) -> list[dict[str, Any]]:
    """What the day brought, by currency: sales minus voids and refunds."""
    moving = [p for p in payments if _DIRECTION.get(p.get("transaction_type", ""), 0)]
    return [
        {"currency": row["currency"], "amount_minor": row["amount_minor"]}
        for row in _sums(moving, ("currency",), signed=True)
    ]


def unknown(payments: Iterable[Fields]) -> list[Fields]:
    """Payments of which nobody can say whether they happened."""
    return [p for p in payments if p.get("outcome") not in {Outcome.APPROVED, Outcome.DECLINED}]


Batch = Callable[[str, str], Sequence[Fields]]


def against_terminals(
    payments: Sequence[Fields], settlements: Iterable[Fields], batch: Batch | None = None
) -> list[dict[str, Any]]:
    """Per terminal: our totals of the batches it settled beside its own, and the difference by currency.

    A batch begins and ends when the terminal settles, a day at the cut-off: `batch(terminal_id, batch_no)` gives all
    payments of a batch, on whatever list they stand. `theirs` is None while the terminal has not settled. A difference
    is ours minus theirs; an empty list says equal.
    """
    settled: dict[str, list[Fields]] = defaultdict(list)
    for settlement in settlements:
        if "terminal_id" in settlement:
            settled[settlement["terminal_id"]].append(settlement)
    rows = []
    for terminal_id in sorted({p["terminal_id"] for p in payments if "terminal_id" in p} | set(settled)):
        ours = [p for p in payments if p.get("terminal_id") == terminal_id]
        # A settlement that states no totals says that the terminal settled, not what it holds.
        theirs = _once_each(settlement for settlement in settled.get(terminal_id, []) if settlement.get("totals"))
        if not theirs:
            rows.append({"terminal_id": terminal_id, "ours": totals(ours), "theirs": None, "difference": []})
            continue
        batches = sorted({str(settlement.get("batch_no", "")) for settlement in theirs})
        if "" not in batches:
            held = [p for number in batches for p in batch(terminal_id, number)] if batch else ours
            ours = [p for p in held if p.get("terminal_id") == terminal_id and p.get("batch_no") in batches]
        rows.append(_compared(terminal_id, ours, theirs))
    return rows


def _compared(terminal_id: str, ours: Sequence[Fields], settlements: Sequence[Fields]) -> dict[str, Any]:
    currency = next((s["currency"] for s in settlements if "currency" in s), "")
    if not currency:
        held = {p["currency"] for p in ours if "currency" in p}
        currency = held.pop() if len(held) == 1 else ""
    theirs = [
        {
            "transaction_type": line.get("transaction_type", TransactionType.OTHER),
            "currency": currency,
            "count": line.get("count", 0),
            "amount_minor": line.get("amount_minor", 0),
        }
        for settlement in settlements
        for line in _own_lines(settlement.get("totals", []))
        if line.get("count", 0) or line.get("amount_minor", 0)
    ]
    difference: dict[str, int] = defaultdict(int)
    for sign, lines in ((1, totals(ours)), (-1, theirs)):
        for line in lines:
            difference[line["currency"]] += sign * _DIRECTION.get(line["transaction_type"], 0) * line["amount_minor"]
    return {
        "terminal_id": terminal_id,
        "ours": totals(ours),
        "theirs": theirs,
        "difference": [{"currency": c, "amount_minor": minor} for c, minor in sorted(difference.items()) if minor],
    }


def _once_each(settlements: Iterable[Fields]) -> list[Fields]:
    """One settlement a batch, the last one told: the till's answer and the printed slip tell of the same."""
    known: dict[object, Fields] = {}
    for place, settlement in enumerate(settlements):
        known[settlement.get("batch_no") or place] = settlement
    return list(known.values())


def _own_lines(lines: Sequence[Fields]) -> Sequence[Fields]:
    """Lines that do not repeat each other: a terminal that tells domestic and foreign may add them up as "all" too."""
    parts = [line for line in lines if line.get("group", "all") != "all"]
    return parts or lines


def _sums(payments: Iterable[Fields], names: tuple[str, ...], *, signed: bool = False) -> list[dict[str, Any]]:
    count: dict[tuple[str, ...], int] = defaultdict(int)
    minor: dict[tuple[str, ...], int] = defaultdict(int)
    for payment in payments:
        if counts(payment):
            group = tuple(str(payment.get(name, "")) for name in names)
            count[group] += 1
            minor[group] += payment["amount_minor"] * (
                _DIRECTION.get(payment.get("transaction_type", ""), 0) if signed else 1
            )
    ordered = sorted(
        count, key=lambda group: (_ORDER.get(TransactionType(group[0]), 99) if group[0] in _ORDER else 99, group)
    )
    return [
        {
            **{name: value for name, value in zip(names, group, strict=True) if value},
            "count": count[group],
            "amount_minor": minor[group],
        }
        for group in ordered
    ]


@dataclass(frozen=True, slots=True)
class Period:
    """What the list is about: a closed business day, or the open one so far (`interim`)."""

    shop: str
    day: str
    number: int
    closed_at: str  # local time, ISO 8601
    first_seq: int
    last_seq: int
    head: str
    late: bool = False
    interim: bool = False


@dataclass(frozen=True, slots=True)
class Doubts:
    """What keeps a list from being final. All of it is shown, nothing is guessed."""

    unprinted: Sequence[Fields] = ()
    unsynced: Mapping[str, Any] | None = None
    blind: Sequence[Mapping[str, Any]] = ()
    clock: Sequence[str] = ()


def day_list(
    period: Period,
    payments: Sequence[Fields],
    settlements: Sequence[Fields],
    doubts: Doubts,
    batch: Batch | None = None,
) -> dict[str, Any]:
    """The whole list as plain data: what the template shows, the journal stores and the desk answers."""
    return {
        **asdict(period),
        "count": sum(1 for payment in payments if counts(payment)),
        "totals": totals(payments),
        "methods": methods(payments),
        "net": net(payments),
        "transactions": [dict(payment) for payment in payments],
        "unknown": [dict(payment) for payment in unknown(payments)],
        "unprinted": [dict(payment) for payment in doubts.unprinted],
        "unsynced": dict(doubts.unsynced or {"count": 0, "since": ""}),
        "blind": [dict(blind) for blind in doubts.blind],
        "clock": list(doubts.clock),
        "terminals": against_terminals(payments, settlements, batch),
    }
