"""The keeper as a process: what strangers send it, what it answers, and that it goes on."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import pytest

from agent.desk_client import Desk
from agent.errors import TryLater
from agent.journal_reader import Reader
from agent.succession import current_path
from agent.verify import verify
from drivers.framing import Layout, Length, encode
from drivers.simulators.slip_layouts import Sale, Shop, slip
from drivers.simulators.stx_terminal import message
from drivers.terminals.linkpos_message import Role

pytestmark = pytest.mark.timeout(120)

CONFIG = """
[shop]
name = "Test shop"
language = "{language}"
[storage]
directory = "{state}"
socket = "{socket}"
[day]
cutoff = "04:00"
[[terminals]]
name = "tap"
driver = "slip-tap"
mode = "printer"
port = "tcp-listen://127.0.0.1:{tap}"
[[terminals]]
name = "pos"
driver = "stx-bcdlen"
mode = "ecr"
port = "tcp-listen://127.0.0.1:{pos}"
settings = {{ currency = "CNY" }}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Box:
    """One keeper with a printer-mode tap and a terminal that calls."""

    def __init__(self, directory, language="en"):
        self.state = directory / "state"
        self.tap, self.pos = free_port(), free_port()
        self.socket = f"/tmp/slipkeeper-test-{os.getpid()}-{self.tap}.sock"
        self.config = directory / "slipkeeper.toml"
        self.config.write_text(
            CONFIG.format(language=language, state=self.state, socket=self.socket, tap=self.tap, pos=self.pos)
        )
        self.log = directory / "keeper.log"
        self.desk = Desk(self.socket)
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            words = [sys.executable, "-m", "agent.cli", "--config", self.config, "run", "keeper"]
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        self.until(lambda: self.desk.get("/v1/status"))
        return self

    def until(self, true, limit_s=20.0):
        end = time.monotonic() + limit_s
        while True:
            try:
                if found := true():
                    return found
            except TryLater:
                pass
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"in vain: {self.log.read_text()[-2000:]}"
            time.sleep(0.05)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(20)

    def call(self, port):
        return socket.create_connection(("127.0.0.1", port), 5)

    def sold(self):
        return self.desk.get("/v1/transactions", limit=500)["transactions"]

    def slipkeeper(self, *words):
        full = [sys.executable, "-m", "agent.cli", "--config", self.config, *words]
        return subprocess.run(full, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path).start()
    yield made
    if made.process.poll() is None:
        made.stop(signal.SIGKILL)
    if os.path.exists(made.socket):
        os.unlink(made.socket)


def frame(trace: str, amount: int = 1234) -> bytes:
    fields = {"02": "APPROVED".ljust(40), "40": f"{amount:012d}", "65": trace, "16": "T0000001", "50": "000001"}
    return encode(message(Role.RESPONSE, "20", "00", fields), Layout(Length.BCD))


def a_slip(trace: int, amount: int) -> bytes:
    return slip(Shop(), Sale(amount, trace, 1, dt.datetime(2026, 11, 22, 12, 0, 0)))


def acked(line: socket.socket, data: bytes) -> bytes:
    line.sendall(data)
    return line.recv(16)


def test_a_terminal_is_acknowledged_after_the_entry_is_durable(box):
    with box.call(box.pos) as line:
        line.recv(64)  # the question for the last transaction, after every connection
        assert acked(line, frame("000001")) == b"\x06"
    reader = Reader(current_path(box.state))
    assert reader.find("pos", "transaction", "T0000001:000001:000001:sale") is not None


@pytest.mark.parametrize(
    "rubbish",
    [
        pytest.param(random.Random(1).randbytes(50_000), id="noise"),
        pytest.param(frame("000009")[:-20], id="half-a-frame"),
        pytest.param(frame("000009")[:-1] + b"\x00", id="wrong-lrc"),
        pytest.param(b"\x02\x99\x99" + b"A" * 5000, id="impossible-length"),
    ],
)
def test_rubbish_on_the_line_loses_nothing_behind_it(box, rubbish):
    with box.call(box.pos) as line:
        line.recv(64)
        line.sendall(rubbish)
        time.sleep(1.3)  # longer than a frame may pause
        line.settimeout(0.2)
        try:
            while line.recv(4096):  # NAKs to what was broken
                pass
        except TimeoutError:
            line.settimeout(5)
        assert acked(line, frame("000002", 4200)) == b"\x06"
    assert [t["amount_minor"] for t in box.sold()] == [4200]
    assert box.process.poll() is None


def test_a_slip_of_ten_megabytes_is_kept_in_parts_and_the_next_one_is_read(box):
    text = "商品名称很长的一件商品            1    12.00\n".encode("gb18030")
    with box.call(box.tap) as line:
        line.settimeout(60)
        line.sendall(b"\x1b@" + text * (10_000_000 // len(text)) + b"\x1dV\x00")
        line.sendall(a_slip(77, 880))
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass
    found = box.until(lambda: [t for t in box.sold() if t.get("trace_no") == "000077"], 90)
    assert found[0]["amount_minor"] == 880
    reader = Reader(current_path(box.state))
    kept = sum(len(reader.raw(entry.seq) or b"") for entry, _ in reader.entries(0, 500) if entry.kind == "slip")
    assert kept >= 10_000_000 - len(text)


def test_a_slip_nobody_can_read_is_kept_and_can_be_printed_again(box):
    with box.call(box.tap) as line:
        line.sendall(b"\x1b@hello from a till\nthat we do not know\n\x1dV\x00")
        line.shutdown(socket.SHUT_WR)
        line.recv(16)
    unread = box.until(lambda: [e for e in box.desk.get("/v1/entries", limit=500)["entries"] if e["kind"] == "slip"])
    text = box.desk.get_bytes(f"/v1/slips/{unread[0]['number']}", format="text").decode()
    assert "that we do not know" in text


def test_kill_and_start_again_loses_nothing_and_says_since_when_it_was_deaf(box):
    with box.call(box.pos) as line:
        line.recv(64)
        assert acked(line, frame("000001")) == b"\x06"
        box.stop(signal.SIGKILL)
    box.start()
    with box.call(box.pos) as line:
        line.recv(64)
        assert acked(line, frame("000001")) == b"\x06"  # said again: recognised
        assert acked(line, frame("000002")) == b"\x06"
    assert [t["trace_no"] for t in box.sold()] == ["000002", "000001"]
    kinds = [e["kind"] for e in box.desk.get("/v1/entries", limit=500)["entries"]]
    assert kinds.count("start") == 2
    assert "blind" in kinds
    assert verify(current_path(box.state)).whole


def test_a_damaged_journal_is_kept_aside_and_capture_goes_on(box):
    with box.call(box.pos) as line:
        line.recv(64)
        assert acked(line, frame("000001")) == b"\x06"
    assert box.stop() == 0
    path = current_path(box.state)
    path.write_bytes(b"this is no database" * 100)
    path.with_name(path.name + "-wal").unlink(missing_ok=True)  # it alone could bring the file back
    damaged = path.read_bytes()
    box.start()
    with box.call(box.pos) as line:
        line.recv(64)
        assert acked(line, frame("000002")) == b"\x06"
    kept = list((box.state / "former").glob("*/journal.db"))
    assert [file.read_bytes() for file in kept] == [damaged]
    assert [a["code"] for a in box.desk.get("/v1/status")["alarms"]] == ["journal_succeeded"]


def test_a_second_keeper_is_refused_in_one_line(box):
    second = box.slipkeeper("run", "keeper")
    assert second.returncode == 1
    what, hint = second.stderr.strip().splitlines()[-2:]
    assert "another keeper" in what
    assert hint.startswith("→")


def test_the_commands_talk_to_it(box):
    with box.call(box.tap) as line:
        line.sendall(a_slip(5, 12850))
        line.shutdown(socket.SHUT_WR)
        line.recv(16)
    box.until(box.sold)
    assert "Test shop" in box.slipkeeper("status").stdout
    [found] = json.loads(box.slipkeeper("journal", "search", "128.50", "--json").stdout)
    shown = box.slipkeeper("slip", "show", str(found["seq"]), "--as", "reprint").stdout
    assert shown.count("DUPLICATE") == 2
    picture = box.slipkeeper("slip", "show", str(found["seq"]), "--format", "png", "--output", str(box.state / "a.png"))
    assert picture.returncode == 0
    assert (box.state / "a.png").read_bytes().startswith(b"\x89PNG")
    refused = box.slipkeeper("reprint", "--last", "--reason", "lost")
    assert refused.returncode == 1
    assert "no printer is configured" in refused.stderr
    closed = json.loads(box.slipkeeper("day", "close", "--json").stdout)
    assert (closed["number"], closed["count"]) == (1, 1)
    assert "128.50" in box.slipkeeper("day", "show", closed["day"]).stdout
    assert box.slipkeeper("journal", "verify").returncode == 0


def test_no_keeper_is_said_in_the_persons_language(tmp_path):
    box = Box(tmp_path)
    for language, said in (("en", "keeper is not running"), ("zh", "keeper")):
        done = subprocess.run(
            [sys.executable, "-m", "agent.cli", "--config", box.config, "--lang", language, "status"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_wrong_configuration_names_every_mistake(tmp_path):
    config = tmp_path / "slipkeeper.toml"
    config.write_text('[shop]\nlangauge = "zh"\n[day]\ncutoff = "25:00"\n[[terminals]]\nname = "a"\n')
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", "--config", config, "config", "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    for part in ("shop.langauge", "did you mean language?", "day.cutoff", "terminals[0].driver: missing"):
        assert part in done.stderr
