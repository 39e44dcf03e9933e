"""The first page: are all terminals there, what was sold, what is still on its way, what must be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from agent.money import Money
from upstream.ledger.models import Transaction
from upstream.pages import figures, wording
from upstream.pages.access import readable
from upstream.pages.search import find

_ROWS: Final = 50
_LAST_PAGE: Final = 2000


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment as the table shows it; empty = unknown."""

    at: datetime | None
    shown_time: str
    kind: str
    outcome: str
    outcome_word: str
    amount: str
    card: str
    method: str
    terminal: str
    trace_no: str
    rrn: str
    disputed: bool


@dataclass(frozen=True, slots=True)
class Bar:
    x: int
    y: int
    height: int
    count: int
    hour: int


@readable
def page(request: HttpRequest) -> HttpResponse:
    now = timezone.localtime()
    text = request.GET.get("q", "").strip()[:200]
    number = _page_number(request.GET.get("page", ""))
    found = list(find(text)[(number - 1) * _ROWS : number * _ROWS + 1])
    terminals = figures.terminals(now)
    states = {state: sum(row.state == state for row in terminals) for state in wording.STATES}
    day = figures.day_of(now)
    context = {
        "now": now,
        "terminals": terminals,
        "states": states,
        "day": day,
        "is_today": day.day == now.date().isoformat(),
        "bars": _bars(day.by_hour),
        "waiting": figures.waiting(now),
        "attention": figures.attention(),
        "payments": [_payment(row) for row in found[:_ROWS]],
        "q": text,
        "page": number,
        "more": len(found) > _ROWS and number < _LAST_PAGE,
        "refreshes": not text and number == 1,
    }
    return render(request, "upstream/overview.html", context)


def _page_number(text: str) -> int:
    return min(max(int(text), 1), _LAST_PAGE) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _payment(row: Transaction) -> PaymentRow:
    known = row.amount_minor is not None and row.currency
    return PaymentRow(
        at := figures.moment(row.at),
        _time(at, row.terminal_time or ""),
        wording.word(wording.TYPES, row.transaction_type),
        row.outcome or "unknown",
        wording.word(wording.OUTCOMES, row.outcome or "unknown"),
        str(Money(row.amount_minor or 0, row.currency or "")) if known else "",
        row.card_masked or "",
        row.card_scheme or wording.word(wording.METHODS, row.method),
        row.terminal_id or row.sources,
        row.trace_no or "",
        row.rrn or "",
        bool(row.disputed or row.conflicts),
    )


def _time(at: datetime | None, printed: str) -> str:
    """The terminal's own time, completed by the agent's day where it prints none."""
    day, _, clock = printed.partition("T")
    journalled = timezone.localtime(at) if at else None
    if journalled and not day.strip("-"):
        day = journalled.date().isoformat()
    if journalled and not clock:
        clock = journalled.time().isoformat("seconds")
    return f"{day[-5:]} {clock}".strip() or "–"


def _bars(by_hour: tuple[int, ...]) -> list[Bar]:
    """Sales by hour as bars of an SVG, 24 times 10 wide and 40 high."""
    top = max(by_hour) or 1
    heights = [round(38 * count / top) if count else 0 for count in by_hour]
    return [Bar(hour * 10, 40 - height, height, by_hour[hour], hour) for hour, height in enumerate(heights)]
