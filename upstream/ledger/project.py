"""From entries to transactions: pure, total and deterministic, so that rebuilt rows equal live ones.

One payment may be told of several times: by two sources (the terminal's answer and its slip), on other papers (`copy`),
or with other facts under the same identity (`conflict`). All of them are parts of one transaction. The part written
first says each fact; a later one only adds what was unknown; where they disagree the row says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent.entries import Entry, Kind
from agent.fields import BY_NAME, PAPER, Outcome
from upstream.receiving.inspection import shown

Fact = str | int

NOT_FACTS: Final = PAPER | {"totals", "verdict", "warnings"}
FACTS: Final = tuple(name for name in BY_NAME if name not in NOT_FACTS)
# Facts two honest tellers of one payment cannot differ in; of others (a time with and without seconds) they may.
_MUST_AGREE: Final = ("amount_minor", "currency", "outcome", "rrn", "auth_code")
_IDENTITY: Final = ("terminal_id", "batch_no", "trace_no", "transaction_type")
_TOLD_BY: Final = frozenset({Kind.TRANSACTION, Kind.COPY, Kind.CONFLICT})
# How a terminal describes itself.
DESCRIBED: Final = ("terminal_id", "merchant_id", "merchant_name")
# A terminal was heard of when one of these came from it.
_HEARD: Final = frozenset({*_TOLD_BY, Kind.SETTLEMENT, Kind.DETAIL_LIST, Kind.NOTICE, Kind.SLIP})


@dataclass(frozen=True, slots=True)
class Part:
    """One entry that speaks of a payment."""

    journal_id: str
    seq: int
    kind: str
    source: str
    at: str
    day: str
    facts: Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Transaction:
    """One payment; fields as in `upstream.ledger.models.Transaction`."""

    identity: str
    parts: tuple[Part, ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    copies: int = 0
    conflicts: int = 0
    disputed: tuple[str, ...] = ()

    @property
    def first(self) -> Part:
        return self.parts[0]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.source for part in self.parts))


@dataclass(frozen=True, slots=True)
class Heard:
    """A terminal as its latest report describes it."""

    source: str
    at: str
    facts: Mapping[str, Fact]


def maybe_part(journal_id: str, entry: Entry) -> Part | None:
    """The part of a payment an entry is; None when it speaks of none (or of another kind's copy)."""
    if entry.kind not in _TOLD_BY or entry.line is None:
        return None
    if entry.kind != Kind.TRANSACTION and not entry.key.startswith(f"{Kind.TRANSACTION}:"):
        return None
    day, at = shown(entry.day), shown(entry.at)
    return Part(journal_id, entry.seq, entry.kind, shown(entry.source), at, day, facts_of(entry.body))


def facts_of(body: Mapping[str, Any], names: Iterable[str] = FACTS) -> dict[str, Fact]:
    """The canonical facts in a body. What is misshapen is unknown."""
    facts: dict[str, Fact] = {}
    for name in names:
        value = body.get(name)
        if value is None or not BY_NAME[name].fits(value):
            continue
        kept = value if isinstance(value, int) else shown(value)
        if kept != "":
            facts[name] = kept
    if "currency" not in facts:  # an amount of nothing is no amount
        facts = {name: value for name, value in facts.items() if not name.endswith("_minor")}
    return facts


def identity_of(journal_id: str, entry: Entry, facts: Mapping[str, Fact]) -> str:
    """What makes two tellers speak of the same payment: terminal, batch, trace and type, else the source's own key."""
    if all(name in facts for name in _IDENTITY):
        return ":".join(str(facts[name]) for name in _IDENTITY)
    key = entry.key
    if entry.kind != Kind.TRANSACTION:  # "transaction:KEY:sixteen digits of its content"
        key = key.removeprefix(f"{Kind.TRANSACTION}:").rpartition(":")[0]
    text = f"{journal_id}/{entry.source}/{key}"
    return text if len(text) <= 200 and text == shown(text) else "sha256:" + _hash(text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def merge(identity: str, parts: Iterable[Part]) -> Transaction:
    """One transaction from its parts, in whatever order they came."""
    ordered = tuple(sorted(set_of(parts), key=lambda part: (part.at, part.journal_id, part.seq)))
    facts: dict[str, Fact] = {}
    disputed = set()
    # A conflict never overrides what the transaction itself said, even when its entry sorts before it.
    for part in sorted(ordered, key=lambda part: part.kind == Kind.CONFLICT):
        for name, value in part.facts.items():
            held = facts.get(name)
            if held is None or (name == "outcome" and held == Outcome.UNKNOWN):
                facts[name] = value
            elif name in _MUST_AGREE and value not in {held, Outcome.UNKNOWN}:
                disputed.add(name)
    return Transaction(
        identity,
        ordered,
        facts,
        sum(part.kind == Kind.COPY for part in ordered),
        sum(part.kind == Kind.CONFLICT for part in ordered),
        tuple(sorted(disputed)),
    )


def set_of(parts: Iterable[Part]) -> list[Part]:
    """Each entry once."""
    return list({(part.journal_id, part.seq): part for part in parts}.values())


def maybe_heard(entry: Entry) -> Heard | None:
    """The terminal an entry comes from; None when it is the agent's own."""
    source = shown(entry.source)
    if entry.kind not in _HEARD or not source:
        return None
    return Heard(source, shown(entry.at), facts_of(entry.body, DESCRIBED))
