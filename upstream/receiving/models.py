"""The tables of what was received. Django makes and migrates them; the hot path speaks SQL (`store.py`).

Rules that keep the door to sharded PostgreSQL open: `site_id` stands first in every key, every hot transaction
touches one site, no sequences, no triggers, no JSON type (bytes must survive). Times are ISO 8601 text in UTC, as in
the journal itself: they sort, and both databases keep them alike. `token` and `enroll_code` are looked up before the
site is known; they are the small directory every shard would hold a copy of.
"""

# ruff: noqa: DJ008 - no row is ever shown by itself, so none needs a __str__

from __future__ import annotations

from typing import ClassVar

from django.db import models


class JournalState(models.TextChoices):
    ACTIVE = "active"
    FORKED = "forked"  # somebody showed other content; what continues the content we hold is still taken
    CLOSED = "closed"  # retired by the operator


class Upstream(models.Model):
    """Who we are: one row. `epoch` counts restores from a backup."""

    upstream_id = models.TextField(primary_key=True)
    epoch = models.IntegerField(default=1)
    since = models.TextField()

    class Meta:
        db_table = "upstream"


class Site(models.Model):
    """One shop."""

    site_id = models.TextField(primary_key=True)
    since = models.TextField()

    class Meta:
        db_table = "site"


class Journal(models.Model):
    """How far we hold the journal of one agent, and what it last said of itself."""

    pk = models.CompositePrimaryKey("site_id", "journal_id")
    site_id = models.TextField()
    journal_id = models.TextField()
    label = models.TextField(default="")
    host = models.TextField(default="")
    agent_version = models.TextField(default="")
    parent = models.TextField(default="")  # JSON {journal_id, seq, head} as told when enrolling
    state = models.TextField(default=JournalState.ACTIVE, choices=JournalState)
    cursor = models.BigIntegerField(default=0)
    head = models.BinaryField()
    enrolled_at = models.TextField()
    seen_at = models.TextField()
    backlog = models.BigIntegerField(default=0)  # entries still waiting at the agent when it was last seen
    status = models.TextField(default="")  # JSON of the last heartbeat

    class Meta:
        db_table = "journal"


class Entry(models.Model):
    """One line as the agent journalled it, byte for byte (masked when it carried a card number: `redacted`)."""

    pk = models.CompositePrimaryKey("site_id", "journal_id", "seq")
    site_id = models.TextField()
    journal_id = models.TextField()
    seq = models.BigIntegerField()
    kind = models.TextField()
    day = models.TextField()
    at = models.TextField()
    received_at = models.TextField()
    redacted = models.SmallIntegerField(default=0)  # 1 the line was masked, 2 what the chain runs over was masked too
    digest = models.BinaryField()
    chain = models.BinaryField()
    body = models.TextField()

    class Meta:
        db_table = "entry"


class Quarantine(models.Model):
    """An entry that is stored but reads oddly. Made again from the entries by `rebuild`."""

    pk = models.CompositePrimaryKey("site_id", "journal_id", "seq")
    site_id = models.TextField()
    journal_id = models.TextField()
    seq = models.BigIntegerField()
    code = models.TextField()
    detail = models.TextField(default="")

    class Meta:
        db_table = "quarantine"


class Alarm(models.Model):
    """Something a person must look at: gap, fork, pan, clone, successor. Said once, then counted."""

    pk = models.CompositePrimaryKey("site_id", "journal_id", "code", "seq")
    site_id = models.TextField()
    journal_id = models.TextField()
    code = models.TextField()
    seq = models.BigIntegerField()
    first_at = models.TextField()
    last_at = models.TextField()
    count = models.BigIntegerField(default=1)
    detail = models.TextField(default="")

    class Meta:
        db_table = "alarm"


class Evidence(models.Model):
    """The other side of a fork: a refused batch, kept beside the entries it contradicts."""

    pk = models.CompositePrimaryKey("site_id", "journal_id", "head")
    site_id = models.TextField()
    journal_id = models.TextField()
    head = models.BinaryField()
    first_seq = models.BigIntegerField()
    prev = models.BinaryField()
    received_at = models.TextField()
    body = models.TextField()

    class Meta:
        db_table = "evidence"


class Blob(models.Model):
    """The captured bytes of a slip, named by their SHA-256 (of what was sent; `redacted` when we masked it)."""

    pk = models.CompositePrimaryKey("site_id", "journal_id", "sha256")
    site_id = models.TextField()
    journal_id = models.TextField()
    sha256 = models.TextField()
    received_at = models.TextField()
    redacted = models.SmallIntegerField(default=0)
    body = models.BinaryField()

    class Meta:
        db_table = "blob"


class Token(models.Model):
    """A bearer token: only the SHA-256 of its secret. It names exactly one journal."""

    token_id = models.TextField(primary_key=True)
    site_id = models.TextField()
    journal_id = models.TextField()
    secret_sha256 = models.BinaryField()
    created_at = models.TextField()
    expires_at = models.TextField(default="")

    class Meta:
        db_table = "token"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["site_id", "journal_id"], name="token_of_journal"),
        ]


class EnrollCode(models.Model):
    """A one-time code: only its SHA-256. With `journal_id` it lets that very journal enrol again."""

    code_sha256 = models.BinaryField(primary_key=True)
    site_id = models.TextField()
    label = models.TextField(default="")
    journal_id = models.TextField(default="")
    created_at = models.TextField()
    expires_at = models.TextField()
    used_at = models.TextField(default="")
    used_by = models.TextField(default="")  # journal id
    request_sha256 = models.BinaryField(default=b"")  # of the asker's request id: it may ask again when no answer came

    class Meta:
        db_table = "enroll_code"
