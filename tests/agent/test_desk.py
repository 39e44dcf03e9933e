"""The desk: whatever a caller sends is answered or hung up on, and the keeper goes on."""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.desk import Answer, Asked, Content, DeskServer
from agent.desk_client import Desk, NoAnswer
from agent.errors import DamagedJournal, NotRecorded, Refused, TryLater, UsageError


def routes() -> list:
    def echo(asked: Asked) -> Answer:
        return {"values": dict(asked.values)}

    def fail(asked: Asked) -> Answer:
        raise {
            "usage": UsageError("{n} is wrong", "try {n}", n=5),
            "refused": Refused("no", "ask somebody", day="x", odd=[1], none=None),
            "later": TryLater("not now", "wait"),
            "unrecorded": NotRecorded("not written", ""),
            "damaged": DamagedJournal("broken", ""),
            "key": KeyError("oops"),
            "memory": MemoryError(),
            "recursion": RecursionError(),
        }[asked.text("how")]

    def odd(asked: Asked) -> Answer:
        return {"odd": {1, 2}}

    return [
        ("GET", "/v1/echo", echo),
        ("POST", "/v1/echo", echo),
        ("GET", "/v1/echo/{seq}", echo),
        ("POST", "/v1/echo/{seq}/{what}", echo),
        ("GET", "/v1/fail/{how}", fail),
        ("GET", "/v1/odd", odd),
        ("GET", "/v1/bytes", lambda asked: Content("image/png", b"\x89PNG" * 10_000)),
        ("GET", "/v1/number", lambda asked: {"n": asked.number("n", 7, 100)}),
        ("GET", "/v1/text", lambda asked: {"t": asked.text("t", "none"), "yes": asked.yes("y")}),
        ("GET", "/v1/slow", lambda asked: time.sleep(0.3) or {"slow": True}),  # type: ignore[func-returns-value]
    ]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "desk.sock"


@pytest.fixture
def server(place: Path) -> Iterator[DeskServer]:
    server = DeskServer(place, routes())
    server.start()
    yield server
    server.close()


def raw(place: Path, data: bytes, timeout_s: float = 2.0) -> bytes:
    """Sends bytes, gives what comes back until the desk hangs up or falls silent."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(timeout_s)
        line.connect(str(place))
        got = b""
        try:
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
            while more := line.recv(65536):
                got += more
        except (TimeoutError, ConnectionError):
            pass
        return got


def asked(place: Path, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    lines = [f"{method} {path} HTTP/1.1", "Host: desk", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body and "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    answer = raw(place, "\r\n".join([*lines, "", ""]).encode() + body)
    head, _, content = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return status, json.loads(content) if b"application/json" in head else content


# -- answers ------------------------------------------------------------------------------------------------------


def test_values_come_from_path_query_and_body(server: DeskServer, place: Path):
    desk = Desk(place)
    assert desk.get("/v1/echo", a="1", b="饺子") == {"values": {"a": "1", "b": "饺子"}}
    assert desk.get("/v1/echo/7%2F8?seq=9") == {"values": {"seq": "7/8"}}  # the path's word counts
    assert desk.post("/v1/echo?a=1", {"a": 2, "b": [1]}) == {"values": {"a": 2, "b": [1]}}
    assert desk.post("/v1/echo/1/x", {"what": "y"}) == {"values": {"seq": "1", "what": "x"}}
    assert desk.get_bytes("/v1/bytes") == b"\x89PNG" * 10_000


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("usage", 400, "UsageError"),
        ("refused", 409, "Refused"),
        ("later", 503, "TryLater"),
        ("unrecorded", 503, "NotRecorded"),
        ("damaged", 500, "DamagedJournal"),
        ("key", 500, "SlipkeeperError"),
        ("memory", 500, "SlipkeeperError"),
        ("recursion", 500, "SlipkeeperError"),
    ],
)
def test_errors_are_said(server: DeskServer, place: Path, how: str, status: int, code: str, caplog: Any):
    caplog.set_level(logging.CRITICAL)
    got, answer = asked(place, "GET", f"/v1/fail/{how}")
    assert (got, answer["code"]) == (status, code)
    assert set(answer) == {"what", "hint", "values", "code"}
    if how == "usage":
        assert (answer["what"], answer["values"]) == ("{n} is wrong", {"n": 5})
    if how == "refused":
        assert answer["values"] == {"day": "x", "odd": "[1]", "none": "None"}
    assert Desk(place).get("/v1/echo") == {"values": {}}


def test_an_answer_that_is_none_is_our_mistake(server: DeskServer, place: Path, caplog: Any):
    caplog.set_level(logging.CRITICAL)
    assert asked(place, "GET", "/v1/odd")[0] == 500


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/nothing"),
        ("GET", "/v1/echo/"),
        ("GET", "/v1/echo/1/2/3"),
        ("POST", "/v1/bytes"),
        ("GET", "/v1/echo%2F"),
        ("GET", "/V1/ECHO"),
        ("GET", "/../../etc/passwd"),
        ("GET", "http://other/v1/nothing"),
        ("GET", "/" + "x" * 5000),
    ],
)
def test_there_is_nothing_there(server: DeskServer, place: Path, method: str, path: str):
    status, answer = asked(place, method, path)
    assert status == 404
    assert len(answer["values"]["path"]) <= 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "get", "NONSENSE"])
def test_other_methods(server: DeskServer, place: Path, method: str):
    assert asked(place, method, "/v1/echo")[0] in {404, 405, 501}


# -- bodies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nothing",
        b"[]",
        b"5",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_bodies_that_are_none(server: DeskServer, place: Path, body: bytes):
    status, answer = asked(place, "POST", "/v1/echo", body)
    assert (status, answer["code"]) == (400, "UsageError")


def test_half_a_character_comes_back_as_a_question_mark(server: DeskServer, place: Path):
    status, answer = asked(place, "POST", "/v1/echo", b'{"a": "\\ud800", "b": NaN}')
    assert (status, answer["values"]["a"]) == (200, "?")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Length": str((1 << 20) + 1)},
        {"Content_Length": "9" * 5000},
        {"Content_Length": "-1"},
        {"Content_Length": "five"},
        {"Content_Length": "٣"},
        {"Transfer_Encoding": "chunked"},
    ],
)
def test_bodies_without_end(server: DeskServer, place: Path, headers: dict[str, str]):
    status, _ = asked(place, "POST", "/v1/echo", b"{}" + b"GET /v1/bytes HTTP/1.1\r\n\r\n", **headers)
    assert status == 400


def test_what_follows_a_refused_body_is_not_taken_for_a_request(server: DeskServer, place: Path):
    smuggled = b"POST /v1/echo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\nGET /v1/bytes HTTP/1.1\r\nHost: x\r\n\r\n"
    assert b"PNG" not in raw(place, smuggled)


def test_a_megabyte_is_fine(server: DeskServer, place: Path):
    body = json.dumps({"a": "x" * 1_000_000}).encode()
    status, answer = asked(place, "POST", "/v1/echo", body)
    assert (status, len(answer["values"]["a"])) == (200, 1_000_000)


# -- callers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 10_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET //[ HTTP/1.1\r\n\r\n",
        b"GET /v1/echo?%ff%fe=%00 HTTP/1.1\r\n\r\n",
        b"POST /v1/echo HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf",
        b"GET /v1/echo HTTP/1.1\r\n: x\r\n\r\n",
    ],
)
def test_strangers(server: DeskServer, place: Path, data: bytes):
    raw(place, data)
    assert Desk(place).get("/v1/echo") == {"values": {}}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.binary(max_size=100).map(b"GET /v1/echo HTTP/1.1\r\n".__add__))
def test_any_bytes(server: DeskServer, place: Path, data: bytes):
    raw(place, data, 0.5)
    assert Desk(place).get("/v1/echo") == {"values": {}}


def test_a_caller_that_says_nothing_keeps_nobody_waiting(server: DeskServer, place: Path):
    silent = [socket.socket(socket.AF_UNIX) for _ in range(50)]
    for line in silent:
        line.connect(str(place))
        line.sendall(b"POST /v1/echo HTTP/1.1\r\nContent-Le")
    began = time.monotonic()
    assert Desk(place).get("/v1/echo") == {"values": {}}
    assert time.monotonic() - began < 1
    for line in silent:
        line.close()


def test_a_caller_that_goes_away_before_the_answer(server: DeskServer, place: Path, caplog: Any):
    caplog.set_level(logging.ERROR)
    for path in ("/v1/slow", "/v1/bytes"):
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(place))
        line.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        line.close()
    time.sleep(0.5)
    assert caplog.records == []
    assert Desk(place).get("/v1/echo") == {"values": {}}


def test_many_at_once(server: DeskServer, place: Path):
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(Desk(place).get("/v1/number", n=n))) for n in range(40)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["n"] for answer in answers) == list(range(40))


def test_one_connection_serves_many_requests(server: DeskServer, place: Path):
    line = http.client.HTTPConnection("desk")
    line.sock = socket.socket(socket.AF_UNIX)
    line.sock.connect(str(place))
    for path, status in (("/v1/echo", 200), ("/v1/nothing", 404), ("/v1/echo", 200)):
        line.request("GET", path)
        answer = line.getresponse()
        answer.read()
        assert answer.status == status
    line.close()


def test_who_changes_something_is_in_the_log(server: DeskServer, place: Path, caplog: Any):
    caplog.set_level(logging.INFO, "slipkeeper.desk")
    Desk(place).get("/v1/echo")
    Desk(place).post("/v1/echo", {"pin": "1234"})
    [record] = caplog.records
    assert f"by pid {os.getpid()} uid {os.getuid()}" in record.getMessage()
    assert "1234" not in record.getMessage()


# -- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("", None),
        ("5", 5),
        ("100", 100),
        ("101", None),
        ("-1", None),
        ("1e2", None),
        ("٣", None),
        (" 5", None),
        ("9" * 30, None),
    ],
)
def test_numbers(server: DeskServer, place: Path, value: str, number: int | None):
    status, answer = asked(place, "GET", f"/v1/number?n={quote(value)}")
    expected = 7 if value == "" else number  # nothing typed: the default
    assert (status, answer.get("n")) == (200 if expected is not None else 400, expected)


@pytest.mark.parametrize("value", [True, 1.5, None, [], {}, "x", -1, 10**30])
def test_numbers_in_json(value: Any):
    with pytest.raises(UsageError):
        Asked({"n": value}).number("n")


def test_texts_and_wishes():
    assert Asked({"t": "x" * 5000}).text("t") == "x" * 2000
    for value in (5, None, [], True):
        with pytest.raises(UsageError):
            Asked({"t": value}).text("t")
    assert [Asked({"y": v}).yes("y") for v in (True, "1", "true", "yes", False, "0", "no", None, "")] == [
        *[True] * 4,
        *[False] * 5,
    ]
    assert Asked({"y": 1}).yes("y")
    assert not Asked({"y": []}).yes("y")


# -- the socket ---------------------------------------------------------------------------------------------------


def test_who_may_knock(server: DeskServer, place: Path):
    assert stat.S_IMODE(place.stat().st_mode) == 0o660


def test_the_mask_is_put_back(place: Path):
    before = os.umask(0o027)
    try:
        server = DeskServer(place, [])
        assert os.umask(0o027) == 0o027
        server.server_close()
    finally:
        os.umask(before)


def test_a_socket_left_by_a_dead_keeper_is_replaced(place: Path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(place))
    dead.close()
    with pytest.raises(TryLater):
        Desk(place).get("/v1/echo")
    server = DeskServer(place, routes())
    server.start()
    assert Desk(place).get("/v1/echo") == {"values": {}}
    server.close()
    assert not place.exists()


def test_a_file_that_is_no_socket_is_left_alone(place: Path):
    place.write_text("somebody's")
    with pytest.raises(UsageError):
        DeskServer(place, routes())
    assert place.read_text() == "somebody's"


def test_a_path_too_long_for_a_socket_is_said(tmp_path: Path):
    with pytest.raises(TryLater) as refusal:
        DeskServer(tmp_path / ("x" * 120), routes())
    assert "107" in refusal.value.hint


def test_closing_waits_for_nobody_and_answers_nobody_any_more(place: Path):
    server = DeskServer(place, routes())
    server.start()
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < 2
    with pytest.raises((TryLater, NoAnswer)):
        Desk(place).get("/v1/echo")
