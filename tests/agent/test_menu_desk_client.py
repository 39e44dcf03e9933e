"""The desk's client against real sockets: every way an answer can fail to come is its own error."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.desk_client import Desk, NoAnswer, with_query
from agent.errors import Refused, TryLater, UsageError
from tests.fakes.desk import FakeDesk


@pytest.fixture
def path(tmp_path):
    """A socket path short enough for AF_UNIX, whatever the test is called."""
    short = tmp_path / "d"
    return short if len(str(short)) < 100 else tmp_path.parent / "d"


@pytest.fixture
def fake(path):
    with FakeDesk(path) as desk:
        yield desk


def answering(path, answer: bytes, *, hold_s: float = 0.0):
    """A listener that reads one request, sends `answer` and hangs up."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def serve():
        with contextlib.suppress(OSError), listener, listener.accept()[0] as peer:  # the client may have given up
            peer.recv(65536)
            time.sleep(hold_s)
            peer.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def reply(status, body: bytes):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def test_json_bytes_and_posts(fake, path):
    desk = Desk(path)
    assert desk.get("/v1/status")["shop"] == "晨光便利店 一号店"
    assert "银联POS签购单" in desk.get_bytes("/v1/slips/1288?format=text&as=reprint").decode()
    answer = desk.post("/v1/reprints", {"seq": 1288, "reason": "顾客遗失", "operator": "li"})
    assert answer["copy_no"] == 1
    assert fake.facts.asked[-1] == ("POST", "/v1/reprints", {"seq": 1288, "reason": "顾客遗失", "operator": "li"})


def test_queries_are_encoded_and_empty_ones_left_out(fake, path):
    assert with_query("/v1/x", text="", day=None) == "/v1/x"
    found = Desk(path).get("/v1/transactions", text="晨光 8888", day="", limit=50)
    assert [sale["seq"] for sale in found["transactions"]] == [1288, 1266]
    assert fake.facts.asked[-1][1] == "/v1/transactions?text=%E6%99%A8%E5%85%89+8888&limit=50"


def test_nobody_listens(path):
    with pytest.raises(TryLater) as caught:
        Desk(path).get("/v1/status")
    assert not isinstance(caught.value, NoAnswer)  # nothing was sent, so nothing is unknown
    assert (caught.value.what, caught.value.hint) == ("the keeper is not running", "slipkeeper run keeper")


def test_a_dead_socket_file_is_nobody(path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with pytest.raises(TryLater, match="the keeper is not running"):
        Desk(path).post("/v1/reprints", {})


AS_NOBODY = """
import os, sys
from agent.desk_client import Desk
from agent.errors import Refused
if os.geteuid() == 0:
    os.setuid(65534)
try:
    Desk(sys.argv[1]).get("/v1/status")
except Refused as error:
    print(error.hint.format(**error.values))
"""


def test_a_socket_of_somebody_else(fake, path):
    path.chmod(0)
    said = subprocess.run([sys.executable, "-c", AS_NOBODY, str(path)], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == f"add the user to the group that owns {path}"


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"\x00\x01nonsense\r\n\r\n"]
)
def test_a_torn_answer_leaves_a_post_unknown(path, answer):
    answering(path, answer)
    with pytest.raises(NoAnswer) as caught:
        Desk(path).post("/v1/reprints", {"seq": 1})
    assert "unknown" in caught.value.what


def test_a_keeper_that_hangs_is_given_up_in_time(path):
    answering(path, reply(200, b"{}"), hold_s=3)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="the keeper does not answer"):
        Desk(path, timeout_s=0.1).get("/v1/status")
    assert time.monotonic() - began < 2


def test_nothing_is_sent_twice(fake, path):
    fake.facts.delay_s = 0.3
    with pytest.raises(NoAnswer):
        Desk(path, timeout_s=0.1).post("/v1/reprints", {"seq": 1288})
    time.sleep(0.5)
    assert [asked[0] for asked in fake.facts.asked] == ["POST"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, UsageError), (404, UsageError), (422, UsageError), (401, Refused), (403, Refused), (409, Refused), (500, TryLater), (503, TryLater)],
)  # fmt: skip
def test_a_no_keeps_the_words_of_the_keeper(fake, path, status, kind):
    fake.facts.refuse["POST /v1/reprints"] = (
        status,
        {
            "what": "{count} payments",
            "hint": "slipkeeper doctor",
            "values": {"count": 3, "what": "x"},
            "code": "policy",
        },
    )
    with pytest.raises(kind) as caught:
        Desk(path).post("/v1/reprints", {"seq": 1288})
    assert type(caught.value) is kind
    assert str(caught.value) == "3 payments"
    assert caught.value.hint == "slipkeeper doctor"
    assert caught.value.values["code"] == "policy"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"hint": "x"}',
        b'{"what": "{missing}"}',
        b'{"what": "{0}"}',
        b'{"what": "x", "values": 3}',
    ],
)
def test_a_no_without_words_is_still_a_no(path, body):
    answering(path, reply(409, body))
    with pytest.raises(Refused, match="status 409"):
        Desk(path).get("/v1/status")


def test_an_answer_that_is_no_json(path):
    answering(path, reply(200, b"<html>"))
    with pytest.raises(NoAnswer, match="cannot be read"):
        Desk(path).get("/v1/status")


def test_a_path_that_cannot_be_a_socket():
    with pytest.raises(TryLater):
        Desk("/tmp/" + "x" * 200).get("/v1/status")


def test_one_desk_serves_many_threads(fake, path):
    desk = Desk(path)
    with ThreadPoolExecutor(8) as pool:
        seqs = list(
            pool.map(
                lambda sale: desk.get(f"/v1/transactions/{sale['seq']}")["transaction"]["seq"], fake.facts.sales * 5
            )
        )
    assert seqs == [sale["seq"] for sale in fake.facts.sales * 5]
