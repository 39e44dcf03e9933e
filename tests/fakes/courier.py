"""A courier's world in tests: a clock that goes when somebody sleeps, a desk that listens, a real journal."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent import enrol
from agent.clock import Stamper
from agent.config import Upstream
from agent.enrol import Enrolment
from agent.entries import Draft, Kind
from agent.errors import Refused, TryLater
from agent.journal import FILE, Head, Journal, Reader
from agent.succession import current_path
from agent.sync_client import Client
from agent.sync_journals import Journals
from agent.sync_loop import Courier
from agent.sync_world import World

CALM: tuple[float, float] = (2.0, 0.25)  # time-outs of tests: "slow" is half a second


@dataclass
class FakeClock:
    """Wall and monotonic time move by `sleep` only."""

    wall: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)
    mono: float = 100_000.0
    slept: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.wall

    def mono_s(self) -> float:
        return self.mono

    def boot(self) -> str:
        return "boot"

    def synced(self) -> bool | None:
        return True

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wall += timedelta(seconds=seconds)
        self.mono += seconds
        self.on_sleep()


@dataclass
class FakeDesk:
    """Hears what the courier says. `succeed` is what the keeper does when asked for a new journal."""

    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    down: bool = False
    refuse: set[str] = field(default_factory=set)
    succeed: Callable[[], None] = lambda: None

    def post(self, path: str, body: object) -> Any:
        if self.down:
            raise TryLater("the keeper is not running", "slipkeeper run keeper")
        if path in self.refuse:
            raise Refused("no")
        assert isinstance(body, dict)
        self.said.append((path, body))
        if path == "/v1/journal/succeed":
            self.succeed()
        return {}

    def get(self, path: str) -> Any:
        if self.down:
            raise TryLater("the keeper is not running", "slipkeeper run keeper")
        return {"terminals": [{"name": "pos1", "driver": "x", "state": "connected", "last_at": "y"}], "printers": []}

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for said, body in self.said if said == path]

    def alarms(self) -> dict[str, str]:
        """The last word on each alarm."""
        return {body["code"]: body["state"] for body in self.bodies("/v1/alarms")}

    @property
    def state(self) -> dict[str, Any]:
        return self.bodies("/v1/sync/state")[-1]


def new_journal(state: Path, *, parent: Head | None = None, journal_id: str = "") -> Journal:
    clock = FakeClock()
    salts = iter(range(1 << 30))
    return Journal(
        current_path(state).parent,
        stamp=Stamper(clock, UTC),
        salt=lambda: f"{next(salts):032x}",
        journal_id=journal_id or str(uuid.uuid4()),
        parent=parent,
    )


_keys = iter(range(1 << 30))


def sale(amount_minor: int = 12_850) -> Draft:
    number = next(_keys)
    body = {"amount_minor": amount_minor, "currency": "CNY", "trace_no": f"{number:06d}", "outcome": "approved"}
    return Draft(Kind.TRANSACTION, "pos1", f"t{number}", body)


def chore() -> Draft:
    """An entry that tells of no money."""
    return Draft(Kind.PRINT_STATE, "printing", f"p{next(_keys)}", {"state": "sent"})


def lines_of(state: Path) -> list[bytes]:
    """Every line of the current journal, as it should stand upstream."""
    reader = Reader(current_path(state))
    try:
        return [entry.wire() for entry, _ in reader.entries(0, 1 << 30)]
    finally:
        reader.close()


@dataclass
class Box:
    """One till: state directory, journal, courier, and the world around it."""

    state: Path
    url: str
    clock: FakeClock = field(default_factory=FakeClock)
    desk: FakeDesk = field(default_factory=FakeDesk)
    stopped: threading.Event = field(default_factory=threading.Event)
    settings: Upstream = field(default_factory=Upstream)
    draw: Callable[[float, float], float] = lambda low, high: high
    timeouts_s: tuple[float, float] = CALM

    def client(self, found: Enrolment) -> Client:
        return Client(
            found.url(self.settings.url),
            found.token,
            self.settings,
            hosts=(found.base_url,),
            timeouts_s=self.timeouts_s,
        )

    def courier(self, *, window_s: float = 0.0, configured: bool = True) -> Courier:
        world = World(self.clock, self.desk, self.clock.sleep, self.stopped.is_set, self.draw)
        return Courier(self.state, Journals(self.state, self.client), world, configured=configured, window_s=window_s)

    def enrol(self, upstream: Any, journal: Journal) -> None:
        token = upstream.enrol(journal.head.journal_id)
        enrol.save(self.state, Enrolment(journal.head.journal_id, self.url, self.url, token))


def drain(courier: Courier, clock: FakeClock, done: Callable[[], bool], steps: int = 2000) -> None:
    """Steps until `done`. Time passes as the courier asks for it."""
    for _ in range(steps):
        if done():
            return
        wait_s = courier.step()
        if wait_s:
            clock.sleep(wait_s)
    raise AssertionError("the courier does not get there")


def former(state: Path) -> list[Path]:
    return sorted(state.glob(f"former/*/{FILE}"))
