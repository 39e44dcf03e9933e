"""Words on a command line into calls. The only place that prints; each command's module is imported when it is used."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import click

from agent import __version__
from agent.cli.session import Session
from agent.errors import SlipkeeperError

# command → where it is; the help of the whole tool must not import the whole tool
_COMMANDS: Final = {
    "config": "agent.cli.settings:config",
    "day": "agent.cli.days:day",
    "decode": "agent.cli.drivers:decode",
    "demo": "agent.cli.demo:demo",
    "doctor": "agent.cli.doctor:doctor",
    "drivers": "agent.cli.drivers:drivers",
    "enroll": "agent.cli.sync:enroll",
    "journal": "agent.cli.journal:journal",
    "menu": "agent.cli.counter:menu",
    "print": "agent.cli.printing:print_",
    "reprint": "agent.cli.counter:reprint",
    "run": "agent.cli.run:run",
    "slip": "agent.cli.slips:slip",
    "status": "agent.cli.counter:status",
    "sync": "agent.cli.sync:sync",
}
_GROUP: Final = "slipkeeper.commands"


class _Lazy(click.Group):
    """Knows its commands by name, and commands of other packages by entry point (`upstream` is one)."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's words
        return sorted(
            {name for name, place in _COMMANDS.items() if place} | {e.name for e in entry_points(group=_GROUP)}
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's words
        place = _COMMANDS.get(cmd_name)
        if place:
            module, _, attribute = place.partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        for entry in entry_points(group=_GROUP):
            if entry.name == cmd_name:
                loaded: click.Command = entry.load()
                return loaded
        return None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="slipkeeper")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file (TOML).")
@click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    help="Language of messages; else SLIPKEEPER_LANG, the configuration, LANG.",
)
@click.option("--debug", is_flag=True, help="Tracebacks and detailed logs.")
@click.pass_context
def slipkeeper(ctx: click.Context, config_path: Path | None, lang: str | None, debug: bool) -> None:
    """Keeps the slips of card terminals. 刷卡终端的签购单保管员."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    ctx.obj = Session(config_path, lang, debug=debug)


def main() -> None:
    """The `slipkeeper` command. Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 the world, try later."""
    debug = "--debug" in sys.argv
    try:
        code: Any = slipkeeper(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except SlipkeeperError as error:
        if debug:
            raise
        session = click.get_current_context(silent=True)
        words = session.obj.words if session is not None else Session(None, _language(), debug=False).words
        what, hint = words.error(error)
        click.echo(what, err=True)
        if hint:
            click.echo(f"→ {hint}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _language() -> str | None:
    """--lang as typed: when an error leaves click, its context is gone."""
    words = sys.argv[1:]
    if "--lang" in words[:-1]:
        return words[words.index("--lang") + 1]
    return next((word.partition("=")[2] for word in words if word.startswith("--lang=")), None)
