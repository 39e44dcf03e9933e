"""Captured bytes follow their entries: the very slip, for whoever reconciles, named by the SHA-256 in its line.

Lowest priority: one at a time, when everything else is upstream, and never in the way of the next sale for long (so a
very large one stays here). Sending one twice changes nothing, which is why a lost bookmark only costs bandwidth.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Final

from agent.journal import Reader
from agent.sync import SLOW_S, wait_s
from agent.sync_answers import Reply, Unreachable, members_of
from agent.sync_client import Client
from agent.sync_state import SyncState

_log: Final = logging.getLogger("slipkeeper.sync")
_LIMIT: Final = 1 << 20
_PAGE: Final = 200
_TAKEN: Final = frozenset({200, 201})
_NEVER: Final = frozenset({400, 413})


class Blobs:
    """The captured bytes of one journal; `blob_seq` in sync.db says behind which entry to go on."""

    def __init__(
        self,
        journal_id: str,
        reader: Reader,
        client: Client,
        memory: SyncState,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._journal_id = journal_id
        self._reader = reader
        self._client = client
        self._memory = memory
        self._draw = draw
        self._failures = 0
        self._next_s = 0.0

    def step(self, now_s: float) -> bool:
        """Sends one, of an entry upstream holds. Whether more may follow at once."""
        position = self._memory.position(self._journal_id)
        if now_s < self._next_s or position.blob_seq >= position.acked_seq:
            return False
        done, sent = position.blob_seq, False
        for entry, _ in self._reader.entries(done, _PAGE):
            if sent or entry.seq > position.acked_seq:
                break
            data = self._reader.raw(entry.seq) if entry.raw_sha256 else None
            if data is not None and not self._send(entry.seq, entry.raw_sha256, data, now_s):
                break
            done, sent = entry.seq, data is not None
        self._memory.change(self._journal_id, blob_seq=done)
        return done > position.blob_seq

    def _send(self, seq: int, name: str, data: bytes, now_s: float) -> bool:
        """Whether upstream has it, or never will."""
        if len(data) > _LIMIT:
            _log.warning("the captured bytes of entry %d are too many to be sent (%d); they stay here", seq, len(data))
            return True
        try:
            reply = self._client.call(
                "PUT",
                f"/v1/journals/{self._journal_id}/blobs/{name}",
                {"Content-Type": "application/octet-stream"},
                data,
            ).reply
        except Unreachable:
            reply = Reply(0, {}, b"")
        members = members_of(reply.content)
        if reply.status in _TAKEN and members.get("sha256") == name:
            self._failures = 0
            return True
        if reply.status in _NEVER and "code" in members:
            _log.warning("upstream does not take the captured bytes of entry %d (answer %d)", seq, reply.status)
            return True
        self._failures += 1
        self._next_s = now_s + max(wait_s(self._failures, 0.0, slow=False, draw=self._draw), self._patience(reply))
        return False

    @staticmethod
    def _patience(reply: Reply) -> float:
        """An upstream without this address may get one with its next version."""
        return SLOW_S if 400 <= reply.status < 500 else 0.0
