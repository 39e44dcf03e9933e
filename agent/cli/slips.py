"""slipkeeper slip list|show: slips on the screen or in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli import show
from agent.cli.journal import search

if TYPE_CHECKING:
    from agent.cli.session import Session

_BINARY = frozenset({"png", "pdf", "escpos"})


@click.group()
def slip() -> None:
    """Look at slips."""


slip.add_command(search, "list")


@slip.command(name="show")
@click.argument("seq", type=int)
@click.option("--format", "form", default="text", type=click.Choice(["text", "json", "png", "html", "pdf", "escpos"]))
@click.option("--as", "how", default="original", type=click.Choice(["original", "reprint"]))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; standard output by default.")
@click.pass_obj
def show_(session: Session, seq: int, form: str, how: str, output: Path | None) -> None:
    """Show slip SEQ as text, picture or printer bytes."""
    content = session.desk.get_bytes(f"/v1/slips/{seq}", format=form, **{"as": how})
    if output is not None:
        output.write_bytes(content)
        click.echo(session.words("{bytes} bytes in {path}", bytes=len(content), path=output), err=True)
    elif form in _BINARY and sys.stdout.isatty():
        raise click.UsageError("that is no text; give --output FILE")
    else:
        sys.stdout.buffer.write(content)


__all__ = ["show", "slip"]
