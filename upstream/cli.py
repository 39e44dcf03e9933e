"""`slipkeeper upstream …`. Django and everything that needs it is imported by the commands, not by this file."""

# ruff: noqa: FBT001 - click hands flags over as booleans
# ruff: noqa: PLC0415 - the late imports bring Django

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from agent.errors import Refused, UsageError
from upstream.place import Place, place_of, read_listen

_LISTEN: Final = "127.0.0.1:8470"
_Command = Callable[..., Any]


def _placed(command: _Command) -> _Command:
    """The two options that say which upstream is meant."""
    command = click.option("--database", metavar="URL", default="", help="PostgreSQL instead of SQLite.")(command)
    return click.option("--data", type=click.Path(path_type=Path), metavar="DIR", help="Where things are kept.")(
        command
    )


def _shown(command: _Command) -> _Command:
    return click.option("--json", "as_json", is_flag=True, help="One JSON document.")(command)


def _boot(data: Path | None, database: str) -> Place:
    """Start Django on the place meant. Before this, nothing that has models can be imported."""
    os.umask(0o077)  # databases and keys are the owner's alone
    place = place_of(os.environ, data, database)
    place.prepare()
    place.use(os.environ)
    import django

    django.setup()
    return place


def _open(data: Path | None, database: str) -> Place:
    """The same, with the tables up to date."""
    place = _boot(data, database)
    from upstream import tables

    tables.prepare()
    return place


def _say(as_json: bool, members: dict[str, Any], *lines: str) -> None:
    for line in [json.dumps(members, ensure_ascii=False)] if as_json else lines:
        click.echo(line)


@click.group("upstream")
def commands() -> None:
    """The receiving end: takes journals in, shows them, proves them whole."""


@commands.command()
@click.option("--listen", default=_LISTEN, show_default=True, metavar="HOST:PORT", help="Port 0 takes any free one.")
@_placed
@_shown
def serve(listen: str, data: Path | None, database: str, as_json: bool) -> None:
    """Receive and show. Needs no set-up; ends by SIGTERM or Ctrl-C."""
    where = read_listen(listen)
    place = _open(data, database)
    from upstream import server, tables
    from upstream.ledger import follow

    running = server.Server(where)
    follow.catch_up()
    code = "" if tables.anybody_enrolled() else _new_code("main", "", "", long=False)
    lines = [f"upstream {running.url}", f"data     {place.directory}"]
    if code:
        lines += [f"code     {code} (once, for 15 minutes)", f"         slipkeeper enroll {running.url} {code}"]
    if not where.loopback:
        lines.append("login    pages ask for a name and password: slipkeeper upstream user add NAME")
    _say(as_json, {"url": running.url, "data": str(place.directory), "code": code, "pid": os.getpid()}, *lines)
    running.run()


@commands.command()
@_placed
@_shown
def migrate(data: Path | None, database: str, as_json: bool) -> None:
    """Bring the tables up to date (serve does this by itself)."""
    _boot(data, database)
    from upstream import tables

    count = tables.prepare()
    _say(as_json, {"applied": count}, f"{count} migration(s) applied" if count else "the tables are up to date")


@commands.command("enroll-code")
@click.option("--site", default="main", show_default=True, help="The shop the box belongs to.")
@click.option("--label", default="", help="What the box is called here, for instance: till 2.")
@click.option("--journal", default="", metavar="ID", help="Let this enrolled journal enrol again (a box set up anew).")
@click.option("--long", is_flag=True, help="140 bits, for scripts; the short one is for typing.")
@_placed
@_shown
def enroll_code(
    site: str, label: str, journal: str, long: bool, data: Path | None, database: str, as_json: bool
) -> None:
    """A code for one box: works once, for 15 minutes."""
    _open(data, database)
    code = _new_code(_site_of(journal) if journal else site, label, journal, long=long)
    _say(as_json, {"code": code, "site": site, "label": label, "journal_id": journal}, code)


def _new_code(site: str, label: str, journal: str, *, long: bool) -> str:
    from upstream.receiving.wiring import credentials

    return credentials().make_code(site, label, journal, long=long)


def _site_of(journal: str) -> str:
    from upstream.database import maybe_row

    row = maybe_row("SELECT site_id FROM journal WHERE journal_id = %s", journal)
    if row is None:
        raise UsageError("there is no journal {journal} here", "slipkeeper upstream verify lists them", journal=journal)
    return str(row[0])


@commands.command("verify")
@_placed
@_shown
def verify_all(data: Path | None, database: str, as_json: bool) -> None:
    """Recompute every chain from its first entry. Exit code 1 when one is broken."""
    _open(data, database)
    from upstream.verify import verify

    proofs = verify()
    broken = [proof for proof in proofs if not proof.whole]
    lines = [
        f"{proof.journal_id}  {proof.cursor} entries  head {proof.head[:16]}  "
        + ("whole" if proof.whole else f"BROKEN at {proof.broken_at}: {proof.why}")
        for proof in proofs
    ] or ["no journal is enrolled"]
    members = [{**dataclasses.asdict(proof), "whole": proof.whole} for proof in proofs]
    _say(as_json, {"journals": members, "whole": not broken}, *lines)
    if broken:
        raise Refused("{count} journal(s) are not whole", "keep the database file as it is", count=len(broken))


@commands.command()
@_placed
@_shown
def rebuild(data: Path | None, database: str, as_json: bool) -> None:
    """Make every projection again from the stored entries."""
    _open(data, database)
    from upstream.ledger import follow

    done = follow.rebuild()
    _say(as_json, dict(done), "{entries} entries of {journals} journal(s), {quarantined} read oddly".format(**done))


@commands.group("user")
def user() -> None:
    """People who may read the pages."""


@user.command("add")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@_placed
def user_add(name: str, password_stdin: bool, data: Path | None, database: str) -> None:
    """Add a person, or give one a new password."""
    _open(data, database)
    from upstream import people

    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    new = people.add(name, password)
    click.echo(f"{name} may log in ({'added' if new else 'new password'})")


@user.command("disable")
@click.argument("name")
@_placed
def user_disable(name: str, data: Path | None, database: str) -> None:
    """Let a person in no more."""
    _open(data, database)
    from upstream import people

    people.disable(name)
    click.echo(f"{name} may not log in")


@user.command("list")
@_placed
@_shown
def user_list(data: Path | None, database: str, as_json: bool) -> None:
    """Everybody who ever could log in."""
    _open(data, database)
    from upstream import people

    found = people.everybody()
    lines = [f"{person.name}  {'active' if person.active else 'disabled'}  last {person.last_at}" for person in found]
    _say(as_json, {"users": [dataclasses.asdict(person) for person in found]}, *(lines or ["nobody yet"]))
