"""Wrong guesses are counted and slowed: short codes and passwords stand behind this. In memory, per process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from upstream.receiving.problems import Code, Problem


class Guesses:
    """At most `limit` failures in `window_s` seconds per asker, and ten times as many from everybody together."""

    def __init__(self, limit: int, window_s: float, monotonic_s: Callable[[], float]) -> None:
        self._limit = limit
        self._window_s = window_s
        self._monotonic_s = monotonic_s
        self._failures: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def check(self, asker: str) -> None:
        """Raises Problem (429) when `asker`, or everybody, has failed too often lately."""
        with self._lock:
            now = self._monotonic_s()
            while self._failures and self._failures[0][0] <= now - self._window_s:
                self._failures.popleft()
            own = [at for at, who in self._failures if who == asker]
            full = own if len(own) >= self._limit else []
            if len(self._failures) >= 10 * self._limit:
                full = [self._failures[0][0]]
            if full:
                wait_s = int(full[0] + self._window_s - now) + 1
                raise Problem(Code.SLOW_DOWN, "too many wrong attempts", retry_after_s=wait_s)

    def failed(self, asker: str) -> None:
        with self._lock:
            self._failures.append((self._monotonic_s(), asker))
