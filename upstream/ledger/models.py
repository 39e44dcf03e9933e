"""Projections of entries: every row here can be deleted and made again (`slipkeeper upstream rebuild`).

Unknown is NULL, as in SQL: two unknown reference numbers never match each other.
"""

# ruff: noqa: DJ008 - no row is ever shown by itself, so none needs a __str__

from __future__ import annotations

from typing import ClassVar

from django.db import models


def _known_text() -> models.TextField[str | None, str | None]:
    return models.TextField(null=True)


class Bookmark(models.Model):
    """How far the projections have got in one journal."""

    pk = models.CompositePrimaryKey("site_id", "journal_id")
    site_id = models.TextField()
    journal_id = models.TextField()
    seq = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ledger_bookmark"


class Terminal(models.Model):
    """A card machine: one source in one journal."""

    pk = models.CompositePrimaryKey("site_id", "journal_id", "source")
    site_id = models.TextField()
    journal_id = models.TextField()
    source = models.TextField()
    terminal_id = _known_text()
    merchant_id = _known_text()
    merchant_name = _known_text()
    last_at = models.TextField()  # when its last report was journalled

    class Meta:
        db_table = "ledger_terminal"


class Transaction(models.Model):
    """One payment, whoever told of it: the parts are the entries that speak of it, in the order they were written."""

    pk = models.CompositePrimaryKey("site_id", "identity")
    site_id = models.TextField()
    identity = models.TextField()
    journal_id = models.TextField()
    seq = models.BigIntegerField()
    at = models.TextField()
    day = models.TextField()
    sources = models.TextField()  # names, by comma
    parts = models.TextField()  # JSON [[journal_id, seq], …]
    copies = models.IntegerField(default=0)
    conflicts = models.IntegerField(default=0)
    disputed = models.TextField(default="")  # names of facts the parts disagree on, by comma
    transaction_type = _known_text()
    outcome = _known_text()
    amount_minor = models.BigIntegerField(null=True)
    currency = _known_text()
    tip_minor = models.BigIntegerField(null=True)
    total_minor = models.BigIntegerField(null=True)
    terminal_id = _known_text()
    merchant_id = _known_text()
    merchant_name = _known_text()
    operator = _known_text()
    batch_no = _known_text()
    trace_no = _known_text()
    rrn = _known_text()
    auth_code = _known_text()
    response_code = _known_text()
    order_no = _known_text()
    channel_no = _known_text()
    method = _known_text()
    card_masked = _known_text()
    card_scheme = _known_text()
    issuer = _known_text()
    acquirer = _known_text()
    entry_mode = _known_text()
    card_type = _known_text()
    terminal_time = _known_text()
    settle_date = _known_text()
    original_trace_no = _known_text()
    original_rrn = _known_text()
    original_date = _known_text()
    original_auth_code = _known_text()

    class Meta:
        db_table = "ledger_transaction"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["site_id", "day", "at"], name="ledger_by_day"),
            models.Index(fields=["at"], name="ledger_by_time"),
            models.Index(fields=["site_id", "rrn"], name="ledger_by_rrn"),
        ]
