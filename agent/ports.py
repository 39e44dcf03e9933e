"""The only file that opens devices. A URL names a port, opening it gives a `Link`: bytes in, bytes out, never blocking.

    serial:/dev/serial/by-id/usb-…?baud=9600&parity=N&bytes=8&stop=1   a serial line or a pty's end
    pty:/run/slipkeeper/terminal             a pty of our own; the path links to its other end
    tcp://192.168.1.20:9100                  we call
    tcp-listen://127.0.0.1:9100              we are called
    file:/dev/usb/lp0                        written to: a printer's device file, or a plain file

pyserial opens and configures a serial line; bytes move by os.read and os.write, which lose nothing at a hang-up
(terminals.md §11: pyserial's own read does).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import re
import socket
import termios
import tty
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from agent.errors import TryLater, UsageError

_CHUNK: Final = 8192  # what one read takes: a long slip on one line must not keep the others waiting
_CONNECT_TIMEOUT_S: Final = 5.0
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]+(?:%\w+)?\]", re.ASCII)
_PORT: Final = re.compile(r"\d{1,5}", re.ASCII)
_SERIAL_OPTIONS: Final = {"baud": r"[1-9]\d{2,6}", "parity": "[NEOMS]", "bytes": "[5678]", "stop": r"1|1\.5|2"}


_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)


class HungUpError(TryLater):
    """The other side is gone: unplugged, closed, reset."""


@dataclass(frozen=True, slots=True)
class Address:
    """A port's URL, taken apart. `place` is a path, or host:port."""

    scheme: str
    place: str
    options: Mapping[str, str]

    @property
    def host(self) -> str:
        return self.place.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.place.rpartition(":")[2])

    @property
    def listens(self) -> bool:
        return self.scheme == "tcp-listen"


class Link(Protocol):
    """An open port."""

    name: str

    def fileno(self) -> int: ...
    def read(self) -> bytes:
        """What is there now, b"" for nothing yet. Raises HungUpError when nothing will come any more."""
        ...

    def write(self, data: bytes) -> int:
        """How many bytes were taken, 0 when the line is full now. Raises HungUpError."""
        ...

    def close(self) -> None: ...


def parse(url: str) -> Address:
    """The address a URL names. Raises UsageError that says what is wrong with it."""
    hint = (
        "ports look like serial:/dev/ttyUSB0?baud=9600, tcp://host:9100, tcp-listen://0.0.0.0:9100, file:/dev/usb/lp0"
    )
    try:
        parts = urlsplit(url if url.isprintable() else "")
    except ValueError:
        parts = urlsplit("")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    allowed = _SERIAL_OPTIONS if parts.scheme == "serial" else {}
    if parts.scheme in {"tcp", "tcp-listen"}:
        place = parts.netloc
        host, _, port = place.rpartition(":")
        if not (_HOST.fullmatch(host) and _PORT.fullmatch(port)) or int(port) > 65535:
            raise UsageError("{url} names no host and port", hint, url=url)
    elif parts.scheme in {"serial", "pty", "file"}:
        place = parts.path
        if not place.startswith("/"):
            raise UsageError("{url} names no absolute path", hint, url=url)
    else:
        raise UsageError("{url} is no port", hint, url=url)
    for name, value in options.items():
        if name not in allowed or not re.fullmatch(allowed[name], value):
            raise UsageError("{url}: {name}={value} is no setting of this port", hint, url=url, name=name, value=value)
    return Address(parts.scheme, place, options)


def open_link(address: Address) -> Link:
    """Opens a port that is not listening. Raises TryLater when the device or the other side is not there."""
    opener = {"serial": _open_serial, "pty": _open_pty, "tcp": _open_tcp, "file": _open_file}[address.scheme]
    try:
        return opener(address)
    except (OSError, termios.error, ValueError) as cause:  # a speed the line cannot, a host name that is none
        raise TryLater(
            "{place} cannot be opened: {cause}",
            "is it plugged in and switched on? slipkeeper doctor lists the devices",
            place=address.place,
            cause=getattr(cause, "strerror", None) or str(cause),
        ) from cause


class Listener:
    """A listening TCP port. Only the newest caller is served by most printers; who calls is the caller's name."""

    def __init__(self, address: Address) -> None:
        self.name = address.place
        try:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            self._socket = socket.create_server((address.host, address.port), family=family)
        except (OSError, ValueError) as cause:
            raise TryLater(
                "{place} cannot be listened on: {cause}",
                "another program may hold this port",
                place=address.place,
                cause=getattr(cause, "strerror", None) or str(cause),
            ) from cause
        self._socket.settimeout(0)

    @property
    def port(self) -> int:
        """The port listened on, also where the address said 0."""
        port: int = self._socket.getsockname()[1]
        return port

    def fileno(self) -> int:
        return self._socket.fileno()

    def accept(self) -> Link | None:
        """The next caller, None when nobody waits. Raises TryLater when there is no place for any."""
        try:
            connection, peer = self._socket.accept()
        except OSError as cause:
            if cause.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                raise TryLater(
                    "{place} can take no caller: {cause}", "", place=self.name, cause=cause.strerror
                ) from cause
            return None
        return _SocketLink(connection, f"{peer[0]}:{peer[1]}")

    def close(self) -> None:
        self._socket.close()


class _FileLink:
    """A link over a file descriptor: serial line, pty, printer device."""

    def __init__(self, name: str, handle: int) -> None:
        self.name = name
        self._handle = handle
        os.set_blocking(handle, False)

    def fileno(self) -> int:
        return self._handle

    def read(self) -> bytes:
        with _hang_up(self.name):
            data = os.read(self._handle, _CHUNK)
            if not data:
                raise HungUpError("{name} hung up", "", name=self.name)
            return data
        return b""

    def write(self, data: bytes) -> int:
        with _hang_up(self.name):
            return os.write(self._handle, data)
        return 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._handle)


class _PtyLink(_FileLink):
    """Our end of a pty. The other end is kept open by us, so that nobody's leaving looks like a hang-up."""

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_symlink():
            raise FileExistsError(errno.EEXIST, "there is a file that is no link of ours", str(path))
        ours, self._theirs = pty.openpty()
        super().__init__(str(path), ours)
        self._path = path
        try:
            tty.setraw(self._theirs)
            path.unlink(missing_ok=True)
            path.symlink_to(os.ttyname(self._theirs))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):
            os.close(self._theirs)
        with contextlib.suppress(OSError):
            if self._path.is_symlink():
                self._path.unlink()


class _DeviceLink(_FileLink):
    """A printer's device file. usblp reads nothing from a printer without a back channel: that is no hang-up."""

    def read(self) -> bytes:
        with contextlib.suppress(BlockingIOError, InterruptedError):
            try:
                return os.read(self._handle, _CHUNK)
            except OSError as cause:
                if cause.errno not in {errno.EINVAL, errno.EAGAIN}:
                    raise HungUpError(
                        "{name} hung up: {cause}", "", name=self.name, cause=str(cause.strerror)
                    ) from cause
        return b""


class _PlainFileLink(_FileLink):
    """A regular file: written to, never says anything. Its descriptor cannot be polled, so a pipe's stands for it."""

    def __init__(self, name: str, handle: int) -> None:
        super().__init__(name, handle)
        self._silence, self._writer = os.pipe()

    def fileno(self) -> int:
        return self._silence

    def read(self) -> bytes:
        return b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.fsync(self._handle)
        super().close()
        os.close(self._silence)
        os.close(self._writer)


class _SerialLink(_FileLink):
    """A serial line, configured and locked by pyserial, which owns the descriptor."""

    def __init__(self, address: Address) -> None:
        import serial  # noqa: PLC0415 - only who has a serial line pays for it

        stop = float(address.options.get("stop", "1"))
        try:
            self._device = serial.Serial(
                address.place,
                baudrate=int(address.options.get("baud", "9600")),
                bytesize=int(address.options.get("bytes", "8")),
                parity=address.options.get("parity", "N"),
                stopbits=int(stop) if stop.is_integer() else stop,
                timeout=0,
                exclusive=True,
            )
        except serial.SerialException as cause:
            raise OSError(cause.errno or errno.EIO, str(cause)) from cause
        handle = self._device.fileno()
        # The advisory lock stops nobody who does not ask for it; TIOCEXCL stops ordinary users (terminals.md §11).
        with contextlib.suppress(OSError):
            fcntl.ioctl(handle, termios.TIOCEXCL)
        # pyserial leaves VMIN=0: a read without bytes would then look like a hang-up instead of "nothing now".
        with contextlib.suppress(termios.error):
            settings = termios.tcgetattr(handle)
            settings[6][termios.VMIN] = 1
            termios.tcsetattr(handle, termios.TCSANOW, settings)
        super().__init__(address.place, handle)

    def close(self) -> None:
        with contextlib.suppress(OSError, termios.error):
            fcntl.ioctl(self._handle, termios.TIOCNXCL)
        with contextlib.suppress(OSError, termios.error):
            self._device.close()


class _SocketLink:
    def __init__(self, connection: socket.socket, name: str) -> None:
        self.name = name
        self._socket = connection
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A terminal that lost its power hangs up without a word: it is missed after two minutes, not after two hours.
        for level, option, value in _KEEP_ALIVE:
            connection.setsockopt(level, option, value)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bytes:
        with _hang_up(self.name):
            data = self._socket.recv(_CHUNK)
            if not data:
                raise HungUpError("{name} hung up", "", name=self.name)
            return data
        return b""

    def write(self, data: bytes) -> int:
        with _hang_up(self.name):
            return self._socket.send(data)
        return 0

    def shut_down_writing(self) -> None:
        """Says that nothing more comes, so that the peer reads all before it closes (escpos.md P1)."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()


def _open_serial(address: Address) -> Link:
    return _SerialLink(address)


def _open_pty(address: Address) -> Link:
    return _PtyLink(Path(address.place))


def _open_tcp(address: Address) -> Link:
    connection = socket.create_connection((address.host, address.port), _CONNECT_TIMEOUT_S)
    return _SocketLink(connection, address.place)


def _open_file(address: Address) -> Link:
    path = Path(address.place)
    if path.exists() and not path.is_file():
        # A printer's device blocks for ever when its paper is out; it must not (faults.md §0, 9).
        return _DeviceLink(address.place, os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    return _PlainFileLink(address.place, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))


@contextlib.contextmanager
def _hang_up(name: str) -> Iterator[None]:
    """Nothing now is nothing; every other failure of a line is a hang-up (a dead pty says EIO, a socket resets)."""
    try:
        yield
    except (BlockingIOError, InterruptedError):
        pass
    except OSError as cause:
        raise HungUpError("{name} hung up: {cause}", "", name=name, cause=cause.strerror or str(cause)) from cause
