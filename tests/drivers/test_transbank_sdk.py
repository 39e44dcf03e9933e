"""Transbank's own SDK (transbank-pos-sdk 1.0.1, BSD-3) as the till, through our proxy, over real ptys.

It acknowledges an answer before its last byte came, so what it has acknowledged proves nothing; the proxy gives it
whole answers only.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drivers.framing import ACK, Frame, Framer
from drivers.simulators.transbank_terminal import Terminal
from drivers.terminals import transbank_message
from drivers.terminals.transbank import driver
from drivers.text_frames import text_of
from tests.drivers.counterpart import Device, playing, proxy

POSIntegrado = pytest.importorskip("transbank.POS.POSIntegrado").POSIntegrado


def serve(device: Device, questions: int) -> None:
    terminal = Terminal()
    framer = Framer(transbank_message.decoder())
    while questions:
        for piece in framer.feed(device.read(1)):
            if isinstance(piece, Frame):
                questions -= 1
                device.write(ACK)
                for frame in terminal.answer(text_of(piece)):
                    device.write(frame[:9])
                    time.sleep(0.01)  # in two pieces, as a serial line may deliver it
                    device.write(frame[9:])
                    assert device.read(1) == ACK


def a_sale_at_the_till(directory: Path, hold_s: float) -> tuple[list, list[tuple[str, object]], float]:
    with proxy(driver, directory, hold_s) as (till, device, store):
        pos = POSIntegrado()
        with playing(lambda: serve(device, 2)):
            pos.open_port(str(till))
            started = time.monotonic()
            steps: list = []
            steps.append(pos.sale(25000, "001234", send_status=True, callback=steps.append))
            took_s = time.monotonic() - started
            steps.append(pos.totals())
            pos.close_port()
        return steps, [(entry.kind, entry.body.get("amount_minor")) for entry in store.recorded(2)], took_s


def test_the_sdk_finishes_unchanged_however_long_answers_are_held(tmp_path: Path):
    with ThreadPoolExecutor() as pool:
        at_once, held = pool.map(lambda hold_s: a_sale_at_the_till(tmp_path / str(hold_s), hold_s), (0.0, 2.0))
    assert held[:2] == at_once[:2]
    assert at_once[2] < held[2] - 0.8  # it was held, until the disk's patience at the longest
    steps, entries, _ = at_once
    assert [step["response_code"] for step in steps[:4]] == ["78", "79", "81", "82"], "status messages pass"
    sale, totals = steps[4:]
    assert (sale["amount"], sale["authorization_code"], sale["success"]) == ("25000", "252985", True)
    assert (totals["tx_count"], totals["tx_total"]) == ("1", "25000")
    assert entries == [("transaction", 25000), ("settlement", None)]


def test_the_sdk_reads_the_whole_list(tmp_path: Path):
    with proxy(driver, tmp_path, 0.0) as (till, device, store):
        pos = POSIntegrado()
        with playing(lambda: serve(device, 5)):
            pos.open_port(str(till))
            pos.sale(25000, "001234")
            assert pos.poll() is True
            assert pos.refund(1)["success"]
            lines = pos.details(print_on_pos=True)  # the SDK's name for "send it to the till"
            assert pos.close()["success"]
            pos.close_port()
        assert [line["amount"] for line in lines] == ["25000", "-25000", " "]
        told = [(entry.kind, entry.body.get("transaction_type")) for entry in store.entries]
        assert told == [
            ("transaction", "sale"),
            ("transaction", "void"),
            ("copy", "sale"),  # the list says the same in other bytes
            ("copy", "void"),  # and of the void the amount
            ("detail_list", None),
            ("settlement", None),
        ]
