"""The rows of the settlement-list screen: today, the closed days, the terminal's own settlement slips. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from agent.menu.cells import cut, fit, one_line
from agent.menu.header import Status
from agent.menu.report import day_totals
from agent.menu.times import moment, zone_of
from agent.menu.vocabulary import Tone
from agent.words import Words

_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Paper:
    """Something to look at and print. `path` is where printing is asked for; `seq` > 0 = by a reprint of that entry."""

    text: str
    tone: Tone
    look_at: str
    path: str
    seq: int = 0


def papers(
    status: Status | None, days: Sequence[Mapping[str, Any]], settlements: Sequence[Mapping[str, Any]], words: Words
) -> list[Paper]:
    """Every list there is, today first."""
    return [
        _today(status, words),
        *(_day(one, words) for one in days),
        *(_settlement(one, zone_of(status), words) for one in settlements),
    ]


def _today(status: Status | None, words: Words) -> Paper:
    day = (status or {}).get("day") or {}
    text = _row(words("Today"), words("open"), day.get("count", "?"), day_totals(day.get("totals"), words), words)
    return Paper(text, Tone.PLAIN, "/v1/days/today?format=text", "/v1/days/today/print")


def _day(one: Mapping[str, Any], words: Words) -> Paper:
    name = one_line(one.get("day", ""))
    number = one.get("number", "?")
    state = words("no. {number} late", number=number) if one.get("late") else words("no. {number}", number=number)
    text = _row(name, state, one.get("count", "?"), day_totals(one.get("totals"), words), words)
    return Paper(text, Tone.PLAIN, f"/v1/days/{name}?format=text", f"/v1/days/{name}/print")


def _settlement(one: Mapping[str, Any], zone: tzinfo | None, words: Words) -> Paper:
    at = moment(one.get("at"), zone)
    seq = one.get("seq") if isinstance(one.get("seq"), int) else 0
    batch = one_line(one.get("batch_no") or "?")
    said = words("Terminal's own settlement slip, batch {batch}", batch=batch)
    text = cut(f"{fit(f'{at:%Y-%m-%d %H:%M}' if at else '', 16)}  {said}", _WIDTH)
    return Paper(text, Tone.QUIET, f"/v1/slips/{seq}?format=text&as=reprint", f"/v1/slips/{seq}", int(seq or 0))


def _row(name: str, state: str, count: object, totals: str, words: Words) -> str:
    number = fit(words("{count} payments", count=count), 12, right=True)
    return cut(f"{fit(name, 10)}  {fit(state, 14)}  {number}  {totals}", _WIDTH)
