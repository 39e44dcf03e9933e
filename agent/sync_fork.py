"""What happens when upstream holds another content under our numbers: this journal stops, the box goes on in a new one.

That is so when the card of the box was cloned, or when an older state of it was put back. Which of the two contents is
the true one nobody here can know: upstream keeps both and alarms, the old journal is kept here, and the keeper is asked
to begin another. Once a day at most: an upstream gone mad must not make a box shed journals.
"""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from typing import Final

from agent.clock import Clock, iso
from agent.errors import SlipkeeperError
from agent.sync_answers import Trouble, maybe_time
from agent.sync_state import FORKED, SyncState
from agent.sync_world import Desk

_log: Final = logging.getLogger("slipkeeper.sync")
_ASK_S: Final = 30.0
_EVERY: Final = timedelta(days=1)
FORK: Final = Trouble(
    "upstream holds another content for this journal: another box or an older state of this one was used",
    "look for a copy of this box; here everything goes on in a new journal, the old one is kept",
    "fork",
)
AGAIN: Final = Trouble(
    "upstream holds another content for this journal too, twice within a day",
    "ask whoever runs upstream; nothing is sent until this journal is enrolled anew",
    "fork",
)


class Forks:
    """Which journals are stopped is remembered in sync.db, with the token they had then."""

    def __init__(self, memory: SyncState, desk: Desk, clock: Clock) -> None:
        self._memory = memory
        self._desk = desk
        self._clock = clock
        self._ask_s = -math.inf

    def stopped(self, journal_id: str, token: int) -> bool:
        """Whether the journal is stopped. A newer token is an operator's word that it may be tried again."""
        position = self._memory.position(journal_id)
        return position.fate == FORKED and position.token_mark == token

    def stop(self, journal_id: str, token: int) -> None:
        self._memory.change(journal_id, fate=FORKED, since=iso(self._clock.now()), token_mark=token)

    def ask_for_successor(self, journal_id: str) -> Trouble:
        """Asks the keeper, now and then, to go on in a new journal. Returns how to call this state.

        `journal_id` lets the keeper see that it did so already; `agreed_seq` is how far upstream surely has it.
        """
        position = self._memory.position(journal_id)
        yesterday = self._clock.now() - _EVERY
        for other in self._memory.positions():
            since = maybe_time(other.since)
            if other.fate == FORKED and other.journal_id != journal_id and since and since > yesterday:
                return AGAIN
        if self._clock.mono_s() >= self._ask_s:
            self._ask_s = self._clock.mono_s() + _ASK_S
            asked = {"reason": "fork", "journal_id": journal_id, "agreed_seq": position.acked_seq}
            try:
                self._desk.post("/v1/journal/succeed", asked)
            except SlipkeeperError as error:
                _log.warning("the keeper does not begin a new journal yet: %s", error)
        return FORK
