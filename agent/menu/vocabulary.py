"""The words of the menu that stand in tables: types, outcomes, reasons, states. Pure.

A message id in a table is written `msgid("…")`, one in code `words("…")`; a test holds both to the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from agent.fields import Outcome, TransactionType
from agent.words import Words


def msgid(message: str) -> str:
    """Marks a message id that is translated later."""
    return message


class Tone(StrEnum):
    """How loud something is said. The word always says it too: colour is never the only sign."""

    PLAIN = "plain"
    GOOD = "good"
    QUIET = "quiet"
    WARN = "warn"
    BAD = "bad"


TYPES: Final[Mapping[str, str]] = {
    TransactionType.SALE: msgid("Sale"),
    TransactionType.VOID: msgid("Void"),
    TransactionType.REFUND: msgid("Refund"),
    TransactionType.PREAUTH: msgid("Pre-auth"),
    TransactionType.PREAUTH_VOID: msgid("Pre-auth void"),
    TransactionType.COMPLETION: msgid("Completion"),
    TransactionType.COMPLETION_VOID: msgid("Compl. void"),
    TransactionType.OFFLINE: msgid("Offline sale"),
    TransactionType.ADJUSTMENT: msgid("Adjustment"),
    TransactionType.TIP: msgid("Tip"),
    TransactionType.BALANCE: msgid("Balance"),
    TransactionType.LOAD: msgid("Load"),
    TransactionType.REVERSAL: msgid("Reversal"),
    TransactionType.OTHER: msgid("Other"),
}

OUTCOMES: Final[Mapping[str, tuple[str, Tone]]] = {
    Outcome.APPROVED: (msgid("Approved"), Tone.GOOD),
    Outcome.DECLINED: (msgid("Declined"), Tone.QUIET),
    Outcome.UNKNOWN: (msgid("Result unknown"), Tone.BAD),
}

# Why a slip is printed again; the order is the number key.
REASONS: Final = (
    msgid("Customer lost it"),
    msgid("Printer jammed"),
    msgid("For the accounts"),
    msgid("Other reason"),
)
LOST: Final = 0
JAMMED: Final = 1

PURPOSES: Final[Mapping[str, str]] = {
    "reprint": msgid("Reprint"),
    "day_list": msgid("Day list"),
    "interim": msgid("Interim"),
    "detail": msgid("Details"),
    "settlement": msgid("Settlement"),
    "test": msgid("Test page"),
}


def type_word(name: object, words: Words) -> str:
    """How a transaction type is called; one we have no word for is shown as it came."""
    known = TYPES.get(str(name))
    return words(known) if known else str(name or words("Unknown"))


def outcome_of(name: object) -> tuple[str, Tone]:
    """Message id and tone of an outcome; whatever is not known to be approved or declined is unknown."""
    return OUTCOMES.get(str(name), OUTCOMES[Outcome.UNKNOWN])
