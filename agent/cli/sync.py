"""slipkeeper sync status|now, slipkeeper enroll: the way upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli import show

if TYPE_CHECKING:
    from agent.cli.session import Session


@click.group()
def sync() -> None:
    """How far upstream holds the journal."""


@sync.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """What is sent and what is not."""
    state = session.desk.get("/v1/status")["sync"]
    if as_json:
        show.as_json(state)
        return
    words = session.words
    for name in ("state", "cursor", "unsent", "oldest_unsent_at", "last_ok_at"):
        if state.get(name) not in {None, ""}:
            click.echo(f"{words(name)}: {words(str(state[name]))}")
    if error := state.get("last_error"):
        click.echo(f"{words('last_error')}: {show.said(words, error)}")


@sync.command()
@click.pass_obj
def now(session: Session) -> None:
    """Send everything at once instead of when it is due."""
    session.desk.post("/v1/sync/now", {})
    click.echo(session.words("asked for; slipkeeper sync status shows how it goes"))


@click.command()
@click.argument("url")
@click.argument("code")
@click.pass_obj
def enroll(session: Session, url: str, code: str) -> None:
    """Make this box known upstream by the one-time CODE shown there."""
    from agent import enrol

    enrolment = enrol.enrol(session.config, url, code)
    if not session.config.upstream.url:
        click.echo(session.words('put url = "{url}" under [upstream] in the configuration', url=url), err=True)
    click.echo(
        session.words(
            "enrolled as {label} at {url}",
            label=enrolment.terminal_label or enrolment.journal_id,
            url=enrolment.base_url,
        )
    )
