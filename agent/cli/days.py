"""slipkeeper day close|list|show|interim: business days and their settlement lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli import show
from agent.money import Money

if TYPE_CHECKING:
    from agent.cli.session import Session


@click.group()
def day() -> None:
    """Business days and their settlement lists."""


@day.command()
@click.option("--date", default="", help="A day that is over; the one going on by default.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def close(session: Session, date: str, as_json: bool) -> None:
    """Close a business day: number its list and print it."""
    row = session.desk.post("/v1/days/close", {"day": date})
    if as_json:
        show.as_json(row)
        return
    click.echo(
        session.words(
            "{day} is list {number}, {count} transaction(s)", day=row["day"], number=row["number"], count=row["count"]
        )
    )


@day.command(name="list")
@click.option("--limit", default=30, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def list_(session: Session, limit: int, as_json: bool) -> None:
    """List closed days."""
    rows = session.desk.get("/v1/days", limit=limit)["days"]
    if as_json:
        show.as_json(rows)
        return
    words = session.words
    show.table(
        [words("List"), words("Day"), words("Count"), words("Net"), words("Closed at"), words("Head")],
        [
            [
                row["number"],
                row["day"],
                row["count"],
                " ".join(str(Money(net["amount_minor"], net["currency"])) for net in row["net"]),
                row["closed_at"] + (" " + words("late") if row["late"] else ""),
                row["head"][:16],
            ]
            for row in rows
        ],
        right=[0, 2, 3],
    )


@day.command(name="show")
@click.argument("date", default="today")
@click.option("--format", "form", default="text", type=click.Choice(["text", "json"]))
@click.pass_obj
def show_(session: Session, date: str, form: str) -> None:
    """Show the list of DATE as it was closed; "today" as it stands now."""
    click.echo(session.desk.get_bytes(f"/v1/days/{date}", format=form).decode(), nl=False)


@day.command()
@click.option("--operator", default="")
@click.pass_obj
def interim(session: Session, operator: str) -> None:
    """Print the list of today so far; nothing is reset by it."""
    answer = session.desk.post("/v1/days/today/print", {"operator": operator})
    click.echo(session.words("being printed (job {job})", job=answer["job"]))
