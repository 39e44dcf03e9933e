"""G1, G2: a durable append through the journal against a bare append + fdatasync of the same bytes."""

from __future__ import annotations

import itertools
import os
import secrets
import tempfile
from pathlib import Path

from agent.clock import Stamper, SystemClock
from agent.entries import Draft, Kind
from agent.journal import Journal
from benchmarks.pairs import Figure, interleaved, mean_ratio, quantile, quantile_ratio

ROUNDS, TURNS = 5, 1000


def draft(number: int) -> Draft:
    """A sale as stx-bcdlen tells it, about the size the figures of performance are quoted for."""
    body = {
        "transaction_type": "sale",
        "outcome": "approved",
        "amount_minor": 100 + number,
        "currency": "CNY",
        "terminal_id": "T0000001",
        "batch_no": "000001",
        "trace_no": f"{number % 1_000_000:06d}",
        "card_masked": "411111******1111",
        "auth_code": "A00001",
        "terminal_time": "2026-11-22T12:00:00",
    }
    return Draft(Kind.TRANSACTION, "pos", f"T0000001:{number // 1_000_000:06d}:{number % 1_000_000:06d}:sale", body)


def run(directory: Path | None = None) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        journal = Journal(
            Path(place) / "journal",
            stamp=Stamper(SystemClock()),
            salt=lambda: secrets.token_hex(16),
            journal_id="00000000-0000-4000-8000-000000000000",
        )
        numbers = itertools.count()
        [written] = journal.append([draft(next(numbers))])
        line = written.entry.line or b""
        handle = os.open(Path(place) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def ours() -> None:
            journal.append([draft(next(numbers))])
            journal.rest(idle=True)

        def bare() -> None:
            os.write(handle, line)
            os.fdatasync(handle)

        interleaved(ours, bare, 1, 200)  # warms the WAL, so that commits overwrite
        measured = interleaved(ours, bare, ROUNDS, TURNS)
        os.close(handle)
        journal.close()
    ours_us = quantile([t for pair in measured for t in pair[0]], 0.5) * 1e6
    bare_us = quantile([t for pair in measured for t in pair[1]], 0.5) * 1e6
    about = f"{len(line)} bytes a line; p50 {ours_us:.0f} us ours, {bare_us:.0f} us bare"
    return [
        Figure("G1 append rate / bare append+fdatasync", mean_ratio(measured), 0.95, "more", about),
        Figure("G2 append p50 / bare", quantile_ratio(measured, 0.5), 1.1, "less", about),
        Figure("G2 append p99 / bare", quantile_ratio(measured, 0.99), 1.3, "less", "checkpoints included"),
    ]
