"""sync.db is a memory, not a record: losing it costs a question."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.sync_state import Position, SyncState, ask_now, asked_at, directory, remembered

WHOLE = Position("j1", "up", 2, "j1.token", 5, 7, "ab", 3, "t1", "why", "forked", "t2", 4, 1)


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    state = SyncState(tmp_path)
    state.save(WHOLE)
    state.change("j2", acked_seq=9)
    state.close()
    again = SyncState(tmp_path)
    assert again.position("j1") == WHOLE
    assert again.position("j2") == Position("j2", acked_seq=9)
    assert again.position("never") == Position("never")
    assert remembered(tmp_path) == again.positions()
    again.close()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    SyncState(tmp_path).close()
    assert directory(tmp_path).stat().st_mode & 0o777 == 0o700
    assert (directory(tmp_path) / "sync.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("junk", [b"no database", b"SQLite format 3\0" + bytes(2000), b""])
def test_a_damaged_file_is_made_anew(tmp_path: Path, junk: bytes) -> None:
    directory(tmp_path).mkdir()
    (directory(tmp_path) / "sync.db").write_bytes(junk)
    state = SyncState(tmp_path)
    state.save(WHOLE)
    state.close()
    assert remembered(tmp_path) == [WHOLE]


def test_a_disk_that_takes_nothing_makes_it_forgetful_not_dumb(tmp_path: Path) -> None:
    directory(tmp_path).mkdir()
    (directory(tmp_path) / "sync.db").mkdir()  # cannot be opened, cannot be unlinked
    state = SyncState(tmp_path)
    state.save(WHOLE)
    assert state.position("j1") == WHOLE
    state.close()


def test_nothing_to_remember_is_no_error(tmp_path: Path) -> None:
    assert remembered(tmp_path) == []


def test_asking_to_send_now_changes_a_number(tmp_path: Path) -> None:
    before = asked_at(tmp_path)
    ask_now(tmp_path)
    first = asked_at(tmp_path)
    os.utime(tmp_path / "sync.now", ns=(first - 10, first - 10))
    ask_now(tmp_path)
    assert before == 0 < first <= asked_at(tmp_path)
