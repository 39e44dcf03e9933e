"""What reads oddly in an entry. Pure. Odd entries are stored like all others; the oddity goes to quarantine.

Details name fields, never values: a value may be what should not be shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from agent import fields
from agent.entries import Entry, Kind, parse
from agent.errors import DamagedJournal

# Kinds whose body is canonical fields.
REPORTS: Final = frozenset({*fields.Kind, Kind.COPY, Kind.CONFLICT})
KNOWN: Final = frozenset(Kind)
_DEPTH_LIMIT: Final = 32
# C0, DEL, C1, zero-width and bidirectional controls, surrogates: nothing a person should be shown or a key hold.
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Oddity:
    """Why an entry is in quarantine. `detail` names the fields, by comma."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store keeps beside a line, safe to be shown; empty = not said."""

    kind: str
    at: str
    day: str
    oddity: Oddity | None


def shown(value: object, limit: int = 200) -> str:
    """Text that can be stored, indexed and shown, from anything. Raw line ends become blanks."""
    return _UNSEEN.sub("", str(value).replace("\n", " ")).strip()[:limit] if isinstance(value, str | int) else ""


def readable(line: bytes) -> Entry | None:
    """The entry a stored line is, or None when it is none that can be read."""
    try:
        entry = parse(line)
    except DamagedJournal:
        return None
    texts = (entry.source, entry.key, entry.day, entry.raw_sha256)
    if not all(isinstance(text, str) for text in texts) or _deeper(entry.body, _DEPTH_LIMIT):
        return None
    return entry


def inspect_line(line: bytes) -> Facts:
    """What to keep beside a line and what is odd about it."""
    entry = readable(line)
    if entry is None:
        return Facts("", "", "", Oddity("unreadable"))
    kind, at = shown(entry.kind), shown(entry.at)
    day = entry.day if is_day(entry.day) else ""
    return Facts(kind, at, day, _oddity(entry))


def _oddity(entry: Entry) -> Oddity | None:
    if not is_time(entry.at):
        return Oddity("bad_time", "at")
    if entry.line is None:  # purged: nothing else is left to look at
        return None
    if entry.kind not in KNOWN:
        return Oddity("unknown_kind")
    if not is_day(entry.day):
        return Oddity("bad_day", "day")
    if entry.kind in REPORTS and (wrong := misshapen(entry.body)):
        money = any(name.endswith("_minor") or name == "currency" for name in wrong)
        return Oddity("bad_amount" if money else "bad_field", ",".join(wrong))
    return None


def misshapen(body: Any) -> list[str]:
    """Canonical names whose values are none. Unknown names are fine: a newer agent may know more than we do."""
    wrong = [name for name, field in fields.BY_NAME.items() if name in body and not field.fits(body[name])]
    if "amount_minor" in body and "currency" not in body:
        wrong.append("currency")
    return wrong


def is_day(text: str) -> bool:
    try:
        return len(text) == 10 and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def is_time(text: str) -> bool:
    try:
        return text.endswith("Z") and text.isascii() and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _deeper(value: Any, limit: int) -> bool:
    """Whether `value` nests deeper than `limit`; walks no further than that."""
    if isinstance(value, dict):
        return limit == 0 or any(_deeper(item, limit - 1) for item in value.values())
    if isinstance(value, list):
        return limit == 0 or any(_deeper(item, limit - 1) for item in value)
    return False
