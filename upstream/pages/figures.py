"""The figures of the overview. Every number is a query over the stored entries or their projections; none is kept."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Q, Sum
from django.db.models.functions import Substr

from agent.fields import Outcome, TransactionType
from agent.money import Money
from upstream.database import rows
from upstream.ledger.models import Terminal, Transaction
from upstream.receiving.models import Alarm, Entry, Journal, Quarantine

ONLINE: Final = timedelta(minutes=11)  # two missed heartbeats
SILENT: Final = timedelta(hours=24)
PAID: Final = (TransactionType.SALE, TransactionType.COMPLETION, TransactionType.OFFLINE)
PAID_BACK: Final = (
    TransactionType.VOID,
    TransactionType.REFUND,
    TransactionType.COMPLETION_VOID,
    TransactionType.REVERSAL,
)
_OPEN_GAPS: Final = """
SELECT count(DISTINCT a.journal_id) FROM alarm a JOIN journal j
 ON j.site_id = a.site_id AND j.journal_id = a.journal_id WHERE a.code = 'gap' AND a.seq > j.cursor"""


@dataclass(frozen=True, slots=True)
class TerminalRow:
    """One card machine, or a journal no machine has spoken in yet."""

    site_id: str
    box: str
    source: str
    terminal_id: str
    merchant: str
    state: str
    seen_at: datetime
    last_report_at: datetime | None
    cursor: int
    head: str
    backlog: int


@dataclass(frozen=True, slots=True)
class Sales:
    """What was paid on one day in one currency. What has no known outcome or amount is never added."""

    count: int
    amount: Money
    back_count: int
    back: Money

    @property
    def back_shown(self) -> str:
        """With a minus that no line break parts from its amount."""
        return f"−\u2060{self.back}"


@dataclass(frozen=True, slots=True)
class Day:
    day: str
    sales: tuple[Sales, ...]
    unknown: int
    by_hour: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Attention:
    """What a person should look at: open gaps, forks, odd entries, masked card numbers, cloned boxes."""

    gaps: int
    forks: int
    odd: int
    cards: int
    clones: int
    disputed: int

    @property
    def total(self) -> int:
        return self.gaps + self.forks + self.odd + self.cards + self.clones + self.disputed


@dataclass(frozen=True, slots=True)
class Waiting:
    """Entries the agents said they still hold back; `oldest` is how long, where one told."""

    entries: int
    boxes: int
    oldest: timedelta | None


def moment(text: str) -> datetime | None:
    """A stored time; None when what an agent wrote is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def terminals(now: datetime) -> list[TerminalRow]:
    """Every terminal, the silent ones first: they are why one looks."""
    machines: dict[tuple[str, str], list[Terminal]] = defaultdict(list)
    for machine in Terminal.objects.order_by("source"):
        machines[machine.site_id, machine.journal_id].append(machine)
    table: list[TerminalRow] = []
    for journal in Journal.objects.exclude(state="closed").order_by("site_id", "label", "enrolled_at"):
        spoken: Sequence[Terminal | None] = machines.get((journal.site_id, journal.journal_id)) or (None,)
        table += [_terminal(journal, machine, now) for machine in spoken]
    rank = {"silent": 0, "late": 1, "online": 2}
    return sorted(table, key=lambda row: rank[row.state])


def _terminal(journal: Journal, machine: Terminal | None, now: datetime) -> TerminalRow:
    seen = moment(journal.seen_at) or now
    state = "online" if now - seen <= ONLINE else "late" if now - seen <= SILENT else "silent"
    return TerminalRow(
        journal.site_id,
        journal.label or journal.host or journal.journal_id[:8],
        machine.source if machine else "",
        (machine.terminal_id if machine else None) or "",
        (machine.merchant_name if machine else None) or "",
        state,
        seen,
        moment(machine.last_at) if machine else None,
        journal.cursor,
        bytes(journal.head).hex()[:8],
        journal.backlog,
    )


def day_of(now: datetime) -> Day:
    """Today as the shop's clock has it, or the latest business day before it that has any payments."""
    today = now.date().isoformat()
    latest = Transaction.objects.filter(day__lte=today).order_by("-day").values_list("day", flat=True).first()
    day = latest or today
    payments = Transaction.objects.filter(day=day)
    groups = payments.values_list("currency", "transaction_type", "outcome").annotate(
        Count("identity"), Count("amount_minor"), Sum("amount_minor")
    )
    paid: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    unknown = 0
    for currency, kind, outcome, count, added, amount in groups:
        place = 0 if kind in PAID else 2 if kind in PAID_BACK else None
        if place is None or outcome == Outcome.DECLINED:
            continue
        if outcome != Outcome.APPROVED:
            unknown += count
            continue
        unknown += count - added
        if currency and added:
            paid[currency][place] += added
            paid[currency][place + 1] += amount
    sales = tuple(
        Sales(count, Money(amount, currency), back_count, Money(back, currency))
        for currency, (count, amount, back_count, back) in sorted(paid.items())
    )
    hours = payments.filter(outcome=Outcome.APPROVED, transaction_type__in=PAID)
    by_utc_hour = hours.annotate(hour=Substr("at", 1, 13)).values_list("hour").annotate(Count("seq"))
    by_hour = [0] * 24
    for hour, count in by_utc_hour:
        if at := moment(f"{hour}:00:00Z"):
            by_hour[at.astimezone(now.tzinfo).hour] += count
    return Day(day, sales, unknown, tuple(by_hour))


def attention() -> Attention:
    alarms = dict(Alarm.objects.values_list("code").annotate(Count("seq")))
    return Attention(
        gaps=int(rows(_OPEN_GAPS)[0][0]),
        forks=alarms.get("fork", 0),
        odd=Quarantine.objects.count(),
        cards=Entry.objects.filter(redacted__gt=0).count() if alarms.get("pan") else 0,
        clones=alarms.get("clone", 0),
        disputed=Transaction.objects.filter(~Q(disputed="") | Q(conflicts__gt=0)).count(),
    )


def waiting(now: datetime) -> Waiting:
    held_back = list(Journal.objects.filter(backlog__gt=0).exclude(state="closed"))
    oldest = [age for age in (_oldest(journal, now) for journal in held_back) if age is not None]
    return Waiting(sum(journal.backlog for journal in held_back), len(held_back), max(oldest, default=None))


def _oldest(journal: Journal, now: datetime) -> timedelta | None:
    """How long its oldest unsent entry waits: what it said, and the time since."""
    told = json.loads(journal.status).get("oldest_unsent_s") if journal.status else None
    seen = moment(journal.seen_at)
    if seen is None:
        return None
    said = timedelta(seconds=min(told, 10**9)) if isinstance(told, int | float) and told >= 0 else timedelta()
    return now - seen + said
