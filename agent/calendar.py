"""The role that closes business days: at the cut-off, or late when the box was off; a day without sales too.

A closing is one entry: its number has no holes, figures and the full list stand in it for ever, late data goes into
the next list. It covers the entries behind the last closing up to the last one of its day, by number: nothing counts
twice or falls between two lists, whatever the clock did.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from agent import settlement
from agent.clock import RELEASED, Clock, Stamper, iso
from agent.config import Config
from agent.entries import Draft, Entry, Kind, canonical
from agent.errors import Refused, UsageError
from agent.index import Index
from agent.journal import Journal
from agent.settlement import Doubts, Period
from agent.succession import History

SOURCE: Final = "calendar"
_log: Final = logging.getLogger("slipkeeper.calendar")
_LOOK_S: Final = 300.0  # the clock may be set at any time, so never sleep longer
_EMPTY_DAYS: Final = 31  # longer silences are one gap, not a roll of empty lists
_LATE: Final = timedelta(minutes=15)
_LONGEST_BATCH: Final = timedelta(days=60)  # terminals insist on settling long before
_PAGE: Final = 500

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Span:
    """Entries a closing covers: after < number <= last."""

    after: int
    last: int


class Calendar:
    """Closes days and shows them. `print_list(listed, seq)` asks for the paper of a closing."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        history: History,
        index: Index,
        clock: Clock,
        *,
        print_list: Callable[[Row, int], None],
        unsynced: Callable[[], Row],
    ) -> None:
        self._config = config
        self._journal = journal
        self._history = history
        self._index = index
        self._clock = clock
        self._stamper = Stamper(clock, config.shop.zone, config.day.starts_after)
        self._print_list = print_list
        self._unsynced = unsynced
        self._mutex = threading.RLock()  # the desk may close a day while the role does: no number twice, no span twice

    def step(self) -> float:
        """Closes every day that is over. Seconds until it is worth looking again."""
        now = self._clock.now()
        if self._stamper.trust(now) == "doubtful":
            return _LOOK_S  # a clock that cannot be true closes nothing
        today = date.fromisoformat(self._stamper().day)
        for day in self._over(today):
            self.close(day.isoformat(), print_list=self._config.day.print_list)
        self._print_missing()
        return min(_LOOK_S, max(1.0, self._until(today + timedelta(days=1), now)))

    def close(self, day: str, *, print_list: bool) -> Row:
        """Closes one day and gives its row. A day closed before is given as it is. Raises Refused, UsageError."""
        with self._mutex:
            return self._close(_date(day).isoformat(), print_list=print_list)

    def _close(self, day: str, *, print_list: bool) -> Row:
        self._index.catch_up()
        held = self._index.day(day)
        if held is not None:
            return held
        newest, today = self._newest(), self.today()
        if day > today or self._stamper.trust(self._clock.now()) == "doubtful":
            raise Refused("{day} has not begun, as far as the clock can be believed", "slipkeeper doctor", day=day)
        if newest is not None and day < newest["day"] <= today:  # one that lies ahead was closed by a wrong clock
            raise Refused(
                "{day} lies before the last closed day {newest}",
                "late transactions of that day are in the next list",
                day=day,
                newest=newest["day"],
            )
        span = self._span(day)
        listed = self._list(day, span, interim=False)
        self._journal.append([_closing(listed, print_list=print_list)])
        self._index.catch_up()
        _log.info("closed %s as list %d, %d transactions", day, listed["number"], listed["count"])
        self._print_missing()
        row = self._index.day(day)
        assert row is not None
        return row

    def _print_missing(self) -> None:
        """Asks for the paper of every recent closing that wants one and has none: also after a crash in between."""
        with self._mutex:
            self._print_each_missing()

    def _print_each_missing(self) -> None:
        for row in reversed(self._index.days(_EMPTY_DAYS)):
            if row.get("print") and not self._index.jobs_of(row["seq"]):
                self._print_list(self.shown(row["day"]), row["seq"])
                self._index.catch_up()

    def today(self) -> str:
        return self._stamper().day

    def closes_at(self) -> str:
        """Local time of the next closing."""
        end = self._start_of(date.fromisoformat(self.today()) + timedelta(days=1))
        return end.astimezone(self._config.shop.zone).isoformat(timespec="minutes")

    def shown(self, day: str) -> Row:
        """The list of a day: as it was closed, or "today" as it stands now."""
        self._index.catch_up()
        row = self._index.day(day)
        if row is None and day in {"today", self.today()}:
            newest = self._newest()
            span = _Span(newest["last_seq"] if newest else 0, self._history.last())
            return self._list(self.today(), span, interim=True)
        if row is None:
            raise Refused("{day} has not been closed", "slipkeeper day list shows the closed days", day=day)
        stored = self._history.raw(row["seq"])
        if stored is None:
            raise Refused("the list of {day} was purged", "its figures are in slipkeeper day list", day=day)
        listed: Row = json.loads(stored)
        return listed

    def next_number(self) -> int:
        newest = self._newest()
        return newest["number"] + 1 if newest else 1

    # -- how -------------------------------------------------------------------------------------------------------

    def _newest(self) -> Row | None:
        found = self._index.days(1)
        return found[0] if found else None

    def _over(self, today: date) -> list[date]:
        """Days that are over and not closed, oldest first; in a long silence only those with entries.

        When the last closed day lies ahead, a clock ran ahead and was set back: then the entries say what is over.
        """
        newest = self._newest()
        after = newest["last_seq"] if newest else 0
        start = date.fromisoformat(newest["day"]) + timedelta(days=1) if newest else None
        if start == today:
            return []  # the usual case: everything is closed
        # A box without a battery stamps its first entries with a day that never was: they go into the next list.
        days = {date.fromisoformat(entry.day) for _, entry in self._behind(after)}
        found = {day for day in days if day >= RELEASED.date() - timedelta(days=1)}
        if start is None:
            start = min(found, default=today)
        if start < today:  # what is older came late and goes into the next list
            recent = max(start, today - timedelta(days=_EMPTY_DAYS))
            found = {day for day in found if day >= start}
            found |= {recent + timedelta(days=n) for n in range((today - recent).days)}
        return [day for day in sorted(found) if day < today and self._index.day(day.isoformat()) is None]

    def _behind(self, after: int) -> Iterator[tuple[int, Entry]]:
        """All entries behind a number."""
        while found := self._history.entries(after, _PAGE):
            yield from found
            after = found[-1][0]

    def _until(self, day: date, now: datetime) -> float:
        return (self._start_of(day) - now).total_seconds()

    def _start_of(self, day: date) -> datetime:
        """When a business day begins. In UTC: two times of one zone are subtracted as if its clocks never changed."""
        naive = datetime.combine(day, datetime.min.time()) + self._config.day.starts_after
        zone = self._config.shop.zone
        return (naive.replace(tzinfo=zone) if zone else naive.astimezone()).astimezone(UTC)

    def _span(self, day: str) -> _Span:
        """From the last closing up to the last entry of `day` or an earlier one."""
        newest = self._newest()
        after = newest["last_seq"] if newest else 0
        return _Span(after, max((number for number, entry in self._behind(after) if entry.day <= day), default=after))

    def _list(self, day: str, span: _Span, *, interim: bool) -> Row:
        payments = self._index.payments_between(span.after, span.last)
        settlements = self._index.papers(Kind.SETTLEMENT, span.after, span.last)
        now = self._clock.now()
        end = self._start_of(date.fromisoformat(day) + timedelta(days=1))
        period = Period(
            shop=self._config.shop.name,
            day=day,
            number=self.next_number(),
            closed_at=now.astimezone(self._config.shop.zone).isoformat(timespec="seconds"),
            first_seq=span.after + 1,
            last_seq=span.last,
            head=self._history.hash_at(span.last).hex(),
            late=not interim and now - end > _LATE,
            interim=interim,
        )
        numbers = {payment["seq"] for payment in payments}
        open_of = {job.get("of_seq") for job in self._index.jobs(only_open=True, limit=1000)}
        doubts = Doubts(
            unprinted=[payment for payment in payments if payment["seq"] in open_of & numbers],
            unsynced=self._unsynced(),
            blind=self._index.events(Kind.BLIND, span.after, span.last),
            clock=[str(step.get("what", "")) for step in self._index.events(Kind.CLOCK, span.after, span.last)],
        )
        since = (date.fromisoformat(day) - _LONGEST_BATCH).isoformat()
        return settlement.day_list(
            period,
            payments,
            list(reversed(settlements)),
            doubts,
            lambda terminal_id, batch_no: self._index.batch(terminal_id, batch_no, since),
        )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as cause:
        raise UsageError("{day} is no day", "days look like 2026-11-22", day=text) from cause


def _closing(listed: Row, *, print_list: bool) -> Draft:
    """The entry of a closing: figures in its line, the full list as its raw bytes."""
    names = ("day", "number", "first_seq", "last_seq", "head", "late", "count", "totals", "methods", "net")
    body = {name: listed[name] for name in names} | {"unknown": len(listed["unknown"]), "print": print_list}
    return Draft(Kind.DAY_CLOSE, SOURCE, listed["day"], body, canonical(listed))


def clock_step(entry_at: str, now: datetime) -> Draft:
    """The entry that says the clock went back behind what the journal already holds."""
    body = {"what": f"{entry_at} -> {iso(now)}", "from": entry_at, "to": iso(now)}
    return Draft(Kind.CLOCK, SOURCE, iso(now), body)
