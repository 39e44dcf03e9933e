"""A simulated ECR17 terminal, and the till that talks to it, for tests and a dry run at a desk.

    python -m drivers.simulators.ecr17_terminal terminal --listen 127.0.0.1:10000 --lrc stx
    python -m drivers.simulators.ecr17_terminal till --connect 127.0.0.1:10001 --count 3 --amounts 12850,990

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

from drivers.framing import ACK, STX, Frame, Framer
from drivers.simulators.stx_wire import address
from drivers.terminals.ecr17_wire import Check, Mode, answer, encode, payload, progress

TERMINAL: Final = b"12345678"
TILL: Final = b"00000001"
DECLINED_ENDING: Final = 51  # amounts that end so are declined
_ANSWER_S: Final = 15.0
_RECEIPT_END: Final = b"}}}}}}\x1b"

Say = Callable[[Mapping[str, object]], None]


def pay(amount_minor: int, code: bytes = b"P") -> bytes:
    """The payload of a payment (P, X) or pre-authorisation (p)."""
    return TERMINAL + b"0" + code + TILL + b"0000" + b"0" + b"%08d" % amount_minor + b" " * 128 + b"0" * 8


def reverse(stan: int) -> bytes:
    return TERMINAL + b"0S" + TILL + b"%06d" % stan + b"00"


def close() -> bytes:
    return TERMINAL + b"0C" + TILL + b"0" * 8


def day_time(at: dt.datetime) -> bytes:
    return at.strftime("%j%H%M").encode()


def result(
    when: bytes, stan: int, card: bytes, *, code: bytes = b"E", auth: bytes = b"A12345", more: bytes = b""
) -> bytes:
    """The payload of an approved result. `more` stands behind place 71."""
    head = TERMINAL + b"0" + code + b"00" + card.rjust(19, b"0") + b"CLI" + auth + when
    return head + b"2" + b"ACQ".ljust(11) + b"%06d%06d" % (stan, stan + 1000) + more


def denied(stan: int, text: bytes = b"CARTA RIFIUTATA", code: bytes = b"E", said: bytes = b"01") -> bytes:
    head = TERMINAL + b"0" + code + said + text.ljust(24) + b"0" * 11
    return head + b"2" + b"ACQ".ljust(11) + b"%06d%06d" % (stan, stan + 1000)


def closed(terminal_minor: int, host_minor: int) -> bytes:
    return TERMINAL + b"0C00" + b"%016d%016d" % (terminal_minor, host_minor)


def totals(terminal_minor: int) -> bytes:
    return TERMINAL + b"0T00" + b"%016d" % terminal_minor + b"000000"


def receipt(text: bytes, size: int = 200) -> list[bytes]:
    """The payloads of a receipt in pieces."""
    whole = text + _RECEIPT_END
    return [TERMINAL + b"0S" + whole[start : start + size] for start in range(0, len(whole), size)]


@dataclass(slots=True)
class Terminal:
    """What a terminal remembers. `answer` is arithmetic; the loop round it is `serve`."""

    card: bytes = b"411111******1111"
    stan: int = 0
    paid: list[int] = field(default_factory=list)
    last: bytes = b""
    receipts: bool = False

    def answer(self, asked: bytes, at: dt.datetime) -> list[bytes]:
        """The payloads it says after it acknowledged; each waits for an acknowledgement."""
        code = asked[9:10]
        if code == b"E":
            self.receipts = asked[10:11] == b"1"
            return []
        if code in b"PX":
            return self._pay(int(asked[23:31]), code, at)
        if code == b"C":
            paid, self.paid = self.paid, []
            return [closed(sum(paid), sum(paid))]
        if code == b"T":
            return [totals(sum(self.paid))]
        if code == b"s":
            return [TERMINAL + b"0s" + b"0" * 10 + at.strftime("%d%m%y%H%M").encode() + b"2" + b"SIM00001"]
        return [self.last] if code == b"G" and self.last else []

    def _pay(self, amount_minor: int, code: bytes, at: dt.datetime) -> list[bytes]:
        self.stan += 1
        if amount_minor % 100 == DECLINED_ENDING:
            self.last = denied(self.stan)
            return [self.last]
        self.paid.append(amount_minor)
        more = b"000%08d" % amount_minor + b"0" * 10 if code == b"X" else b""
        self.last = result(day_time(at), self.stan, self.card, more=more)
        if not self.receipts:
            return [self.last]
        text = b"    ACQUISTO CLESS}}\x7fEUR %17.2f}STAN %06d" % (amount_minor / 100, self.stan)
        return [self.last, *receipt(text)]


class Wire:
    """A connected socket as a queue of frames. OSError when the peer is gone or says nothing."""

    def __init__(self, link: socket.socket, mode: Mode) -> None:
        self._link = link
        self.mode = mode
        self._framer = Framer(Check(mode).decode)
        self._came: list[Frame] = []

    def next(self, timeout_s: float) -> Frame:
        self._link.settimeout(timeout_s)
        while not self._came:
            data = self._link.recv(4096)
            if not data:
                raise ConnectionResetError("the peer hung up")
            self._came += [piece for piece in self._framer.feed(data) if isinstance(piece, Frame)]
        return self._came.pop(0)

    def send(self, raw: bytes) -> None:
        self._link.sendall(raw)

    def send_until_acknowledged(self, message: bytes) -> None:
        self.send(encode(message, self.mode))
        while self.next(_ANSWER_S).raw[:1] != ACK:
            pass

    def next_message(self) -> bytes:
        """The next payload, acknowledged."""
        while True:
            frame = self.next(_ANSWER_S)
            if frame.raw[0] == STX:
                self.send(answer(ACK, self.mode))
                return payload(frame)


def serve(listener: socket.socket, terminal: Terminal, mode: Mode, say: Say, *, think_s: float) -> None:
    """Callers one after the other, for ever; what was paid stays paid when one hangs up."""
    while True:
        link, _ = listener.accept()
        with link:
            try:
                wire = Wire(link, mode)
                while True:
                    _serve_request(wire, terminal, say, think_s)
            except OSError as error:
                say({"terminal": "waits", "caller": f"gone: {error}"})


def _serve_request(wire: Wire, terminal: Terminal, say: Say, think_s: float) -> None:
    asked = payload(wire.next(3600.0))
    if not asked:
        return
    wire.send(answer(ACK, wire.mode))
    if asked[9:10] in b"PX":
        wire.send(progress(b"ATTENDERE PREGO"))
    time.sleep(think_s)
    for message in terminal.answer(asked, dt.datetime.now().astimezone()):
        wire.send_until_acknowledged(message)
        say({"terminal": message[9:10].decode(), "acknowledged": True})


def ask(wire: Wire, request: bytes, say: Say) -> bytes:
    """The till: a request, its acknowledgement and the one result."""
    wire.send_until_acknowledged(request)
    told = wire.next_message()
    say({"till": "heard", "code": told[9:10].decode(), "result": told[10:12].decode()})
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    mode = Mode(chosen.lrc)
    if chosen.role == "terminal":
        with socket.create_server(address(chosen.listen)) as listener:
            host, port = listener.getsockname()[:2]
            _say({"listening": f"{host}:{port}"})
            serve(listener, Terminal(card=chosen.card.encode()), mode, _say, think_s=chosen.think_s)
    with socket.create_connection(address(chosen.connect), timeout=5.0) as link:
        wire = Wire(link, mode)
        for amount in islice(cycle(int(amount) for amount in chosen.amounts.split(",")), chosen.count):
            ask(wire, pay(amount), _say)
            time.sleep(chosen.interval_s)
        if chosen.settle:
            ask(wire, close(), _say)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ecr17_terminal", description="a simulated ECR17 terminal, or its till")
    roles = parser.add_subparsers(dest="role", required=True)
    terminal = roles.add_parser("terminal")
    terminal.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 takes a free one and prints it")
    terminal.add_argument("--card", default="411111******1111", help="what it sends as the card number")
    terminal.add_argument("--think-s", type=float, default=0.2, help="how long a request takes")
    till = roles.add_parser("till")
    till.add_argument("--connect", required=True, help="HOST:PORT of the agent's till side, or of a terminal")
    till.add_argument("--count", type=int, default=1, help="how many sales")
    till.add_argument("--interval-s", type=float, default=0.0)
    till.add_argument("--amounts", default="12850,990,4200", help="in minor units, in turn; …51 is declined")
    till.add_argument("--settle", action="store_true", help="close the session at the end")
    for role in (terminal, till):
        role.add_argument("--lrc", default=Mode.STD, choices=tuple(Mode))
    return parser


def _say(what: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
