"""One box to find a payment: an amount, the last four digits, a trace number, a time, the start of a reference, words.

Several words must all match. The same rules as the agent's own search, over the ledger.
"""

from __future__ import annotations

import re
from typing import Final

from django.db.models import Q, QuerySet

from agent.money import exponent
from upstream.ledger.models import Transaction

_AMOUNT: Final = re.compile(r"[￥¥$€£]?(\d{1,12})(?:[.](\d{1,3}))?")
_TIME: Final = re.compile(r"\d{1,2}:\d{2}")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}|\d{2}-\d{2}")
_WORDS: Final = ("merchant_name", "terminal_id", "sources", "method", "transaction_type", "card_scheme", "issuer")
_PREFIXES: Final = ("rrn__istartswith", "auth_code__istartswith", "order_no__istartswith", "channel_no__istartswith")
_WORD_LIMIT: Final = 8


def find(text: str) -> QuerySet[Transaction]:
    """Newest first."""
    found = Transaction.objects.all()
    for word in text.replace(",", "").split()[:_WORD_LIMIT]:
        found = found.filter(_matching(word[:100]))
    return found.order_by("-at", "identity")


def _matching(word: str) -> Q:
    anywhere = Q()
    for name in _WORDS:
        anywhere |= Q(**{f"{name}__icontains": word})
    for name in _PREFIXES:
        anywhere |= Q(**{name: word})
    if _TIME.fullmatch(word):
        anywhere |= Q(terminal_time__contains="T" + word.rjust(5, "0"))
    if _DAY.fullmatch(word):
        anywhere |= Q(day__endswith=word)
    if word.isascii() and word.isdigit():
        anywhere |= Q(trace_no__endswith=word)
        if len(word) == 4:
            anywhere |= Q(card_masked__endswith=word)
    if amount := _AMOUNT.fullmatch(word):
        anywhere |= _amount(amount.group(1), amount.group(2) or "")
    return anywhere


def _amount(whole: str, part: str) -> Q:
    """The amount in each currency there is, by its own number of decimal places."""
    known = Transaction.objects.order_by().values_list("currency", flat=True).distinct()
    matching = Q(identity__in=[])
    for currency in known:
        if currency and len(part) <= (places := exponent(currency)):
            matching |= Q(currency=currency, amount_minor=int(whole + part.ljust(places, "0")))
    return matching
