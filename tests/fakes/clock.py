"""A clock that shows what the test says and goes when the test lets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent.clock import iso

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai, a Sunday


class FakeClock:
    """`wall` may jump, `mono_s` only goes on. Each reading of the time moves both by `tick`."""

    def __init__(self, start: datetime = NOON, *, tick: timedelta = timedelta(milliseconds=1)) -> None:
        self.wall = start
        self.tick = tick
        self.mono = 1000.0
        self.boot_id = "00000000-0000-4000-8000-000000000001"
        self.synchronised: bool | None = True

    def now(self) -> datetime:
        self.pass_(self.tick)
        return self.wall

    def mono_s(self) -> float:
        return self.mono

    def boot(self) -> str:
        return self.boot_id

    def synced(self) -> bool | None:
        return self.synchronised

    # -- what tests do ---------------------------------------------------------------------------------------------

    def pass_(self, time: timedelta) -> None:
        """Time goes by."""
        self.wall += time
        self.mono += time.total_seconds()

    def set(self, wall: datetime) -> None:
        """Somebody sets the wall clock; the time that never jumps does not."""
        self.wall = wall

    def iso(self) -> str:
        return iso(self.now())
