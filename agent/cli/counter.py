"""slipkeeper menu, status, reprint: what the counter needs, from a command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from agent.cli import show
from agent.money import Money

if TYPE_CHECKING:
    from agent.cli.session import Session


@click.command()
@click.pass_obj
def menu(session: Session) -> None:
    """The cashier's full-screen menu."""
    from agent.menu.app import run

    run(session.config.socket, session.words.language)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """How everything is: terminals, printers, day, sync, alarms."""
    state = session.desk.get("/v1/status")
    if as_json:
        show.as_json(state)
        return
    words = session.words
    click.secho(f"{state['shop']}  {state['now']}", bold=True)
    _line(
        words("Journal"),
        words("{seq} entries, head {head}", seq=state["journal"]["seq"], head=state["journal"]["head"][:16]),
    )
    for terminal in state["terminals"]:
        colour = {"connected": "green", "waiting": "green", "lost": "red"}.get(terminal["state"])
        _line(words("Terminal"), f"{terminal['name']}: {words(terminal['state'])}", colour)
    for printer in state["printers"]:
        about = ", ".join(f"{words(name)} {words(value)}" for name, value in printer["status"].items())
        _line(
            words("Printer"), f"{printer['name']}: {about}" + (f" – {words(printer['why'])}" if printer["why"] else "")
        )
        if printer["queue"]:
            _line(
                "",
                words(
                    "{queue} paper(s) not done, {held} waiting for a person",
                    queue=printer["queue"],
                    held=printer["held"],
                ),
                "yellow",
            )
    _line(
        words("Business day"),
        f"{state['day']['date']}, {words('closes')} {state['day']['closes_at']}, {_totals(session, state['day'])}",
    )
    sync = state["sync"]
    about = words(sync["state"])
    if sync["state"] != "off":
        about += f", {words('{count} unsent', count=sync.get('unsent', 0))}"
    _line(words("Sync"), about + (f" – {show.said(words, sync['last_error'])}" if sync.get("last_error") else ""))
    for alarm in state["alarms"]:
        _line(words("Alarm"), words(alarm["what"], **alarm["values"]), "red")
        if alarm["hint"]:
            _line("", "→ " + words(alarm["hint"], **alarm["values"]))


def _totals(session: Session, day: dict[str, Any]) -> str:
    parts = [
        f"{session.words(row['transaction_type'])} {row['count']} = {Money(row['amount_minor'], row['currency'])}"
        for row in day["totals"]
    ]
    return "; ".join(parts) or session.words("no sales yet")


def _line(title: str, text: str, colour: str | None = None) -> None:
    from agent.slips.layout import width

    click.echo(title + " " * max(1, 14 - width(title)), nl=False)
    click.secho(text, fg=colour)


@click.command()
@click.argument("seq", type=int, required=False)
@click.option("--last", is_flag=True, help="The newest transaction.")
@click.option("--reason", required=True, help="Why; it stays in the journal.")
@click.option("--operator", default=lambda: os.environ.get("USER", ""), show_default="$USER")
@click.option("--printer", default="", help="Which printer; the first one by default.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def reprint(
    session: Session, seq: int | None, last: bool, reason: str, operator: str, printer: str, as_json: bool
) -> None:
    """Print a slip again, marked as a copy."""
    if (seq is None) != last:
        raise click.UsageError("name either a number or --last")
    wish = {"last": True} if last else {"seq": seq}
    answer = session.desk.post("/v1/reprints", {**wish, "reason": reason, "operator": operator, "printer": printer})
    if as_json:
        show.as_json(answer)
    else:
        click.echo(
            session.words("copy {copy_no} is being printed (job {job})", copy_no=answer["copy_no"], job=answer["job"])
        )
