"""The only reader of clocks. Everything else is handed a `Clock` and can be tested at any time of any day."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, Protocol

from agent.entries import Stamp

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
RELEASED: Final = datetime(2026, 11, 1, tzinfo=UTC)  # no true clock shows an earlier time


class Clock(Protocol):
    """Wall time, time that never jumps, which boot, and whether the kernel calls the wall clock synchronised."""

    def now(self) -> datetime: ...
    def mono_s(self) -> float: ...
    def boot(self) -> str: ...
    def synced(self) -> bool | None: ...


class SystemClock:
    """The machine's clock. `boot()` is "" where the kernel hides it (units with ProcSubset=pid do)."""

    def __init__(self) -> None:
        try:
            self._boot = _BOOT_ID.read_text().strip()
        except OSError:
            self._boot = ""
        self._libc = ctypes.CDLL(None)  # what is loaded already; looking a library up by name runs a compiler

    def now(self) -> datetime:
        return datetime.now(UTC)

    def mono_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot(self) -> str:
        return self._boot

    def synced(self) -> bool | None:
        """True, False, or None where the kernel does not say. `struct timex` is 208 bytes on 64 bit, less on 32."""
        if not hasattr(self._libc, "adjtimex"):
            return None
        state = self._libc.adjtimex(ctypes.create_string_buffer(512))
        return None if state < 0 else state != _TIME_ERROR


def iso(moment: datetime) -> str:
    """UTC with milliseconds and Z, the one way times are written."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def business_day(moment: datetime, zone: tzinfo | None, cutoff: timedelta) -> date:
    """The day of the shop `moment` belongs to: it begins at the cut-off, local wall time (None = the machine's zone).

    Half-open: a sale at the cut-off itself is the new day's. Wall time is compared, so no daylight saving step can
    make an hour belong to two days or to none.
    """
    local = moment.astimezone(zone).replace(tzinfo=None)
    return (local - cutoff).date()


class Stamper:
    """Makes the stamps of entries: `Stamper(clock, zone, cutoff)()`."""

    def __init__(self, clock: Clock, zone: tzinfo | None = None, cutoff: timedelta = timedelta()) -> None:
        self._clock = clock
        self._zone = zone
        self._cutoff = cutoff

    def __call__(self) -> Stamp:
        now = self._clock.now()
        return Stamp(
            iso(now),
            int(self._clock.mono_s() * 1000),
            self._clock.boot(),
            self.trust(now),
            business_day(now, self._zone, self._cutoff).isoformat(),
        )

    def trust(self, now: datetime) -> str:
        """ok, unsynced (the kernel says so) or doubtful (no true clock shows this)."""
        if now < RELEASED:
            return "doubtful"
        return "unsynced" if self._clock.synced() is False else "ok"
