"""One transaction as the cashier reads it: a row of a list, a few lines beside the preview. Pure.

What the desk does not say is shown as unknown or left out, never filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from agent.menu.cells import fit, one_line
from agent.menu.times import moment, short
from agent.menu.vocabulary import Tone, msgid, outcome_of, type_word
from agent.money import Money
from agent.words import Words

Sale = Mapping[str, Any]

WHEN: Final = 11  # 05-06 13:14
KIND: Final = 13  # Pre-auth void; six Chinese characters
AMOUNT: Final = 15  # ￥12,345,678.90
CARD: Final = 4
TRACE: Final = 6
STATE: Final = 19
GAP: Final = "  "
HEADINGS: Final = (
    (msgid("Time"), WHEN, False),
    (msgid("Type"), KIND, False),
    (msgid("Amount"), AMOUNT, True),
    (msgid("Card"), CARD, False),
    (msgid("Trace"), TRACE, True),
    (msgid("State"), STATE, False),
)
# What is known of a slip's paper. Most slips come out of the terminal's own printer, which nobody here can see: that is
# no news in a list, and said as unknown beside the preview.
PRINTED: Final = {"yes": msgid("Printed"), "no": msgid("Not printed")}
_TERMINAL_TIME = re.compile(r"(?:(?:\d{4}|-)-(\d\d-\d\d))?T(\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list: what to open when it is chosen, and how it looks."""

    seq: int
    text: str
    tone: Tone


def headings(words: Words) -> str:
    """The line above a list of transactions, in the same columns."""
    return GAP.join(fit(words(name), width, right=right) for name, width, right in HEADINGS)


def row(sale: Sale, words: Words, zone: tzinfo | None = None) -> Row:
    """A transaction in 78 columns: when, what, how much, which card, which number, and what is odd about it."""
    mark, tone = marks(sale, words)
    cells = (
        fit(when(sale, zone), WHEN),
        fit(type_word(sale.get("transaction_type"), words), KIND),
        fit(amount(sale), AMOUNT, right=True),
        fit(last_four(sale), CARD),
        fit(one_line(sale.get("trace_no", "")), TRACE, right=True),
        fit(mark, STATE),
    )
    return Row(number(sale), GAP.join(cells), tone)


def number(sale: Sale) -> int:
    """The entry to reprint; 0 when the desk named none."""
    seq = sale.get("seq")
    return seq if isinstance(seq, int) else 0


def amount(sale: Sale) -> str:
    """￥128.50, or nothing when the terminal said no amount."""
    minor = sale.get("amount_minor")
    return str(Money(minor, str(sale.get("currency", "")))) if isinstance(minor, int) else ""


def last_four(sale: Sale) -> str:
    card = str(sale.get("card_masked", ""))
    return card[-4:] if card[-4:].isdecimal() else ""


def when(sale: Sale, zone: tzinfo | None = None) -> str:
    """Month, day, hour and minute as the terminal printed them, else as the box saw it."""
    found = _TERMINAL_TIME.match(str(sale.get("terminal_time", "")))
    if not found:
        return short(sale.get("at"), zone)
    if found[1]:
        return f"{found[1]} {found[2]}"
    seen = moment(sale.get("at"), zone)  # the terminal gave only the time of day
    return f"{seen:%m-%d} {found[2]}" if seen else found[2]


def marks(sale: Sale, words: Words) -> tuple[str, Tone]:
    """What the cashier must see at a glance, most urgent first."""
    said: list[str] = []
    outcome, tone = outcome_of(sale.get("outcome"))
    if tone is not Tone.GOOD:
        said.append(words(outcome))
    else:
        tone = Tone.WARN if sale.get("printed") == "no" else Tone.PLAIN
        printed = PRINTED.get(str(sale.get("printed")))
        if printed:
            said.append(words(printed))
    reprints = sale.get("reprints")
    if isinstance(reprints, int) and reprints > 0:
        said.append(words("copies {count}", count=reprints))
    return " ".join(said), tone


def details(sale: Sale, words: Words) -> list[tuple[str, Tone]]:
    """The few lines beside a preview: what will be printed and what to know before."""
    outcome, tone = outcome_of(sale.get("outcome"))
    lines = [
        (f"{type_word(sale.get('transaction_type'), words)}  {amount(sale)}".strip(), Tone.PLAIN),
        (words(outcome), tone),
    ]
    if tone is not Tone.GOOD:
        lines.append((words("Prints as a status note, not as a slip"), Tone.WARN))
    else:
        printed = PRINTED.get(str(sale.get("printed")), msgid("Printed by the terminal? Unknown"))
        lines.append((words(printed), Tone.WARN if sale.get("printed") == "no" else Tone.PLAIN))
    copies = sale.get("reprints")
    if isinstance(copies, int):
        lines.append((words("Printed again so far: {count}", count=copies), Tone.PLAIN))
    return lines
