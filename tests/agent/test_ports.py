"""Ports: addresses, and links over real ptys, sockets and files that never block and say when the other side is gone."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import ports
from agent.errors import TryLater, UsageError


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    import serial  # noqa: F401, PLC0415 - imported once, so that it is not counted

    before = descriptors()
    yield
    assert descriptors() <= before, "file descriptors leaked"


def heard(link: ports.Link, count: int, timeout_s: float = 5.0) -> bytes:
    """Reads until `count` bytes came."""
    data, until = b"", time.monotonic() + timeout_s
    while len(data) < count and time.monotonic() < until:
        select.select([link.fileno()], [], [], 0.05)
        data += link.read()
    return data


# -- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("serial:/dev/ttyUSB0", ports.Address("serial", "/dev/ttyUSB0", {})),
        (
            "serial:/dev/serial/by-id/usb-FTDI_A-if00-port0?baud=115200&parity=E&bytes=7&stop=1.5",
            ports.Address(
                "serial",
                "/dev/serial/by-id/usb-FTDI_A-if00-port0",
                {"baud": "115200", "parity": "E", "bytes": "7", "stop": "1.5"},
            ),
        ),
        ("tcp://192.168.1.20:9100", ports.Address("tcp", "192.168.1.20:9100", {})),
        ("tcp://printer.local:9100", ports.Address("tcp", "printer.local:9100", {})),
        ("tcp-listen://0.0.0.0:0", ports.Address("tcp-listen", "0.0.0.0:0", {})),
        ("tcp://[::1]:9100", ports.Address("tcp", "[::1]:9100", {})),
        ("file:/dev/usb/lp0", ports.Address("file", "/dev/usb/lp0", {})),
        ("pty:/run/x", ports.Address("pty", "/run/x", {})),
    ],
)
def test_addresses(url: str, address: ports.Address):
    assert ports.parse(url) == address


def test_parts_of_an_address():
    assert (ports.parse("tcp://[::1]:9100").host, ports.parse("tcp://[::1]:9100").port) == ("::1", 9100)
    assert ports.parse("tcp-listen://a:1").listens
    assert not ports.parse("tcp://a:1").listens


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/dev/ttyUSB0",
        "COM3",
        "http://x:1",
        "serial:ttyUSB0",
        "serial:",
        "serial:/dev/ttyUSB0?baud=fast",
        "serial:/dev/ttyUSB0?baud",
        "serial:/dev/ttyUSB0?speed=9600",
        "serial:/dev/ttyUSB0?stop=1x5",
        "serial:/dev/ttyUSB0?parity=X",
        "serial:/dev/ttyUSB0?bytes=9",
        "serial:/dev/tty\0USB0",
        "serial:/dev/tty\nUSB0",
        "tcp://x",
        "tcp://:9100",
        "tcp://x:65536",
        "tcp://x:999999",
        "tcp://x:９１００",
        "tcp://x:1?baud=9600",
        "tcp://user@x:1",
        "tcp://a b:1",
        "tcp://caf\u00e9:1",
        "tcp://[::1:9100",
        "tcp://[::1]x:9100",
        "pty:relative",
        "file:/x?y=1",
        "tcp-listen:/dev/x",
    ],
)
def test_what_names_no_port(url: str):
    with pytest.raises(UsageError) as refusal:
        ports.parse(url)
    assert "serial:/dev/ttyUSB0" in refusal.value.hint


@given(st.text(max_size=40) | st.text(max_size=20).map("tcp://".__add__) | st.text(max_size=20).map("serial:/".__add__))
def test_any_text_is_a_port_or_a_mistake(url: str):
    with contextlib.suppress(UsageError):
        assert ports.parse(url).scheme in {"tcp", "tcp-listen", "serial", "pty", "file"}


# -- TCP ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[tuple[ports.Link, socket.socket]]:
    """An accepted link and the caller's socket."""
    listener = ports.Listener(ports.parse("tcp-listen://127.0.0.1:0"))
    caller = socket.create_connection(("127.0.0.1", listener.port))
    select.select([listener.fileno()], [], [], 5)
    link = listener.accept()
    assert link is not None
    yield link, caller
    link.close()
    caller.close()
    listener.close()


def test_nothing_now_is_nothing(pair: tuple[ports.Link, socket.socket]):
    link, caller = pair
    assert link.read() == b""
    caller.sendall(b"hello")
    assert heard(link, 5) == b"hello"
    assert link.write(b"world") == 5
    assert caller.recv(10) == b"world"


@pytest.mark.parametrize("reset", [False, True])
def test_a_hang_up_is_said_after_what_still_came(pair: tuple[ports.Link, socket.socket], reset: bool):
    link, caller = pair
    caller.sendall(b"last words")
    if reset:
        assert heard(link, 10) == b"last words"  # a reset throws away what was not read
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    caller.close()
    time.sleep(0.05)
    if not reset:
        assert heard(link, 10) == b"last words"
    with pytest.raises(ports.HungUpError):
        link.read()


def test_a_full_line_takes_nothing_and_does_not_block(pair: tuple[ports.Link, socket.socket]):
    link, _ = pair
    began, sent = time.monotonic(), 0
    while taken := link.write(b"x" * 65536):
        sent += taken
        assert sent < 1 << 28
    assert time.monotonic() - began < 5


def test_writing_to_somebody_gone(pair: tuple[ports.Link, socket.socket]):
    link, caller = pair
    caller.close()
    link.write(b"x" * 1000)  # the first one may still go out
    time.sleep(0.05)
    with pytest.raises(ports.HungUpError):
        link.write(b"x" * 1000)


def test_a_caller_that_lost_its_power_is_missed_soon(pair: tuple[ports.Link, socket.socket]):
    link, _ = pair
    kept = link._socket  # type: ignore[attr-defined]
    assert kept.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, interval, count = (
        kept.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + interval * count <= 180


def test_nobody_calls_and_nobody_answers():
    listener = ports.Listener(ports.parse("tcp-listen://127.0.0.1:0"))
    assert listener.accept() is None
    url = f"tcp-listen://127.0.0.1:{listener.port}"
    with pytest.raises(TryLater, match="cannot be listened on"):
        ports.Listener(ports.parse(url))
    listener.close()
    with pytest.raises(TryLater, match="cannot be opened"):
        ports.open_link(ports.parse(url.replace("-listen", "")))


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 100])
def test_host_names_that_are_none(host: str):
    with pytest.raises(TryLater):
        ports.open_link(ports.Address("tcp", f"{host}:1", {}))
    with pytest.raises(TryLater):
        ports.Listener(ports.Address("tcp-listen", f"{host}:1", {}))


def test_six_is_listened_on_too():
    try:
        listener = ports.Listener(ports.parse("tcp-listen://[::1]:0"))
    except TryLater:
        pytest.skip("no IPv6 here")
    link = ports.open_link(ports.parse(f"tcp://[::1]:{listener.port}"))
    link.close()
    listener.close()


def test_out_of_file_descriptors_is_said():
    """A silent None would make the selector spin at full speed."""
    listener = ports.Listener(ports.parse("tcp-listen://127.0.0.1:0"))
    caller = socket.create_connection(("127.0.0.1", listener.port))
    select.select([listener.fileno()], [], [], 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(TryLater, match="can take no caller"):
            listener.accept()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    link = listener.accept()
    assert link is not None
    link.close()
    caller.close()
    listener.close()


# -- serial lines and ptys ----------------------------------------------------------------------------------------


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """The far end of a serial line, and the name of ours."""
    far, near = os.openpty()
    tty.setraw(near)
    name = os.ttyname(near)
    yield far, name
    with contextlib.suppress(OSError):
        os.close(far)
    os.close(near)


def test_a_serial_line(line: tuple[int, str]):
    far, name = line
    link = ports.open_link(ports.parse(f"serial:{name}?baud=115200"))
    assert link.read() == b""
    os.write(far, bytes(range(256)))
    assert heard(link, 256) == bytes(range(256))
    link.write(bytes(range(255, -1, -1)))
    time.sleep(0.05)
    assert os.read(far, 1000) == bytes(range(255, -1, -1))
    os.close(far)
    with pytest.raises(ports.HungUpError):
        link.read()
    link.close()
    link.close()


def test_a_serial_line_has_one_owner(line: tuple[int, str]):
    _, name = line
    link = ports.open_link(ports.parse(f"serial:{name}"))
    with pytest.raises(TryLater):
        ports.open_link(ports.parse(f"serial:{name}"))
    link.close()
    ports.open_link(ports.parse(f"serial:{name}")).close()


@pytest.mark.parametrize(
    "address",
    [
        ports.Address("serial", "/dev/does-not-exist", {}),
        ports.Address("serial", "/etc/hostname", {}),
        ports.Address("serial", "/dev/null", {}),
        ports.Address("serial", "/dev/tty\0x", {}),
        ports.Address("file", "/does/not/exist", {}),
        ports.Address("file", "/etc", {}),
        ports.Address("pty", "/does/not/exist/pty", {}),
        ports.Address("tcp", "127.0.0.1:1", {}),
    ],
)
def test_what_cannot_be_opened_is_the_worlds_fault(address: ports.Address):
    for _ in range(3):
        with pytest.raises(TryLater) as refusal:
            ports.open_link(address)
        assert refusal.value.hint


def test_a_pty_of_our_own(tmp_path: Path):
    path = tmp_path / "terminal"
    link = ports.open_link(ports.parse(f"pty:{path}"))
    for _ in range(2):  # who uses it may leave and come again
        near = os.open(path, os.O_RDWR | os.O_NOCTTY)
        os.write(near, b"\x02hello")
        assert heard(link, 6) == b"\x02hello"
        link.write(b"\x06")
        assert os.read(near, 10) == b"\x06"
        os.close(near)
        assert link.read() == b""
    link.close()
    link.close()
    assert not path.is_symlink()


def test_a_pty_replaces_its_own_link_and_no_file(tmp_path: Path):
    path = tmp_path / "terminal"
    path.symlink_to("/dev/pts/999999")
    ports.open_link(ports.parse(f"pty:{path}")).close()
    path.write_text("a journal, say")
    with pytest.raises(TryLater):
        ports.open_link(ports.parse(f"pty:{path}"))
    assert path.read_text() == "a journal, say"


# -- files --------------------------------------------------------------------------------------------------------


def test_a_plain_file_takes_and_says_nothing(tmp_path: Path):
    path = tmp_path / "out.bin"
    for _ in range(2):
        link = ports.open_link(ports.parse(f"file:{path}"))
        assert link.write(b"slip\n") == 5
        assert link.read() == b""
        assert not select.select([link.fileno()], [], [], 0.01)[0]
        link.close()
    assert path.read_bytes() == b"slip\nslip\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_device_that_takes_nothing_does_not_block(tmp_path: Path):
    """A printer without paper: in a FIFO whose reader sleeps."""
    fifo = tmp_path / "lp0"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    link = ports.open_link(ports.parse(f"file:{fifo}"))
    began = time.monotonic()
    while link.write(b"x" * 4096):
        pass
    assert time.monotonic() - began < 1
    link.close()
    os.close(reader)


def test_many_callers_at_once():
    listener = ports.Listener(ports.parse("tcp-listen://127.0.0.1:0"))
    callers: list[socket.socket] = []
    threads = [
        threading.Thread(target=lambda: callers.append(socket.create_connection(("127.0.0.1", listener.port))))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    links = []
    while (link := listener.accept()) is not None:
        links.append(link)
    assert len(links) == 20
    for each in (*links, *callers, listener):
        each.close()
