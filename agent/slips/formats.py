"""How a template's `{{field|format}}` turns a value into text. Total: any value, also a wrong one, gives text.

Card numbers are safe here whatever a template asks for: `card` and `last4` mask by themselves, fields that hold a card
number know no other format, and every text passes the finder of card numbers once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from agent.money import Money
from agent.pan import mask, mask_card
from agent.slips import wording
from agent.slips.wrapping import normalise

LONGEST: Final = 600  # characters of one value: a slip is no place for a novel
_LARGEST: Final = 10**18  # beyond any amount; Python itself refuses to print integers of thousands of digits

# Types whose money goes back to the customer; amounts themselves are never negative.
_GIVES_BACK: Final = frozenset({"void", "refund", "completion_void", "reversal"})

_STAMP: Final = re.compile(
    r"(?:(?P<year>\d{4})-(?P<day>\d\d-\d\d)|--(?P<yearless>\d\d-\d\d))?"
    r"(?:[T ]?(?P<hour>\d\d:\d\d)(?P<second>:\d\d)?(?:\.\d+)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?"
)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Context:
    """Where a value stands: its field, its neighbours, the language, and the currency that goes without saying."""

    field: str
    scope: Mapping[str, Any]
    language: str
    home: str


Format = Callable[[Any, Context], str]


def text(value: Any, context: Context) -> str:
    """The value as it is, one line, no card number, nothing a printer would obey."""
    if context.field in CARD_FIELDS:
        return card(value, context)
    return mask(_bare(value))


def _bare(value: Any) -> str:
    if value is None or isinstance(value, Mapping | list | tuple | set):
        return ""
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return ""
    bare = normalise(str(value)[: 2 * LONGEST]).strip(" ")
    return bare if len(bare) <= LONGEST else bare[: LONGEST - 1] + "…"


def card(value: Any, _context: Context) -> str:
    """At most the first six and the last four digits, whatever comes."""
    return mask(mask_card(_bare(value)))


def last4(value: Any, context: Context) -> str:
    """The last four digits of a card number; nothing when they are hidden too."""
    found = re.search(r"[0-9]{1,4}$", card(value, context))
    return found.group() if found else ""


def money(value: Any, context: Context) -> str:
    """￥1,234.50, in the currency beside the amount."""
    return _money(value, context, 1)


def flow(value: Any, context: Context) -> str:
    """Money with the direction of its transaction type: what goes back to the customer has a minus."""
    return _money(value, context, -1 if str(context.scope.get("transaction_type")) in _GIVES_BACK else 1)


def amount(value: Any, context: Context) -> str:
    """`flow` without the sign of the home currency, for columns: 1,234.50, but HKD 80.00."""
    shown = flow(value, context)
    if context.home and _currency(context) == context.home:
        return re.sub(r"[^0-9.,-]", "", shown)
    return shown


def signed(value: Any, context: Context) -> str:
    """A difference: +￥20.00, -￥20.00."""
    shown = money(value, context)
    return shown if not shown or shown.startswith("-") else "+" + shown


def _money(value: Any, context: Context, direction: int) -> str:
    if type(value) is not int or abs(value) >= _LARGEST:
        return text(value, context)
    return str(Money(direction * value, _currency(context))).strip()


def _currency(context: Context) -> str:
    currency = context.scope.get("currency", context.home)
    return currency if isinstance(currency, str) and _CURRENCY.fullmatch(currency) else ""


def _stamp(value: Any, context: Context, *names: str) -> str:
    """The named parts of an ISO 8601 time as it stands there: no zone is ever converted, UTC says so."""
    bare = text(value, context)
    found = _STAMP.fullmatch(bare)
    if not bare or not found:
        return bare
    parts = found.groupdict()
    day = "-".join(part for part in (parts["year"], parts["day"] or parts["yearless"]) if part)
    said = {
        "day": day,
        "minute": parts["hour"] or "",
        "time": (parts["hour"] or "") + (parts["second"] or ""),
        "zone": "UTC" if parts["zone"] == "Z" and "day" in names and "time" in names else "",
    }
    return " ".join(said[name] for name in names if said[name])


def day(value: Any, context: Context) -> str:
    return _stamp(value, context, "day")


def time(value: Any, context: Context) -> str:
    return _stamp(value, context, "time")


def minute(value: Any, context: Context) -> str:
    return _stamp(value, context, "minute")


def moment(value: Any, context: Context) -> str:
    return _stamp(value, context, "day", "time", "zone")


def weekday(value: Any, context: Context) -> str:
    """2026-06-22 周一."""
    shown = day(value, context)
    try:
        return f"{shown} {wording.weekday(date.fromisoformat(shown).weekday(), context.language)}"
    except ValueError:
        return shown


def word(value: Any, context: Context) -> str:
    return wording.word(context.field, text(value, context), context.language)


def short(value: Any, context: Context) -> str:
    return wording.word(context.field, text(value, context), context.language, short=True)


def bilingual(value: Any, context: Context) -> str:
    return wording.bilingual(context.field, text(value, context), context.language)


def head(value: Any, _context: Context) -> str:
    """The first 16 hexadecimal digits of a hash in fours: enough to compare by eye."""
    digits = mask(_bare(value))[:16]
    return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))


CARD_FIELDS: Final = frozenset({"card_masked", "card", "pan", "card_no"})
FORMATS: Final[Mapping[str, Format]] = {
    "": text,
    "text": text,
    "card": card,
    "last4": last4,
    "money": money,
    "flow": flow,
    "amount": amount,
    "signed": signed,
    "date": day,
    "time": time,
    "minute": minute,
    "moment": moment,
    "weekday": weekday,
    "word": word,
    "short": short,
    "bilingual": bilingual,
    "head": head,
}
