"""slipkeeper doctor: how this box is, as a technician wants to know it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from agent.cli import show

if TYPE_CHECKING:
    from agent.cli.session import Session

_MARKS = {"yes": ("✔", "green"), "no": ("✘", "red"), "unknown": ("?", "yellow")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def doctor(session: Session, as_json: bool) -> None:
    """Look at disk, clock, journal, devices, printers and fonts. Exit code 1 when something is wrong."""
    from agent.doctor import examine

    words = session.words
    bad, plain = False, []
    for finding in examine(session.config):
        bad = bad or finding.good == "no"
        text = words(finding.what, **finding.values)
        plain.append({"good": finding.good.value, "what": text})
        if not as_json:
            mark, colour = _MARKS[finding.good]
            click.secho(f"{mark} ", fg=colour, nl=False)
            click.echo(text)
    if as_json:
        show.as_json(plain)
    sys.exit(1 if bad else 0)
