"""No slip: what the cashier does now (R16, R17, R18). Pure.

The common advice "let the customer pay again" is how people are charged twice. So three answers only: it went through
(print it), it is not found (do not charge again yet), nobody knows (do this). A declined payment is the only one that
may be tried again at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.menu.sales import Sale
from agent.menu.vocabulary import Tone
from agent.words import Words


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known in one line, and the steps to take in order."""

    title: str
    steps: tuple[str, ...]
    tone: Tone


def advise(
    asked: str, found: Sequence[Sale] | None, status: Mapping[str, Any] | None, words: Words, *, more: bool = False
) -> Advice:
    """What to do when the customer paid and no slip came. `found` is None while nobody could look; `more` exist."""
    if found is None:
        return _unseen(words)
    if not asked.strip():
        return _ask(words)
    outcomes = {str(sale.get("outcome")) for sale in found}
    if not found:
        return _not_found(status, words)
    if len(found) > 1:
        return Advice(
            words("{count} payments fit: which one is it?", count=f"{len(found)}{'+' if more else ''}"),
            (
                words("Compare amount, time and card. Type more to narrow it down."),
                words("Do not charge again before that."),
            ),
            Tone.WARN,
        )
    if outcomes == {"approved"}:
        return _approved(words)
    return _declined(words) if outcomes == {"declined"} else _unknown(words)


def _ask(words: Words) -> Advice:
    return Advice(
        words("No slip? First look whether the payment went through"),
        (words("Type the amount or the last four digits of the card."), words("Do not charge again before that.")),
        Tone.PLAIN,
    )


def _unseen(words: Words) -> Advice:
    return Advice(
        words("Nobody can look now: the keeper does not answer"),
        (words("Do not charge again yet."), words("Look at the terminal: reprint last, or its transaction list.")),
        Tone.BAD,
    )


def _approved(words: Words) -> Advice:
    """One approved payment fits what was typed; whether it is this customer's only people can say."""
    return Advice(
        words("One payment fits, and it went through"),
        (
            words("Compare time and card with the customer."),
            words("It is this one: do not charge again. Open it and print."),
            words("It is another one: do not charge again yet, type the card's last four digits."),
        ),
        Tone.GOOD,
    )


def _declined(words: Words) -> Advice:
    return Advice(
        words("One payment fits, and it was declined"),
        (
            words("Ask the customer to look at the phone: does the bank show a charge?"),
            words("No charge there: try again or pay in another way."),
            words("A charge there: do not try again, call the acquirer."),
        ),
        Tone.WARN,
    )


def _unknown(words: Words) -> Advice:
    return Advice(
        words("Nobody knows yet. Do not charge again"),
        (
            words("1. Look at the terminal: reprint last, or its transaction list."),
            words("2. Ask the customer for the message of the bank."),
            words("3. Call the acquirer with terminal no., trace and amount."),
            words("Open it to print a status note for the customer (no slip)."),
        ),
        Tone.BAD,
    )


def _not_found(status: Mapping[str, Any] | None, words: Words) -> Advice:
    steps = [
        words("1. Look at the terminal: reprint last, or its transaction list."),
        words("2. Ask the customer for the message of the bank."),
        words("3. Neither shows it: call the acquirer, then charge again."),
    ]
    deaf = deaf_terminals(status)
    if deaf:
        steps.insert(0, words("Terminal {name} is not connected: it may have paid unheard.", name=", ".join(deaf)))
    return Advice(words("Not found. Do not charge again yet"), tuple(steps), Tone.WARN)


def deaf_terminals(status: Mapping[str, Any] | None) -> list[str]:
    """Terminals the keeper does not hear now: what they did may be missing from the journal."""
    terminals = (status or {}).get("terminals") or []
    return [str(one.get("name", "")) for one in terminals if one.get("state") not in ("connected", "waiting")]
