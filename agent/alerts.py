"""Alarms: one entry when a trouble begins, one when it ends, nothing in between, so that nobody drowns in them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.entries import Draft, Kind, canonical
from agent.errors import SlipkeeperError
from agent.fields import Json

SOURCE: Final = "alarm"
_OWED: Final = 1000  # alarms that wait for the journal; of a fault that comes and goes all night the newest tell enough
_log: Final = logging.getLogger("slipkeeper.alerts")


@dataclass(frozen=True, slots=True)
class Alarm:
    """A trouble that lasts. `what` and `hint` are message ids with `values` for their places."""

    code: str
    what: str
    hint: str
    values: dict[str, Json]

    @classmethod
    def of(cls, code: str, error: SlipkeeperError) -> Alarm:
        values: dict[str, Json] = {name: str(value) for name, value in error.values.items()}
        return cls(code, error.what, error.hint, values)


class Alarms:
    """Which alarms are on. Safe from every thread; a journal that cannot be written is told again later."""

    def __init__(self, append: Callable[[list[Draft]], object], now: Callable[[], str]) -> None:
        self._append = append
        self._now = now
        self._mutex = threading.Lock()
        self._settling = threading.Lock()
        self._on: dict[str, Alarm] = {}
        self._owed: list[Draft] = []
        self._told = 0

    def restore(self, codes: dict[str, Alarm]) -> None:
        """The alarms that were on when the agent last stopped."""
        with self._mutex:
            self._on = {**codes, **self._on}

    @property
    def owes(self) -> bool:
        """Whether something waits to be journalled."""
        return bool(self._owed)

    def raise_(self, alarm: Alarm, *, at_once: bool = True) -> None:
        """`at_once` false: journalled by the next `settle`, for callers that must not wait for the disk."""
        with self._mutex:
            if alarm.code in self._on:
                return
            body: dict[str, Json] = {
                "code": alarm.code,
                "what": alarm.what,
                "hint": alarm.hint,
                "values": dict(alarm.values),
            }
            canonical(body)  # what cannot be written down is refused here, not found out at the journal again and again
            self._on[alarm.code] = alarm
            _log.warning("alarm %s: %s %s", alarm.code, alarm.what, dict(alarm.values))
            self._owe(Kind.ALARM, alarm.code, body)
        if at_once:
            self.settle()

    def clear(self, code: str, *, at_once: bool = True) -> None:
        if code not in self._on:  # asked after every commit: without the mutex, which may wait for the disk
            return
        with self._mutex:
            if self._on.pop(code, None) is None:
                return
            _log.info("alarm %s is over", code)
            self._owe(Kind.ALARM_END, code, {"code": code})
        if at_once:
            self.settle()

    def _owe(self, kind: Kind, code: str, body: dict[str, Json]) -> None:
        """The count keeps two alarms of one millisecond, or of a clock set back, from being taken for one."""
        self._told += 1
        self._owed.append(Draft(kind, SOURCE, f"{code}:{self._now()}:{self._told}", body))
        del self._owed[:-_OWED]

    def settle(self) -> None:
        """Journals what is owed. An alarm about the journal itself waits until it can be written."""
        with self._settling:  # not the mutex: a disk may take a minute, and alarms are raised and asked for meanwhile
            with self._mutex:
                owed = list(self._owed)
            if not owed:
                return
            try:
                self._append(owed)
            except SlipkeeperError as error:
                _log.warning("alarms cannot be journalled yet: %s", error)
                return
            with self._mutex:
                self._owed = [draft for draft in self._owed if draft not in owed]

    def on(self) -> list[Alarm]:
        with self._mutex:
            return list(self._on.values())
