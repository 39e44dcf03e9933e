"""The ways a request can be refused, as values: one table of codes, shared by the views, the store and the tests.

Answers are RFC 9457 problem documents with our own member `code`, which is what agents branch on. The content of an
entry is never among the reasons: odd entries are stored and quarantined.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from agent.errors import Refused


class Code(Enum):
    """Name on the wire, HTTP status, title."""

    # 400: the bytes are not what was sent; sending them again may help
    FRAMING = ("framing", 400, "The request is not framed as the protocol says")
    TORN = ("torn", 400, "The body ends too early or is damaged")
    HEAD_MISMATCH = ("head_mismatch", 400, "The lines do not lead from Journal-Prev to Journal-Head")
    DIGEST_MISMATCH = ("digest_mismatch", 400, "The body has another SHA-256 than its name")
    # 401, 403, 404: who is asking
    UNAUTHORIZED = ("unauthorized", 401, "The token is missing, unknown or expired")
    CODE_UNKNOWN = ("code_unknown", 401, "There is no such enrolment code")
    OTHER_JOURNAL = ("other_journal", 403, "The token belongs to another journal")
    UNKNOWN_JOURNAL = ("unknown_journal", 404, "There is no such journal here")
    NOT_FOUND = ("not_found", 404, "There is no such address here")
    METHOD = ("method", 405, "The address does not take this method")
    # 409: the journal here and the journal there differ
    GAP = ("gap", 409, "Entries before these are missing here")
    FORK = ("fork", 409, "Other content is stored under these numbers")
    CLOSED = ("closed", 409, "The journal was retired")
    ENROLLED = ("enrolled", 409, "The journal is enrolled already; an operator must allow it again")
    CODE_USED = ("code_used", 410, "The enrolment code was used or has expired")
    # sizes and kinds
    TOO_LARGE = ("too_large", 413, "The body is too large")
    UNSUPPORTED = ("unsupported", 415, "The body has a type or encoding that is not taken")
    # not now
    SLOW_DOWN = ("slow_down", 429, "Too many attempts")
    UNAVAILABLE = ("unavailable", 503, "The store cannot be written now")

    def __init__(self, wire: str, status: int, title: str) -> None:
        self.wire = wire
        self.status = status
        self.title = title


class Problem(Refused):
    """A refusal on its way to the asker. `members` go into the document, `retry_after_s` into the header."""

    def __init__(self, code: Code, detail: str = "", *, retry_after_s: int = 0, **members: Any) -> None:
        super().__init__(code.title)
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.members = members
