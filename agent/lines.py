"""What capture knows of its terminals: lines as configured, their ends, the sessions on them, and reports as drafts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from agent import ports
from agent.contract import Conversation, Report, Side
from agent.entries import Draft
from agent.fields import Json, fits, problems

_KEY: Final = 512  # characters; a key is a name, not a text


@dataclass(frozen=True, slots=True)
class Line:
    """A terminal as configured: its name, its ports, and how to begin a conversation with it."""

    name: str
    driver: str
    mode: str
    address: ports.Address
    till: ports.Address | None
    converse: Callable[[], Conversation]


@dataclass(slots=True)
class End:
    """One side of a line: how it is opened, and when to try again."""

    address: ports.Address
    listener: ports.Listener | None = None
    opening: Future[ports.Link] | None = None
    tries: int = 0
    again_at: float = 0.0


@dataclass(slots=True)
class Session:
    """One conversation and its open links. `heard_at` is when the terminal last said something."""

    line: LineState
    conversation: Conversation
    links: dict[Side, ports.Link] = field(default_factory=dict)
    outbox: dict[Side, bytearray] = field(default_factory=dict)
    heard_at: float = 0.0


@dataclass(slots=True)
class LineState:
    """What is known of a line while running. `lost_at` is the UTC time since which its terminal cannot be heard."""

    config: Line
    ends: dict[Side, End]
    sessions: list[Session] = field(default_factory=list)
    lost_at: str = ""
    since: str = ""
    last_at: str = ""

    def plain(self) -> dict[str, Json]:
        """In words: connected, waiting (for a caller) or lost."""
        state = "waiting" if self.ends[Side.TERMINAL].listener is not None else "lost"
        if any(Side.TERMINAL in session.links for session in self.sessions):
            state = "connected"
        return {
            "name": self.config.name,
            "driver": self.config.driver,
            "mode": self.config.mode,
            "state": state,
            "since": self.since,
            "last_at": self.last_at,
        }


class Passing:
    """A conversation that only passes bytes: what is left of a proxy whose driver failed. No sale is ever blocked."""

    quiet_s: float | None = None

    def __init__(self) -> None:
        self._out: dict[Side, bytearray] = {side: bytearray() for side in Side}

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        self._out[Side.TILL if side is Side.TERMINAL else Side.TERMINAL] += data
        return []

    def wake(self, elapsed_s: float) -> list[Report]:  # noqa: ARG002 - silence means nothing here
        return []

    def confirm(self, report: Report) -> None:
        """Nothing is reported, so nothing is held."""

    def abandon(self, report: Report) -> None:
        """Nothing is reported, so nothing is held."""

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        data = bytes(self._out[side])
        self._out[side].clear()
        return data


def draft_of(source: str, report: Report) -> Draft:
    """The entry a report becomes. What the contract does not allow is a driver's mistake: said, not trusted."""
    fields: dict[str, Json] = dict(report.fields)
    wrong = problems(fields)
    if wrong:
        fields = {name: value for name, value in fields.items() if fits(name, value)}
        said = fields.get("warnings")
        fields["warnings"] = [*(said if isinstance(said, list) else []), *wrong]
        if "currency" not in fields:
            fields.pop("amount_minor", None)  # an amount of nothing is no amount
    return Draft(report.kind.value, source, _name(report), fields, report.raw)


def _name(report: Report) -> str:
    """The report's key, where it can be one."""
    key = report.key
    if isinstance(key, str) and 0 < len(key) <= _KEY and key.isprintable():
        return key
    return "sha256:" + hashlib.sha256(repr(key).encode() + (report.raw or b"")).hexdigest()
