"""What upstream's answers mean, as values. Pure.

One comparison of the `head` in an answer with our own hash at its `cursor` tells everything: agreed, behind, or another
journal. So only an answer that is JSON *and* carries our own hash moves a cursor; a login page with status 200 moves
nothing, and no status ever drops an entry.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from agent.errors import SlipkeeperError, TryLater
from agent.sync import BYTES, ENTRIES, LINGER_CAP_S, RETRY_AFTER_CAP_S, Pace, maybe_http_date, retry_after_s

_SEQ_LIMIT: Final = 2**62
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_HERE: Final = "slipkeeper sync status"
_ENROL: Final = "make a code upstream, then: slipkeeper enroll URL CODE"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why sending does not go on. `code` names the alarm; "" = the world's fault, which ends by itself."""

    what: str
    hint: str = _HERE
    code: str = ""
    values: Mapping[str, str] | None = None

    def text(self) -> str:
        return self.what.format(**self.values) if self.values else self.what


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: header names in lower case, `content` within the client's cap."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Upstream says it holds the journal up to `cursor`, with the chain at `head`. To be compared, never believed."""

    cursor: int
    head: bytes
    code: str = ""  # of a conflict: gap, fork, closed; "" = accepted
    pace: Pace = field(default_factory=Pace)
    server_time: datetime | None = None
    upstream_id: str = ""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Torn:
    """400: the bytes did not arrive as they were sent. Sending again may help, smaller may help more."""

    code: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """413: halve."""


@dataclass(frozen=True, slots=True)
class Uncompressed:
    """415: send without gzip from now on."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """Keep everything and try again: after `after_s` at least, or every quarter of an hour when `slow`."""

    trouble: Trouble
    after_s: float = 0.0
    slow: bool = False


def trouble_of(error: SlipkeeperError, code: str = "") -> Trouble:
    """An error of ours as a reason why nothing is sent."""
    return Trouble(error.what, error.hint, code, {name: str(value) for name, value in error.values.items()})


class Postponed(TryLater):
    """Sending does not go on for now; everything is kept."""

    def __init__(self, answer: NotNow) -> None:
        super().__init__(answer.trouble.what, answer.trouble.hint, **(answer.trouble.values or {}))
        self.answer = answer


class Unreachable(Postponed):
    """There was no answer that could be upstream's: whether the request arrived is unknown."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(NotNow(trouble))


Verdict = Claim | Torn | TooLarge | Uncompressed | NotNow

NONSENSE: Final = Trouble("something on the way answers in upstream's place (a login page of the network?)")
_CLOSED: Final = Trouble("upstream has retired this journal", _ENROL, "sync_closed")
_NO_JOURNAL: Final = Trouble("upstream does not know this journal", _ENROL, "sync_unknown")
_NO_ADDRESS: Final = Trouble("upstream does not know this address", "check url under [upstream]", "sync_unknown")
_REFUSED: Final = Trouble("upstream refuses the token of this box", _ENROL, "sync_refused")
_TOO_OLD: Final = Trouble("upstream wants a newer Slipkeeper here", "update this box; nothing is lost", "sync_version")
_SLOWLY: Final[Mapping[int, Trouble]] = {
    401: _REFUSED,
    403: _REFUSED,
    404: _NO_ADDRESS,
    410: _TOO_OLD,
    426: _TOO_OLD,
}
POISON: Final = Trouble(
    "upstream does not take entry {seq} (answer {status})",
    "ask whoever runs upstream; the entries stay here until it is taken",
    "sync_poison",
)
MISFIT: Final = Trouble(
    "upstream does not understand this box (answer {status})", "update this box or upstream", "sync_version"
)
TORN: Final = Trouble("what was sent did not arrive whole (answer {status}); it is sent again")
DOUBTFUL: Final = Trouble("upstream seems to hold another content for this journal; it is asked again")
CONTRADICTION: Final = Trouble("upstream contradicts itself", "ask whoever runs upstream", "sync_contradiction")
# Alarms that one good answer of upstream ends.
ENDED_BY_SUCCESS: Final = (
    "sync_closed",
    "sync_unknown",
    "sync_refused",
    "sync_version",
    "sync_poison",
    "sync_contradiction",
    "sync_damaged",
    "sync_not_enrolled",
    "sync_tls",
)


def judge(reply: Reply, now: datetime | None = None) -> Verdict:
    """What an answer to a batch, a question for the cursor or a heartbeat means. `now` turns dates into waits."""
    members = members_of(reply.content)
    if reply.status == 200:
        return _claim(members, "") or NotNow(NONSENSE)
    if reply.status == 409:
        code = members.get("code")
        if code == "closed":
            return NotNow(_CLOSED, slow=True)
        return (_claim(members, code) if code in {"gap", "fork"} else None) or NotNow(_said(reply))
    if reply.status == 413:
        return TooLarge()
    if reply.status == 415:
        return Uncompressed()
    if "code" not in members and reply.status < 500 and reply.status != 429:
        # A proxy or portal on the way: it goes, and nobody has to mend anything here.
        return NotNow(_said(reply) if reply.status >= 400 else NONSENSE)
    if reply.status == 400:
        return Torn(str(members["code"])[:40])
    if reply.status in _SLOWLY:
        known = members.get("code") != "unknown_journal"
        return NotNow(_SLOWLY[reply.status] if known else _NO_JOURNAL, slow=True)
    there = maybe_http_date(reply.headers.get("date", "")) or now  # our own clock may be wrong, theirs is one of a kind
    return NotNow(_said(reply), after_s=retry_after_s(reply.headers.get("retry-after", ""), there))


def _said(reply: Reply) -> Trouble:
    return Trouble("upstream cannot take entries now (answer {status})", values={"status": str(reply.status)})


def _claim(members: Mapping[str, Any], code: str) -> Claim | None:
    """None when the members are not of the shape the protocol has: then it was somebody else who answered."""
    cursor, head = members.get("cursor"), members.get("head")
    if type(cursor) is not int or not 0 <= cursor < _SEQ_LIMIT:
        return None
    if not isinstance(head, str) or not _HASH.fullmatch(head):
        return None
    who = members.get("upstream")
    who = who if isinstance(who, dict) else {}
    return Claim(
        cursor,
        bytes.fromhex(head),
        code,
        _pace(members.get("next", members.get("limits"))),
        maybe_time(members.get("server_time")),
        str(who.get("id", ""))[:100],
        int(_number(who.get("epoch"), 0, 0, 1 << 31)),
    )


def _pace(asked: Any) -> Pace:
    """The wishes in `next`, within what is sensible here: upstream cannot stop us by asking for no entries."""
    if not isinstance(asked, dict):
        return Pace()
    return Pace(
        _number(asked.get("after_s"), 0, 0, RETRY_AFTER_CAP_S),
        _number(asked.get("linger_s"), 0, 0, LINGER_CAP_S),
        int(_number(asked.get("max_entries"), ENTRIES, 1, 5000)),
        int(_number(asked.get("max_bytes"), BYTES, 1, 8 << 20)),
    )


def _number(value: Any, missing: float, least: float, most: float) -> float:
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))):
        return missing
    return min(max(value, least), most)


def members_of(content: bytes) -> dict[str, Any]:
    """The JSON object an answer is, {} when it is none (HTML, half a body, a number)."""
    try:
        members = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def maybe_time(text: Any) -> datetime | None:
    """A moment as journals and upstream write it (ISO 8601 with an offset)."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None
