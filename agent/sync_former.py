"""A journal of this box that was written before the current one: its rest is sent too, if upstream still takes it.

It never stands in the way of the current journal: one exchange at a time, and when that fails it waits by itself. A
former journal that is wholly sent is looked at once a day, because an upstream set back to a backup needs it again.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from typing import Final

from agent.errors import DamagedJournal, TryLater
from agent.sync import wait_s
from agent.sync_answers import NotNow, Postponed, Trouble, trouble_of
from agent.sync_blobs import Blobs
from agent.sync_journals import Held
from agent.sync_sender import Forked, Sender
from agent.sync_state import DONE, FORKED, SyncState

_log: Final = logging.getLogger("slipkeeper.sync")
_DAY_S: Final = 86400.0


class Former:
    """`start` makes the sender, once the journal is enrolled."""

    def __init__(
        self,
        held: Held,
        start: Callable[[Held], Sender],
        memory: SyncState,
        draw: Callable[[float, float], float],
    ) -> None:
        self._held = held
        self._start = start
        self._memory = memory
        self._draw = draw
        self._sender: Sender | None = None
        self._blobs: Blobs | None = None
        self._failures = 0
        self._next_s = math.inf if self._fate() == FORKED else -math.inf
        self._error: Trouble | None = None
        self._last_seq = 0
        with contextlib.suppress(DamagedJournal):
            self._last_seq = held.reader.head().seq

    def step(self, now_s: float) -> bool:
        """One exchange, if it is time for one. Whether more may follow at once."""
        if now_s < self._next_s:
            return self._fate() == DONE and self._blobs is not None and self._blobs.step(now_s)
        try:
            if self._sender is None:
                self._sender = self._start(self._held)
                self._blobs = Blobs(
                    self._held.journal_id, self._held.reader, self._sender.client, self._memory, self._draw
                )
            if self._fate() == DONE:
                self._sender.doubt()
            more = self._sender.attempt()
        except Forked as fork:
            self._end(DONE if fork.complete else FORKED)
            self._next_s = math.inf
            return False
        except Postponed as error:
            self._wait(now_s, error.answer)
            return False
        except (DamagedJournal, TryLater) as error:
            self._wait(now_s, NotNow(trouble_of(error, "sync_damaged"), slow=True))
            return False
        self._failures, self._error = 0, None
        self._end("" if more else DONE)
        self._next_s = now_s if more else now_s + _DAY_S * self._draw(0.9, 1.1)
        return more

    def standing(self) -> tuple[int, Trouble | None]:
        """Entries that still wait, and why."""
        if self._fate():
            return 0, None
        position = self._memory.position(self._held.journal_id)
        return max(self._last_seq - position.acked_seq, 0), self._error

    def _fate(self) -> str:
        return self._memory.position(self._held.journal_id).fate

    def _end(self, fate: str) -> None:
        if fate and fate != self._fate():
            _log.info("former journal %s: %s", self._held.journal_id, fate)
        self._memory.change(self._held.journal_id, fate=fate)

    def _wait(self, now_s: float, answer: NotNow) -> None:
        self._failures += 1
        self._error = answer.trouble
        self._next_s = now_s + wait_s(self._failures, answer.after_s, slow=answer.slow, draw=self._draw)
