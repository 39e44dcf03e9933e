"""An upstream in memory, on a real socket: the protocol as it is written, and everything that can go wrong with it.

Independent of the real receiver on purpose. `faults` are consumed one per request, in order; `always` stays.

    python -m tests.fakes.upstream 8600      then: slipkeeper enroll http://127.0.0.1:8600 CODE-1
"""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import socket
import struct
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Self

from agent.entries import follow, genesis
from agent.errors import DamagedJournal

# What a fault does, by name. "before" the request is carried out, or with its answer.
BEFORE = (
    "reset",
    "500",
    "429",
    "503",
    "503-date",
    "portal",
    "login",
    "elsewhere",
    "torn",
    "empty",
    "huge",
    "endless",
    "not-json",
)
WITH_ANSWER = ("lost", "half", "slow", "bad-head", "ahead", "strings", "deep", "gzip")
PASSING = BEFORE + WITH_ANSWER  # all of these end by themselves
LASTING = ("401", "403", "404", "410", "426", "closed", "413", "415", "400")


@dataclass
class Kept:
    """One journal as upstream holds it."""

    genesis: bytes
    lines: list[bytes] = field(default_factory=list)
    chain: list[bytes] = field(default_factory=list)
    parent: dict[str, Any] = field(default_factory=dict)
    closed: bool = False

    def head(self, seq: int) -> bytes:
        return self.chain[seq - 1] if seq else self.genesis

    @property
    def cursor(self) -> int:
        return len(self.lines)


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0


class FakeUpstream:
    """`with FakeUpstream() as upstream:` serves on `upstream.url`."""

    def __init__(self, *, max_entries: int = 500, delay_s: float = 0.0, linger_s: float = 0.0) -> None:
        self.journals: dict[str, Kept] = {}
        self.tokens: dict[str, str] = {}
        self.codes: dict[str, str] = {"CODE-1": "", "CODE-2": ""}
        self.requests: dict[str, str] = {}
        self.faults: deque[str] = deque()
        self.put_faults: deque[str] = deque()
        self.always = ""
        self.seen: list[Seen] = []
        self.commits = 0
        self.drops_orphans = False  # a request whose sender died before it was carried out is lost, every other time
        self.orphans = 0
        self.refused: list[str] = []
        self.max_entries = max_entries
        self.delay_s = delay_s
        self.linger_s = linger_s
        self.after_s = 0.0
        self.poison = 0  # a seq no batch may contain
        self.most_lines = 10_000
        self.gzip_taken = True
        self.blobs: dict[str, bytes] = {}
        self.offset_s = 0.0
        self.base_url = ""
        self.elsewhere = "http://127.0.0.1:9/"
        self.on_post = lambda: None
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.upstream = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.drop()
            self._server.server_close()
            self._server = None

    # --- what tests do to it -----------------------------------------------------------------------------------------

    def enrol(self, journal_id: str, parent_head: bytes = b"") -> str:
        """A journal that is known already; its token."""
        self.journals.setdefault(journal_id, Kept(genesis(journal_id, parent_head)))
        token = f"tj_{len(self.tokens)}_secret"
        self.tokens[token] = journal_id
        return token

    def forget(self, journal_id: str, keep: int) -> None:
        """Restored from an older backup."""
        kept = self.journals[journal_id]
        with self._lock:
            del kept.lines[keep:], kept.chain[keep:]

    def posts(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.endswith("/entries")]

    # --- the protocol ------------------------------------------------------------------------------------------------

    def answer(self, seen: Seen) -> tuple[int, dict[str, Any]]:
        parts = seen.path.strip("/").split("/")
        if parts == ["v1", "enroll"]:
            return self._enroll(seen)
        journal_id = self.tokens.get(seen.headers.get("authorization", "").removeprefix("Bearer "))
        if journal_id is None:
            return _problem(401, "unauthorized")
        if parts[:2] != ["v1", "journals"] or parts[2] != journal_id:
            return _problem(403, "other_journal")
        kept = self.journals.get(journal_id)
        if kept is None:
            return _problem(404, "unknown_journal")
        with self._lock:
            match (seen.method, *parts[3:]):
                case ("GET",):
                    return 200, self._position(kept) | {"upstream": {"id": "fake", "epoch": 1}}
                case ("POST", "entries"):
                    return self._append(kept, seen)
                case ("POST", "status"):
                    return 200, self._position(kept)
                case ("PUT", "blobs", name):
                    new = self.blobs.setdefault(name, seen.body) is seen.body
                    return (201 if new else 200), {"sha256": name, "stored": new}
        return _problem(404, "not_found")

    def _enroll(self, seen: Seen) -> tuple[int, dict[str, Any]]:
        asked = json.loads(seen.body)
        journal_id, parent = asked["journal_id"], asked.get("parent", {})
        if code := asked.get("code"):
            if code not in self.codes:
                return _problem(401, "code_unknown")
            if self.codes[code] and self.requests.get(code) != asked["request_id"]:
                return _problem(410, "code_used")
            self.codes[code], self.requests[code] = journal_id, asked["request_id"]
        else:
            bearer = self.tokens.get(seen.headers.get("authorization", "").removeprefix("Bearer "))
            if bearer is None or bearer != parent.get("journal_id"):
                return _problem(403, "other_journal")
        token = self.enrol(journal_id, bytes.fromhex(parent.get("head", "")))
        self.journals[journal_id].parent = parent
        told = {"token": token, "site_id": "shop", "label": "counter 1", "base_url": self.base_url, "config": {}}
        return 201, told | self._position(self.journals[journal_id])

    def _position(self, kept: Kept) -> dict[str, Any]:
        now = datetime.now(UTC) + timedelta(seconds=self.offset_s)
        pace = {
            "after_s": self.after_s,
            "linger_s": self.linger_s,
            "max_entries": self.max_entries,
            "max_bytes": 1 << 19,
        }
        return {
            "cursor": kept.cursor,
            "head": kept.head(kept.cursor).hex(),
            "durable": kept.cursor,
            "next": pace,
            "server_time": now.isoformat(),
            "commands": [],
        }

    def _append(self, kept: Kept, seen: Seen) -> tuple[int, dict[str, Any]]:
        self.on_post()
        if seen.headers["content-encoding"] == "gzip" and not self.gzip_taken:
            return _problem(415, "unsupported")
        plain = gzip.decompress(seen.body) if seen.headers["content-encoding"] == "gzip" else seen.body
        lines = plain.removesuffix(b"\n").split(b"\n")
        if len(lines) > self.most_lines:
            return _problem(413, "too_large")
        first, prev = int(seen.headers["journal-from"]), bytes.fromhex(seen.headers["journal-prev"])
        last = first + len(lines) - 1
        if first <= self.poison <= last:
            return _problem(400, "framing")
        try:
            chain = [hash_ for _, hash_ in follow(prev, first, lines)]
        except DamagedJournal:
            return _problem(400, "framing")
        if chain[-1].hex() != seen.headers["journal-head"]:
            return _problem(400, "head_mismatch")
        where = {"cursor": kept.cursor, "head": kept.head(kept.cursor).hex()}
        if kept.closed:
            return _problem(409, "closed", **where)
        if first > kept.cursor + 1:
            return _problem(409, "gap", **where)
        upto = min(last, kept.cursor)
        known = prev if upto == first - 1 else chain[upto - first]
        if known != kept.head(upto):
            return _problem(409, "fork", **where)
        fresh = last - upto
        if fresh > 0:
            kept.lines += lines[-fresh:]
            kept.chain += chain[-fresh:]
            self.commits += 1
        return 200, self._position(kept) | {"stored": max(fresh, 0), "duplicates": len(lines) - max(fresh, 0)}


def _problem(status: int, code: str, **members: Any) -> tuple[int, dict[str, Any]]:
    return status, {"type": f"urn:slipkeeper:problem:{code}", "status": status, "code": code, **members}


class _Server(http.server.ThreadingHTTPServer):
    upstream: FakeUpstream
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def drop(self) -> None:
        """Connections kept alive would outlive a stopped server."""
        for line in list(self.open):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # callers come and go here by design


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        upstream = self.server.upstream
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        upstream.seen.append(seen)
        time.sleep(upstream.delay_s)
        if upstream.drops_orphans and self._orphaned():
            upstream.orphans += 1
            if upstream.orphans % 2:
                self.close_connection = True
                return
        faults = upstream.put_faults if self.command == "PUT" else upstream.faults
        fault = faults.popleft() if faults else upstream.always
        if not self._faulty_before(fault, upstream):
            seen.status, members = upstream.answer(seen)
            if members.get("code"):
                upstream.refused.append(members["code"])
            self._answer(fault, seen.status, members)

    def _orphaned(self) -> bool:
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - http.server's names

    def _faulty_before(self, fault: str, upstream: FakeUpstream) -> bool:
        match fault:
            case "reset":
                self._reset()
            case "429" | "503":
                self._send(int(fault), b'{"code":"slow_down"}', **{"Retry-After": "7"})
            case "503-date":
                until = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
                self._send(503, b"", **{"Retry-After": until})
            case "500":
                self._send(500, b"<h1>Server Error (500)</h1>")
            case "portal":
                self._send(200, b"<html><form>room number?</form></html>", **{"Content-Type": "text/html"})
            case "login":
                self._send(302, b"", Location="http://portal.invalid/login")
            case "elsewhere":
                self._send(307, b"", Location=upstream.elsewhere)
            case "empty":
                self._send(200, b"")
            case "not-json":
                self._send(200, b'{"cursor":')
            case "huge":
                self._send(200, b" " * (3 << 20))
            case "endless":
                self._endless()
            case "closed":
                self._send(409, json.dumps(_problem(409, "closed")[1]).encode())
            case "401" | "403" | "404" | "410" | "426" | "413" | "415" | "400":
                self._send(int(fault), json.dumps({"code": "made_up"}).encode())
            case "torn":
                self._send(400, json.dumps({"code": "torn"}).encode())
            case _:
                return False
        return True

    def _answer(self, fault: str, status: int, members: dict[str, Any]) -> None:
        content = json.dumps(members).encode()
        match fault:
            case "lost":
                self._reset()
            case "half":
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self._reset()
            case "slow":
                time.sleep(0.5)
                self._send(status, content)
            case "bad-head":
                self._send(status, json.dumps(members | {"head": "ab" * 32}).encode())
            case "ahead":
                self._send(status, json.dumps(members | {"cursor": members.get("cursor", 0) + 1}).encode())
            case "strings":
                self._send(status, json.dumps(members | {"cursor": str(members.get("cursor"))}).encode())
            case "deep":
                self._send(status, b"[" * 100_000)
            case "gzip":
                self._send(status, gzip.compress(content), **{"Content-Encoding": "gzip"})
            case _:
                self._send(status, content)

    def _send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", headers.pop("Content-Type", "application/json"))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            for _ in range(10_000):
                self.wfile.write(b"x" * 65536)

    def _reset(self) -> None:
        """A real RST, not a polite end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
        self.wfile = self.rfile  # nothing more is written

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    with FakeUpstream() as shown:
        sys.stdout.write(f"{shown.url}\n")
        while True:
            time.sleep(3600)
