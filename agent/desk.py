"""The desk: HTTP and JSON on a Unix socket, the only way to ask anything of the keeper. `counter` answers.

Who may connect is said by the socket's file mode (0660, the service's group); who connected is in the log. Nothing a
caller sends can crash the keeper: every answer is a status, `what` and `hint`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import socketserver
import stat
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from agent.errors import Refused, SlipkeeperError, TryLater, UsageError

_log: Final = logging.getLogger("slipkeeper.desk")
_BODY_LIMIT: Final = 1 << 20
_TIMEOUT_S: Final = 30.0
_STATUS: Final[Mapping[type[SlipkeeperError], int]] = {UsageError: 400, Refused: 409, TryLater: 503}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: values of the path, the query and the JSON body, all as one mapping; the path's win."""

    values: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise UsageError("{name} must be a text", "", name=name)
        return value[:2000]

    def number(self, name: str, default: int | None = None, largest: int = 2**62) -> int:
        value = self.values.get(name, default)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
            value = int(value)
        if type(value) is not int or not 0 <= value <= largest:
            raise UsageError("{name} must be a whole number up to {largest}", "", name=name, largest=largest)
        return value

    def yes(self, name: str) -> bool:
        return self.values.get(name) in (True, "1", "true", "yes")  # a list from JSON has no hash


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is no JSON."""

    type: str
    data: bytes


Answer = Mapping[str, Any] | Content
Route = tuple[str, str, Callable[[Asked], Answer]]


class DeskServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves routes until closed. A stale socket file of a dead keeper is replaced; a living one cannot be there."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, routes: list[Route]) -> None:
        self.routes = [(method, _pattern(place), answer) for method, place, answer in routes]
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(path)
        mask = os.umask(0o117)
        try:
            super().__init__(str(path), _Handler)
        except OSError as cause:
            raise TryLater(
                "the desk cannot listen on {path}: {cause}",
                "a socket's path may be 107 bytes long; set storage.socket to a shorter one",
                path=str(path),
                cause=cause.strerror or str(cause),
            ) from cause
        finally:
            os.umask(mask)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=(3600.0,), name="desk", daemon=True).start()

    def close(self) -> None:
        """Answers nobody any more. Requests being answered are answered to their end."""
        ending = threading.Thread(target=self.shutdown, daemon=True)
        ending.start()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as knock:  # wakes who waits for callers
            knock.connect(str(self.server_address))
        ending.join(5)
        self.server_close()
        with contextlib.suppress(OSError):
            Path(str(self.server_address)).unlink()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's words
        _log.debug("a caller went away", exc_info=True)


def _clear(path: Path) -> None:
    """Takes away the socket a dead keeper left. Anything else at its place is somebody's file."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError("{path} is no socket", "set storage.socket to another place", path=str(path))
    path.unlink()


def _pattern(place: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", place))


class _Handler(BaseHTTPRequestHandler):
    server: DeskServer
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        try:
            status, content = 200, _content(self._answer())
        except SlipkeeperError as error:
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
            if isinstance(error, _NotFound):
                status = 404
            content = _content(_problem(error))
        except (BrokenPipeError, ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception:
            _log.exception("%s %s failed", self.command, self.path)
            ours = SlipkeeperError("the keeper could not answer that", "its log says why: journalctl -u slipkeeper")
            status, content = 500, _content(_problem(ours))
        self._send(status, content)

    def _answer(self) -> Answer:
        body = self._body()
        try:
            parts = urlsplit(self.path)
        except ValueError as cause:
            raise UsageError("the request names no place", "") from cause
        asked: dict[str, Any] = {**dict(parse_qsl(parts.query)), **body}
        for method, pattern, answer in self.server.routes:
            found = pattern.fullmatch(parts.path)
            if found and method == self.command:
                return answer(Asked(asked | {name: unquote(value) for name, value in found.groupdict().items()}))
        raise _NotFound("there is no {path} at the desk", "", path=parts.path[:200])

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch("[0-9]{1,9}", length) or int(length) > _BODY_LIMIT or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # what follows is not the next request
            raise UsageError("the request is too long", "")
        data = self.rfile.read(int(length))
        if not data:
            return {}
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as cause:
            raise UsageError("the request is no JSON", "") from cause
        if not isinstance(body, dict):
            raise UsageError("the request is no JSON object", "")
        return body

    def _send(self, status: int, content: Content) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionError, TimeoutError):
            self.send_response(status)
            self.send_header("Content-Type", content.type)
            self.send_header("Content-Length", str(len(content.data)))
            self.end_headers()
            self.wfile.write(content.data)

    def address_string(self) -> str:
        return "desk"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name the base class gave it
        """Requests that change something are logged with the caller's process; others are not worth a line."""
        if self.command == "POST":
            pid, uid, _gid = struct.unpack(
                "3i", self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            )
            _log.info("%s by pid %d uid %d", format % args, pid, uid)


class _NotFound(UsageError):
    """No such place at the desk."""


def _content(answer: Answer) -> Content:
    if isinstance(answer, Content):
        return answer
    # Half a character can come in with a request; nothing that goes out may fail by it.
    text = json.dumps(answer, ensure_ascii=False)
    return Content("application/json; charset=utf-8", text.encode(errors="replace"))


def _problem(error: SlipkeeperError) -> dict[str, Any]:
    values = {name: value if type(value) in {int, str} else str(value) for name, value in error.values.items()}
    return {"what": error.what, "hint": error.hint, "values": values, "code": type(error).__name__}
