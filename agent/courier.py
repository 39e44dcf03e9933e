"""The second process: brings the journal upstream. It has the network and the token, and no device.

It reads the journal `mode=ro`, writes nowhere but in its own directory, and tells the keeper everything else through
the desk, so its crash, leak or stall never touches capture. This file wires it; `sync_loop` is what it does.

`sync now` is a touched file (`sync_state.ask_now`), looked at twice a second together with the journal's head: that
costs less than a socket would, needs no right over this process, and is not lost while it starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agent import enrol, forever
from agent.clock import SystemClock
from agent.config import Config
from agent.enrol import Enrolment
from agent.errors import Refused, SlipkeeperError
from agent.sync_client import Client
from agent.sync_journals import Held, Journals
from agent.sync_loop import Courier
from agent.sync_state import FORKED, Position, directory, remembered
from agent.sync_world import World

_log: Final = logging.getLogger("slipkeeper.sync")
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_REST_S: Final = 3600.0
_LAST_WORDS_S: Final = 1.0
_NONE: Final = {
    "enrolled": False,
    "cursor": 0,
    "last_ok_at": "",
    "last_error": "",
    "attempts": 0,
    "fate": "",
    "url": "",
}


def run(config: Config, stop: forever.Stop) -> None:
    """The courier's main loop; returns when stopped. Raises Refused when another courier runs already.

    The work is done in a thread that may be in the middle of a request when we stop: nobody waits for that, because a
    courier may be killed at any moment anyway.
    """
    with _alone(config.state):
        courier = open_courier(config, stop)
        thread = forever.start("sync", courier.step, stop)
        while not stop.stopped:
            stop.sleep(_REST_S)
        thread.join(_LAST_WORDS_S)
        if not thread.is_alive():
            courier.close()


def open_courier(config: Config, stop: forever.Stop) -> Courier:
    """The courier of a configuration, with the real clock and desk."""
    from agent.desk_client import Desk  # noqa: PLC0415 - http.client, which `status` does not need

    if unencrypted(config.upstream.url):
        _log.warning("upstream is spoken to without encryption: %s", config.upstream.url)
    return Courier(
        config.state,
        Journals(config.state, lambda found: client_of(found, config)),
        World(SystemClock(), Desk(config.socket), stop.sleep, lambda: stop.stopped),
        configured=bool(config.upstream.url),
        window_s=config.upstream.start_window_s,
    )


def client_of(found: Enrolment, config: Config) -> Client:
    """The client for an enrolment; a redirect may lead to where the box was enrolled, and nowhere else."""
    url = found.url(config.upstream.url)
    return Client(url, found.token, config.upstream, hosts=(found.asked_url, found.base_url))


def unencrypted(url: str) -> bool:
    """Whether token and sales would cross a network in the clear."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in _HERE


def status(config: Config) -> dict[str, Any]:
    """How sending stands, from the files alone: it answers without keeper, courier and network.

    `journals` are all journals of the box, oldest first; the other members are those of the desk's `sync` block.
    """
    known = {position.journal_id: position for position in remembered(config.state)}
    journals = Journals(config.state, lambda found: client_of(found, config))
    with contextlib.suppress(SlipkeeperError):
        journals.look()
    try:
        rows = [_row(held, known.get(held.journal_id, Position(held.journal_id)), config) for held in journals.all()]
        current = rows[-1] if journals.current else _NONE
    finally:
        journals.close()
    off = not (current["enrolled"] or config.upstream.url)
    trouble = current["fate"] == FORKED or (current["last_error"] and not current["last_ok_at"])
    told = {name: current[name] for name in ("enrolled", "cursor", "last_ok_at", "last_error", "attempts")}
    return {
        "state": "off" if off else "trouble" if trouble else "waiting" if current["last_error"] else "ok",
        "url": current["url"] or config.upstream.url,
        "unsent": sum(row["unsent"] for row in rows),
        **told,
        "journals": rows,
    }


def _row(held: Held, position: Position, config: Config) -> dict[str, Any]:
    found, seq = None, position.acked_seq
    with contextlib.suppress(SlipkeeperError):
        found = enrol.load(config.state, held.journal_id)
    with contextlib.suppress(SlipkeeperError):
        seq = held.reader.head().seq
    return {
        "journal_id": held.journal_id,
        "seq": seq,
        "cursor": position.acked_seq,
        "unsent": 0 if position.fate else max(seq - position.acked_seq, 0),
        "enrolled": found is not None,
        "url": found.url(config.upstream.url) if found else "",
        "label": found.terminal_label if found else "",
        "upstream": position.upstream_id,
        "last_ok_at": position.last_ok,
        "last_error": position.last_error,
        "attempts": position.attempts,
        "fate": position.fate,
    }


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """One courier per box: two would not harm the journal, only each other's patience."""
    path = directory(state)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path / "courier.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        os.close(handle)
        raise Refused("another courier already sends for this box", "slipkeeper sync status") from cause
    try:
        yield
    finally:
        os.close(handle)
