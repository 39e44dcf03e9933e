"""Drafts as capture makes them."""

from __future__ import annotations

from functools import partial
from typing import Any

from agent.entries import Draft, Kind


def sale(
    number: int, amount_minor: int = 100, raw: bytes | None = None, source: str = "counter", **fields: Any
) -> Draft:
    """A draft of an approved sale, as capture makes them."""
    body = {
        "transaction_type": "sale",
        "outcome": "approved",
        "amount_minor": amount_minor,
        "currency": "CNY",
        "terminal_id": "10000001",
        "batch_no": "000001",
        "trace_no": f"{number:06d}",
        "card_masked": "622202******0007",
        **fields,
    }
    present = {name: value for name, value in body.items() if value is not None}
    return Draft(Kind.TRANSACTION, source, f"10000001:000001:{number:06d}:sale", present, raw)


notice = partial(Draft, Kind.NOTICE, "counter")
