"""Runs the receiving end for a shop: listens, answers, stops when asked. One process, a few threads."""

from __future__ import annotations

import logging
import os
import signal
from types import FrameType
from typing import Any, Final

from django.conf import settings
from django.db import connection
from waitress.server import create_server

from agent.errors import TryLater
from upstream.place import OPEN_PAGES, Listen
from upstream.receiving import wire

_log: Final = logging.getLogger("upstream.server")
_THREADS: Final = 8


class Server:
    """A listening server. `run()` returns when SIGTERM or SIGINT asked for it and the answers under way are out."""

    def __init__(self, listen: Listen) -> None:
        os.environ[OPEN_PAGES] = "1" if listen.loopback else "0"
        settings.OPEN_PAGES = listen.loopback
        from upstream.wsgi import application  # noqa: PLC0415 - reads the settings when imported

        try:
            self._server: Any = create_server(
                application,
                host=listen.host,
                port=listen.port,
                threads=_THREADS,
                ident="slipkeeper",
                max_request_body_size=wire.LIMIT_BYTES + 64 * 1024,
                channel_timeout=60,
                clear_untrusted_proxy_headers=False,  # a page must know that a proxy stands before it
            )
        except OSError as cause:
            raise TryLater(
                "cannot listen on {host}:{port}: {cause}",
                "--listen takes another address; port 0 takes any free one",
                host=listen.host,
                port=listen.port,
                cause=cause.strerror,
            ) from cause
        host = f"[{listen.host}]" if ":" in listen.host else listen.host
        self.url = f"http://{host}:{self._server.effective_port}"
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)

    def run(self) -> None:
        try:
            self._server.run()  # waitress takes SystemExit for "finish what is under way and return"
        finally:
            self._server.close()
            connection.close()
        _log.info("stopped")


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
