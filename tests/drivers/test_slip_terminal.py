"""The simulated printing terminal, as its own process, over TCP and over a pty, against the real conversation."""

import functools
import json
import math
import os
import pty
import socket
import subprocess
import sys
import threading
import tty
from contextlib import contextmanager, suppress

import pytest

from agent.contract import Mode
from agent.fields import Kind
from drivers.simulators.slip_terminal import arguments
from drivers.terminals.slip_tap import driver


def run(port: str, *more: str) -> list[dict]:
    command = [
        sys.executable,
        "-m",
        "drivers.simulators.slip_terminal",
        "--port",
        port,
        "--every",
        "0",
        "--seed",
        "3",
        *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Listener:
    """Plays the agent: reads, confirms every `confirm_each`-th report, answers."""

    def __init__(self, confirms: bool) -> None:
        self.confirms = confirms
        self.reports = []

    def serve(self, read, write) -> None:
        talk = driver.converse(Mode.PRINTER, {})
        while data := read():
            for report in talk.receive(data):
                self.reports.append(report)
                if self.confirms:
                    talk.confirm(report)
            if answer := talk.outgoing():
                write(answer)
        self.reports += talk.wake(math.inf)


@contextmanager
def over_tcp(listener: Listener):
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer, suppress(OSError):
                listener.serve(functools.partial(peer.recv, 4096), peer.sendall)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"tcp:127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


@contextmanager
def over_pty(listener: Listener):
    master, slave = pty.openpty()
    tty.setraw(slave)

    def read() -> bytes:
        try:
            return os.read(master, 4096)
        except OSError:
            return b""

    thread = threading.Thread(target=listener.serve, args=(read, lambda data: os.write(master, data)), daemon=True)
    thread.start()
    yield os.ttyname(slave)
    os.close(slave)
    thread.join(5)
    os.close(master)


@pytest.mark.parametrize("line", [over_tcp, over_pty])
def test_it_sells_and_settles(line):
    listener = Listener(confirms=True)
    with line(listener) as port:
        events = run(port, "--count", "3", "--settle", "--style", "2", "--batch", "7", "--trace", "41")
    assert [event["event"] for event in events] == ["slip"] * 6 + ["settlement"]
    assert all(event["confirmed"] for event in events)
    kinds = [report.kind for report in listener.reports]
    assert kinds == [Kind.TRANSACTION] * 6 + [Kind.SETTLEMENT]
    told = [(report.fields["trace_no"], report.fields["amount_minor"]) for report in listener.reports[:6:2]]
    assert told == [(event["trace_no"], event["amount_minor"]) for event in events[:6:2]]
    assert [trace for trace, _ in told] == ["000042", "000043", "000044"]
    assert {report.fields["batch_no"] for report in listener.reports} == {"000007"}
    assert [report.fields["copy"] for report in listener.reports[:2]] == ["merchant", "customer"]


def test_a_slip_nobody_confirms_is_printed_again_with_its_mark():
    listener = Listener(confirms=False)
    with over_tcp(listener) as port:
        (event,) = run(port, "--count", "1", "--copies", "1", "--patience", "0.2")
    assert event["confirmed"] is False
    assert [report.fields.get("reprint") for report in listener.reports] == [None, True, True]
    assert len({report.key for report in listener.reports}) == 1


def test_the_same_seed_sells_the_same():
    first, second = Listener(confirms=True), Listener(confirms=True)
    for listener in (first, second):
        with over_tcp(listener) as port:
            run(port, "--count", "4", "--copies", "1")
    amounts = [[report.fields["amount_minor"] for report in listener.reports] for listener in (first, second)]
    assert amounts[0] == amounts[1]


def test_its_words():
    given = arguments(["--port", "/dev/null"])
    assert (given.style, given.every_s, given.count, given.copies, given.settle) == (1, 3.0, 0, 2, False)
