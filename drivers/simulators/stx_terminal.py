"""A simulated LinkPOS terminal, and the till that talks to it, for the demo, tests and a dry run at a desk.

    python -m drivers.simulators.stx_terminal terminal --listen 127.0.0.1:5001
    python -m drivers.simulators.stx_terminal till --connect 127.0.0.1:5000 --count 3 --amounts 12850,990

The agent stands between: it connects to the terminal's port and listens for the till. Both print one JSON object a
line: the terminal what it did, the till what it was told. This is the only place in the tree where a request with an
amount is built; the agent cannot.
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
from itertools import count, cycle, islice
from typing import Final

from drivers.framing import ACK, Layout, Length, encode
from drivers.simulators.stx_wire import Wire, address
from drivers.terminals.linkpos_message import LIMIT_BYTES, Message, Role, parse

SALE: Final = "20"
VOID: Final = "26"
REFUND: Final = "27"
SETTLEMENT: Final = "50"
LAST: Final = "71"
TEST: Final = "D0"
_PAYS: Final = (SALE, VOID, REFUND)
DECLINED_ENDING: Final = "51"  # amounts that end so are declined, as ISO 8583 code 51 "not sufficient funds"

Say = Callable[[Mapping[str, object]], None]


def message(role: Role, code: str, response_code: str, fields: Mapping[str, str]) -> bytes:
    """The data of any LinkPOS message."""
    header = b"60000000001" + role.value + code.encode("ascii") + response_code.encode("ascii") + b"0"
    items = (
        name.encode("ascii") + bytes.fromhex(f"{len(value.encode()):04d}") + value.encode()
        for name, value in fields.items()
    )
    return b"\x1c".join([header, *items, b""])


def request(code: str, amount_minor: int | None = None, trace_no: str = "", host: str = "") -> bytes:
    """The data of a request as a till makes it."""
    fields = {} if amount_minor is None else {"40": f"{amount_minor:012d}"}
    fields |= {"65": trace_no} if trace_no else {}
    fields |= {"HN": host} if host else {}
    return message(Role.REQUEST, code, "00", fields)


@dataclass(slots=True)
class Terminal:
    """What a terminal remembers. `answer` is arithmetic; the loop round it is `serve`."""

    terminal_id: str = "V3399001"
    merchant_id: str = "000009183690221"
    merchant: tuple[str, str, str] = ("SLIPKEEPER TEST SHOP", "1 EXAMPLE STREET", "MANDALUYONG CITY")
    card: str = "418359******9105"
    batch: int = 1
    trace: int = 0
    amounts: dict[str, int] = field(default_factory=dict)  # approved sales of the batch by trace number
    last: dict[str, str] = field(default_factory=dict)

    def answer(self, asked: Message, at: dt.datetime) -> bytes:
        said = {item.type: item.value.decode("latin-1") for item in asked.items}
        stamp = {"03": at.strftime("%y%m%d"), "04": at.strftime("%H%M%S")}
        own = {"16": self.terminal_id, "D1": self.merchant_id, "50": f"{self.batch:06d}"}
        if asked.code in _PAYS:
            return self._pay(asked.code, said, {**own, **stamp})
        if asked.code == LAST:
            if not self.last:
                return message(Role.RESPONSE, LAST, "NA", {"02": "NOT AVAILABLE".ljust(40)})
            return message(Role.RESPONSE, LAST, "00", self.last)
        if asked.code == SETTLEMENT:
            self.batch, self.amounts = self.batch + 1, {}
            settled = {"02": "SETTLED".ljust(40), **own, **stamp, "HN": said.get("HN", "001")}
            return message(Role.RESPONSE, SETTLEMENT, "00", settled)
        return message(Role.RESPONSE, asked.code, "00" if asked.code == TEST else "NA", {})

    def _pay(self, code: str, said: Mapping[str, str], common: Mapping[str, str]) -> bytes:
        trace_no = said.get("65", "")
        if code == VOID:  # a void keeps the trace number of what it undoes
            amount = self.amounts.pop(trace_no, None)
        else:
            amount = int(said.get("40", "0")) or None
            trace_no = f"{self.trace + 1:06d}"
        merchant = "".join(line.ljust(23)[:23] for line in self.merchant)
        if amount is None or f"{amount:02d}".endswith(DECLINED_ENDING):
            declined = {"02": "DECLINED".ljust(40), "40": f"{amount or 0:012d}", "D0": merchant, **common}
            return message(Role.RESPONSE, code, "ND", declined)
        if code != VOID:
            self.trace += 1
        if code == SALE:
            self.amounts[trace_no] = amount
        counter = f"{self.batch:04d}{trace_no}"
        self.last = {
            "02": "APPROVED".ljust(40),
            "40": f"{amount:012d}",
            "01": f"A{counter[-5:]}",
            "65": trace_no,
            "D0": merchant,
            **common,
            "D2": "VISA".ljust(10),
            "30": self.card,
            "31": "****",
            "D3": f"{code}{counter}",
            "D4": "01",
        }
        return message(Role.RESPONSE, code, "00", self.last)


def serve(listener: socket.socket, terminal: Terminal, layout: Layout, say: Say, *, think_s: float) -> None:
    """Callers one after the other, for ever; what was paid stays paid when one hangs up."""
    while True:
        link, _ = listener.accept()
        with link:
            try:
                _serve_one(Wire(link, layout), terminal, layout, say, think_s)
            except OSError as error:
                say({"terminal": terminal.terminal_id, "caller": f"gone: {error}"})


def _serve_one(wire: Wire, terminal: Terminal, layout: Layout, say: Say, think_s: float) -> None:
    while True:
        frame = wire.next_frame(3600.0)
        asked = parse(frame.data) if frame is not None else None
        if asked is None or asked.role is not Role.REQUEST:
            continue
        wire.send(ACK)
        time.sleep(think_s)
        data = terminal.answer(asked, dt.datetime.now().astimezone())
        told = parse(data)
        acknowledged = wire.send_until_acknowledged(encode(data, layout))
        say({"terminal": terminal.terminal_id, **_words(told), "acknowledged": acknowledged})


def _words(told: Message | None) -> dict[str, object]:
    """What an answer says, for people."""
    if told is None:
        return {"outcome": "unknown"}
    names = {"40": "amount_minor", "65": "trace_no", "50": "batch_no", "01": "auth_code", "30": "card", "02": "text"}
    values = {names[item.type]: item.value.decode("latin-1").strip() for item in told.items if item.type in names}
    amount = {"amount_minor": int(values.pop("amount_minor"))} if "amount_minor" in values else {}
    return {"code": told.code, "response_code": told.response_code, **values, **amount}


@dataclass(slots=True)
class Till:
    """The other end: asks, waits, acknowledges, prints. After a lost connection it connects again."""

    where: tuple[str, int]
    layout: Layout
    say: Say
    patience_s: float = 60.0
    _wire: Wire | None = None
    _link: socket.socket | None = None

    def ask(self, data: bytes) -> Message | None:
        """One request to its end. None: nobody can say what became of it."""
        try:
            wire = self._connected()
            while wire.next_frame(0.01) is not None:
                wire.send(ACK)  # an earlier answer, said again
            frame = encode(data, self.layout)
            came = wire.next_frame(self.patience_s) if wire.send_until_acknowledged(frame) else None
            if came is not None:
                wire.send(ACK)
            told = parse(came.data) if came is not None else None
        except OSError:
            self.close()
            told = None
        self.say({"till": "heard", **_words(told)})
        return told

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = self._wire = None

    def _connected(self) -> Wire:
        if self._wire is None:
            self._link = socket.create_connection(self.where, timeout=5.0)
            self._wire = Wire(self._link, self.layout)
        return self._wire


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    layout = Layout(Length(chosen.length), LIMIT_BYTES)
    if chosen.role == "terminal":
        with socket.create_server(address(chosen.listen)) as listener:
            host, port = listener.getsockname()[:2]
            _say({"listening": f"{host}:{port}"})
            terminal = Terminal(terminal_id=chosen.terminal_id, batch=chosen.batch, card=chosen.card)
            serve(listener, terminal, layout, _say, think_s=chosen.think_s)
    till = Till(address(chosen.connect), layout, _say)
    amounts = cycle(int(amount) for amount in chosen.amounts.split(","))
    for number, amount in zip(islice(count(1), chosen.count or None), amounts, strict=False):
        told = till.ask(request(SALE, amount))
        if chosen.void_every and number % chosen.void_every == 0 and told is not None:
            trace_no = str(_words(told).get("trace_no", ""))
            till.ask(request(VOID, trace_no=trace_no))
        time.sleep(chosen.interval_s)
    if chosen.settle:
        till.ask(request(SETTLEMENT, host="001"))
    till.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stx_terminal", description="a simulated LinkPOS terminal, or its till")
    roles = parser.add_subparsers(dest="role", required=True)
    terminal = roles.add_parser("terminal")
    terminal.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 takes a free one and prints it")
    terminal.add_argument("--terminal-id", default="V3399001")
    terminal.add_argument("--batch", type=int, default=1)
    terminal.add_argument("--card", default="418359******9105", help="what it sends as the card number")
    terminal.add_argument("--think-s", type=float, default=0.2, help="how long a payment takes")
    till = roles.add_parser("till")
    till.add_argument("--connect", required=True, help="HOST:PORT of the agent's till side, or of a terminal")
    till.add_argument("--count", type=int, default=0, help="how many sales; 0 = for ever")
    till.add_argument("--interval-s", type=float, default=1.0)
    till.add_argument("--amounts", default="12850,990,4200", help="in minor units, in turn; …51 is declined")
    till.add_argument("--void-every", type=int, default=0, help="void every n-th sale")
    till.add_argument("--settle", action="store_true", help="settle at the end")
    for role in (terminal, till):
        role.add_argument("--length", default="bcd", choices=tuple(Length))
    return parser


def _say(what: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
