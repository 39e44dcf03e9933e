"""Everything the keeper says of itself, in words: the status page. Pure. Unknown is said as unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.menu.cells import one_line
from agent.menu.header import Status, alarm, printer, sending, terminal
from agent.menu.times import short, zone_of
from agent.menu.vocabulary import Tone, msgid, type_word
from agent.money import Money
from agent.words import Words


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what is known. An empty label continues the one above."""

    label: str
    value: str
    tone: Tone = Tone.PLAIN


_TRUTH: Final = {"yes": msgid("yes"), "no": msgid("no")}
_PRINTER_FACTS: Final = (
    ("online", msgid("answers")),
    ("paper", msgid("paper")),
    ("paper_low", msgid("paper low")),
    ("cover_closed", msgid("cover closed")),
    ("fault", msgid("fault")),
)
# What a printer can prove (learnt once at set-up).
_LEVELS: Final = {
    0: msgid("cannot answer: printing is never confirmed"),
    1: msgid("tells paper and cover, not whether it printed"),
    2: msgid("confirms the end of a slip"),
    3: msgid("confirms every slip by number"),
}
_CLOCK: Final = {
    "ok": (msgid("ok"), Tone.PLAIN),
    "unsynced": (msgid("not set by the network"), Tone.PLAIN),
    "doubtful": (msgid("doubtful"), Tone.WARN),
}
_SYNC: Final = {
    "ok": (msgid("works"), Tone.GOOD),
    "waiting": (msgid("waits for the network"), Tone.WARN),
    "trouble": (msgid("in trouble"), Tone.BAD),
    "off": (msgid("switched off"), Tone.QUIET),
}


def facts(status: Status, words: Words) -> list[Fact]:
    """The whole status, top down."""
    return [
        *_alarms(status, words),
        *_terminals(status, words),
        *_printers(status, words),
        *_day(status, words),
        *sending_facts(status, words),
        *_journal(status, words),
    ]


def day_totals(totals: object, words: Words) -> str:
    """Sums by type and currency, side by side, never added to each other."""
    if not isinstance(totals, list):
        return ""
    return "  ".join(
        f"{type_word(one.get('transaction_type'), words)} {money(one)} ({one.get('count', '?')})" for one in totals
    )


def money(one: Mapping[str, Any]) -> str:
    minor = one.get("amount_minor")
    return str(Money(minor, str(one.get("currency", "")))) if isinstance(minor, int) else "?"


def _alarms(status: Status, words: Words) -> Iterator[Fact]:
    alarms = list(status.get("alarms") or [])
    yield Fact(words("Alarms"), words("none") if not alarms else str(len(alarms)), Tone.BAD if alarms else Tone.GOOD)
    for one in alarms:
        yield Fact(_at(one.get("since"), status, words), alarm(one, words), Tone.BAD)
    unprinted = status.get("unprinted")
    known = isinstance(unprinted, int)
    yield Fact(
        words("Slips not printed"),
        str(unprinted) if known else words("unknown"),
        Tone.GOOD if unprinted == 0 and known else Tone.WARN,
    )


def _terminals(status: Status, words: Words) -> Iterator[Fact]:
    label = words("Terminals")
    if not status.get("terminals"):
        yield Fact(label, words("none"), Tone.WARN)
    for one in status.get("terminals") or []:
        said, tone = terminal(one, words)
        yield Fact(label, f"{said}  {words('since {time}', time=_at(one.get('since'), status, words))}", tone)
        last = words("last heard {time}", time=_at(one.get("last_at"), status, words))
        yield Fact("", f"{last}  {one_line(one.get('driver', ''))} {one_line(one.get('mode', ''))}", Tone.QUIET)
        label = ""


def _printers(status: Status, words: Words) -> Iterator[Fact]:
    label = words("Printers")
    if not status.get("printers"):
        yield Fact(label, words("none"), Tone.WARN)
    for one in status.get("printers") or []:
        said, tone = printer(one, words)
        queue = words("{queue} in the queue, {held} on hold", queue=one.get("queue", "?"), held=one.get("held", "?"))
        yield Fact(label, f"{one_line(one.get('name', ''))}  {said}  {queue}", tone)
        label = ""
        state = one.get("status") or {}
        yield Fact("", "  ".join(f"{words(label)} {_truth(state.get(name), words)}" for name, label in _PRINTER_FACTS))
        level = _LEVELS.get(one.get("level", -1))
        yield Fact("", words(level) if level else words("what it can confirm is unknown"), Tone.QUIET)


def _day(status: Status, words: Words) -> Iterator[Fact]:
    day = status.get("day") or {}
    yield Fact(words("Business day"), one_line(day.get("date") or words("unknown")))
    yield Fact(
        "",
        words(
            "{count} transactions, list no. {number} at {time}",
            count=day.get("count", "?"),
            number=day.get("next_number", "?"),
            time=_at(day.get("closes_at"), status, words),
        ),
    )
    totals = day_totals(day.get("totals"), words)
    if totals:
        yield Fact("", totals)
    unknown = day.get("unknown")
    if unknown:
        yield Fact("", words("{count} with unknown result", count=unknown), Tone.BAD)


def sending_facts(status: Status, words: Words) -> Iterator[Fact]:
    """How sending upstream goes."""
    sync = status.get("sync") or {}
    say, tone = _SYNC.get(str(sync.get("state")), (msgid("unknown"), Tone.WARN))
    yield Fact(words("Upstream"), f"{words(say)}  {sending(status, words)[0]}", tone)
    if sync.get("unsent"):
        yield Fact("", words("oldest unsent {time}", time=_at(sync.get("oldest_unsent_at"), status, words)))
    if sync.get("state") != "off":
        yield Fact("", words("last time upstream answered: {time}", time=_at(sync.get("last_ok_at"), status, words)))
    error = sync.get("last_error")
    if error:
        yield Fact("", alarm(error, words) if isinstance(error, Mapping) else one_line(error), Tone.WARN)


def _journal(status: Status, words: Words) -> Iterator[Fact]:
    journal = status.get("journal") or {}
    size = journal.get("size_bytes")
    megabytes = f"{size / 1_000_000:.1f} MB" if isinstance(size, int) else words("unknown")
    yield Fact(
        words("Journal"), words("{count} entries, {size}", count=journal.get("seq", words("unknown")), size=megabytes)
    )
    yield Fact("", words("head {head}", head=one_line(journal.get("head") or words("unknown"))[:16]), Tone.QUIET)
    clock, tone = _CLOCK.get(str(status.get("clock")), (msgid("unknown"), Tone.WARN))
    yield Fact(words("Clock"), words(clock), tone)
    yield Fact(words("Version"), one_line(status.get("version") or words("unknown")), Tone.QUIET)


def _truth(value: object, words: Words) -> str:
    return words(_TRUTH.get(str(value), msgid("unknown")))


def _at(value: object, status: Status, words: Words) -> str:
    return short(value, zone_of(status)) or (one_line(value) if value else words("unknown"))
