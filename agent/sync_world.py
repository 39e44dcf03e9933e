"""What the courier is handed instead of reaching for it: clock, desk, sleep, chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agent.clock import Clock


class Desk(Protocol):
    """What the courier needs of the desk (agent.desk_client)."""

    def get(self, path: str) -> Any: ...
    def post(self, path: str, body: object) -> Any: ...


@dataclass(frozen=True, slots=True)
class World:
    """What the courier is handed instead of reaching for it."""

    clock: Clock
    desk: Desk
    sleep: Callable[[float], None]  # may end early
    stopped: Callable[[], bool] = lambda: False
    draw: Callable[[float, float], float] = random.uniform
