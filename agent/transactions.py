"""What became of each payment, folded from entries: one row, however many papers and drivers told of it. Pure.

A payment is found again by the key its source gave it, and by what the field agrees on: terminal, batch, trace and
type (a terminal that repeats a payment may leave the type out; it then fits any). A later entry adds what was unknown
and never changes what was said: a contradiction stays visible as `conflict`. A terminal that was reset counts from one
again: the same numbers on another date are another payment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from agent.entries import Entry, Kind, same_facts
from agent.fields import PAPER, Outcome
from agent.settlement import counts

_TELLING: Final = frozenset({Kind.TRANSACTION, Kind.COPY, Kind.CONFLICT})


@dataclass(frozen=True, slots=True)
class Transaction:
    """One payment. `number` is the first entry that told of it, `entries` all, `raw` the best captured paper.

    `counted` is the entry with which it became money: approved, with an amount. It stands on the list of that day.
    """

    number: int
    at: str
    day: str
    source: str
    fields: Mapping[str, Any]
    entries: tuple[int, ...]
    raw: int | None = None
    conflict: bool = False
    counted: int | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """How an entry's payment is found: `own` by its source's key, `known_as` by others, `sought_as` in which order."""

    own: str
    known_as: tuple[str, ...]
    sought_as: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (self.own, *self.known_as)


def tells_of_payment(entry: Entry) -> bool:
    """Whether the entry is about one payment (a copy of a settlement list is not)."""
    if entry.kind not in _TELLING:
        return False
    return entry.kind == Kind.TRANSACTION or entry.key.startswith(f"{Kind.TRANSACTION}:")


def is_paper(entry: Entry) -> bool:
    """Whether the entry's raw bytes are a slip for a printer. A wire frame tells of a payment too, but has no lines."""
    lines = "\n" in str(entry.body.get("text", "")) or "text" in (entry.body.get("cut") or ())
    return bool(entry.raw_sha256) and (entry.kind == Kind.SLIP or lines)


def names(entry: Entry) -> Names:
    key = entry.key
    if entry.kind != Kind.TRANSACTION:  # "transaction:<key>:<content>", see entries.restated
        key = key.removeprefix(f"{Kind.TRANSACTION}:").rpartition(":")[0]
    own = f"{entry.source}/{key}"
    parts = [entry.body.get(name) for name in ("terminal_id", "batch_no", "trace_no")]
    if not all(parts):
        return Names(own, (), (own,))
    trace = ":".join(str(part) for part in parts)
    kind = entry.body.get("transaction_type")
    if not kind:
        return Names(own, (f"{trace}:", f"{trace}:*"), (own, f"{trace}:*"))
    return Names(own, (f"{trace}:{kind}", f"{trace}:*"), (own, f"{trace}:{kind}", f"{trace}:"))


def choose(entry: Entry, own: Iterable[Transaction], others: Iterable[Transaction]) -> Sequence[Transaction]:
    """Of the payments known by an entry's names (`own` by the source's key) those it tells of, the oldest first.

    More than one when the entry shows that two were one all along.
    """
    found = {held.number: held for held in own if not _another(entry.source, entry.body, held)}
    for held in others:
        it = not _another(entry.source, entry.body, held) and _fits(entry.body, held.fields)
        if it and all(same_facts(held.fields, one.fields) for one in found.values()):
            found.setdefault(held.number, held)
    return [found[number] for number in sorted(found)]


def _fits(body: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """A sale and its void have the same numbers: another type is another payment."""
    kinds = {body.get("transaction_type"), fields.get("transaction_type")} - {None}
    return len(kinds) < 2


def _another(source: str, body: Mapping[str, Any], held: Transaction) -> bool:
    """Whether the numbers were given a second time: another full date, or another reference by the same teller."""
    days = {_full_date(body), _full_date(held.fields)} - {""}
    references = {body.get("rrn"), held.fields.get("rrn")} - {None}
    return len(days) > 1 or (source == held.source and len(references) > 1)


def _full_date(fields: Mapping[str, Any]) -> str:
    day = str(fields.get("terminal_time", "")).partition("T")[0]
    return day if day[:4].isdecimal() else ""


def tell(held: Transaction | None, number: int, entry: Entry) -> Transaction:
    """The payment after `entry` told of it; `held` is what was known before."""
    paper = number if is_paper(entry) else None
    if held is None:
        counted = number if counts(entry.body) else None
        return Transaction(
            number, entry.at, entry.day, entry.source, dict(entry.body), (number,), paper, counted=counted
        )
    added = {name: value for name, value in entry.body.items() if name not in held.fields and name not in PAPER}
    if held.fields.get("outcome") == Outcome.UNKNOWN and "outcome" in entry.body:
        added["outcome"] = entry.body["outcome"]
    if held.raw is None and paper is not None:
        added |= {name: entry.body[name] for name in ("text", "copy", "raw_sha256") if name in entry.body}
    fields = {**held.fields, **added}
    return replace(
        held,
        fields=fields,
        entries=(*held.entries, number),
        raw=held.raw if held.raw is not None else paper,
        conflict=held.conflict or not same_facts(entry.body, held.fields),
        counted=held.counted or (number if counts(fields) else None),
    )


def join(one: Transaction, other: Transaction) -> Transaction:
    """Two payments that turned out to be one: the older tells, the younger adds."""
    first, second = sorted((one, other), key=lambda payment: payment.number)
    raw = first.raw if first.raw is not None else second.raw
    paper = ("text", "copy", "raw_sha256") if first.raw is None and second.raw is not None else ()
    added = {name: value for name, value in second.fields.items() if name not in PAPER or name in paper}
    known = {name: value for name, value in first.fields.items() if name not in paper}
    if known.get("outcome") == Outcome.UNKNOWN:
        known.pop("outcome")
    counted = [number for number in (first.counted, second.counted) if number is not None]
    return replace(
        first,
        fields={**first.fields, **added, **known},
        entries=tuple(sorted({*first.entries, *second.entries})),
        raw=raw,
        conflict=first.conflict or second.conflict or not same_facts(first.fields, second.fields),
        counted=min(counted, default=None),
    )


def fold(entries: Iterable[tuple[int, Entry]]) -> list[Transaction]:
    """All payments in the order they were first told of."""
    held: dict[int, Transaction] = {}
    known: dict[str, list[int]] = {}
    for number, entry in entries:
        if not tells_of_payment(entry):
            continue
        found = names(entry)
        own, *others = ([held[place] for place in known.get(name, []) if place in held] for name in found.sought_as)
        chosen = choose(entry, own, [payment for group in others for payment in group])
        before: Transaction | None = None
        for payment in chosen:
            before = payment if before is None else join(before, payment)
            del held[payment.number]
        payment = tell(before, number, entry)
        held[payment.number] = payment
        gone = {other.number for other in chosen} - {payment.number}
        for name, places in known.items():
            if gone & set(places):
                known[name] = [*dict.fromkeys(payment.number if place in gone else place for place in places)]
        for name in found.all:
            places = known.setdefault(name, [])
            if payment.number not in places:
                places.append(payment.number)
    return sorted(held.values(), key=lambda payment: payment.number)
