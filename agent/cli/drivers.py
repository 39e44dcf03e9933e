"""slipkeeper drivers, slipkeeper decode: which drivers there are, and what one makes of a file of captured bytes."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent import plugins
from agent.cli import show
from agent.contract import Mode, Side
from agent.errors import UsageError

if TYPE_CHECKING:
    from agent.cli.session import Session

_CHUNK = 65536


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def drivers(session: Session, as_json: bool) -> None:
    """List installed drivers of terminals and printers."""
    words = session.words
    rows = [_told("terminal", name) for name in plugins.names(plugins.TERMINALS)]
    rows += [_told("printer", name) for name in plugins.names(plugins.PRINTERS)]
    if as_json:
        show.as_json(rows)
        return
    for row in rows:
        modes = row.get("modes") or row.get("charsets") or []
        click.secho(f"{row['name']}  ", bold=True, nl=False)
        click.echo(f"{words(str(row['kind']))}  [{', '.join(map(str, modes))}]")
        click.echo(f"  {row['summary']}")
        for name, setting in row.get("settings", {}).items():
            click.echo(f"    {name} = {json.dumps(setting['default'])}  {setting['why']}")


def _told(kind: str, name: str) -> dict[str, Any]:
    """What a driver says of itself; one that cannot be loaded is listed with the reason."""
    row: dict[str, Any] = {"kind": kind, "name": name}
    try:
        if kind == "printer":
            printer = plugins.printer(name)
            return row | {"summary": printer.summary, "charsets": list(printer.charsets)}
        driver = plugins.terminal(name)
    except UsageError as error:
        return row | {"summary": str(error), "broken": True}
    settings = {s.name: {"default": s.default, "why": s.why, "choices": list(s.choices)} for s in driver.settings}
    return row | {"summary": driver.summary, "modes": sorted(driver.modes), "settings": settings}


@click.command()
@click.argument("driver")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
@click.option("--mode", help="Place on the line; the driver's simplest one by default.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the driver.")
@click.option("--hex", "is_hex", is_flag=True, help="The file holds hex digits; blanks and # comments are skipped.")
def decode(driver: str, file: Path, mode: str | None, settings: tuple[str, ...], is_hex: bool) -> None:
    """Print what DRIVER reads in FILE, one JSON object a line per report; "-" reads standard input."""
    chosen = plugins.terminal(driver)
    modes = {m.value for m in chosen.modes}
    if mode is not None and mode not in modes:
        raise UsageError(
            "{driver} cannot be {mode}", "it can be: " + ", ".join(sorted(modes)), driver=driver, mode=mode
        )
    place = (
        Mode(mode)
        if mode
        else next(m for m in (Mode.PRINTER, Mode.TAP, Mode.ECR, Mode.PROXY, Mode.DROP) if m in chosen.modes)
    )
    conversation = chosen.converse(place, _settings(settings, {s.name: s.default for s in chosen.settings}))
    data = _read(file, is_hex=is_hex or file.suffix in {".hex", ".trace"})
    found = 0
    for start in range(0, len(data), _CHUNK):
        for report in conversation.receive(data[start : start + _CHUNK], Side.TERMINAL):
            found += _print(report.kind.value, report.key, dict(report.fields))
            conversation.confirm(report)
    for report in conversation.wake(math.inf):
        found += _print(report.kind.value, report.key, dict(report.fields))
    click.echo(f"{found} reports from {len(data)} bytes", err=True)


def _print(kind: str, key: str, fields: dict[str, object]) -> int:
    click.echo(json.dumps({"kind": kind, "key": key, **fields}, ensure_ascii=False))
    return 1


def _read(file: Path, *, is_hex: bool) -> bytes:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as cause:
        raise UsageError("{file} cannot be read: {cause}", "", file=str(file), cause=cause.strerror or "") from cause
    if not is_hex:
        return data
    digits = "".join(line.partition(b"#")[0].decode("ascii", "replace").strip(" <>\t\r") for line in data.split(b"\n"))
    try:
        return bytes.fromhex(digits)
    except ValueError as cause:
        raise UsageError("{file} holds no hex digits", "leave out --hex for a binary file", file=str(file)) from cause


def _settings(given: tuple[str, ...], known: dict[str, str | int | bool]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for item in given:
        name, _, text = item.partition("=")
        if name not in known:
            raise UsageError("the driver has no setting {name}", "it has: " + ", ".join(known), name=name)
        default = known[name]
        settings[name] = (
            text if isinstance(default, str) else (text == "true" if isinstance(default, bool) else int(text))
        )
    return settings
