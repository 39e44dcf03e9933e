"""What the courier tells the keeper through the desk: state, receipts, alarms, the clock. Never in the way of sending.

The newest word of each kind wins and waits here while the keeper is away. A desk that hangs costs one time-out, then
it is left alone for a while. What the keeper refuses is dropped: saying it again would not make it right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from agent.errors import SlipkeeperError, TryLater
from agent.sync_answers import ENDED_BY_SUCCESS, Trouble

_log: Final = logging.getLogger("slipkeeper.sync")
_PAUSE_S: Final = 10.0
STATE_EVERY_S: Final = 1.0
RECEIPT_EVERY_S: Final = 60.0
CLOCK_EVERY_S: Final = 3600.0
_CLOCK_MS: Final = 2000
ALARMS: Final = "/v1/alarms"


class Desk(Protocol):
    """What the courier needs of the desk (agent.desk_client)."""

    def post(self, path: str, body: object) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Word:
    path: str
    body: Mapping[str, Any]
    not_before_s: float
    said: Callable[[], None] | None = None


class Reports:
    """Collects what is to be said; `flush` says what is due."""

    def __init__(self, desk: Desk, mono_s: Callable[[], float]) -> None:
        self._desk = desk
        self._mono_s = mono_s
        self._owed: dict[str, _Word] = {}
        self._said_s: dict[str, float] = {}
        self._paused_until_s = 0.0
        self._state: Mapping[str, Any] = {}
        self._on: set[str] = set()  # codes of the alarms we raised
        self._first = True

    def state(self, block: Mapping[str, Any]) -> None:
        """The `sync` block of GET /v1/status. Said when it changes."""
        if block != self._state:
            self._state = block
            self._owe("state", "/v1/sync/state", block, STATE_EVERY_S)

    def receipt(self, body: Mapping[str, Any], said: Callable[[], None]) -> None:
        """Upstream holds the journal up to here; `said` is called when the keeper has it."""
        self._owe("receipt", "/v1/sync/receipt", body, RECEIPT_EVERY_S, said)

    def clock(self, offset_ms: int) -> None:
        """Upstream's clock minus ours, said when it is more than two seconds."""
        self._owed.pop("clock", None)  # an older word would be wrong by now
        if abs(offset_ms) > _CLOCK_MS:
            self._owe("clock", "/v1/sync/clock", {"offset_ms": offset_ms}, CLOCK_EVERY_S)

    def alarm(self, trouble: Trouble) -> None:
        """Raises an alarm once, for as long as it lasts."""
        if trouble.code and trouble.code not in self._on:
            self._on.add(trouble.code)
            body = {"code": trouble.code, "state": "on", "what": trouble.what, "hint": trouble.hint}
            self._owe("alarm " + trouble.code, ALARMS, {**body, "values": dict(trouble.values or {})}, 0.0)

    def well(self) -> None:
        """Upstream took something: what it complained of is over, also what a courier before us raised."""
        over = [code for code in ENDED_BY_SUCCESS if self._first or code in self._on]
        self._first = False
        self._on.difference_update(over)
        for code in over:
            body = {"code": code, "state": "off", "what": "", "hint": "", "values": {}}
            self._owe("alarm " + code, ALARMS, body, 0.0)

    def flush(self) -> None:
        now_s = self._mono_s()
        if now_s < self._paused_until_s:
            return
        for key, word in list(self._owed.items()):
            if word.not_before_s > now_s:
                continue
            if not self._say(word):
                return
            self._owed.pop(key, None)
            self._said_s[key] = now_s
            if word.said is not None:
                word.said()

    def _owe(
        self, key: str, path: str, body: Mapping[str, Any], every_s: float, said: Callable[[], None] | None = None
    ) -> None:
        last_s = self._said_s.get(key)
        self._owed[key] = _Word(path, body, 0.0 if last_s is None else last_s + every_s, said)

    def _say(self, word: _Word) -> bool:
        """False when the keeper is away."""
        try:
            self._desk.post(word.path, word.body)
        except TryLater:
            self._paused_until_s = self._mono_s() + _PAUSE_S
            return False
        except SlipkeeperError as error:
            _log.warning("the keeper refuses %s: %s", word.path, error)
        return True
