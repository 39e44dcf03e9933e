"""Values the dialects of stx-bcdlen share: what a field may show, card numbers, times, identities. Pure.

A dialect is a table of field names and `Spec`s. A field that is in no table may hold anything and shows nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from agent import pan
from agent.fields import Fields, Outcome

# What stands for a card number in a field that is labelled so: digits, and the signs terminals hide digits with.
_CARD: Final = re.compile(rb" *[0-9*Xx#.]*")
_LONGEST_CARD: Final = 19  # ISO/IEC 7812-1
_CARD_SHAPE: Final = re.compile(r"\d{0,6}\*+\d{0,4}|\d{1,4}")
_CLEAR_CARD: Final = re.compile(rb"[0-9]{12}")
_SIGNS: Final = b"0123456789*Xx#."

SCHEMES: Final = frozenset(
    {"VISA", "MASTERCARD", "MASTER", "JCB", "AMEX", "DINERS", "DISCOVER", "UNIONPAY", "CUP", "MAESTRO", "MYDEBIT"}
)


class Show(Enum):
    """How much of a field may leave the driver."""

    SHAPE = auto()  # as it is, if it has the shape it should have; else nothing of it
    TEXT = auto()  # free text: card numbers are searched for and masked
    CARD = auto()  # first six and last four digits
    NOTHING = auto()  # its length


@dataclass(frozen=True, slots=True)
class Spec:
    """One field. `name` is canonical, or a name of ours in brackets where it is put together, or "" = raw only."""

    name: str
    show: Show
    shape: re.Pattern[str] = re.compile(r".*", re.DOTALL)


CARD: Final = Spec("card_masked", Show.CARD)
SECRET: Final = Spec("", Show.NOTHING)


def shaped(name: str, shape: str) -> Spec:
    return Spec(name, Show.SHAPE, re.compile(shape))


def free_text(name: str) -> Spec:
    return Spec(name, Show.TEXT)


def shown(value: bytes, spec: Spec) -> bytes:
    """The value as `raw` may keep it, same length."""
    if spec.show is Show.CARD:
        return hidden_card(value)
    if spec.show is Show.TEXT:
        return pan.mask_bytes(value)
    # What has not its shape is not what its label says: nobody knows what it is.
    fits = spec.show is Show.SHAPE and spec.shape.fullmatch(_plain(value))
    return value if fits else hidden(value)


def told(label: str, value: bytes, spec: Spec, warnings: list[str]) -> str | None:
    """The text of one field, None when it says nothing that may be told. What is odd about it goes to `warnings`."""
    if spec.show is Show.CARD:
        if is_clear_card(value):
            warnings.append("the terminal sent a full card number; it was masked here")
        return card(value)
    if spec.show is Show.NOTHING:
        return None
    if spec.show is Show.TEXT:
        return text(value)
    said = _plain(value)  # a merchant number may look like a card number: its label and shape say what it is
    if said and not spec.shape.fullmatch(said):
        warnings.append(f"field {label} has not the shape it should have")
        return None
    return said


def hidden(value: bytes) -> bytes:
    """Nothing of `value` but its length."""
    return b"*" * len(value)


def hidden_card(value: bytes) -> bytes:
    """A field labelled as card number, same length: at most first six and last four digits, nothing behind it.

    Track data (`…=YYMM…`) begins like a card number: what follows the number is hidden altogether.
    """
    found = _CARD.match(value)
    end = found.end() if found else 0
    places = [place for place in range(end) if value[place] in _SIGNS]
    kept: set[int] = set()
    if 10 < len(places) <= _LONGEST_CARD:
        kept = {*places[:6], *places[-4:]}
    elif 4 < len(places) <= 10:
        kept = set(places[-4:])
    masked = bytes(sign if place in kept or sign == 0x20 else 0x2A for place, sign in enumerate(value[:end]))
    return masked + hidden(value[end:])


def card(value: bytes) -> str | None:
    """The canonical masked number of a labelled field, None when it is no number."""
    number = value.decode("latin-1").replace("\0", "").replace(" ", "").replace("-", "").replace(".", "*")
    if not re.fullmatch(r"[0-9*Xx#]+", number) or len(number) > _LONGEST_CARD:
        return None
    masked = pan.mask_card(number)
    return masked if _CARD_SHAPE.fullmatch(masked) else None


def is_clear_card(value: bytes) -> bool:
    """Whether the device sent the number unmasked: nothing is lost, but somebody should hear of it."""
    return _CLEAR_CARD.search(value.replace(b" ", b"").replace(b"-", b"")) is not None


def text(value: bytes) -> str:
    """What a person may read of a text field: no control or direction signs, card numbers masked, trimmed."""
    return pan.mask(_plain(value))


def _plain(value: bytes) -> str:
    shown = value.decode("ascii", "replace")
    return (shown if shown.isprintable() else "".join(s if s.isprintable() else " " for s in shown)).strip()


def moment(date: str, time: str) -> str | None:
    """ISO 8601 of YYMMDD or YYYYMMDD (or "") and HHMM or HHMMSS; None when it is no time."""
    clock = _clock(time)
    if clock is None or (date and (day := _day(date)) is None):
        return None
    return f"{day}T{clock}" if date else f"T{clock}"


def _day(digits: str) -> str | None:
    full = digits if len(digits) == 8 else f"20{digits}"
    try:
        return dt.date(int(full[:4]), int(full[4:6]), int(full[6:])).isoformat()
    except ValueError:
        return None


def _clock(digits: str) -> str | None:
    if len(digits) not in (4, 6):
        return None
    try:
        clock = dt.time(int(digits[:2]), int(digits[2:4]), int(digits[4:] or "0"))
    except ValueError:
        return None
    return clock.isoformat("seconds" if len(digits) == 6 else "minutes")


def transaction_key(fields: Fields, raw: bytes) -> str:
    """The device's own identity: terminal, batch, trace and type; else the masked bytes.

    Only an approval owns that identity. Terminals use a trace number up only when they are approved, so a declined
    attempt and the approval after it may share all four: the code and time of the attempt tell them apart.
    """
    names = ("terminal_id", "batch_no", "trace_no", "transaction_type")
    parts = [str(fields[name]) for name in names if name in fields]
    if len(parts) < len(names):
        return raw_key(raw)
    if fields.get("outcome") == Outcome.APPROVED:
        return ":".join(parts)
    attempt = [str(fields[name]) for name in ("response_code", "terminal_time") if name in fields]
    return ":".join(parts + attempt) if len(attempt) == 2 else raw_key(raw)


def raw_key(raw: bytes) -> str:
    """The identity of what names none: its masked bytes."""
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
