"""The keeper's desk seen from outside: HTTP and JSON over a Unix socket, for the menu and the command line.

Who calls this must be able to tell three things apart, so they are three errors: nobody listens (`TryLater`: nothing
was done), the request went out and no answer came (`NoAnswer`: what was done is *unknown*), and an answer that says
no (`Refused`, `UsageError`). Nothing is ever sent twice by itself: printing is not idempotent.

One connection a call, so one `Desk` may be used from many threads.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from agent.errors import Refused, SlipkeeperError, TryLater, UsageError

ANSWER_LIMIT: Final = 32 * 1024 * 1024
_WRONG_QUESTION: Final = frozenset({400, 404, 405, 411, 413, 414, 415, 422})
_NOT_VALUES: Final = frozenset({"self", "what", "hint"})  # names the error's own constructor takes


class NoAnswer(TryLater):
    """The request went out and no whole answer came: whether it was carried out is unknown."""


class Desk:
    """The desk behind `socket_path`; `timeout_s` bounds every single wait for the keeper."""

    def __init__(self, socket_path: Path, timeout_s: float = 5.0) -> None:
        self.socket_path = socket_path
        self.timeout_s = timeout_s

    def get(self, path: str, **query: str | int | None) -> Any:
        """The JSON behind `path`; empty and missing query values are left out."""
        return _json(self._call("GET", with_query(path, **query)))

    def get_bytes(self, path: str, **query: str | int | None) -> bytes:
        """Whatever is behind `path`: text, a picture, printer bytes."""
        return self._call("GET", with_query(path, **query))

    def post(self, path: str, body: object) -> Any:
        """Asks the keeper to do something. Raises NoAnswer when nobody can know whether it did."""
        return _json(self._call("POST", path, json.dumps(body, ensure_ascii=False).encode()))

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        line = _Line(self.socket_path, self.timeout_s)
        try:
            line.connect()
            headers = {"Connection": "close"} | ({"Content-Type": "application/json"} if body is not None else {})
            try:
                line.request(method, path, body, headers)
                answer = line.getresponse()
                content = answer.read(ANSWER_LIMIT + 1)
            except (OSError, http.client.HTTPException) as cause:
                raise _silence(method) from cause
        finally:
            line.close()
        if len(content) > ANSWER_LIMIT:
            raise NoAnswer("the answer of the keeper is too long", "slipkeeper doctor")
        if answer.length:  # read(amount) says nothing of an answer that was cut off
            raise _silence(method)
        if answer.status >= 400:
            raise _refusal(answer.status, content)
        return content


class _Line(http.client.HTTPConnection):
    """An HTTP connection whose other end is a file."""

    def __init__(self, socket_path: Path, timeout_s: float) -> None:
        super().__init__("desk", timeout=timeout_s)
        self._socket_path = socket_path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._socket_path))
        except PermissionError as cause:
            raise Refused(
                "this user may not talk to the keeper",
                "add the user to the group that owns {socket}",
                socket=str(self._socket_path),
            ) from cause
        except OSError as cause:
            raise TryLater("the keeper is not running", "slipkeeper run keeper") from cause


def with_query(path: str, **query: str | int | None) -> str:
    """`path` with the query values that say something."""
    said = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(said)}" if said else path


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else {}
    except ValueError as cause:
        raise NoAnswer("the answer of the keeper cannot be read", "slipkeeper doctor") from cause


def _silence(method: str) -> NoAnswer:
    if method == "GET":
        return NoAnswer("the keeper does not answer", "slipkeeper status")
    return NoAnswer(
        "the keeper did not answer: whether it did what was asked is unknown",
        "look at the print queue before you ask again",
    )


def _refusal(status: int, content: bytes) -> SlipkeeperError:
    """The error an answer of 400 and above means, in the words the keeper sent along."""
    try:
        body = json.loads(content)
        what, hint, values = str(body["what"]), str(body.get("hint", "")), dict(body.get("values") or {})
        values = {str(name): value for name, value in values.items() if name not in _NOT_VALUES}
        what.format(**values)
        hint.format(**values)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        what, hint, values = "the keeper refused with status {status}", "slipkeeper doctor", {"status": status}
        body = {}
    values.setdefault("code", body.get("code", ""))
    if status >= 500:
        return TryLater(what, hint, **values)
    return (UsageError if status in _WRONG_QUESTION else Refused)(what, hint, **values)
