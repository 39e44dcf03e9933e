"""slipkeeper journal verify|show|search|export|rebuild: the journal as a technician or an auditor sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli import show
from agent.errors import Refused

if TYPE_CHECKING:
    from agent.cli.session import Session
    from agent.entries import Entry


@click.group()
def journal() -> None:
    """Read the journal: it is never changed here."""


@journal.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def verify(session: Session, as_json: bool) -> None:
    """Prove every journal of this box whole: numbers, hashes, stored columns, raw slips."""
    from agent.verify import journals
    from agent.verify import verify as prove

    results = [prove(path) for path in journals(session.config.state)]
    if as_json:
        show.as_json([result.plain() for result in results])
    else:
        for result in results:
            click.secho("✔ " if result.whole else "✘ ", fg="green" if result.whole else "red", nl=False)
            click.echo(
                session.words(
                    "{path}: {entries} entries, head {head}",
                    path=result.path,
                    entries=result.entries,
                    head=result.head[:16],
                )
            )
            for trouble in result.troubles[:20]:
                click.echo(f"  {trouble}")
    if not results or not all(result.whole for result in results):
        raise Refused(
            "the journal is not whole" if results else "there is no journal here",
            "keep the files as they are and compare with upstream" if results else "slipkeeper run starts one",
        )


@journal.command(name="show")
@click.option("--after", default=0, help="Begin behind this number.")
@click.option("--limit", default=20, show_default=True)
@click.option("--last", is_flag=True, help="The newest entries.")
@click.option("--kind", help="Only entries of this kind.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are stored.")
@click.pass_obj
def show_(session: Session, after: int, limit: int, last: bool, kind: str | None, as_json: bool) -> None:
    """Show entries as they stand."""
    from agent.succession import History

    history = History(session.config.state)
    if last:
        after = max(0, history.last() - limit)
    shown: list[tuple[int, Entry]] = []
    while len(shown) < limit and (found := history.entries(after, 500)):
        shown += [(number, entry) for number, entry in found if kind in {None, entry.kind}]
        after = found[-1][0]
    for number, entry in shown[:limit]:
        if as_json:
            click.echo(entry.wire().decode())
            continue
        about = " ".join(f"{name}={value}" for name, value in entry.body.items() if name not in {"text", "totals"})
        click.echo(f"{number:>6}  {entry.at}  ", nl=False)
        click.secho(f"{entry.kind:<12}", fg="cyan", nl=False)
        click.echo(f" {entry.source:<12} {about[:160]}")


@journal.command()
@click.argument("text", nargs=-1)
@click.option("--day", default="", help="Only this business day.")
@click.option("--limit", default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def search(session: Session, text: tuple[str, ...], day: str, limit: int, as_json: bool) -> None:
    """Find payments: amount, time, last four, trace number, reference or words; all must match."""
    found = session.desk.get("/v1/transactions", text=" ".join(text), day=day, limit=limit)["transactions"]
    if as_json:
        show.as_json(found)
        return
    words = session.words
    show.table(
        [words("No."), words("Time"), words("Type"), words("Amount"), words("Card"), words("Trace"), words("Outcome")],
        [
            [
                t["seq"],
                t.get("terminal_time", t["at"]).replace("T", " "),
                words(t.get("transaction_type", "other")),
                show.money(t),
                t.get("card_masked", "")[-4:],
                t.get("trace_no", ""),
                words(t.get("outcome", "unknown")),
            ]
            for t in found
        ],
        right=[0, 3],
    )


@journal.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.pass_obj
def export(session: Session, file: Path) -> None:
    """Write all entries to FILE, one line each, with a first line that names the journal and its head."""
    from agent.journal import Reader
    from agent.succession import current_path

    reader = Reader(current_path(session.config.state))
    head, meta = reader.head(), reader.meta()
    with click.open_file(str(file), "w", encoding="utf-8") as out:
        first = {
            "journal_id": head.journal_id,
            "parent_head": meta["parent_head"],
            "entries": head.seq,
            "head": head.hash.hex(),
        }
        out.write(json.dumps(first, sort_keys=True) + "\n")
        after = 0
        while after < head.seq:
            for entry, _ in reader.entries(after, min(500, head.seq - after)):
                out.write(entry.wire().decode() + "\n")
                after = entry.seq
    click.echo(session.words("{entries} entries, head {head}", entries=head.seq, head=head.hash.hex()[:16]), err=True)


@journal.command()
@click.pass_obj
def rebuild(session: Session) -> None:
    """Throw the index away and compute it again from the journal (the keeper must not be running)."""
    from agent.index import FILE, Index
    from agent.journal import only_writer
    from agent.succession import History, current_path

    state = session.config.state
    with only_writer(current_path(state).parent):
        for name in (FILE, FILE + "-wal", FILE + "-shm"):
            (state / name).unlink(missing_ok=True)
        index = Index(state, History(state))
        click.echo(session.words("{entries} entries projected", entries=index.catch_up()))
        index.close()
