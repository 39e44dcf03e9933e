"""`python -m upstream …`: the same commands as `slipkeeper upstream …`, for a machine that only receives."""

from __future__ import annotations

import sys

import click

from agent.errors import SlipkeeperError
from upstream.cli import commands


def main() -> int:
    try:
        commands.main(standalone_mode=False)
    except SlipkeeperError as error:
        click.echo(str(error), err=True)
        if error.hint:
            click.echo(error.hint.format(**error.values) if error.values else error.hint, err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
