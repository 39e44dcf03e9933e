"""A desk without a keeper: the desk's HTTP API on a real Unix socket, answered from memory.

For the tests of the menu and of the desk client, and for looking at the menu by hand:

    python -m tests.fakes.desk /tmp/desk.sock
"""

from __future__ import annotations

import contextlib
import copy
import http.server
import json
import os
import socketserver
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.fakes.desk_data import closed_days, job_row, open_jobs, sales, slip_text, status

OPEN = ("queued", "sending", "sent", "held", "unknown", "failed_before")
_INSIDE = ("history", "slip")  # told of one job only
ROAD = ("queued", "sending", "sent", "unconfirmed")  # what a printer of level 1 does


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Facts:
    """What the fake keeper knows; tests change it as they go."""

    status: dict[str, Any] = field(default_factory=status)
    sales: list[dict[str, Any]] = field(default_factory=sales)
    days: list[dict[str, Any]] = field(default_factory=closed_days)
    jobs: list[dict[str, Any]] = field(default_factory=open_jobs)
    road: tuple[str, ...] = ROAD  # a new job is one state further each time it is looked at
    why: str = ""  # of the state a job's road ends in
    delay_s: float = 0.0
    may_answer: threading.Event = field(default_factory=_set)  # clear it, and the keeper hangs until it is set
    refuse: dict[str, tuple[int, object]] = field(default_factory=dict)  # "POST /v1/reprints": (409, {...})
    asked: list[tuple[str, str, Any]] = field(default_factory=list)  # method, path with query, body


class FakeDesk:
    """`with FakeDesk(path) as desk:` serves `desk.facts`; `stop()` and `start()` play a keeper going and coming."""

    def __init__(self, socket_path: Path, facts: Facts | None = None) -> None:
        self.socket_path = socket_path
        self.facts = facts or Facts()
        self._server: _Server | None = None
        self._made = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.socket_path.unlink()
        self._server = _Server(str(self.socket_path), _Handler)
        self._server.desk = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            self.socket_path.unlink()

    def answer(self, method: str, target: str, body: Any) -> tuple[int, object]:
        """Status and body of the answer; a `str` body goes out as text."""
        facts = self.facts
        facts.asked.append((method, target, body))
        time.sleep(facts.delay_s)
        facts.may_answer.wait(20)
        where = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(where.query))
        refused = facts.refuse.get(f"{method} {where.path}")
        if refused:
            return refused
        parts = where.path.strip("/").split("/")[1:]
        found = getattr(self, f"_{method.lower()}_{parts[0].replace('-', '_')}", None) if parts else None
        if found is None:
            return 404, {"what": "there is no {path}", "hint": "", "values": {"path": where.path}, "code": "not_found"}
        answer: tuple[int, object] = found(parts[1:], query, body)
        return answer

    # ---- GET
    def _get_status(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        unprinted = sum(1 for job in self.facts.jobs if job["state"] in OPEN and job["seq"] is not None)
        return 200, {**self.facts.status, "unprinted": unprinted}

    def _get_transactions(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        if rest:
            one = next((sale for sale in self.facts.sales if sale["seq"] == int(rest[0])), None)
            return (200, {"transaction": one, "entries": [one["seq"]], "jobs": []}) if one else _not_found(rest[0])
        words = query.get("text", "").split()
        found = [
            sale
            for sale in self.facts.sales
            if all(_fits(sale, word) for word in words) and query.get("day", sale["day"]) == sale["day"]
        ]
        first, limit = int(query.get("offset", 0)), int(query.get("limit", 50))
        return 200, {"transactions": found[first : first + limit], "more": len(found) > first + limit}

    def _get_slips(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        one = next((sale for sale in self.facts.sales if sale["seq"] == int(rest[0])), None)
        return (200, slip_text(one, query.get("as", "original"))) if one else _not_found(rest[0])

    def _get_jobs(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        if not rest:
            jobs = [job for job in self.facts.jobs if "open" not in query or job["state"] in OPEN]
            return 200, {"jobs": [_plain(job, *_INSIDE) for job in jobs]}
        job = self._job(rest[0])
        if job is None:
            return _not_found(rest[0])
        if job["ahead"]:
            self._move(job, job["ahead"].pop(0))
        return 200, {**_plain(job), "slip": None}

    def _get_days(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        if not rest:
            return 200, {"days": self.facts.days}
        return 200, f"结算清单 {rest[0]}\n{'-' * 48}\n消费 SALE          3        ￥385.50\n{'-' * 48}\n[第 0012 号]\n"

    def _get_settlements(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        return 200, {"settlements": [{"seq": 2, "at": "2024-05-05T22:01:02+08:00", "batch_no": "000011"}]}

    # ---- POST
    def _post_reprints(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        one = next((sale for sale in self.facts.sales if sale["seq"] == body.get("seq")), None)
        copy_no = one["reprints"] + 1 if one else 1
        job = self._add("reprint", f"签购单 {one['trace_no'] if one else ''}", body, copy_no)
        return 202, {"job": job["id"], "copy_no": copy_no, "title": job["title"]}

    def _post_jobs(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        job = self._job(rest[0])
        if job is None:
            return _not_found(rest[0])
        after = {
            "came_out": "printed_by_operator",
            "did_not_come_out": "cancelled",
            "cancel": "cancelled",
            "resume": "queued",
        }
        job["ahead"] = list(ROAD[1:]) if body["action"] == "resume" else []
        self._move(job, after[body["action"]])
        if body["action"] != "did_not_come_out":
            return 200, _plain(job, *_INSIDE)
        again = self._add(job["purpose"], job["title"], {"seq": job["seq"], "operator": "li"}, job["copy_no"] + 1)
        return 200, {**_plain(job, *_INSIDE), "again": again["id"]}

    def _post_days(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        if rest == ["close"]:
            closed = {**copy.deepcopy(self.facts.days[0]), "day": "2024-05-06", "number": 13, "late": False}
            self.facts.days.insert(0, closed)
            return 200, closed
        return 202, {"job": self._add("interim" if rest[0] == "today" else "day_list", rest[0], body)["id"]}

    def _post_details(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        return 202, {"job": self._add("detail", rest[0], body)["id"]}

    def _post_sync(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        self.facts.status["sync"].update({"state": "ok", "unsent": 0})
        return 202, {}

    def _post_printers(self, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, object]:
        return 202, {"job": self._add("test", "test", body)["id"]}

    # ---- jobs
    def _add(self, purpose: str, title: str, body: Any, copy_no: int = 0) -> dict[str, Any]:
        self._made += 1
        job = job_row(f"job{self._made}", purpose, title, *self.facts.road)
        job |= {name: body[name] for name in ("seq", "operator", "reason") if name in body}
        job |= {"copy_no": copy_no, "why": "" if len(self.facts.road) > 1 else self.facts.why}
        self.facts.jobs.insert(0, job)
        return job

    def _job(self, name: str) -> dict[str, Any] | None:
        return next((job for job in self.facts.jobs if job["id"] == name), None)

    def _move(self, job: dict[str, Any], state: str) -> None:
        job["state"] = state
        job["why"] = self.facts.why if not job["ahead"] else ""
        job["history"].append({"state": state, "at": "2024-05-06T13:20:01+08:00", "why": job["why"]})


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    desk: FakeDesk

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A menu that went away in the middle is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        status, content = self.server.desk.answer(self.command, self.path, body)
        data = content if isinstance(content, bytes) else _bytes(content)
        self.send_response(status)
        self.send_header(
            "Content-Type", "text/plain; charset=utf-8" if isinstance(content, str) else "application/json"
        )
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass


def _bytes(content: object) -> bytes:
    return content.encode() if isinstance(content, str) else json.dumps(content, ensure_ascii=False).encode()


def _plain(job: dict[str, Any], *hidden: str) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name not in ("ahead", *hidden)}


def _not_found(what: str) -> tuple[int, object]:
    return 404, {"what": "there is no {name}", "hint": "", "values": {"name": what}, "code": "not_found"}


def _fits(sale: dict[str, Any], word: str) -> bool:
    """The keeper's one box: amount, last four, trace, time, reference, or a word."""
    amount = f"{sale['amount_minor'] / 100:.2f}"
    return (
        word in (amount, amount.removesuffix(".00"), sale["card_masked"][-4:], sale["trace_no"])
        or sale["terminal_time"][11:].startswith(word)
        or sale["rrn"].startswith(word)
        or word in sale["merchant_name"]
    )


if __name__ == "__main__":
    with FakeDesk(Path(sys.argv[1])) as fake:
        print("the fake desk listens on", fake.socket_path, "pid", os.getpid())
        threading.Event().wait()
