"""What a person must look at. The same alarm is said once and then counted.

`seq` says where: of a gap, the last number that is missing here, so that the alarm is over when the cursor passes it.
"""

from __future__ import annotations

from typing import Final

from upstream.database import run

_RAISE: Final = """
INSERT INTO alarm (site_id, journal_id, code, seq, first_at, last_at, count, detail)
VALUES (%s, %s, %s, %s, %s, %s, 1, %s)
ON CONFLICT (site_id, journal_id, code, seq) DO UPDATE SET last_at = excluded.last_at, count = alarm.count + 1"""


def raise_alarm(site_id: str, journal_id: str, code: str, seq: int, now: str, detail: str = "") -> None:
    """Codes: gap, fork, pan, clone (somebody tried to enrol a journal again), successor (a journal follows)."""
    run(_RAISE, site_id, journal_id, code, seq, now, now, detail)
