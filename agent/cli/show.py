"""Tables and JSON on a terminal. Chinese characters are two columns wide, so columns are counted, not letters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from agent.money import Money
from agent.slips.layout import width
from agent.words import Words


def as_json(value: object) -> None:
    """One JSON document on standard output, for machines."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True))


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> None:
    """A table whose columns line up in any script; `right` names columns of figures."""
    texts = [[str(cell) if cell is not None else "" for cell in row] for row in rows]
    widths = [max([width(title), *(width(row[place]) for row in texts)]) for place, title in enumerate(titles)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            " " * (widths[place] - width(cell)) + cell if place in right else cell + " " * (widths[place] - width(cell))
            for place, cell in enumerate(cells)
        ]
        return "  ".join(padded).rstrip()

    click.secho(line(list(titles)), bold=True)
    for row in texts:
        click.echo(line(row))


def money(fields: dict[str, Any]) -> str:
    """The amount of a payment for people; "?" when it is unknown."""
    if "amount_minor" not in fields or "currency" not in fields:
        return "?"
    return str(Money(fields["amount_minor"], fields["currency"]))


def said(words: Words, told: dict[str, Any]) -> str:
    """A message with its values, as the courier and alarms hand it on, and its hint."""
    hint = words(told.get("hint", ""), **told.get("values", {}))
    return words(told["what"], **told.get("values", {})) + (f" → {hint}" if hint else "")
