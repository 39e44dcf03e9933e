"""How far upstream is, as the courier last said it: for status, menu and lists. Forgotten at a restart, asked again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

_SAID: Final = ("state", "cursor", "unsent", "oldest_unsent_at", "last_ok_at", "last_error")


class SyncView:
    """Safe from many threads. `last_seq` is the newest entry of the journal that is being sent."""

    def __init__(self, last_seq: Callable[[], int], *, configured: bool) -> None:
        self._last_seq = last_seq
        self._mutex = threading.Lock()
        self._said: dict[str, Any] = {"state": "waiting" if configured else "off"}

    def tell(self, values: Mapping[str, Any]) -> None:
        """What the courier says of itself."""
        with self._mutex:
            self._said |= {name: values[name] for name in _SAID if name in values}

    def state(self) -> dict[str, Any]:
        """The block `sync` of the status; what is unsent is counted against the journal as it is now."""
        with self._mutex:
            said = dict(self._said)
        if said["state"] != "off":  # the courier also counts what former journals still hold
            said["unsent"] = max(int(said.get("unsent") or 0), self._last_seq() - int(said.get("cursor") or 0), 0)
        return said

    def unsent(self) -> dict[str, Any]:
        """For the day's list: how many entries upstream does not have, since when."""
        state = self.state()
        return {"count": state.get("unsent", 0), "since": state.get("oldest_unsent_at") or ""}
