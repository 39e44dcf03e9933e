"""slipkeeper demo: the whole system on this machine, with simulated devices."""

from __future__ import annotations

import dataclasses
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli import show

if TYPE_CHECKING:
    from agent.cli.session import Session
    from agent.demo import Demo, Result
    from agent.words import Words


@click.command()
@click.option("--seconds", default=30.0, show_default=True, help="About how long the shop's day takes.")
@click.option("--no-menu", is_flag=True, help="Only tell the story; by default the menu opens when this is a terminal.")
@click.option("--dir", "directory", default="demo", type=click.Path(path_type=Path), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The result for machines.")
@click.pass_obj
def demo(session: Session, seconds: float, no_menu: bool, directory: Path, as_json: bool) -> None:
    """Sell, reprint, lose the network, settle, close the day, sync and compare: everything real but the devices."""
    from agent.demo import Demo

    words = session.words
    with_menu = not no_menu and sys.stdout.isatty() and sys.stdin.isatty()

    def say(message: str, **values: object) -> None:
        if not with_menu:
            click.secho("• ", fg="cyan", nl=False, err=as_json)
            click.echo(words(message, **values), err=as_json)

    click.echo(words("everything is written to {path}", path=directory.resolve()), err=as_json)
    shown = Demo(directory, words.language, say)
    with shown.running():
        result = _with_menu(shown, session, seconds) if with_menu else shown.story(seconds)
    if as_json:
        show.as_json(dataclasses.asdict(result))
    else:
        _summary(words, result)
    sys.exit(0 if not result.troubles and result.ours and result.ours == result.theirs else 1)


def _with_menu(shown: Demo, session: Session, seconds: float) -> Result:
    """The story runs behind the menu; leaving the menu waits for its end."""
    from agent.menu.app import run

    teller = threading.Thread(target=shown.story, args=(seconds,), daemon=True)
    teller.start()
    run(shown.desk.socket_path, session.words.language)
    click.echo(session.words("the story ends: closing the day, comparing both sides …"))
    teller.join()
    return shown.result


def _summary(words: Words, result: Result) -> None:
    equal = bool(result.ours) and result.ours == result.theirs
    click.echo()
    click.secho(words("What happened"), bold=True)
    click.echo(words("  sold        {sold} transactions, journalled before each acknowledgement", sold=result.sold))
    click.echo(words("  offline     {unsent} entries waited for the network", unsent=result.offline_unsent))
    click.echo(
        words("  list        number {number}, {count} transactions", number=result.list_number, count=result.list_count)
    )
    click.secho(
        words(
            "  both sides  {ours} and {theirs} entries: ",
            ours=result.ours.get("cursor"),
            theirs=result.theirs.get("cursor"),
        )
        + words("the same, byte for byte" if equal else "NOT THE SAME"),
        fg="green" if equal else "red",
    )
    click.echo(
        words("  pictures    {count} papers in {path}", count=len(result.papers), path=Path(result.directory) / "paper")
    )
    for trouble in result.troubles:
        click.secho(f"  ✘ {trouble}", fg="red")
    click.echo(
        words("Look again: slipkeeper --config {path} journal verify", path=Path(result.directory) / "slipkeeper.toml")
    )
