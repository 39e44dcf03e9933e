"""Who may send: one-time codes become tokens, a token stands for exactly one journal.

Only SHA-256 of codes and token secrets are kept (both are random, so a plain hash is enough). A journal that is
enrolled cannot be enrolled again unless an operator makes a code for that very journal: two boxes with one journal are
a cloned disk. A journal that follows another (its box lost or refused the old one) enrols with the old one's token:
money data must not wait for an operator.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.entries import genesis
from upstream.database import locked, maybe_row, rows, run, writing
from upstream.receiving.alarms import raise_alarm
from upstream.receiving.problems import Code, Problem
from upstream.receiving.store import Name

CODE_LIFE: Final = timedelta(minutes=15)
OLD_TOKEN_LIFE: Final = timedelta(hours=24)
SUCCESSORS_A_DAY: Final = 10
# Crockford's base 32: no I, L, O, U to be misread. Ten signs are 50 bits: short to type, guarded by a rate limit.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHORT, _LONG = 10, 28
_MISREAD: Final = str.maketrans({"I": "1", "L": "1", "O": "0", " ": None, "-": None})

_NEW_JOURNAL: Final = """
INSERT INTO journal (site_id, journal_id, label, host, agent_version, parent, state, cursor, head, enrolled_at,
 seen_at, backlog, status) VALUES (%s, %s, %s, %s, %s, %s, 'active', 0, %s, %s, %s, 0, '')"""
_ISSUE: Final = """
INSERT INTO token (token_id, site_id, journal_id, secret_sha256, created_at, expires_at)
VALUES (%s, %s, %s, %s, %s, '')"""
_NEW_CODE: Final = """
INSERT INTO enroll_code (code_sha256, site_id, label, journal_id, created_at, expires_at, used_at, used_by,
 request_sha256) VALUES (%s, %s, %s, %s, %s, %s, '', '', %s)"""
_CODE: Final = """
SELECT site_id, label, journal_id, expires_at, used_at, used_by, request_sha256 FROM enroll_code
WHERE code_sha256 = %s"""


@dataclass(frozen=True, slots=True)
class Asker:
    """A request to enrol, read and bounded."""

    journal_id: str
    host: str
    agent_version: str
    parent_id: str
    parent_seq: int
    parent_head: bytes
    request_id: str  # made by the agent and kept by it: lets it ask again when the answer was lost

    @property
    def parent(self) -> str:
        told = {"journal_id": self.parent_id, "seq": self.parent_seq, "head": self.parent_head.hex()}
        return json.dumps(told) if self.parent_id else ""


@dataclass(frozen=True, slots=True)
class Enrolled:
    name: Name
    label: str
    token: str
    head: bytes


@dataclass(frozen=True, slots=True)
class _Ticket:
    """A code as it is kept."""

    site_id: str
    label: str
    journal_id: str
    expires_at: str
    used_at: str
    used_by: str
    request_sha256: bytes


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


class Credentials:
    """`now` is aware, in UTC; `new_token` gives hexadecimal secrets of so many bytes."""

    def __init__(self, now: Callable[[], datetime], new_token: Callable[[int], str] = secrets.token_hex) -> None:
        self._now = now
        self._new_token = new_token

    def make_code(self, site_id: str, label: str = "", journal_id: str = "", *, long: bool = False) -> str:
        """A one-time code for a new journal, or for `journal_id` to enrol again."""
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LONG if long else _SHORT))
        now = self._now()
        with writing():
            run("DELETE FROM enroll_code WHERE expires_at < %s", stamp(now - OLD_TOKEN_LIFE))
            run(
                "INSERT INTO site (site_id, since) VALUES (%s, %s) ON CONFLICT (site_id) DO NOTHING",
                site_id,
                stamp(now),
            )
            run(_NEW_CODE, sha256(code), site_id, label, journal_id, stamp(now), stamp(now + CODE_LIFE), b"")
        return code if long else f"{code[:5]}-{code[5:]}"

    def enroll(self, code: str, asker: Asker) -> Enrolled:
        """Use a code up. Raises Problem; a refusal does not use it up."""
        digest = sha256(code.upper().translate(_MISREAD))
        with writing():
            found = maybe_row(_CODE + locked(), digest)
            if found is None:
                raise Problem(Code.CODE_UNKNOWN)
            ticket = _Ticket(found[0], found[1], found[2], found[3], found[4], found[5], bytes(found[6]))
            now = stamp(self._now())
            name = Name(ticket.site_id, asker.journal_id)
            again = self._answer_was_lost(ticket, asker)
            if ticket.expires_at < now or (ticket.used_at and not again):
                raise Problem(Code.CODE_USED)
            if ticket.journal_id and ticket.journal_id != asker.journal_id:
                raise Problem(Code.ENROLLED, "the code is for another journal")
            head = self._journal(name, asker, ticket.label, may_exist=bool(ticket.journal_id) or again)
            if head is not None:
                used = (now, asker.journal_id, sha256(asker.request_id), digest)
                run("UPDATE enroll_code SET used_at=%s, used_by=%s, request_sha256=%s WHERE code_sha256=%s", *used)
                run("DELETE FROM token WHERE site_id = %s AND journal_id = %s", name.site_id, name.journal_id)
                return Enrolled(name, ticket.label, self._token(name), head)
        raise Problem(Code.ENROLLED)  # outside, so that the alarm is committed

    def succeed(self, parent: Name, asker: Asker) -> Enrolled:
        """Enrol a journal that follows `parent`, whose token was shown."""
        yesterday = stamp(self._now() - timedelta(days=1))
        with writing():
            key = (parent.site_id, parent.journal_id)
            made = "SELECT journal_id FROM journal WHERE site_id = %s AND enrolled_at > %s AND parent LIKE %s"
            if len(rows(made, parent.site_id, yesterday, f'%"{parent.journal_id}"%')) >= SUCCESSORS_A_DAY:
                raise Problem(Code.SLOW_DOWN, "too many journals follow this one", retry_after_s=3600)
            row = maybe_row("SELECT label, state FROM journal WHERE site_id = %s AND journal_id = %s", *key)
            if row is None or row[1] == "closed":
                raise Problem(Code.CLOSED)
            name = Name(parent.site_id, asker.journal_id)
            head = self._journal(name, asker, row[0], may_exist=self._is_successor(name, parent))
            if head is not None:
                raise_alarm(*key, "successor", asker.parent_seq, stamp(self._now()), asker.journal_id)
                run("DELETE FROM token WHERE site_id = %s AND journal_id = %s", name.site_id, name.journal_id)
                return Enrolled(name, row[0], self._token(name), head)
        raise Problem(Code.ENROLLED)

    def _answer_was_lost(self, ticket: _Ticket, asker: Asker) -> bool:
        """The same asker with the same words, before it sent anything: its first answer never came."""
        if not (asker.request_id and ticket.used_by == asker.journal_id):
            return False
        return hmac.compare_digest(ticket.request_sha256, sha256(asker.request_id)) and self._is_empty(
            Name(ticket.site_id, asker.journal_id)
        )

    @staticmethod
    def _is_empty(name: Name) -> bool:
        row = maybe_row("SELECT cursor FROM journal WHERE site_id=%s AND journal_id=%s", name.site_id, name.journal_id)
        return row is not None and row[0] == 0

    def _is_successor(self, name: Name, parent: Name) -> bool:
        row = maybe_row("SELECT parent FROM journal WHERE site_id=%s AND journal_id=%s", name.site_id, name.journal_id)
        return row is not None and parent.journal_id in row[0] and self._is_empty(name)

    def _journal(self, name: Name, asker: Asker, label: str, *, may_exist: bool) -> bytes | None:
        """The head of the journal, made when it is new; None (and an alarm) when it may not be enrolled again."""
        held = maybe_row("SELECT site_id, head FROM journal WHERE journal_id = %s", name.journal_id)
        now = stamp(self._now())
        if held is None:
            head = genesis(name.journal_id, asker.parent_head)
            words = (label, asker.host, asker.agent_version, asker.parent)
            run(_NEW_JOURNAL, name.site_id, name.journal_id, *words, head, now, now)
            return head
        if may_exist and held[0] == name.site_id:
            return bytes(held[1])
        raise_alarm(held[0], name.journal_id, "clone", 0, now, asker.host)
        return None

    def _token(self, name: Name) -> str:
        token_id, secret = self._new_token(8), self._new_token(32)
        run(_ISSUE, token_id, name.site_id, name.journal_id, sha256(secret), stamp(self._now()))
        return f"tj_{token_id}_{secret}"

    def whose(self, token: str) -> Name | None:
        """The journal a bearer token stands for; None when it stands for none (any more)."""
        _, _, rest = token.partition("tj_")
        token_id, _, secret = rest.partition("_")
        row = maybe_row(
            "SELECT secret_sha256, site_id, journal_id, expires_at FROM token WHERE token_id = %s", token_id[:64]
        )
        kept = bytes(row[0]) if row else bytes(32)
        if not hmac.compare_digest(kept, sha256(secret)) or row is None:
            return None
        expired = row[3] and row[3] < stamp(self._now())
        return None if expired else Name(row[1], row[2])

    def rotate(self, name: Name) -> str:
        """A new token; the old ones live on for a day, so that a lost answer locks nobody out."""
        until = stamp(self._now() + OLD_TOKEN_LIFE)
        with writing():
            run("DELETE FROM token WHERE expires_at <> '' AND expires_at < %s", stamp(self._now()))
            old = "UPDATE token SET expires_at = %s WHERE site_id = %s AND journal_id = %s AND expires_at = ''"
            run(old, until, name.site_id, name.journal_id)
            return self._token(name)


def stamp(moment: datetime) -> str:
    """A time as journals write it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
