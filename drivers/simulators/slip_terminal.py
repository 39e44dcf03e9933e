"""A simulated card terminal that prints: sells every few seconds over a serial device or TCP, then settles.

    python -m drivers.simulators.slip_terminal --port /dev/pts/3
    python -m drivers.simulators.slip_terminal --port tcp:127.0.0.1:9100 --count 5 --settle

Behind every slip it asks as a till does (GS r 1) and waits for the answer; a slip that is not confirmed is printed
again with the reprint mark. Each step is one JSON object a line on stdout.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import random
import socket
import sys
import time
from dataclasses import dataclass, replace
from typing import Final, Protocol

import serial

from drivers.simulators.slip_layouts import Sale, Shop, slip
from drivers.simulators.slip_settlements import settlement

ASK: Final = b"\x1dr\x01"
PATIENCE_S: Final = 5.0
_SHOPS: Final = ("工商银行", "建设银行", "招商银行", "中国银行", "农业银行")


class Line(Protocol):
    """Bytes to whatever takes our print-outs for a printer."""

    def write(self, data: bytes) -> None: ...
    def read(self, timeout_s: float) -> bytes: ...
    def close(self) -> None: ...


class TcpLine:
    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=PATIENCE_S)

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self, timeout_s: float) -> bytes:
        self._socket.settimeout(timeout_s)
        try:
            return self._socket.recv(64)
        except TimeoutError:
            return b""

    def close(self) -> None:
        self._socket.close()


class SerialLine:
    def __init__(self, path: str) -> None:
        self._port = serial.Serial(path, 9600, timeout=PATIENCE_S, write_timeout=PATIENCE_S)

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def read(self, timeout_s: float) -> bytes:
        self._port.timeout = timeout_s
        return bytes(self._port.read(1))

    def close(self) -> None:
        self._port.close()


def open_line(port: str) -> Line:
    """`tcp:host:port` or the path of a serial device."""
    if port.startswith("tcp:"):
        host, _, number = port.removeprefix("tcp:").removeprefix("//").rpartition(":")
        return TcpLine(host, int(number))
    return SerialLine(port)


@dataclass(slots=True)
class Till:
    """What the simulated terminal remembers: its counters and the open batch."""

    shop: Shop
    dice: random.Random
    batch_no: int
    trace_no: int
    sales: list[Sale]

    def sell(self, at: dt.datetime) -> Sale:
        """The next payment; now and then the one before is voided."""
        self.trace_no += 1
        last = self.sales[-1] if self.sales else None
        sale = Sale(
            amount_minor=self.dice.choice((880, 1250, 2600, 12850, self.dice.randrange(100, 99999))),
            trace_no=self.trace_no,
            batch_no=self.batch_no,
            at=at,
            card_masked=f"622202******{self.dice.randrange(10**4):04}",
            entry=self.dice.choice("ISC"),
            auth_code=f"{self.dice.randrange(10**6):06}",
            rrn=f"{at:%H%M%S}{self.trace_no:06}",
        )
        if last and last.kind == "sale" and self.dice.random() < 0.1:
            sale = replace(sale, kind="void", original_trace_no=last.trace_no)
            sale = replace(sale, amount_minor=last.amount_minor, card_masked=last.card_masked)
        self.sales.append(sale)
        return sale

    def settle(self) -> list[Sale]:
        """Closes the batch and gives its payments."""
        sales, self.sales = self.sales, []
        self.batch_no += 1
        return sales


def printed(line: Line, data: bytes, patience_s: float) -> bool:
    """Whether the printer confirmed the slip."""
    line.write(data + ASK)
    return line.read(patience_s) != b""


def say(event: str, **values: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class Printer:
    """The line to the printer, opened again whenever it failed."""

    def __init__(self, port: str, patience_s: float = PATIENCE_S) -> None:
        self._port = port
        self._patience_s = patience_s
        self._line: Line | None = None

    def deliver(self, first: bytes, again: bytes) -> bool:
        """Prints until it is confirmed: once plainly, then with the reprint mark, at most three times."""
        for data in (first, again, again):
            try:
                if self._line is None:
                    self._line = open_line(self._port)
                if printed(self._line, data, self._patience_s):
                    return True
            except (OSError, serial.SerialException):
                time.sleep(1)
            self.close()
        return False

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A simulated card terminal that prints slips.")
    parser.add_argument("--port", required=True, help="serial device, or tcp:host:port")
    parser.add_argument("--style", type=int, choices=(1, 2, 3), default=1, help="layout of the slip")
    parser.add_argument("--every", dest="every_s", type=float, default=3.0, help="seconds between two payments")
    parser.add_argument("--count", type=int, default=0, help="payments to make; 0 goes on for ever")
    parser.add_argument("--copies", type=int, choices=(1, 2, 3), default=2, help="slips of each payment")
    parser.add_argument("--settle", action="store_true", help="print the settlement list at the end")
    parser.add_argument("--batch", type=int, default=1, help="first batch number")
    parser.add_argument("--trace", type=int, default=0, help="trace number before the first payment")
    parser.add_argument("--terminal-id", default="12345678", help="terminal number on the slips")
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="seconds to wait for the printer's answer")
    parser.add_argument("--seed", type=int, default=None, help="the same seed makes the same payments")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    given = arguments(words)
    shop = Shop(style=given.style, terminal_id=given.terminal_id)
    till = Till(shop, random.Random(given.seed), given.batch, given.trace, [])  # noqa: S311  amounts, not secrets
    printer = Printer(given.port, given.patience)
    for number in itertools.count(1):
        sale = till.sell(dt.datetime.now().astimezone())
        for copy in ("merchant", "customer", "bank")[: given.copies]:
            known = printer.deliver(slip(shop, sale, copy), slip(shop, sale, copy, reprint=True))
            facts = {"trace_no": f"{sale.trace_no:06}", "amount_minor": sale.amount_minor, "type": sale.kind}
            say("slip", **facts, copy=copy, confirmed=known)
        if number == given.count:
            break
        time.sleep(given.every_s)
    if given.settle:
        sales, now = till.settle(), dt.datetime.now().astimezone()
        known = printer.deliver(settlement(shop, sales, now), settlement(shop, sales, now, reprint=True))
        say("settlement", batch_no=f"{till.batch_no - 1:06}", count=len(sales), confirmed=known)
    printer.close()


if __name__ == "__main__":
    main()
