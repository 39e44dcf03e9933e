"""The endpoints of the sync protocol (openapi.yaml describes them). Thin: read, ask the store, answer.

An answer 200 to entries leaves only after the store's commit. The projections follow in the same request, but nothing
they do can change the answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from upstream.database import locked, rows, writing
from upstream.ledger.follow import follow_safely
from upstream.receiving import checkpoint, wire, wiring
from upstream.receiving.answers import answer, protocol
from upstream.receiving.credentials import Asker, Enrolled
from upstream.receiving.guard import guard_blob, guard_json, guard_text
from upstream.receiving.inspection import shown
from upstream.receiving.problems import Code, Problem
from upstream.receiving.store import Declined, Name, Position

_JSON_LIMIT: Final = 64 * 1024
BLOB_LIMIT: Final = 4 * 1024 * 1024
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_WHO: Final = "SELECT epoch FROM upstream"
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@protocol("POST")
def enroll(request: HttpRequest) -> HttpResponse:
    """A code, or the token of the journal this one follows, becomes a token."""
    asked = _json(request)
    asker = _asker(asked)
    code = asked.get("code")
    if isinstance(code, str) and code:
        return _enrolled(_guess(request, code, asker))
    parent = _bearer(request)
    if parent.journal_id != asker.parent_id:
        raise Problem(Code.OTHER_JOURNAL, "the token is not the parent's")
    return _enrolled(wiring.credentials().succeed(parent, asker))


def _guess(request: HttpRequest, code: str, asker: Asker) -> Enrolled:
    guesses = wiring.guesses("codes")
    who = request.META.get("REMOTE_ADDR", "")
    guesses.check(who)
    try:
        return wiring.credentials().enroll(code, asker)
    except Problem as problem:
        if problem.code is Code.CODE_UNKNOWN:
            guesses.failed(who)
        raise


def _enrolled(enrolled: Enrolled) -> HttpResponse:
    held = wiring.store().position(enrolled.name)
    assert held is not None
    members: dict[str, Any] = {"token": enrolled.token, "site_id": enrolled.name.site_id, "label": enrolled.label}
    members |= {"base_url": settings.RECEIVING_ADDRESS, "config": {}}
    return answer(members | _position(enrolled.name, held), 201)


def _asker(asked: dict[str, Any]) -> Asker:
    parent = asked.get("parent") or {}
    journal_id = asked.get("journal_id")
    if not isinstance(parent, dict) or not (isinstance(journal_id, str) and _UUID.fullmatch(journal_id)):
        raise Problem(Code.FRAMING, "journal_id is no UUID in lower case, or parent is no object")
    head, parent_id, seq = parent.get("head", ""), parent.get("journal_id", ""), parent.get("seq", 0)
    if parent and not (_HASH.fullmatch(str(head)) and _UUID.fullmatch(str(parent_id)) and _is_number(seq)):
        raise Problem(Code.FRAMING, "parent needs journal_id, seq and head")
    host, version = (guard_text(shown(asked.get(name, ""))) for name in ("host", "agent_version"))
    request_id = str(asked.get("request_id") or "")
    if request_id and not 16 <= len(request_id) <= 200:
        raise Problem(Code.FRAMING, "request_id has 16 to 200 characters")
    return Asker(journal_id, host, version, parent_id, seq, bytes.fromhex(head), request_id)


@protocol("GET")
def journal(request: HttpRequest, journal_id: str) -> HttpResponse:
    """How far we hold it: what an agent asks first."""
    name = _named(request, journal_id)
    return answer(_position(name, _held(name)))


@protocol("POST")
def entries(request: HttpRequest, journal_id: str) -> HttpResponse:
    """Append a batch."""
    name = _named(request, journal_id)
    if request.content_type != "application/x-ndjson":
        raise Problem(Code.UNSUPPORTED, "Content-Type is application/x-ndjson")
    heading = wire.read_heading(request.headers)
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    batch = wire.read_batch(heading, wire.unpack(_body(request, wire.LIMIT_BYTES), encoding))
    told = wiring.store().append(name, batch)
    if isinstance(told, Declined):
        raise _problem(told)
    follow_safely(name.site_id, name.journal_id)
    checkpoint.when_due()
    new = batch.lines[len(batch.lines) - told.stored :]
    odd = [{"seq": line.seq, "code": line.oddity.code} for line in new if line.oddity]
    odd += [{"seq": line.seq, "code": "card_number"} for line in new if line.redacted]
    counts = {"stored": told.stored, "duplicates": told.duplicates, "quarantined": odd}
    return answer(_progress(told.cursor, told.head) | counts)


@protocol("POST")
def status(request: HttpRequest, journal_id: str) -> HttpResponse:
    """A heartbeat; answered like a batch, so that an idle agent too learns that we lost data."""
    name = _named(request, journal_id)
    told = _guarded(_json(request))
    seq, cursor, head = told.get("seq", 0), told.get("cursor", 0), told.get("head", "")
    if not (_is_number(seq) and _is_number(cursor)):
        raise Problem(Code.FRAMING, "seq and cursor are numbers")
    if cursor and not (isinstance(head, str) and _HASH.fullmatch(head)):
        raise Problem(Code.FRAMING, "head is no SHA-256 in lower-case hexadecimal")
    declined = wiring.store().heartbeat(name, told, seq, cursor, bytes.fromhex(head) if cursor else b"")
    if declined:
        raise _problem(declined)
    held = _held(name)
    return answer(_progress(held.cursor, held.head) | {"stored": 0, "duplicates": 0, "quarantined": []})


@protocol("PUT")
def blob(request: HttpRequest, journal_id: str, sha256: str) -> HttpResponse:
    """The captured bytes behind an entry, named by their SHA-256. 201 stored, 200 held already."""
    name = _named(request, journal_id)
    body = _body(request, BLOB_LIMIT)
    if hashlib.sha256(body).hexdigest() != sha256:
        raise Problem(Code.DIGEST_MISMATCH)
    kept, redacted = guard_blob(body)
    new = wiring.store().keep_blob(name, sha256, kept, redacted=redacted)
    return answer({"sha256": sha256, "stored": new}, 201 if new else 200)


@protocol("POST")
def rotate(request: HttpRequest) -> HttpResponse:
    """A new token for the same journal; the old one lives for a day."""
    return answer({"token": wiring.credentials().rotate(_bearer(request))})


@protocol("GET", "HEAD")
def healthz(_request: HttpRequest) -> HttpResponse:
    return answer({"ok": True})


@protocol("GET", "HEAD")
def readyz(_request: HttpRequest) -> HttpResponse:
    """Whether the store takes writes: the write lock is really taken."""
    with writing():
        rows(_WHO + locked())
    return answer({"ok": True})


@protocol("GET", "HEAD", "POST", "PUT")
def nowhere(_request: HttpRequest, **_words: str) -> HttpResponse:
    """Addresses under /v1/ that do not exist, in the protocol's own words."""
    raise Problem(Code.NOT_FOUND)


def _bearer(request: HttpRequest) -> Name:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    name = wiring.credentials().whose(token.strip()) if scheme.lower() == "bearer" else None
    if name is None:
        raise Problem(Code.UNAUTHORIZED)
    return name


def _named(request: HttpRequest, journal_id: str) -> Name:
    """The journal in the address, if the token stands for just that one."""
    name = _bearer(request)
    if name.journal_id != journal_id:
        raise Problem(Code.OTHER_JOURNAL)
    return name


def _held(name: Name) -> Position:
    held = wiring.store().position(name)
    if held is None:
        raise Problem(Code.UNKNOWN_JOURNAL)
    return held


def _body(request: HttpRequest, limit: int) -> bytes:
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise Problem(Code.TOO_LARGE, f"at most {limit} bytes")
    return request.body


def _json(request: HttpRequest) -> dict[str, Any]:
    try:
        told = json.loads(_body(request, _JSON_LIMIT).decode())
    except (ValueError, RecursionError) as cause:
        raise Problem(Code.FRAMING, "the body is no JSON object") from cause
    if not isinstance(told, dict):
        raise Problem(Code.FRAMING, "the body is no JSON object")
    return told


def _is_number(value: object) -> bool:
    """Whether a value can be the number of an entry, and a BIGINT."""
    return type(value) is int and 0 <= value < 2**62


def _guarded(told: dict[str, Any]) -> dict[str, Any]:
    """What will be stored as it is, without card numbers."""
    try:
        safe: dict[str, Any] = guard_json(told)
    except RecursionError as cause:
        raise Problem(Code.FRAMING, "the body nests too deep") from cause
    return safe


def _problem(declined: Declined) -> Problem:
    return Problem(declined.code, cursor=declined.cursor, head=declined.head.hex())


def _position(name: Name, held: Position) -> dict[str, Any]:
    upstream_id, epoch = wiring.identity()
    limits = {"max_entries": wire.ADVISED_ENTRIES, "max_bytes": wire.ADVISED_BYTES}
    limits |= {"max_line_bytes": wire.LIMIT_LINE_BYTES, "max_blob_bytes": BLOB_LIMIT}
    return {
        "journal_id": name.journal_id,
        "cursor": held.cursor,
        "head": held.head.hex(),
        "durable": held.cursor,  # every commit is flushed before it is answered
        "state": held.state,
        "server_time": wiring.now_text(),
        "upstream": {"id": upstream_id, "epoch": epoch},
        "limits": limits,
        "config_etag": "",
    }


def _progress(cursor: int, head: bytes) -> dict[str, Any]:
    advice = {"after_s": 0, "linger_s": 2, "max_entries": wire.ADVISED_ENTRIES, "max_bytes": wire.ADVISED_BYTES}
    return {
        "cursor": cursor,
        "head": head.hex(),
        "durable": cursor,
        "next": advice,
        "server_time": wiring.now_text(),
        "config_etag": "",
        "commands": [],
    }
