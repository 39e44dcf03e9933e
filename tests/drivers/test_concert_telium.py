"""pyTeliumManager 2.4.2 (MIT) as the till, through our proxy, over real ptys."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drivers.framing import ACK
from drivers.simulators.concert_terminal import answer
from drivers.terminals.concert_eplus import driver
from tests.drivers.counterpart import Device, playing, proxy

telium = pytest.importorskip("telium")
PAN = "4111111111111111"  # published test number
ENQ, EOT = b"\x05", b"\x04"


def serve(device: Device, payments: int) -> None:
    for _ in range(payments):
        assert device.read(1) == ENQ
        device.write(ACK)
        asked = device.read(37)
        device.write(ACK)
        assert device.read(1) == EOT
        device.write(ENQ)
        assert device.read(1) == ACK
        told = answer(int(asked[3:11]), card=PAN)
        device.write(told[:30])
        time.sleep(0.01)
        device.write(told[30:])
        assert device.read(1) == ACK
        device.write(EOT)


def coffees(directory: Path, hold_s: float, payments: int) -> tuple[list, list, str]:
    with proxy(driver, directory, hold_s) as (till, device, store):
        with playing(lambda: serve(device, payments)):
            line = telium.Telium(str(till), timeout=5)
            results = []
            for _ in range(payments):
                ask = telium.TeliumAsk.new_payment(12.5, target_currency="EUR")
                assert line.ask(ask)
                result = line.verify(ask, waiting_timeout=8)
                results.append((result.has_succeeded, result.amount, result.card_id))
            line.close()
        told = [(entry.kind, entry.body["amount_minor"], entry.body["transaction_type"]) for entry in store.recorded(1)]
        kept = "".join(f"{entry.line!r}" for entry in store.entries)
        kept += "".join(path.read_bytes().decode("latin-1") for path in (directory / "journal").glob("journal.db*"))
        return results, told, kept


def test_telium_finishes_unchanged_however_long_the_answer_is_held(tmp_path: Path):
    with ThreadPoolExecutor() as pool:
        at_once, held = pool.map(lambda hold_s: coffees(tmp_path / str(hold_s), hold_s, 1), (0.0, 2.0))
    assert held[:2] == at_once[:2]
    results, told, kept = at_once
    assert results == [(True, 12.5, PAN)], "the till gets the very answer, card number included"
    assert told == [("transaction", 1250, "sale")]
    assert "411111******1111" in kept
    assert PAN not in kept
    assert PAN[6:-4] not in kept


def test_two_equal_coffees_are_two_entries(tmp_path: Path):
    results, told, _ = coffees(tmp_path, 0.0, 2)
    assert results == [(True, 12.5, PAN)] * 2
    assert told == [("transaction", 1250, "sale")] * 2
