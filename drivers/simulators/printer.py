"""A virtual ESC/POS printer on TCP and on a pty: every slip it cuts off becomes a text file and a picture.

    python -m drivers.simulators.printer --listen 127.0.0.1:9100 --out DIR

Demo and tests use it as a printer that can be broken at will: paper out after n lines, cover open, off line, silent,
slow, a line that drops after n bytes, a power cut. Like most printers it serves one connection at a time.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pty
import select
import signal
import socket
import struct
import termios
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from agent.slips.model import Image, QrCode, Slip
from drivers.printers.understand import rows
from drivers.simulators.printer_model import PrinterModel, Sensors

_TICK_S: Final = 0.01
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER with zero seconds: closing sends RST, as a printer that lost power


class VirtualPrinter:
    """Runs in a thread between `start` and `stop`. `on_piece` hears of every paper cut off.

    `lines_per_s` is the speed of the head, None as fast as it can; `bytes_per_s` that of the line.
    """

    def __init__(
        self,
        *,
        listen: tuple[str, int] | None = None,
        pty_path: Path | None = None,
        buffer_bytes: int = 65536,
        lines_per_s: float | None = None,
        bytes_per_s: float | None = None,
        on_piece: Callable[[bytes], None] = lambda _piece: None,
    ) -> None:
        self._model = PrinterModel(buffer_bytes=buffer_bytes)
        self._mutex = threading.Lock()
        self._on_piece = on_piece
        self._lines_per_s = lines_per_s
        self._bytes_per_s = bytes_per_s
        self._drop_after: int | None = None
        self._received = 0
        self._off_until = 0.0
        self._lines_owed = self._bytes_owed = 0.0
        self._ticked_at = 0.0
        self._stop = threading.Event()
        self._pty_path = pty_path
        self._listener = _listen(*listen) if listen else None
        self._link: _Tcp | _Pty | None = _Pty(pty_path) if pty_path else None
        self._thread = threading.Thread(target=self._run, name="virtual-printer", daemon=True)

    # -- what tests and the demo do --------------------------------------------------------------------------------

    def start(self) -> VirtualPrinter:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._listener:
            self._listener.close()
        if self._link:
            self._link.close(politely=True)

    @property
    def port(self) -> int:
        assert self._listener
        port: int = self._listener.getsockname()[1]
        return port

    def set(self, **sensors: object) -> None:
        """Switches faults: the fields of `Sensors`."""
        with self._mutex:
            for name, value in sensors.items():
                if name not in Sensors.__slots__:
                    raise AttributeError(name)
                setattr(self._model.sensors, name, value)

    def set_speed(self, *, lines_per_s: float | None = None, bytes_per_s: float | None = None) -> None:
        with self._mutex:
            self._lines_per_s, self._bytes_per_s = lines_per_s, bytes_per_s

    def drop_after(self, count: int) -> None:
        """Breaks the connection once `count` more bytes have come; what is in the buffer is still printed."""
        with self._mutex:
            self._drop_after = self._received + count

    def power_cycle(self, off_s: float = 0.05) -> None:
        """Off for so long: the connection breaks, buffer and modes are lost, the paper stays."""
        with self._mutex:
            self._model.power_cycle()
            self._off_until = time.monotonic() + off_s
            self._hang_up()

    @property
    def received(self) -> int:
        """Bytes taken from the line since the start."""
        return self._received

    @property
    def pieces(self) -> list[bytes]:
        """Papers cut off so far, as the bytes that made them."""
        with self._mutex:
            return list(self._model.pieces)

    @property
    def paper(self) -> bytes:
        """Everything ever printed, cut off or still hanging."""
        with self._mutex:
            return b"".join(self._model.pieces) + bytes(self._model.hanging)

    @property
    def busy(self) -> bool:
        with self._mutex:
            return self._model.busy

    # -- its inside ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._ticked_at = time.monotonic()
        while not self._stop.is_set():
            with self._mutex:
                wanted = [self._listener.fileno()] if self._listener and not self._link else []
                wanted += [self._link.fileno()] if self._link and self._model.room else []
                fast = self._model.busy and self._lines_per_s is None
            select.select(wanted, [], [], 0 if fast else _TICK_S)
            if self._bytes_per_s is not None:
                time.sleep(_TICK_S)
            self._tick()

    def _tick(self) -> None:
        with self._mutex:
            now = time.monotonic()
            passed_s, self._ticked_at = now - self._ticked_at, now
            if now < self._off_until:
                return
            answer = self._take(passed_s)
            lines = 1 << 30
            if self._lines_per_s is not None:
                self._lines_owed = min(self._lines_owed + passed_s * self._lines_per_s, 1 + self._lines_per_s / 10)
                lines = int(self._lines_owed) if self._model.busy else 0
                self._lines_owed -= lines
            before = len(self._model.pieces)
            answer += self._model.print_lines(lines) + self._model.changes()
            done = self._model.pieces[before:]
            if answer and self._link and not self._link.write(answer):
                self._hang_up()
        for piece in done:
            self._on_piece(piece)

    def _take(self, passed_s: float) -> bytes:
        """Reads what the buffer has room for, the line has speed for, and the fault lets through."""
        if self._link is None and self._listener:
            self._link = _accept(self._listener)
        if self._link is None:
            return b""
        room = self._model.room
        if self._bytes_per_s is not None:
            self._bytes_owed = min(self._bytes_owed + passed_s * self._bytes_per_s, max(self._bytes_per_s / 10, 1))
            room = min(room, int(self._bytes_owed))
        if self._drop_after is not None:
            room = min(room, self._drop_after - self._received)
        data = self._link.read(room) if room > 0 else b""
        if data is None:
            self._hang_up(politely=True)
            return b""
        self._received += len(data)
        self._bytes_owed -= len(data) if self._bytes_per_s is not None else 0
        answer = self._model.receive(data) if data else b""
        if self._drop_after is not None and self._received >= self._drop_after:
            self._drop_after = None
            self._hang_up()
        return answer

    def _hang_up(self, *, politely: bool = False) -> None:
        if self._link:
            self._link.close(politely=politely)
        self._link = _Pty(self._pty_path) if self._pty_path and not self._stop.is_set() else None


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port))
    listener.settimeout(0)
    return listener


def _accept(listener: socket.socket) -> _Tcp | None:
    try:
        return _Tcp(listener.accept()[0])
    except OSError:
        return None


class _Tcp:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.settimeout(0)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self, room: int) -> bytes | None:
        """None when the other side has gone."""
        try:
            return self._socket.recv(room) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def write(self, data: bytes) -> bool:
        try:
            return self._socket.send(data) == len(data)
        except OSError:
            return False

    def close(self, *, politely: bool) -> None:
        if not politely:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()


class _Pty:
    """Our end of a pty; `path` links to the other. Breaking it removes the device, like a USB adapter pulled out."""

    def __init__(self, path: Path) -> None:
        self._ours, self._theirs = pty.openpty()  # theirs stays open: nobody's leaving hangs us up
        tty.setraw(self._theirs, termios.TCSANOW)
        os.set_blocking(self._ours, False)
        self._path = path
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(self._theirs))

    def fileno(self) -> int:
        return self._ours

    def read(self, room: int) -> bytes | None:
        with contextlib.suppress(OSError):
            return os.read(self._ours, room)
        return b""

    def write(self, data: bytes) -> bool:
        with contextlib.suppress(OSError):
            os.write(self._ours, data)
        return True

    def close(self, *, politely: bool) -> None:
        del politely  # a line knows only one way
        self._path.unlink(missing_ok=True)
        os.close(self._theirs)
        os.close(self._ours)


def into_files(directory: Path, columns: int) -> Callable[[bytes], None]:
    """What to do with each paper: number, text and picture in `directory`, one line on the screen."""
    from agent.slips import render_png, render_text  # noqa: PLC0415 - tests that count bytes need no pictures

    directory.mkdir(parents=True, exist_ok=True)
    numbers = itertools.count(1 + max((int(path.stem) for path in directory.glob("[0-9]*.txt")), default=0))

    def write(piece: bytes) -> None:
        slip = Slip("", columns, rows(piece, columns))
        text = render_text.text(slip)
        if not text.strip() and not any(isinstance(row, Image | QrCode) for row in slip.rows):
            return  # paper that was only fed and cut
        path = directory / f"{next(numbers):04d}"
        path.with_suffix(".txt").write_text(text)
        path.with_suffix(".png").write_bytes(render_png.png(slip))
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        click.echo(f"{path.with_suffix('.png')}  {first}")

    return write


@click.command()
@click.option("--listen", help="host:port of the network printer, for example 127.0.0.1:9100")
@click.option("--pty", "pty_path", type=click.Path(path_type=Path), help="path of the serial printer (a pty's link)")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="where slips are written")
@click.option("--columns", default=48, show_default=True, help="48 for 80 mm paper, 32 for 58 mm")
@click.option("--lines-per-s", type=float, help="speed of the head; as fast as it can by default")
def main(listen: str | None, pty_path: Path | None, out: Path, columns: int, lines_per_s: float | None) -> None:
    """A printer without paper: each slip becomes a .txt and a .png."""
    if bool(listen) == bool(pty_path):
        raise click.UsageError("say either --listen HOST:PORT or --pty PATH")
    host, _, port = (listen or "").rpartition(":")
    if listen and not (host and port.isdecimal()):
        raise click.UsageError(f"{listen} is not host:port")
    printer = VirtualPrinter(
        listen=(host, int(port)) if listen else None,
        pty_path=pty_path,
        lines_per_s=lines_per_s,
        on_piece=into_files(out, columns),
    ).start()
    click.echo(f"printing to {out}, listening on {f'{host}:{printer.port}' if listen else pty_path}")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    printer.stop()


if __name__ == "__main__":
    main()
