"""Looks at the box as a technician would: disk, clock, SQLite, journal, devices, printers, fonts. Changes nothing.

Each finding is good, bad or unknown; what cannot be looked at from here is unknown, never guessed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import ports
from agent.clock import Stamper, SystemClock
from agent.config import Config
from agent.contract import Truth
from agent.errors import SlipkeeperError
from agent.succession import current_path
from agent.verify import verify

_SYNCS: Final = 20
_SLOW_SYNC_MS: Final = 50.0  # terminals wait a second or more; a card that needs this long wants watching
_LITTLE_BYTES: Final = 256 * 1024 * 1024
_FIXED: Final = ((3, 51, 3), (3, 50, 7), (3, 44, 6))  # SQLite's WAL-reset race; one writer avoids it anyway
_CLOCK: Final = {
    "ok": "the clock shows {now} and is kept by the network",
    "unsynced": "the clock shows {now}; nothing keeps it right",
    "doubtful": "the clock shows {now}, which cannot be",
}
_BY_ID: Final = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `what` is a message id with `values`."""

    good: Truth
    what: str
    values: dict[str, object]


def examine(config: Config) -> Iterator[Finding]:
    """Everything that can be seen without the keeper, in the order a technician would ask."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(Truth.YES, "Python {version}", {"version": version})
    yield from _sqlite()
    yield from _clock(config)
    yield from _disk(config.state)
    yield from _journal(config.state)
    yield from _devices(config)
    yield from _fonts()


def _sqlite() -> Iterator[Finding]:
    held = sqlite3.sqlite_version_info
    fixed = held >= _FIXED[0] or any(held[:2] == (a, b) and held[2] >= c for a, b, c in _FIXED[1:])
    what = "SQLite {version}" if fixed else "SQLite {version}: two writers could spoil a file; here there is only one"
    yield Finding(Truth.YES, what, {"version": sqlite3.sqlite_version})


def _clock(config: Config) -> Iterator[Finding]:
    clock = SystemClock()
    trust = Stamper(clock, config.shop.zone).trust(clock.now())
    good = {"ok": Truth.YES, "unsynced": Truth.UNKNOWN}.get(trust, Truth.NO)
    now = clock.now().astimezone(config.shop.zone).isoformat(timespec="seconds")
    yield Finding(good, _CLOCK[trust], {"now": now})


def _disk(state: Path) -> Iterator[Finding]:
    place = state if state.exists() else next(parent for parent in state.parents if parent.exists())
    free = shutil.disk_usage(place).free
    values: dict[str, object] = {"free": f"{free // 1024**2}", "path": str(place)}
    yield Finding(Truth.YES if free > _LITTLE_BYTES else Truth.NO, "{free} MiB free at {path}", values)
    try:
        slowest = max(_sync_times(place))
    except OSError as cause:
        yield Finding(
            Truth.NO, "{path} cannot be written: {cause}", {"path": str(place), "cause": cause.strerror or ""}
        )
        return
    good = Truth.YES if slowest < _SLOW_SYNC_MS else Truth.NO
    yield Finding(good, "a write is on the disk after {ms} ms at the slowest", {"ms": f"{slowest:.1f}"})


def _sync_times(place: Path) -> list[float]:
    """How long an append takes to be durable, in milliseconds, a few times."""
    times = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            os.write(file.fileno(), b"." * 512)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return times


def _journal(state: Path) -> Iterator[Finding]:
    path = current_path(state)
    if not path.exists():
        yield Finding(Truth.UNKNOWN, "there is no journal yet at {path}", {"path": str(path)})
        return
    proof = verify(path, 2000)
    if proof.whole:
        yield Finding(Truth.YES, "the newest {entries} entries of the journal are whole", {"entries": proof.entries})
    else:
        yield Finding(Truth.NO, "the journal is damaged: {trouble}", {"trouble": proof.troubles[0]})


def _devices(config: Config) -> Iterator[Finding]:
    found = sorted(_BY_ID.iterdir()) if _BY_ID.is_dir() else []
    for device in found:
        yield Finding(Truth.YES, "serial device {path}", {"path": str(device)})
    if not found:
        yield Finding(Truth.UNKNOWN, "no serial device has a name under {path}", {"path": str(_BY_ID)})
    wanted = [(terminal.name, terminal.port) for terminal in config.terminals]
    for name, port in [*wanted, *((printer.name, printer.port) for printer in config.printers)]:
        address = ports.parse(port)
        if address.scheme in {"serial", "file"}:
            there = Path(address.place).exists()
            what = "{name}: {port} is there" if there else "{name}: {port} is not there"
            yield Finding(Truth.YES if there else Truth.NO, what, {"name": name, "port": address.place})
        elif address.scheme == "tcp":
            yield _reached(name, address)


def _reached(name: str, address: ports.Address) -> Finding:
    try:
        link = ports.open_link(address)
    except SlipkeeperError as error:
        return Finding(Truth.NO, "{name}: {cause}", {"name": name, "cause": str(error)})
    with contextlib.suppress(SlipkeeperError):
        link.close()
    return Finding(Truth.YES, "{name}: {port} answers", {"name": name, "port": address.place})


def _fonts() -> Iterator[Finding]:
    from agent.slips.drawing import can_draw  # noqa: PLC0415 - loads Pillow

    good = can_draw("单")
    what = (
        "slips can be drawn in Chinese"
        if good
        else "no Chinese font: pictures of slips show boxes (pip: the extra [fonts])"
    )
    yield Finding(Truth.YES if good else Truth.NO, what, {})
