"""What is not as it was written is found: by bit flips at random, by people with a shell on purpose."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from agent.entries import Entry, link, parse
from agent.errors import SlipkeeperError
from agent.journal import FILE, Journal, Reader
from agent.succession import remember
from agent.verify import Result, journals, verify
from tests.conftest import OpenJournal
from tests.fakes.drafts import notice, sale

FLIPS = 400


def everything(path: Path) -> list[tuple]:
    """Every row of the file, as far as SQLite gives them out. Raises what SQLite raises."""
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    connection.text_factory = bytes
    try:
        rows: list[tuple] = []
        for table in ("meta", "entries", "raw"):
            rows += connection.execute(f"select * from {table} order by 1").fetchall()
        return rows
    finally:
        connection.close()


@pytest.fixture
def at_rest(journal: Journal) -> Path:
    """A journal of many kinds of entries, checkpointed and closed, its log gone."""
    for number in range(120):
        raw = None if number % 3 else f"\x1b@ slip {number}\n".encode() * 20
        journal.append([sale(number, raw=raw), notice(f"n{number}", {"text": "通信故障"})])
    journal.checkpoint()
    journal.close()
    assert verify(journal.path).whole
    return journal.path


def flipped(path: Path, where: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    where.write_bytes(data)


def test_no_flipped_bit_that_changes_a_row_goes_unnoticed(at_rest: Path, tmp_path: Path):
    """And the control: SQLite's own check alone misses nearly all of them."""
    honest = everything(at_rest)
    dice = random.Random(2026)
    copy = tmp_path / "copy.db"
    changed = unreadable = missed_by_sqlite = found_beyond = 0
    for bit in dice.sample(range(at_rest.stat().st_size * 8), FLIPS):
        flipped(at_rest, copy, bit)
        result = verify(copy)
        try:
            now = everything(copy)
        except (sqlite3.Error, OverflowError, UnicodeDecodeError):
            unreadable += 1
            assert not result.whole, f"bit {bit}: SQLite cannot read it, verify says it is whole"
            continue
        if now == honest:
            found_beyond += not result.whole  # an index, a guard, the structure
            continue
        changed += 1
        assert not result.whole, f"bit {bit} changed a row unnoticed"
        connection = sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)
        try:
            missed_by_sqlite += connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        except sqlite3.DatabaseError:
            pass
        finally:
            connection.close()
    assert changed > FLIPS / 2
    assert missed_by_sqlite > changed * 0.8
    assert unreadable + found_beyond > 0


def test_a_bit_of_the_log_that_was_never_checkpointed(journal: Journal, tmp_path: Path):
    """SQLite drops a log from the first frame that fails its checksum: the newest entries are missing, not changed."""
    for number in range(40):
        journal.append([sale(number)])
    honest = everything_of(journal)
    dice = random.Random(7)
    log = journal.path.with_name(FILE + "-wal").read_bytes()
    for round_, bit in enumerate(dice.sample(range(32 * 8, len(log) * 8), 60)):
        copy = tmp_path / f"c{round_}"
        copy.mkdir()
        shutil.copy(journal.path, copy / FILE)
        spoilt = bytearray(log)
        spoilt[bit // 8] ^= 1 << bit % 8
        (copy / (FILE + "-wal")).write_bytes(spoilt)
        result = verify(copy / FILE)
        if result.whole:
            connection = sqlite3.connect(copy / FILE)
            found = connection.execute("select seq, line, hash from entries order by seq").fetchall()
            connection.close()
            assert found == honest[: len(found)], "verify said whole, yet a row is another"
        shutil.rmtree(copy)


def everything_of(journal: Journal) -> list[tuple]:
    reader = Reader(journal.path)
    found = [(row.seq, row.line, row.hash) for row in reader.stored(0, 1000)]
    reader.close()
    return found


# -- people (faults.md §2) -----------------------------------------------------------------------------------------

UNGUARDED = "drop trigger if exists {}"
GUARDS = ("entries_stay", "entries_never_change", "entries_follow", "raw_stays", "raw_never_changes")


def attack(path: Path, *statements: str, restore: bool = True) -> None:
    """Takes the guards off, changes, and puts the guards back as if nothing had happened."""
    connection = sqlite3.connect(path, isolation_level=None)
    guards = [row[0] for row in connection.execute("select sql from sqlite_master where type = 'trigger'")]
    for name in GUARDS:
        connection.execute(UNGUARDED.format(name))
    for statement in statements:
        connection.execute(statement)
    if restore:
        for guard in guards:
            connection.execute(guard)
    connection.close()


LINE_49 = "update entries set {} where seq = 49"
ATTACKS = {
    "change an amount, leave the hashes": LINE_49.format(
        "line = cast(replace(cast(line as text), '\"amount_minor\":100', '\"amount_minor\":900') as blob)"
    ),
    "swap two lines": "update entries set line = (select line from entries where seq = 51) where seq = 49",
    "delete a row in the middle": "delete from entries where seq = 50",
    "delete the first row": "delete from entries where seq = 1",
    "another kind in the column": LINE_49.format("kind = 'notice'"),
    "another source in the column": LINE_49.format("source = 'kiosk'"),
    "another key in the column": LINE_49.format("key = 'x'"),
    "another day in the column": LINE_49.format("day = '2026-11-23'"),
    "another time in the column": LINE_49.format("at = '2026-11-22T04:00:00.999Z'"),
    "another digest": LINE_49.format("digest = zeroblob(32)"),
    "another hash": LINE_49.format("hash = zeroblob(32)"),
    "no line at all": LINE_49.format("line = x''"),
    "another paper": "update raw set data = x'00' where seq = 1",
    "another paper with its digest": "update raw set data = x'00',"
    " sha256 = x'6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d' where seq = 1",
    "no paper any more": "delete from raw where seq = 1",
    "a paper nobody told of": "insert into raw(seq, sha256, data) select 2, sha256, data from raw where seq = 1",
    "another journal id": "update meta set value = 'f' where name = 'journal_id'",
    "another parent": "update meta set value = '00' where name = 'parent_head'",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_tampering_a_chain_alone_catches(at_rest: Path, name: str):
    attack(at_rest, ATTACKS[name])
    result = verify(at_rest)
    assert not result.whole
    assert result.troubles


def test_the_control_an_attack_that_changes_nothing(at_rest: Path):
    attack(at_rest, "update entries set line = line where seq = 50")
    assert verify(at_rest).whole


def test_where_the_trouble_is_said(at_rest: Path):
    attack(at_rest, ATTACKS["change an amount, leave the hashes"])
    assert any("entry 49" in trouble for trouble in verify(at_rest).troubles)
    assert verify(at_rest).entries == 240  # one damaged line does not end the proof


def test_a_rewritten_tail_needs_an_anchor_outside(at_rest: Path):
    """What a chain cannot say, so that nobody believes it: all hashes recomputed is whole. Upstream catches it."""
    reader = Reader(at_rest)
    prev, found = reader.hash_at(199), reader.stored(199, 100)
    reader.close()
    assert prev is not None
    connection = sqlite3.connect(at_rest, isolation_level=None)
    for name in GUARDS:
        guard = connection.execute("select sql from sqlite_master where name = ?", (name,)).fetchone()[0]
        if name == "entries_never_change":
            kept = guard
            connection.execute(UNGUARDED.format(name))
    for row in found:
        line = (row.line or b"").replace(b'"amount_minor":100', b'"amount_minor":900')
        entry: Entry = parse(line)
        prev = link(prev, entry.seq, entry.kind, entry.at, entry.digest)
        connection.execute(
            "update entries set line = ?, digest = ?, hash = ? where seq = ?", (line, entry.digest, prev, entry.seq)
        )
    connection.execute(kept)
    connection.close()
    assert verify(at_rest).whole


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_taken_off_is_told(at_rest: Path, guard: str):
    connection = sqlite3.connect(at_rest)
    connection.execute(UNGUARDED.format(guard))
    connection.close()
    assert verify(at_rest).troubles == [f"{guard} is missing from the file"]


def test_a_guard_that_guards_nothing_is_told(at_rest: Path):
    connection = sqlite3.connect(at_rest)
    connection.execute(UNGUARDED.format("entries_stay"))
    connection.execute("create trigger entries_stay before delete on entries begin select 1; end")
    connection.close()
    assert verify(at_rest).troubles == ["entries_stay was changed in the file"]


def test_an_index_that_lost_a_row_is_told(at_rest: Path):
    """Without it a repeat would not be recognised, and the sale would be counted twice."""
    connection = sqlite3.connect(at_rest)
    connection.execute("pragma writable_schema = on")
    (root,) = connection.execute("select rootpage from sqlite_master where name = 'identity'").fetchone()
    (size,) = connection.execute("pragma page_size").fetchone()
    connection.close()
    data = bytearray(at_rest.read_bytes())
    start = (root - 1) * size
    cells = int.from_bytes(data[start + 3 : start + 5], "big")
    data[start + 3 : start + 5] = (cells - 1).to_bytes(2, "big")
    at_rest.write_bytes(data)
    assert any(trouble.startswith("SQLite: ") for trouble in verify(at_rest).troubles)


# -- the rest ------------------------------------------------------------------------------------------------------


def test_only_the_newest(at_rest: Path):
    attack(at_rest, LINE_49.format("line = x'00'"))
    assert not verify(at_rest).whole
    newest = verify(at_rest, 100)
    assert (newest.whole, newest.entries) == (True, 100)
    assert not verify(at_rest, 200).whole
    assert verify(at_rest, 10_000).entries == 240


def test_beside_a_writer(journal: Journal):
    for number in range(20):
        journal.append([sale(number)])
        assert verify(journal.path).entries == number + 1
    assert verify(journal.path).plain() == {
        "path": str(journal.path),
        "journal_id": journal.head.journal_id,
        "entries": 20,
        "head": journal.head.hash.hex(),
        "troubles": [],
        "whole": True,
    }


def test_an_empty_journal_is_whole(journal: Journal):
    assert verify(journal.path).whole


@pytest.mark.parametrize("content", [b"", b"nothing", b"SQLite format 3\0" + b"\0" * 4000])
def test_what_is_no_journal(tmp_path: Path, content: bytes):
    path = tmp_path / FILE
    path.write_bytes(content)
    assert not verify(path).whole
    assert not verify(tmp_path / "nowhere").whole
    assert path.read_bytes() == content


def test_every_journal_of_a_box(tmp_path: Path, open_journal_at: OpenJournal):
    for name in ("former/0002-journal", "journal", "former/0001-journal"):
        open_journal_at(tmp_path / name).append([sale(1)])
    assert [path.parent.name for path in journals(tmp_path)] == ["0001-journal", "0002-journal", "journal"]
    assert all(verify(path).whole for path in journals(tmp_path))


def test_a_cut_end_shows_in_what_the_box_remembers(journal: Journal):
    journal.append([sale(n) for n in range(1, 11)])
    state = journal.path.parent.parent
    remember(state, journal.head)
    assert verify(journal.path).whole
    attack(journal.path, "delete from entries where seq > 7")
    [trouble] = verify(journal.path).troubles
    assert "entry 10" in trouble


def test_a_journal_that_does_not_follow_the_one_before_it(tmp_path: Path, open_journal_at: OpenJournal):
    first = open_journal_at(tmp_path / "former" / "0001-journal")
    first.append([sale(n) for n in range(1, 11)])
    child = open_journal_at(tmp_path / "journal", parent=first.head, journal_id="c" * 32)
    child.append([sale(11)])
    first.close()
    assert all(verify(path).whole for path in journals(tmp_path))
    attack(first.path, "update entries set hash = zeroblob(32) where seq = 10")
    assert any("does not end as this one says" in trouble for trouble in verify(child.path).troubles)
    first.path.write_bytes(b"unreadable")
    assert verify(child.path).whole


def test_a_result_is_not_whole_by_default_of_trouble():
    result = Result("x")
    assert result.whole
    result.troubles.append("y")
    assert not result.whole
    assert issubclass(SlipkeeperError, Exception)
