"""What became of each payment, folded from entries: one row, however many papers and drivers told of it. Pure.

The identity is what the field agrees on (terminal, batch, trace, type); where a driver cannot tell all four, it is the
entry's own source and key. A later entry adds what was unknown and never changes what was said: a contradiction stays
visible as `conflict`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from agent.entries import Entry, Kind, same_facts
from agent.fields import PAPER

_TELLING: Final = frozenset({Kind.TRANSACTION, Kind.COPY, Kind.CONFLICT})


@dataclass(frozen=True, slots=True)
class Transaction:
    """One payment. `number` is the first entry that told of it, `entries` all, `raw` the best captured paper."""

    number: int
    identity: str
    at: str
    day: str
    source: str
    fields: Mapping[str, Any]
    entries: tuple[int, ...]
    raw: int | None = None
    conflict: bool = False


def tells_of_payment(entry: Entry) -> bool:
    """Whether the entry is about one payment (a copy of a settlement list is not)."""
    if entry.kind not in _TELLING:
        return False
    return entry.kind == Kind.TRANSACTION or entry.key.startswith(f"{Kind.TRANSACTION}:")


def is_paper(entry: Entry) -> bool:
    """Whether the entry's raw bytes are a slip for a printer. A wire frame tells of a payment too, but has no lines."""
    return bool(entry.raw_sha256) and (entry.kind == Kind.SLIP or "\n" in str(entry.body.get("text", "")))


def identity(entry: Entry) -> str:
    """terminal:batch:trace:type; the type is empty where a terminal repeats a payment without naming it."""
    parts = [entry.body.get(name) for name in ("terminal_id", "batch_no", "trace_no")]
    if all(parts):
        return ":".join([*(str(part) for part in parts), str(entry.body.get("transaction_type", ""))])
    key = entry.key
    if entry.kind != Kind.TRANSACTION:  # "transaction:<key>:<content>", see entries.restated
        key = key.removeprefix(f"{Kind.TRANSACTION}:").rpartition(":")[0]
    return f"{entry.source}/{key}"


def akin(name: str) -> tuple[str, str]:
    """Identities that may be the same payment as `name`: first <= identity < last. A type that is not told fits any."""
    trace = name.rpartition(":")[0]
    if "/" in name or not trace:
        return name, name + "\0"
    return (trace + ":", trace + ";") if name.endswith(":") else (trace + ":", trace + ":\0")


def tell(held: Transaction | None, number: int, entry: Entry) -> Transaction:
    """The payment after `entry` told of it; `held` is what was known before."""
    paper = number if is_paper(entry) else None
    if held is None:
        return Transaction(
            number, identity(entry), entry.at, entry.day, entry.source, dict(entry.body), (number,), paper
        )
    added = {name: value for name, value in entry.body.items() if name not in held.fields and name not in PAPER}
    if held.raw is None and paper is not None:
        added |= {name: entry.body[name] for name in ("text", "copy", "raw_sha256") if name in entry.body}
    return replace(
        held,
        identity=identity(entry) if held.identity.endswith(":") else held.identity,
        fields={**held.fields, **added},
        entries=(*held.entries, number),
        raw=held.raw if held.raw is not None else paper,
        conflict=held.conflict or not same_facts(entry.body, held.fields),
    )


def fold(entries: Iterable[tuple[int, Entry]]) -> list[Transaction]:
    """All payments in the order they were first told of."""
    held: dict[str, Transaction] = {}
    for number, entry in entries:
        if tells_of_payment(entry):
            name = identity(entry)
            first, last = akin(name)
            known = name if name in held else next((other for other in held if first <= other < last), name)
            payment = tell(held.pop(known, None), number, entry)
            held[payment.identity] = payment
    return sorted(held.values(), key=lambda payment: payment.number)
