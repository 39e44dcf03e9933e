"""slipkeeper config check|show|example."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from agent.cli import show

if TYPE_CHECKING:
    from agent.cli.session import Session


@click.group()
def config() -> None:
    """Check, show or begin a configuration."""


@config.command()
@click.pass_obj
def check(session: Session) -> None:
    """Name every mistake in the configuration at once."""
    loaded = session.config
    click.echo(
        session.words(
            "{path} is fine: {terminals} terminal(s), {printers} printer(s)",
            path=session.config_path,
            terminals=len(loaded.terminals),
            printers=len(loaded.printers),
        )
    )


@config.command(name="show")
@click.pass_obj
def show_(session: Session) -> None:
    """Show every setting as it is in force, defaults included, as JSON."""
    show.as_json(_plain(session.config))


@config.command()
def example() -> None:
    """Print a configuration to begin with: every setting with its default."""
    from agent.config_example import example as text

    click.echo(text(), nl=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {member.name: _plain(getattr(value, member.name)) for member in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if hasattr(value, "items") else value
