"""Repeats a role's `step` for as long as the process lives. The only place that waits, retries and catches everything.

A step returns how many seconds may pass until the next one. `TryLater` is the world's fault: the role waits, longer
each time, and says so once. Anything else is ours: a sacred role ends the process (systemd starts it again, the
journal is whole by design); another role is started anew and counted, so that paper can never take capture down.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from agent.errors import TryLater

_log: Final = logging.getLogger("slipkeeper.forever")
_BACKOFF_CAP_S: Final = 30.0
EXIT_CRASHED: Final = 70

Result = TypeVar("Result")


class Stop:
    """Tells every role to end. `poke` lets one that waits look again at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = False
        self._pokes = 0
        self.on_stop: list[Callable[[], None]] = []

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def pokes(self) -> int:
        """How often it was poked so far: taken before a step, no poke during the step is missed."""
        return self._pokes

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for callback in self.on_stop:
            callback()

    def poke(self) -> None:
        with self._changed:
            self._pokes += 1
            self._changed.notify_all()

    def sleep(self, seconds: float, seen: int | None = None) -> None:
        """Waits, at most so long; ends early by `stop` or `poke`, at once when poked since `pokes` was `seen`."""
        with self._changed:
            since = self._pokes if seen is None else seen
            self._changed.wait_for(lambda: self._stopped or self._pokes != since, max(0.0, seconds))


def repeat(name: str, step: Callable[[], float], stop: Stop, *, sacred: bool = False) -> None:
    """Runs `step` until `stop`. Returns only then."""
    failures = 0
    while not stop.stopped:
        seen = stop.pokes
        try:
            wait_s = step()
            if failures:
                _log.info("%s goes on after %d failed tries", name, failures)
            failures = 0
        except TryLater as error:
            failures += 1
            if failures == 1:
                _log.warning("%s: %s (%s)", name, error, error.hint)
            wait_s = _backoff(failures)
        except Exception:
            _log.exception("%s crashed", name)
            if sacred:
                os._exit(EXIT_CRASHED)  # no clean-up: the journal needs none, and threads must not go on half
            failures += 1
            wait_s = _backoff(failures)
        if wait_s > 0:
            stop.sleep(wait_s, seen)


def spared(name: str, act: Callable[[], Result]) -> tuple[bool, Result | None]:
    """Whether `act` was done, and its result. A stranger's code that fails is logged and costs nobody else anything."""
    try:
        return True, act()
    except Exception:
        _log.exception("%s failed", name)
        return False, None


def start(name: str, step: Callable[[], float], stop: Stop, *, sacred: bool = False) -> threading.Thread:
    """Repeats in a thread of its own."""
    thread = threading.Thread(target=repeat, args=(name, step, stop), kwargs={"sacred": sacred}, name=name, daemon=True)
    thread.start()
    return thread


def _backoff(failures: int) -> float:
    """Full jitter under a doubling cap: a street of boxes does not come back in step."""
    return random.uniform(0.2, min(_BACKOFF_CAP_S, 0.5 * 2 ** min(failures, 10)))  # noqa: S311 - no secret
