"""A box without devices: journal, history and index in one directory, under a clock that obeys."""

from __future__ import annotations

import shutil
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any

from agent.clock import Stamper
from agent.entries import Draft
from agent.history import History
from agent.index import Index
from agent.journal import Journal
from agent.search import wanted
from agent.succession import open_journal
from tests.fakes.clock import FakeClock


class Box:
    """A journal and its index."""

    def __init__(
        self, state: Path, clock: FakeClock | None = None, zone: tzinfo | None = None, cutoff: timedelta = timedelta()
    ) -> None:
        self.state = state
        self.clock = clock or FakeClock()
        self.stamp = Stamper(self.clock, zone, cutoff)
        self._ids, self._salts = iter(range(1, 10**6)), iter(range(1, 10**6))
        self.open()

    def open(self) -> None:
        self.journal: Journal = open_journal(
            self.state,
            stamp=self.stamp,
            salt=lambda: f"{next(self._salts):032x}",
            new_id=lambda: f"{next(self._ids):032x}",
        ).journal
        self.history = History(self.state)
        self.index = Index(self.state, self.history)

    def close(self) -> None:
        self.index.close()
        self.history.close()
        self.journal.close()

    def write(self, *drafts: Draft) -> list[int]:
        return [self.journal.head.base + written.entry.seq for written in self.journal.append(list(drafts))]

    def found(self, text: str = "", day: str = "") -> list[dict[str, Any]]:
        self.index.catch_up()
        return self.index.search(wanted(text, "CNY"), day)

    def found_all(self) -> list[dict[str, Any]]:
        self.index.catch_up()
        return self.index.search(wanted("", "CNY"), limit=100_000)

    def rebuilt(self) -> dict[str, list[Any]]:
        """What an index says that was computed from nothing."""
        elsewhere = self.state / "elsewhere"
        shutil.rmtree(elsewhere, ignore_errors=True)
        elsewhere.mkdir()
        index = Index(elsewhere, History(self.state))
        index.catch_up()
        dump = index.dump()
        index.close()
        return dump
