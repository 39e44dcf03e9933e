"""A simulated ZVT terminal, and the till that talks to it, for tests and a dry run at a desk.

    python -m drivers.simulators.zvt_terminal terminal --listen 127.0.0.1:20007
    python -m drivers.simulators.zvt_terminal till --connect 127.0.0.1:20008 --count 3 --amounts 12850,990

The agent stands between, over TCP. Both print one JSON object a line. Only here is a payment built; the agent cannot.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Final

from drivers.framing import Frame
from drivers.simulators.stx_wire import address
from drivers.terminals.zvt_wire import TRANSPORTS, Apdu, encode, parse

PROCESSED: Final = encode(0x8000)
PASSWORD: Final = bytes(3)
DECLINED_ENDING: Final = 51  # amounts that end so are declined
_ANSWER_S: Final = 15.0

Say = Callable[[Mapping[str, object]], None]


def packed(number: int, size: int) -> bytes:
    """Packed digits."""
    return bytes.fromhex(f"{number:0{2 * size}d}")


def counted(value: bytes, digits: int = 2) -> bytes:
    """A value behind its F-digit length."""
    return bytes(0xF0 | int(digit) for digit in f"{len(value):0{digits}d}") + value


def pay(amount_minor: int) -> bytes:
    return encode(0x0601, b"\x04" + packed(amount_minor, 6) + b"\x49\x09\x78\x19\x40")


def reverse(receipt_no: int) -> bytes:
    return encode(0x0630, PASSWORD + b"\x87" + packed(receipt_no, 2))


def refund(amount_minor: int) -> bytes:
    return encode(0x0631, PASSWORD + b"\x04" + packed(amount_minor, 6) + b"\x49\x09\x78")


def end_of_day() -> bytes:
    return encode(0x0650, PASSWORD)


def status(at: dt.datetime, amount_minor: int, trace_no: int, card: str = "", **more: bytes) -> bytes:
    """`04 0F` of a payment at 40 00 01 23. `card`: packed digits, E for masked. `more`: BMPs as `b3C`, or `code`."""
    parts = [
        b"\x27" + more.pop("code", b"\0"),
        b"\x04" + packed(amount_minor, 6) + b"\x49\x09\x78",
        b"\x0c" + bytes.fromhex(at.strftime("%H%M%S")) + b"\x0d" + bytes.fromhex(at.strftime("%m%d")),
        b"\x29" + packed(40000123, 4) + b"\x0b" + packed(trace_no, 3) + b"\x87" + packed(trace_no % 10000, 2),
    ]
    if card:
        digits = bytes.fromhex(card + "F" * (len(card) % 2))
        parts.append(b"\x22" + counted(digits) + b"\x0e\x28\x12\x8a\x05\x8b" + counted(b"girocard\0"))
    parts += [bytes.fromhex(name[1:]) + value for name, value in more.items()]
    return encode(0x040F, b"".join(parts))


def totals(at: dt.datetime, first: int, last: int, count: int, sum_minor: int) -> bytes:
    """`04 0F` of an end of day: everything was paid by girocard."""
    single = packed(first, 2) + packed(last, 2) + bytes((count,)) + packed(sum_minor, 6) + bytes(6 * 7)
    when = b"\x0c" + bytes.fromhex(at.strftime("%H%M%S")) + b"\x0d" + bytes.fromhex(at.strftime("%m%d"))
    tid = b"\x29" + packed(40000123, 4)
    return encode(0x040F, b"\x27\0\x04" + packed(sum_minor, 6) + when + tid + b"\x60" + counted(single, 3))


def print_line(text: bytes, attribute: int = 0, receipt_type: int | None = None) -> bytes:
    container = b"" if receipt_type is None else b"\x06\x04\x1f\x07\x01" + bytes((receipt_type,))
    return encode(0x06D1, bytes((attribute,)) + text + container)


def print_block(lines: Sequence[bytes], receipt_type: int, last: int | None = 0x81) -> bytes:
    inner = b"".join(b"\x07" + bytes((len(line),)) + line for line in lines)
    inner += b"" if last is None else b"\x09\x01" + bytes((last,))
    objects = b"\x1f\x07\x01" + bytes((receipt_type,)) + b"\x25\x82" + len(inner).to_bytes(2, "big") + inner
    return encode(0x06D3, b"\x06\x82" + len(objects).to_bytes(2, "big") + objects)


@dataclass(slots=True)
class Terminal:
    """What a terminal remembers. `answer` is arithmetic; the loop round it is `serve`."""

    card: str = "EEEEEEEEEEEE4771"
    trace: int = 0
    paid: list[int] = field(default_factory=list)
    last: bytes = b""

    def answer(self, asked: Apdu, at: dt.datetime) -> list[bytes]:
        """What it says after `80 00 00`, message by message; each is answered before the next."""
        if asked.code == 0x0601:
            return self._pay(int(asked.data[1:7].hex()), at)
        if asked.code == 0x0620:
            return [self.last, encode(0x060F)] if self.last else [encode(0x061E, b"\x64")]
        if asked.code == 0x0650:
            paid, self.paid = self.paid, []
            message = totals(at, 1, self.trace, len(paid), sum(paid))
            return [message, print_line(b"** KASSENSCHNITT **", 0x40, 3), print_line(b"", 0x81, 3), encode(0x060F)]
        return [encode(0x060F)]

    def _pay(self, amount_minor: int, at: dt.datetime) -> list[bytes]:
        self.trace += 1
        if amount_minor % 100 == DECLINED_ENDING:
            return [status(at, amount_minor, self.trace, code=b"\x6c"), encode(0x061E, b"\x6c")]
        self.paid.append(amount_minor)
        self.last = status(at, amount_minor, self.trace, self.card)
        lines = [b"   ** KUNDENBELEG **", b"Terminal-ID:    40000123", b"Trace-Nr: %14d" % self.trace]
        lines += [b"BETRAG:  EUR %11s" % f"{amount_minor / 100:.2f}".replace(".", ",").encode()]
        return [self.last, print_block(lines, 2), encode(0x060F)]


class Wire:
    """A connected socket as a queue of APDUs. OSError when the peer is gone or says nothing."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._framer = TRANSPORTS["tcp"].framer()
        self._came: list[Apdu] = []

    def next(self, timeout_s: float) -> Apdu:
        self._link.settimeout(timeout_s)
        while not self._came:
            data = self._link.recv(4096)
            if not data:
                raise ConnectionResetError("the peer hung up")
            frames = (piece for piece in self._framer.feed(data) if isinstance(piece, Frame))
            self._came += [apdu for frame in frames if (apdu := parse(frame.raw)) is not None]
        return self._came.pop(0)

    def send(self, apdu: bytes) -> None:
        self._link.sendall(apdu)


def serve(listener: socket.socket, terminal: Terminal, say: Say, *, think_s: float) -> None:
    """Callers one after the other, for ever; what was paid stays paid when one hangs up."""
    while True:
        link, _ = listener.accept()
        with link:
            wire = Wire(link)
            try:
                while True:
                    _serve_command(wire, terminal, say, think_s)
            except OSError as error:
                say({"terminal": "waits", "caller": f"gone: {error}"})


def _serve_command(wire: Wire, terminal: Terminal, say: Say, think_s: float) -> None:
    asked = wire.next(3600.0)
    if asked.is_answer:
        return
    wire.send(PROCESSED)
    time.sleep(think_s)
    for message in terminal.answer(asked, dt.datetime.now().astimezone()):
        wire.send(message)
        answer = wire.next(_ANSWER_S)
        say({"terminal": message[:2].hex(" "), "answered": f"{answer.code:04x}"})


def ask(wire: Wire, command: bytes, say: Say) -> list[Apdu]:
    """The till: a command and everything the terminal says to it, each message answered."""
    wire.send(command)
    heard = []
    while True:
        apdu = wire.next(_ANSWER_S)
        if apdu.is_answer:
            continue
        heard.append(apdu)
        say({"till": "heard", "code": f"{apdu.code:04x}", "bytes": len(apdu.data)})
        wire.send(PROCESSED)
        if apdu.code in {0x060F, 0x061E}:
            return heard


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    if chosen.role == "terminal":
        with socket.create_server(address(chosen.listen)) as listener:
            host, port = listener.getsockname()[:2]
            _say({"listening": f"{host}:{port}"})
            serve(listener, Terminal(card=chosen.card), _say, think_s=chosen.think_s)
    with socket.create_connection(address(chosen.connect), timeout=5.0) as link:
        wire = Wire(link)
        for amount in islice(cycle(int(amount) for amount in chosen.amounts.split(",")), chosen.count):
            ask(wire, pay(amount), _say)
            time.sleep(chosen.interval_s)
        if chosen.settle:
            ask(wire, end_of_day(), _say)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zvt_terminal", description="a simulated ZVT terminal, or its till")
    roles = parser.add_subparsers(dest="role", required=True)
    terminal = roles.add_parser("terminal")
    terminal.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 takes a free one and prints it")
    terminal.add_argument("--card", default="EEEEEEEEEEEE4771", help="packed digits it sends as the card number")
    terminal.add_argument("--think-s", type=float, default=0.2, help="how long a payment takes")
    till = roles.add_parser("till")
    till.add_argument("--connect", required=True, help="HOST:PORT of the agent's till side, or of a terminal")
    till.add_argument("--count", type=int, default=1, help="how many sales")
    till.add_argument("--interval-s", type=float, default=0.0)
    till.add_argument("--amounts", default="12850,990,4200", help="in minor units, in turn; …51 is declined")
    till.add_argument("--settle", action="store_true", help="end of day at the end")
    return parser


def _say(what: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
