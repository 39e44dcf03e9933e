"""Makes the parts the views share and hands them the clock: the only place that reads one."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.utils.module_loading import import_string

from upstream.database import maybe_row
from upstream.receiving.credentials import Credentials, stamp
from upstream.receiving.rate import Guesses
from upstream.receiving.store import Store

GUESSES: Final = 10
GUESSES_WINDOW_S: Final = 15 * 60.0


def now() -> datetime:
    return datetime.now(UTC)


def now_text() -> str:
    return stamp(now())


@functools.cache
def store() -> Store:
    kind: type[Store] = import_string(settings.RECEIVING_STORE)
    return kind(now_text)


@functools.cache
def credentials() -> Credentials:
    return Credentials(now)


@functools.cache
def guesses(_what: str) -> Guesses:
    """One counter each for what is guessed at: enrolment codes, passwords."""
    return Guesses(GUESSES, GUESSES_WINDOW_S, time.monotonic)


@functools.cache
def identity() -> tuple[str, int]:
    """Our id and epoch. The epoch counts restores from a backup, so it cannot change while we run."""
    row = maybe_row("SELECT upstream_id, epoch FROM upstream")
    return (row[0], row[1]) if row else ("", 0)
