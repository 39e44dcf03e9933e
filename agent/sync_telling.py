"""How sending stands, in the words of the desk, of the heartbeat and of the command line."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from agent import __version__
from agent.clock import Clock, iso
from agent.errors import DamagedJournal, SlipkeeperError
from agent.sync_answers import Trouble
from agent.sync_journals import Held
from agent.sync_state import Position
from agent.sync_world import Desk

_HEAR_OF: Final = {"terminals": ("name", "driver", "state"), "printers": ("name", "status", "queue", "held")}

NO_JOURNAL: Final = Trouble("there is no journal yet", "slipkeeper run keeper")
NOT_ENROLLED: Final = Trouble(
    "this box is not enrolled upstream", "make a code upstream, then: slipkeeper enroll URL CODE", "sync_not_enrolled"
)


class Telling:
    """Makes the `sync` block of GET /v1/status; remembers the oldest unsent entry, so that a look costs one query."""

    def __init__(self) -> None:
        self._seq = 0
        self._oldest: tuple[str, int, str] = ("", 0, "")

    def block(
        self, held: Held | None, position: Position | None, waiting_before: int, error: Trouble | None, *, off: bool
    ) -> Mapping[str, Any]:
        """State: off, ok, waiting (ends by itself), trouble (needs a person).

        `waiting_before` = unsent entries of former journals.
        """
        cursor = position.acked_seq if position else 0
        unsent = 0
        if held is not None:
            with contextlib.suppress(DamagedJournal):
                self._seq = held.reader.head().seq
            unsent = max(self._seq - cursor, 0)
        state = "off" if off else "ok" if error is None else "trouble" if error.code else "waiting"
        return {
            "state": state,
            "cursor": cursor,
            "unsent": unsent + waiting_before,
            "oldest_unsent_at": self._oldest_at(held, cursor) if held and unsent else "",
            "last_ok_at": position.last_ok if position else "",
            "last_error": said(error) if error and not off else "",
        }

    def _oldest_at(self, held: Held, cursor: int) -> str:
        if self._oldest[:2] != (held.journal_id, cursor):
            with contextlib.suppress(DamagedJournal):
                entry = held.reader.entry(cursor + 1)
                self._oldest = (held.journal_id, cursor, entry.at if entry else "")
        return self._oldest[2]


def said(trouble: Trouble) -> dict[str, Any]:
    """A trouble as the desk passes it on: message ids and the values of their places."""
    return {"what": trouble.what, "hint": trouble.hint, "values": dict(trouble.values or {})}


def receipt(position: Position) -> dict[str, Any]:
    """What upstream confirmed, for the keeper to journal."""
    return {
        "journal_id": position.journal_id,
        "cursor": position.acked_seq,
        "head": position.acked_head,
        "upstream": position.upstream_id,
        "received_at": position.last_ok,
    }


def facts(state: Path, desk: Desk, clock: Clock) -> dict[str, Any]:
    """What a heartbeat says of the box besides the cursor. Without the keeper it is shorter."""
    told: dict[str, Any] = {"agent_version": __version__, "uptime_s": int(clock.mono_s()), "at": iso(clock.now())}
    with contextlib.suppress(OSError):
        told["disk_free_bytes"] = shutil.disk_usage(state).free
    with contextlib.suppress(SlipkeeperError, AttributeError, TypeError):
        status = desk.get("/v1/status")
        for name, members in _HEAR_OF.items():
            told[name] = [{member: one[member] for member in members if member in one} for one in status[name][:20]]
    return told
