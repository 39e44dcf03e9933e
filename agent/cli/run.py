"""slipkeeper run: the keeper and the courier, each a process of its own; systemd runs them one by one."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from agent.cli.session import Session
    from agent.forever import Stop

_log: Final = logging.getLogger("slipkeeper.run")
_CALM_S: Final = 30.0  # a child that lived so long starts again at once


@click.group(invoke_without_command=True)
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run keeper and courier together, or one of them."""
    if ctx.invoked_subcommand is None:
        session: Session = ctx.obj
        names = ["keeper"] + (["courier"] if session.config.upstream.url else [])
        sys.exit(supervise([command(session.config_path, name) for name in names]))


@run.command()
@click.pass_obj
def keeper(session: Session) -> None:
    """The process with devices, journal and desk."""
    from agent.keeper import Keeper

    sys.exit(Keeper(session.config, _stop_by_signal()).run())


@run.command()
@click.pass_obj
def courier(session: Session) -> None:
    """The process with the network: sync, mails, alarms."""
    from agent import courier as role

    role.run(session.config, _stop_by_signal())


def _stop_by_signal() -> Stop:
    from agent.forever import Stop

    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.stop())
    return stop


def command(config_path: Path, name: str) -> list[str]:
    """How to start one of our processes with this interpreter."""
    return [sys.executable, "-m", "agent.cli", "--config", str(config_path), "run", name]


def supervise(commands: list[list[str]]) -> int:
    """Keeps every command running until we are told to stop. What systemd does elsewhere, for a desk or a demo."""
    stop = _stop_by_signal()
    children: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
    waits = [0.0] * len(commands)
    while not stop.stopped:
        now = time.monotonic()
        for place, words in enumerate(commands):
            child = children.get(place)
            if child is not None and child[0].poll() is None:
                continue
            if child is not None:
                lived_s = now - child[1]
                waits[place] = 0.2 if lived_s > _CALM_S else min(10.0, max(0.2, waits[place] * 2))
                _log.warning("%s ended with %s, starting again", words[-1], child[0].returncode)
                if child[0].returncode == 2:  # a wrong configuration does not get better by itself
                    _end(children)
                    return 2
                stop.sleep(waits[place])
            if not stop.stopped:
                children[place] = (subprocess.Popen(words, env=os.environ.copy()), now)  # noqa: S603 - our own words
        stop.sleep(0.2)
    return _end(children)


def _end(children: dict[int, tuple[subprocess.Popen[bytes], float]]) -> int:
    for child, _ in children.values():
        child.terminate()
    for child, _ in children.values():
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
    return 0
