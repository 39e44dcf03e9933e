"""The simulated terminal and till as real processes over TCP, with the proxy and the ecr line between or beside them."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import math
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agent.contract import Conversation, Mode, Report, Side
from drivers.framing import ACK, Frame, Layout, Length, encode
from drivers.simulators.stx_terminal import LAST, REFUND, SALE, VOID, Terminal, request
from drivers.simulators.stx_wire import Wire, address
from drivers.terminals.linkpos import ACQUIRERS
from drivers.terminals.linkpos_message import parse, read
from drivers.terminals.stx_bcdlen import EcrLine, driver

BCD = Layout(Length.BCD)
AT = dt.datetime(2024, 5, 6, 13, 14, 15, tzinfo=dt.UTC)


class Player:
    """A simulator process and the lines it printed."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "drivers.simulators.stx_terminal", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def player(*arguments: str) -> Iterator[Player]:
    running = Player(*arguments)
    try:
        yield running
    finally:
        running.end()


class Between:
    """What capture does, in 40 lines: two sockets, one conversation, a store that may fail or be slow."""

    def __init__(self, terminal: tuple[str, int], store: Callable[[Report], bool]) -> None:
        self.talk: Conversation = driver.converse(Mode.PROXY, {})
        self.store = store
        self.reports: list[Report] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.terminal = socket.create_connection(terminal)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        till, _ = self.listener.accept()
        links = {self.terminal: Side.TERMINAL, till: Side.TILL}
        while not self.stop.is_set():
            ready, _, _ = select.select(list(links), [], [], 0.05)
            for link in ready:
                data = b""
                with contextlib.suppress(ConnectionError):
                    data = link.recv(4096)
                if not data:
                    self.stop.set()
                self.tell(self.talk.receive(data, links[link]) if data else self.talk.wake(math.inf))
                for other, side in links.items():
                    out = self.talk.outgoing(side)
                    with contextlib.suppress(ConnectionError):
                        other.sendall(out)
        till.close()

    def tell(self, reports: list[Report]) -> None:
        for report in reports:
            self.reports.append(report)
            (self.talk.confirm if self.store(report) else self.talk.abandon)(report)

    def close(self) -> None:
        self.stop.set()
        self.thread.join(5)
        self.terminal.close()
        self.listener.close()


@contextmanager
def shop(store: Callable[[Report], bool], *till: str) -> Iterator[tuple[Player, Between, Player]]:
    """A terminal, the proxy, and a till, started in this order."""
    with player("terminal", "--think-s", "0.02") as terminal:
        between = Between(address(terminal.line()["listening"]), store)
        where = ":".join(str(part) for part in between.listener.getsockname())
        try:
            with player("till", "--connect", where, "--interval-s", "0.02", *till) as asking:
                yield terminal, between, asking
        finally:
            between.close()


def test_sales_pass_through_the_proxy_and_are_reported():
    with shop(lambda _: True, "--count", "3", "--amounts", "12850,951,990", "--void-every", "3", "--settle") as (
        terminal,
        between,
        till,
    ):
        heard = [till.line() for _ in range(5)]
        done = [terminal.line() for _ in range(5)]
    assert [line["code"] for line in heard] == ["20", "20", "20", "26", "50"]
    assert [line.get("amount_minor") for line in heard] == [12850, 951, 990, 990, None]
    assert all(line["acknowledged"] for line in done)
    told = [
        (report.kind.value, report.fields.get("transaction_type"), report.fields["outcome"])
        for report in between.reports
    ]
    assert told == [
        ("transaction", "sale", "approved"),
        ("transaction", "sale", "declined"),
        ("transaction", "sale", "approved"),
        ("transaction", "void", "approved"),
        ("settlement", None, "approved"),
    ]
    assert [report.fields.get("amount_minor") for report in between.reports] == [12850, 951, 990, 990, None]
    assert len({report.key for report in between.reports}) == 5


def test_a_store_that_fails_blocks_no_sale():
    with shop(lambda _: False, "--count", "2") as (terminal, between, till):
        assert [till.line()["response_code"] for _ in range(2)] == ["00", "00"]
        assert terminal.line()["acknowledged"]
    assert len(between.reports) == 2


def test_a_slow_store_makes_the_terminal_say_it_again_and_the_key_is_the_same():
    slow = iter([1.8, 0.0, 0.0])

    def store(_: Report) -> bool:
        time.sleep(next(slow, 0.0))
        return True

    with shop(store, "--count", "1") as (terminal, between, till):
        assert till.line()["response_code"] == "00"
        assert terminal.line()["acknowledged"]
    assert len(between.reports) >= 2
    assert len({report.key for report in between.reports}) == 1


def test_nobody_acknowledges_so_the_terminal_says_it_three_times():
    with (
        player("terminal", "--think-s", "0") as terminal,
        socket.create_connection(address(terminal.line()["listening"])) as link,
    ):
        wire = Wire(link, BCD)
        wire.send(encode(request(SALE, 100), BCD))
        assert wire.next(2.0) == ACK
        started = time.monotonic()
        frames = [wire.next_frame(2.0) for _ in range(3)]
        took_s = time.monotonic() - started
        said = terminal.line()
    assert all(isinstance(frame, Frame) for frame in frames)
    assert frames[0] == frames[1] == frames[2]
    assert took_s == pytest.approx(3.0, abs=0.8)
    assert said["acknowledged"] is False


def test_the_ecr_line_asks_for_what_it_missed():
    with player("terminal", "--think-s", "0") as terminal:
        where = address(terminal.line()["listening"])
        with socket.create_connection(where) as link:  # a till that dies before it heard the answer
            Wire(link, BCD).send(encode(request(SALE, 4200), BCD))
            time.sleep(0.2)
        line = driver.converse(Mode.ECR, {})
        assert isinstance(line, EcrLine)
        with socket.create_connection(where) as link:
            link.settimeout(5)
            line.ask_last()
            link.sendall(line.outgoing())
            reports: list[Report] = []
            while not reports:
                reports += line.receive(link.recv(4096))
            line.confirm(reports[0])
            link.sendall(line.outgoing())
            said = [terminal.line() for _ in range(2)]
    assert reports[0].fields["amount_minor"] == 4200
    assert reports[0].fields["reprint"] is True
    assert said[-1]["acknowledged"] is True


def answer(terminal: Terminal, data: bytes) -> Report:
    asked = parse(data)
    assert asked is not None
    report = read(Frame(encode(terminal.answer(asked, AT), BCD)), ACQUIRERS["linkpos"], "PHP")
    assert report is not None
    return report


def test_the_terminal_counts_as_terminals_do():
    terminal = Terminal()
    assert answer(terminal, request(LAST)).fields["response_code"] == "NA"
    first = answer(terminal, request(SALE, 100))
    assert answer(terminal, request(SALE, 151)).fields["outcome"] == "declined"
    second = answer(terminal, request(SALE, 200))
    assert (first.fields["trace_no"], second.fields["trace_no"]) == ("000001", "000002")
    assert answer(terminal, request(VOID, trace_no="000001")).key.endswith(":000001:void")
    assert answer(terminal, request(VOID, trace_no="000001")).fields["outcome"] == "declined"
    assert answer(terminal, request(REFUND, 50)).fields["transaction_type"] == "refund"
    assert answer(terminal, request("50", host="001")).fields["batch_no"] == "000001"
    assert answer(terminal, request(SALE, 300)).fields["batch_no"] == "000002"
