"""What many tests need: a clock that obeys, a journal on a real disk, drafts to put into it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from agent.clock import Stamper
from agent.journal import Head, Journal
from tests.fakes.clock import FakeClock

# Real disks are slow at odd moments and the machines of CI are shared: no deadline, the same examples every time.
settings.register_profile("slipkeeper", deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile(
    "long", deadline=None, database=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "slipkeeper"))

JOURNAL_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stamp(clock: FakeClock) -> Stamper:
    return Stamper(clock)


@pytest.fixture
def salt() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):032x}"


@pytest.fixture
def ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):032x}"


OpenJournal = Callable[..., Journal]


@pytest.fixture
def open_journal_at(stamp: Stamper, salt: Callable[[], str]) -> Iterator[OpenJournal]:
    """Opens journals and closes them at the end of the test."""
    opened: list[Journal] = []

    def open_(directory: Path, parent: Head | None = None, journal_id: str = JOURNAL_ID) -> Journal:
        journal = Journal(directory, stamp=stamp, salt=salt, journal_id=journal_id, parent=parent)
        opened.append(journal)
        return journal

    yield open_
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(tmp_path: Path, open_journal_at: OpenJournal) -> Journal:
    return open_journal_at(tmp_path / "journal")
