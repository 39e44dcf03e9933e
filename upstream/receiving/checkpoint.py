"""Moves SQLite's write-ahead log into the file, with every writer held off.

SQLite before 3.51.3 can damage a WAL database when one connection checkpoints while another commits
(https://sqlite.org/wal.html#walresetbug), and every Debian 12 has such a one. So no connection checkpoints by itself
(`wal_autocheckpoint=0` in the settings): we do, on a connection of its own, while another one holds the write lock.
That keeps writers of other processes off as well. The holder writes nothing, so that the next writer finds the log
spent and starts it over (`journal_size_limit` then cuts the file).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

from django.db import Error as DatabaseError
from django.db import connection

from upstream.database import writing

_log: Final = logging.getLogger("upstream.receiving")
_DUE_BYTES: Final = 4 * 1024 * 1024
_ONE_AT_A_TIME: Final = threading.Lock()


def when_due(limit_bytes: int = _DUE_BYTES) -> bool:
    """Checkpoint when the log has grown enough. Whether it did."""
    if connection.vendor != "sqlite" or not _ONE_AT_A_TIME.acquire(blocking=False):
        return False
    try:
        file = Path(connection.settings_dict["NAME"])
        log = file.with_name(file.name + "-wal")
        if not log.exists() or log.stat().st_size < limit_bytes:
            return False
        _checkpoint(file)
    except (sqlite3.Error, DatabaseError) as cause:  # the batch is stored; the next one tries again
        _log.warning("checkpoint failed cause=%s", cause)
        return False
    else:
        return True
    finally:
        _ONE_AT_A_TIME.release()


def _checkpoint(file: Path) -> None:
    with closing(sqlite3.connect(file, timeout=0)) as other, writing():
        other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
