"""slipkeeper print queue|resume|cancel|test|probe: papers that are not done yet, and how the printer is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli import show

if TYPE_CHECKING:
    from agent.cli.session import Session


@click.group(name="print")
def print_() -> None:
    """The print queue and the printers."""


@print_.command()
@click.option("--all", "everything", is_flag=True, help="Done papers too.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def queue(session: Session, everything: bool, as_json: bool) -> None:
    """List papers that are not done."""
    rows = session.desk.get("/v1/jobs", open=None if everything else 1)["jobs"]
    if as_json:
        show.as_json(rows)
        return
    words = session.words
    show.table(
        [words("Job"), words("Paper"), words("Printer"), words("State"), words("Why")],
        [[row["id"], row["title"], row["printer"], words(row["state"]), words(row["why"])] for row in rows],
    )


def _decide(session: Session, job: str, action: str, operator: str) -> None:
    row = session.desk.post(f"/v1/jobs/{job}", {"action": action, "operator": operator})
    click.echo(f"{row['title']}: {session.words(row['state'])}")


@print_.command()
@click.argument("job")
@click.option("--operator", default="")
@click.pass_obj
def resume(session: Session, job: str, operator: str) -> None:
    """Let a held paper print that has not begun."""
    _decide(session, job, "resume", operator)


@print_.command()
@click.argument("job")
@click.option("--operator", default="")
@click.pass_obj
def cancel(session: Session, job: str, operator: str) -> None:
    """Give a paper up."""
    _decide(session, job, "cancel", operator)


@print_.command(name="came-out")
@click.argument("job")
@click.option("--no", "did_not", is_flag=True, help="It did not: print it again, marked as a further copy.")
@click.option("--operator", default="")
@click.pass_obj
def came_out(session: Session, job: str, did_not: bool, operator: str) -> None:
    """Say that you saw a paper come out whole (or not): only a person can know."""
    _decide(session, job, "did_not_come_out" if did_not else "came_out", operator)


@print_.command()
@click.argument("printer", default="")
@click.pass_obj
def test(session: Session, printer: str) -> None:
    """Print the test page: rulers, punctuation, rare characters, QR code."""
    name = printer or session.config.printers[0].name if session.config.printers else ""
    answer = session.desk.post(f"/v1/printers/{name}/test", {})
    click.echo(session.words("being printed (job {job})", job=answer["job"]))
