"""Keeps the projections up with the entries: reads behind a bookmark, merges, moves the bookmark in the same commit.

Rebuilding is the same walk from the beginning, so rebuilt rows equal live ones. Nothing here may stop an entry from
being stored: it runs after the commit, and a failure leaves the bookmark where it was.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from typing import Any, Final

from upstream.database import Value, locked, maybe_row, rows, run, run_many, writing
from upstream.ledger.project import (
    DESCRIBED,
    FACTS,
    Heard,
    Part,
    Transaction,
    identity_of,
    maybe_heard,
    maybe_part,
    merge,
)
from upstream.receiving.inspection import REPORTS, inspect_line, readable

_log: Final = logging.getLogger("upstream.ledger")
_STEP: Final = 1000  # entries a commit

_SITE: Final = "SELECT since FROM site WHERE site_id = %s"
_BEHIND: Final = """
SELECT cursor, coalesce((SELECT seq FROM ledger_bookmark b WHERE b.site_id = j.site_id
 AND b.journal_id = j.journal_id), 0) FROM journal j WHERE site_id = %s AND journal_id = %s"""
_ALL_BEHIND: Final = """
SELECT j.site_id, j.journal_id FROM journal j LEFT JOIN ledger_bookmark b ON b.site_id = j.site_id
 AND b.journal_id = j.journal_id WHERE j.cursor > coalesce(b.seq, 0)"""
_ENTRIES: Final = """
SELECT seq, kind, body FROM entry WHERE site_id = %s AND journal_id = %s AND seq > %s AND seq <= %s ORDER BY seq
LIMIT %s"""
_ENTRY: Final = "SELECT body FROM entry WHERE site_id = %s AND journal_id = %s AND seq = %s"
_PARTS: Final = "SELECT parts FROM ledger_transaction WHERE site_id = %s AND identity = %s"
_BOOKMARK: Final = """
INSERT INTO ledger_bookmark (site_id, journal_id, seq) VALUES (%s, %s, %s)
ON CONFLICT (site_id, journal_id) DO UPDATE SET seq = excluded.seq"""
_TERMINAL: Final = """
INSERT INTO ledger_terminal (site_id, journal_id, source, last_at, terminal_id, merchant_id, merchant_name)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site_id, journal_id, source) DO UPDATE SET last_at = excluded.last_at,
 terminal_id = coalesce(excluded.terminal_id, ledger_terminal.terminal_id),
 merchant_id = coalesce(excluded.merchant_id, ledger_terminal.merchant_id),
 merchant_name = coalesce(excluded.merchant_name, ledger_terminal.merchant_name)"""
_COLUMNS: Final = ("journal_id", "seq", "at", "day", "sources", "parts", "copies", "conflicts", "disputed", *FACTS)
_TRANSACTION: Final = (
    f"INSERT INTO ledger_transaction (site_id, identity, {', '.join(_COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES (%s, %s{', %s' * len(_COLUMNS)}) ON CONFLICT (site_id, identity) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
)
_FORGET: Final = (
    "DELETE FROM ledger_transaction",
    "DELETE FROM ledger_terminal",
    "DELETE FROM ledger_bookmark",
    "DELETE FROM quarantine",
)
_ODD: Final = """
INSERT INTO quarantine (site_id, journal_id, seq, code, detail) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (site_id, journal_id, seq) DO UPDATE SET code = excluded.code, detail = excluded.detail"""


def follow_safely(site_id: str, journal_id: str) -> bool:
    """Catch up. A failure is logged and tried again with the next batch: the entries themselves are stored."""
    try:
        follow(site_id, journal_id)
    except Exception:  # noqa: BLE001 - whatever is wrong with a projection, the agent's batch was taken
        _log.exception("projection failed site=%s journal=%s", site_id, journal_id)
        return False
    return True


def catch_up() -> None:
    """After a start: project what was stored when the last process ended in between."""
    for site_id, journal_id in rows(_ALL_BEHIND):
        follow_safely(site_id, journal_id)


def follow(site_id: str, journal_id: str) -> int:
    """Project every entry behind the bookmark. How many there were."""
    done = 0
    while step := _follow_step(site_id, journal_id):
        done += step
    return done


def _follow_step(site_id: str, journal_id: str) -> int:
    with writing():
        # One projector a site at a time: two journals may tell of the same payment.
        rows(_SITE + locked(), site_id)
        behind = maybe_row(_BEHIND, site_id, journal_id)
        if behind is None or behind[0] <= behind[1]:
            return 0
        upto = min(behind[1] + _STEP, behind[0])
        _project(site_id, journal_id, rows(_ENTRIES, site_id, journal_id, behind[1], upto, _STEP))
        run(_BOOKMARK, site_id, journal_id, upto)
        return int(upto - behind[1])


def _project(site_id: str, journal_id: str, found: list[tuple[Any, ...]]) -> None:
    parts: dict[str, list[Part]] = defaultdict(list)
    terminals: dict[str, Heard] = {}
    for _seq, kind, body in found:
        entry = readable(body.encode()) if kind in REPORTS else None
        if entry is None:
            continue
        if heard := maybe_heard(entry):
            before = terminals.get(heard.source, heard)
            terminals[heard.source] = Heard(heard.source, heard.at, {**before.facts, **heard.facts})
        if part := maybe_part(journal_id, entry):
            parts[identity_of(journal_id, entry, part.facts)].append(part)
    for heard in terminals.values():
        run(_TERMINAL, site_id, journal_id, heard.source, heard.at, *(heard.facts.get(name) for name in DESCRIBED))
    for identity, new in parts.items():
        whole = merge(identity, [*_held_parts(site_id, identity), *new])
        run(_TRANSACTION, site_id, identity, *_row(whole))


def _held_parts(site_id: str, identity: str) -> list[Part]:
    row = maybe_row(_PARTS, site_id, identity)
    parts = []
    for journal_id, seq in json.loads(row[0]) if row else ():
        found = maybe_row(_ENTRY, site_id, journal_id, seq)
        entry = readable(found[0].encode()) if found else None
        if entry and (part := maybe_part(journal_id, entry)):
            parts.append(part)
    return parts


def _row(whole: Transaction) -> list[Value]:
    first = whole.first
    parts = json.dumps([[part.journal_id, part.seq] for part in whole.parts], separators=(",", ":"))
    row: list[Value] = [first.journal_id, first.seq, first.at, first.day, ",".join(whole.sources), parts]
    row += [whole.copies, whole.conflicts, ",".join(whole.disputed)]
    return row + [whole.facts.get(name) for name in FACTS]


def rebuild() -> dict[str, int]:
    """Throw every projection away and make it again; look at every entry anew for quarantine. Counts."""
    with writing():
        for statement in _FORGET:
            run(statement)
    done = {"journals": 0, "entries": 0, "quarantined": 0}
    for site_id, journal_id in rows("SELECT site_id, journal_id FROM journal ORDER BY enrolled_at, journal_id"):
        done["journals"] += 1
        done["entries"] += follow(site_id, journal_id)
        done["quarantined"] += _look_again(site_id, journal_id)
    return done


def _look_again(site_id: str, journal_id: str) -> int:
    after = odd = 0
    while found := rows(_ENTRIES, site_id, journal_id, after, 2**62, _STEP):
        after = found[-1][0]
        facts = [(seq, inspect_line(body.encode()).oddity) for seq, _kind, body in found]
        strange = [(site_id, journal_id, seq, oddity.code, oddity.detail) for seq, oddity in facts if oddity]
        odd += len(strange)
        with writing():
            run_many(_ODD, strange)
    return odd
