"""Tells systemd how we are (sd_notify): ready, alive, stopping. Does nothing where nobody listens."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Sends "READY=1", "WATCHDOG=1", "STOPPING=1" or "STATUS=…"."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
    ):
        channel.connect("\0" + path[1:] if path.startswith("@") else path)
        channel.send(state.encode())


def watchdog_s() -> float:
    """How often systemd wants to hear "WATCHDOG=1": half its limit; 0 when it does not."""
    limit_us = os.environ.get("WATCHDOG_USEC", "")
    return int(limit_us) / 2_000_000 if limit_us.isdecimal() else 0.0
