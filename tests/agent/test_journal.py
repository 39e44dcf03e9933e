"""The journal, as somebody sees it who wants to lose a payment."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import Stamper
from agent.entries import Draft, Kind, genesis, link, parse
from agent.errors import DamagedJournal, NotRecorded, Refused, TryLater
from agent.journal import FILE, Head, Journal, Reader, only_writer
from agent.journal_reader import explained
from agent.verify import verify
from tests.conftest import JOURNAL_ID, OpenJournal
from tests.fakes.clock import FakeClock
from tests.fakes.drafts import notice, sale


def rows(journal: Journal) -> list[tuple[int, str, str]]:
    reader = Reader(journal.path)
    found = [(entry.seq, entry.kind, entry.key) for entry, _ in reader.entries(0, 10_000)]
    reader.close()
    return found


def sabotage(path: Path, *statements: str) -> None:
    """Somebody with a shell and the sqlite3 program."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


# -- writing ------------------------------------------------------------------------------------------------------


def test_a_new_journal_is_private_and_empty(journal: Journal):
    assert journal.head == Head(JOURNAL_ID, 0, 0, genesis(JOURNAL_ID))
    for path in journal.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.name == "ballast", path
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_what_append_returned_is_in_the_file(journal: Journal):
    written = journal.append([sale(1), sale(2, raw=b"\x1b@paper")])
    assert [w.new for w in written] == [True, True]
    prev = genesis(JOURNAL_ID)
    connection = sqlite3.connect(f"file:{journal.path}?mode=ro", uri=True)  # somebody else's eyes
    for (seq, line, hash_), said in zip(
        connection.execute("select seq, line, hash from entries order by seq"), written, strict=True
    ):
        assert parse(line) == said.entry
        assert said.entry.seq == seq
        prev = link(prev, seq, said.entry.kind, said.entry.at, said.entry.digest)
        assert hash_ == prev
    assert journal.head == Head(JOURNAL_ID, 0, 2, prev)
    assert connection.execute("select seq, data from raw").fetchall() == [(2, b"\x1b@paper")]
    connection.close()


def test_nothing_to_write_is_fine(journal: Journal):
    assert journal.append([]) == []
    assert journal.head.seq == 0


def test_the_numbers_go_on_after_a_restart(tmp_path: Path, open_journal_at: OpenJournal):
    first = open_journal_at(tmp_path / "j")
    first.append([sale(1), sale(2)])
    head = first.head
    first.close()
    second = open_journal_at(tmp_path / "j", journal_id="another id that must not matter")
    assert second.head == head
    assert second.append([sale(3)])[0].entry.seq == 3
    assert verify(second.path).whole


def test_big_papers(journal: Journal):
    paper = os.urandom(10 * 1024 * 1024)
    journal.append([Draft(Kind.SLIP, "counter", "sha256:x", {"text": "长" * 100_000}, paper)])
    reader = Reader(journal.path)
    assert reader.raw(1) == paper
    assert reader.entries(0)[0][0].body == {"cut": ["text"]}
    reader.close()


# -- said again ---------------------------------------------------------------------------------------------------

SAID_AGAIN = [
    ("the same", sale(1), sale(1), None),
    ("the same with its paper", sale(1, raw=b"a"), sale(1, raw=b"a"), None),
    ("the customer's copy", sale(1, raw=b"a"), sale(1, raw=b"b", copy="customer"), Kind.COPY),
    ("more detail", sale(1), sale(1, rrn="123456789012"), Kind.COPY),
    ("another amount", sale(1), sale(1, amount_minor=101), Kind.CONFLICT),
    ("another amount on another paper", sale(1, raw=b"a"), sale(1, 101, raw=b"b"), Kind.CONFLICT),
    ("declined after approved", sale(1), sale(1, outcome="declined"), Kind.CONFLICT),
    ("approved after unknown", sale(1, outcome="unknown"), sale(1), Kind.COPY),
]


@pytest.mark.parametrize(("_name", "first", "second", "becomes"), SAID_AGAIN, ids=[row[0] for row in SAID_AGAIN])
def test_said_again(journal: Journal, _name: str, first: Draft, second: Draft, becomes: Kind | None):
    [held] = journal.append([first])
    [again] = journal.append([second])
    if becomes is None:
        assert (again.new, again.entry) == (False, held.entry)
    else:
        assert again.new
        assert (again.entry.kind, again.entry.body) == (becomes, dict(second.body))
    end = journal.head
    for draft in (first, second, first, second):  # repeats come for years
        assert not journal.append([draft])[0].new
    assert journal.head == end


def test_twice_in_one_commit(journal: Journal):
    written = journal.append([sale(1), sale(1), sale(1, amount_minor=5), sale(1, amount_minor=5)])
    assert [w.new for w in written] == [True, False, True, False]
    assert [w.entry.seq for w in written] == [1, 1, 2, 2]


def test_the_same_key_of_another_source_or_kind_is_another_thing(journal: Journal):
    journal.append([sale(1), sale(1, source="kiosk"), Draft(Kind.NOTICE, "counter", sale(1).key, {})])
    assert journal.head.seq == 3


def test_a_repeat_whose_first_line_was_spoilt_is_kept_as_a_conflict(journal: Journal):
    """Otherwise one bad sector and one patient terminal make the keeper crash for ever."""
    journal.append([sale(1), sale(2)])
    sabotage(journal.path, "drop trigger entries_never_change", "update entries set line = x'ff00ff' where seq = 1")
    [again] = journal.append([sale(1)])
    assert (again.new, again.entry.kind) == (True, Kind.CONFLICT)
    assert not journal.append([sale(1)])[0].new
    assert journal.append([sale(3)])[0].new


drafts = st.builds(
    lambda number, amount, raw, extra: sale(number, amount, raw=raw, **extra),
    st.integers(1, 3),
    st.sampled_from([100, 200]),
    st.sampled_from([None, b"a", b"b"]),
    st.sampled_from([{}, {"rrn": "1"}, {"rrn": "2"}, {"outcome": "unknown"}, {"outcome": "declined"}]),
)


@settings(max_examples=25)
@given(st.lists(st.one_of(drafts, st.just("restart")), max_size=14))
def test_whatever_is_said_is_kept_once_and_for_all(tmp_path_factory: pytest.TempPathFactory, said: list[object]):
    directory = tmp_path_factory.mktemp("j")
    stamp, numbers = Stamper(FakeClock()), iter(range(10_000))

    def opened() -> Journal:
        return Journal(directory, stamp=stamp, salt=lambda: f"{next(numbers):032x}", journal_id=JOURNAL_ID)

    journal = opened()
    for draft in said:
        if isinstance(draft, Draft):
            [written] = journal.append([draft])
            assert written.new or written.entry.seq <= journal.head.seq
        else:
            journal.close()
            journal = opened()
    end = journal.head
    kept = {(entry.body.get("amount_minor"), entry.body.get("rrn"), entry.body.get("outcome"), entry.raw_sha256)
            for entry, _ in _entries(journal)}  # fmt: skip
    for draft in said:
        if isinstance(draft, Draft):
            assert not journal.append([draft])[0].new
            body = draft.body
            assert any(row[0] == body["amount_minor"] and body.get("rrn") in {row[1], None} for row in kept), (
                "what was said is nowhere"
            )
    assert journal.head == end
    assert verify(journal.path).whole
    journal.close()
    shutil.rmtree(directory)


def _entries(journal: Journal) -> list:
    reader = Reader(journal.path)
    found = reader.entries(0, 10_000)
    reader.close()
    return found


# -- guards in the file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "delete from entries where seq = 1",
        "delete from entries",
        "delete from raw",
        "update entries set line = x'00'",
        "update entries set at = '1'",
        "update entries set seq = 9 where seq = 2",
        "update entries set line = null, key = 'other'",
        "update entries set line = null, hash = x'00'",
        "update raw set data = x'00'",
        "update raw set data = null, sha256 = x'00'",
        "insert into entries select 9, kind, source, 'new', at, day, digest, hash, line from entries where seq = 1",
        "insert into entries select 0, kind, source, 'new', at, day, digest, hash, line from entries where seq = 1",
        "insert or replace into entries select 1, kind, source, 'new', at, day, digest, hash, line from entries",
        "replace into entries select 2, kind, source, key, at, day, digest, hash, line from entries where seq = 2",
        "insert into entries select 3, kind, source, key, at, day, digest, hash, line from entries where seq = 1",
        "insert into entries select 3, null, source, 'n', at, day, digest, hash, line from entries where seq = 1",
        "insert into entries select 3, kind, source, 'n', at, day, 5, hash, line from entries where seq = 1",
    ],
)
def test_the_file_itself_refuses(journal: Journal, statement: str):
    journal.append([sale(1, raw=b"x"), sale(2)])
    with pytest.raises(sqlite3.IntegrityError):
        sabotage(journal.path, statement)
    assert [seq for seq, _, _ in rows(journal)] == [1, 2]
    assert verify(journal.path).whole


def test_only_the_purge_is_let_through(journal: Journal):
    journal.append([sale(1, raw=b"x"), sale(2)])
    head = journal.head
    sabotage(journal.path, "update entries set line = null where seq = 1", "update raw set data = null where seq = 1")
    assert verify(journal.path).whole
    reader = Reader(journal.path)
    assert (reader.entry(1).line, reader.entry(1).key, reader.raw(1)) == (None, sale(1).key, None)
    assert reader.head() == head
    reader.close()
    assert not journal.append([sale(1)])[0].new  # its identity stands


def test_settings_of_the_writing_connection(journal: Journal):
    """Read from the connection that writes: a setting that did not take would lose what was acknowledged."""
    journal.append([sale(1)])
    said = {
        name: journal._connection.execute(f"pragma {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "foreign_keys", "secure_delete")
    }
    assert said == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
        "foreign_keys": 1,
        "secure_delete": 1,
    }


# -- one writer ---------------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused(journal: Journal, open_journal_at: OpenJournal):
    with pytest.raises(Refused, match="another keeper"):
        open_journal_at(journal.path.parent)
    with pytest.raises(Refused), only_writer(journal.path.parent):
        pass
    assert journal.append([sale(1)])[0].new  # the refusal did no harm


def test_a_second_process_is_refused(journal: Journal):
    code = "import sys, fcntl; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    lock = journal.path.parent / "journal.lock"
    assert subprocess.run([sys.executable, "-c", code, str(lock)], stderr=subprocess.DEVNULL, check=False).returncode
    journal.close()
    assert not subprocess.run([sys.executable, "-c", code, str(lock)], check=False).returncode


def test_a_closed_journal_writes_nothing_and_frees_only_its_own_handles(journal: Journal, tmp_path: Path):
    journal.close()
    stranger = os.open(tmp_path / "stranger", os.O_RDWR | os.O_CREAT)  # takes the number of the lock's handle
    journal.close()
    os.write(stranger, b"still open")
    os.close(stranger)
    with pytest.raises(NotRecorded):
        journal.append([sale(1)])
    assert not journal.path.with_name(FILE + "-wal").exists()


# -- failures -----------------------------------------------------------------------------------------------------


class Exploding(Mapping[str, object]):
    """A body that raises when it is read: in the middle of the transaction."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getitem__(self, name: str) -> object:
        raise self.error

    def __iter__(self) -> Iterator[str]:
        raise self.error

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), SystemExit(1), ValueError("x"), OSError("x")])
def test_whatever_is_raised_in_the_middle_leaves_nothing_and_blocks_nothing(journal: Journal, error: BaseException):
    journal.append([sale(1)])
    with pytest.raises(type(error)):
        journal.append([sale(2), Draft(Kind.NOTICE, "x", "k", Exploding(error))])
    assert [seq for seq, _, _ in rows(journal)] == [1]
    assert journal.head.seq == 1
    assert journal.append([sale(3)])[0].entry.seq == 2
    assert verify(journal.path).whole


def full(journal: Journal) -> None:
    """The disk is full for this connection: SQLite says SQLITE_FULL when the file must grow."""
    connection = journal._connection
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.execute(f"pragma max_page_count = {pages}")


def test_a_full_disk_is_said_and_passes(journal: Journal):
    journal.append([sale(1)])
    (journal.path.parent / "ballast").unlink()
    full(journal)
    big = sale(2, raw=b"x" * 100_000)
    with pytest.raises(NotRecorded) as refusal:
        journal.append([big])
    assert "full" in str(refusal.value)
    assert refusal.value.hint
    [written] = journal.append([big])  # on a new connection, which knows nothing of our limit
    assert (written.new, written.entry.seq) == (True, 2)
    assert verify(journal.path).whole


def test_the_ballast_is_thrown_off_and_the_sale_is_kept(journal: Journal):
    ballast = journal.path.parent / "ballast"
    assert ballast.stat().st_size == 16 * 1024 * 1024
    assert ballast.stat().st_blocks * 512 >= 16 * 1024 * 1024  # real space, no hole
    full(journal)
    assert journal.append([sale(1, raw=b"x" * 100_000)])[0].new
    assert not ballast.exists()
    journal.checkpoint()  # there is plenty of space again
    assert ballast.exists()


def test_after_a_failed_commit_the_head_is_read_from_the_disk(journal: Journal):
    """The commit may have been durable although it failed: the numbers must go on behind it."""
    journal.append([sale(1)])
    stale = journal.head
    journal.append([sale(2)])
    journal._head = stale  # as if the second commit had ended in an interrupt after it was durable
    assert journal.append([sale(2)])[0].entry.seq == 2
    assert journal.append([sale(3)])[0].entry.seq == 3
    assert verify(journal.path).whole


def test_a_locked_file_is_the_worlds_fault(journal: Journal):
    journal.append([sale(1)])
    journal._connection.execute("pragma busy_timeout = 30")
    shell = sqlite3.connect(journal.path, isolation_level=None)
    shell.execute("begin immediate")  # somebody's sqlite3 prompt
    with pytest.raises(NotRecorded):
        journal.append([sale(2)])
    shell.execute("rollback")
    shell.close()
    assert journal.append([sale(2)])[0].new


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("SQLITE_IOERR_FSYNC", TryLater),
        ("SQLITE_IOERR_WRITE", TryLater),
        ("SQLITE_FULL", TryLater),
        ("SQLITE_READONLY", TryLater),
        ("SQLITE_CANTOPEN", TryLater),
        ("SQLITE_BUSY", TryLater),
        ("SQLITE_NOMEM", TryLater),
        ("SQLITE_CORRUPT", DamagedJournal),
        ("SQLITE_NOTADB", DamagedJournal),
        ("SQLITE_ERROR", DamagedJournal),
        ("SQLITE_CONSTRAINT_UNIQUE", DamagedJournal),
        ("", DamagedJournal),
    ],
)
def test_what_an_error_means(name: str, meaning: type[Exception]):
    error = sqlite3.OperationalError("x")
    if name:
        error.sqlite_errorname = name
    assert type(explained(Path("j"), error)) is meaning


CHILD = """
import os, resource, sys
from pathlib import Path
from agent.clock import Stamper, SystemClock
from agent.errors import NotRecorded, TryLater
from agent.journal import Journal
from agent.verify import verify
from tests.fakes.drafts import sale
limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
def journal():
    return Journal(Path(sys.argv[1]), stamp=Stamper(SystemClock()), salt=lambda: os.urandom(16).hex(), journal_id="j")
"""


def child(code: str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CHILD + code, str(directory)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_disk_that_takes_no_more(tmp_path: Path):
    """Really refused writes (EFBIG): each is said, nothing acknowledged is lost, and it goes on when there is room."""
    said = child(
        """
j = journal()
acknowledged, refused = [], 0
limit(200_000)
for number in range(200):
    try:
        j.append([sale(number, raw=b'x' * 3000)])
        acknowledged.append(number)
    except NotRecorded:
        refused += 1
try:
    j.checkpoint(); print('checkpoint passed')
except TryLater:
    print('checkpoint refused')
limit(resource.RLIM_INFINITY)
for number in range(200, 210):
    j.append([sale(number)]); acknowledged.append(number)
j.checkpoint()
held = {entry.body['trace_no'] for entry, _ in __import__('agent.journal').journal.Reader(j.path).entries(0, 9999)}
assert {f'{n:06d}' for n in acknowledged} <= held, 'an acknowledged sale is gone'
assert verify(j.path).whole, verify(j.path).troubles
print(len(acknowledged), refused, j.head.seq)
""",
        tmp_path,
    )
    *_, counts = said.splitlines()
    acknowledged, refused, _ = map(int, counts.split())
    assert acknowledged > 20
    assert refused > 50
    assert acknowledged + refused == 210


def test_a_failing_checkpoint_is_said(tmp_path: Path):
    """SQLite keeps quiet about checkpoints it makes by itself; ours speak."""
    said = child(
        """
j = journal()
for number in range(40):
    j.append([sale(number, raw=b'x' * 9000)])
limit(100_000)
try:
    j.checkpoint(); print('passed')
except TryLater as error:
    print('refused', error.hint)
limit(resource.RLIM_INFINITY)
j.checkpoint()
print(j.head.seq, verify(j.path).whole)
""",
        tmp_path,
    )
    assert said.splitlines() == ["refused check the disk", "40 True"]


def test_a_disk_that_is_full_at_the_start_is_no_damage(tmp_path: Path):
    """A journal that cannot be opened for the world's reasons must never be put aside."""
    said = child(
        """
for _ in range(2):
    limit(0)
    try:
        journal(); print('opened')
    except TryLater as error:
        print(type(error).__name__)
    limit(resource.RLIM_INFINITY)
    j = journal()
    j.append([sale(1)])
    print(j.head.seq)
    j.close()
""",
        tmp_path,
    )
    assert said.splitlines() == ["TryLater", "1", "TryLater", "1"]


# -- files that are not what they were ----------------------------------------------------------------------------


def remake(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "content",
    [b"not a database at all, but long enough to be looked at" * 100, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["text", "header only"],
)
def test_what_is_no_journal_is_refused_and_left_alone(tmp_path: Path, open_journal_at: OpenJournal, content: bytes):
    remake(tmp_path / "j" / FILE, content)
    with pytest.raises(DamagedJournal) as refusal:
        open_journal_at(tmp_path / "j")
    assert "verify" in refusal.value.hint
    assert (tmp_path / "j" / FILE).read_bytes() == content
    with only_writer(tmp_path / "j"):  # the lock is free again
        pass


def test_a_file_of_another_program_is_refused(tmp_path: Path, open_journal_at: OpenJournal):
    (tmp_path / "j").mkdir()
    sabotage(tmp_path / "j" / FILE, "create table entries(x)", "pragma user_version = 1")
    with pytest.raises(DamagedJournal):
        open_journal_at(tmp_path / "j")


def test_a_newer_schema_is_refused(journal: Journal, open_journal_at: OpenJournal):
    journal.append([sale(1)])
    journal.close()
    sabotage(journal.path, "pragma user_version = 2")
    before = journal.path.read_bytes()
    with pytest.raises(DamagedJournal, match="newer Slipkeeper"):
        open_journal_at(journal.path.parent)
    assert journal.path.read_bytes() == before


def test_a_log_without_its_file_is_never_opened(journal: Journal, open_journal_at: OpenJournal):
    """SQLite would delete the log, and with it the newest payments."""
    journal.append([sale(1)])
    copy = journal.path.parent.parent / "copy"
    shutil.copytree(journal.path.parent, copy)  # as a power cut leaves it: everything is in the log
    log = (copy / (FILE + "-wal")).read_bytes()
    for emptied in (False, True):
        (copy / FILE).unlink(missing_ok=True)
        if emptied:
            (copy / FILE).touch()
        with pytest.raises(DamagedJournal):
            open_journal_at(copy)
        assert (copy / (FILE + "-wal")).read_bytes() == log


@pytest.mark.parametrize("wiped", ["delete from meta", "delete from meta where name = 'journal_id'",
                                   "update meta set value = 'zz' where name = 'parent_head'",
                                   "update meta set value = 'x' where name = 'base'"])  # fmt: skip
def test_a_journal_without_its_birth_certificate_is_damaged_not_reborn(
    journal: Journal, open_journal_at: OpenJournal, wiped: str
):
    journal.append([sale(1)])
    journal.close()
    sabotage(journal.path, wiped)
    if "parent_head" in wiped:  # only the genesis needs it
        assert not verify(journal.path).whole
        return
    with pytest.raises(DamagedJournal):
        open_journal_at(journal.path.parent)


def test_moved_deleted_or_replaced_while_it_is_written(tmp_path: Path, open_journal_at: OpenJournal):
    """Linux goes on writing into a deleted file with no error at all; everything in it would be gone at the end."""
    for number, act in enumerate((
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_name("elsewhere")),
        lambda path: shutil.rmtree(path.parent),
    )):  # fmt: skip
        journal = open_journal_at(tmp_path / f"j{number}")
        journal.append([sale(1), sale(2)])
        head = journal.head
        act(journal.path)
        with pytest.raises((DamagedJournal, NotRecorded)):
            journal.append([sale(3)])
        # the same object goes on in a new file, behind what it knows
        kept = tmp_path / f"kept{number}"
        journal.begin_anew("f" * 32, lambda j=journal, k=kept: j.path.parent.exists() and j.path.parent.rename(k))
        [written] = journal.append([sale(3)])
        assert (written.new, written.entry.seq) == (True, 1)
        assert journal.head.base == 2
        assert verify(journal.path).whole
        reader = Reader(journal.path)
        assert reader.meta()["parent_head"] == head.hash.hex()
        reader.close()
        with pytest.raises(Refused):
            open_journal_at(journal.path.parent)


def test_a_log_deleted_or_a_file_replaced_by_its_copy_costs_nothing(journal: Journal, open_journal_at: OpenJournal):
    journal.append([sale(1)])
    for number in range(2, 6):
        if number % 2:
            journal.path.with_name(FILE + "-wal").unlink()
        else:  # what an editor or a backup program does
            shutil.copy(journal.path, journal.path.with_name("copy"))
            journal.path.with_name("copy").replace(journal.path)
        assert journal.append([sale(number)])[0].entry.seq == number
    left = journal.path.parent.parent / "left"
    shutil.copytree(journal.path.parent, left)  # as a kill leaves it
    found = open_journal_at(left)
    assert found.head == journal.head
    assert verify(found.path).whole


def test_an_older_copy_put_back_under_a_running_writer_is_noticed(journal: Journal, tmp_path: Path):
    journal.append([sale(1)])
    journal.checkpoint()
    older = tmp_path / "older"
    shutil.copy(journal.path, older)
    journal.append([sale(2)])
    journal._drop_connection()  # closes cleanly, as after any failed commit
    shutil.copy(older, journal.path)
    with pytest.raises(DamagedJournal, match="not the file that ended at 2"):
        journal.append([sale(3)])


def test_damage_found_while_writing_is_said_as_such(journal: Journal):
    for number in range(300):
        journal.append([sale(number, raw=b"x" * 50)])
    journal.checkpoint()
    journal._drop_connection()
    data = bytearray(journal.path.read_bytes())
    for page in range(1, len(data) // 4096):  # every page but the first, in its head
        data[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    journal.path.write_bytes(data)
    with pytest.raises(DamagedJournal):
        journal.append([sale(1000)])


# -- many at once -------------------------------------------------------------------------------------------------


def test_threads_keep_the_chain_whole(journal: Journal):
    troubles: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for number in range(40):
                assert journal.append([sale(number, source=f"t{worker}"), sale(number, source="shared")])
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    assert journal.head.seq == 5 * 40
    result = verify(journal.path)
    assert (result.whole, result.entries) == (True, 200)


def test_a_reader_never_stands_in_the_writers_way(journal: Journal):
    journal.append([sale(n) for n in range(50)])
    slow = sqlite3.connect(f"file:{journal.path}?mode=ro", uri=True, isolation_level=None)
    slow.execute("begin")
    cursor = slow.execute("select * from entries")
    cursor.fetchone()  # stands still in the middle
    began = time.monotonic()
    for number in range(50, 100):
        journal.append([sale(number)])
    journal.checkpoint()
    assert time.monotonic() - began < 3
    assert len(cursor.fetchall()) == 49  # and sees its own moment
    size = journal.wal_bytes()
    slow.close()
    journal.checkpoint()
    journal.append([sale(1000)])  # begins the log anew instead of growing it
    assert journal.wal_bytes() <= size


def test_a_reader_holds_nothing_between_calls(journal: Journal):
    reader = Reader(journal.path)
    for number in range(3):
        journal.append([sale(number)])
        assert reader.head() == journal.head
        journal.checkpoint()
        assert len(reader.entries(0)) == number + 1
    (busy, pages, moved) = journal._connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    assert (busy, journal.wal_bytes()) == (0, 0), (pages, moved)
    reader.close()


def test_readers_cannot_write(journal: Journal):
    journal.append([sale(1)])
    reader = Reader(journal.path)
    with pytest.raises(sqlite3.OperationalError):
        reader._connection.execute("delete from entries")
    reader.close()


@pytest.mark.parametrize("name", ["with space", "per%20cent", "question?mark", "hash#tag", "中文"])
def test_any_directory_name(tmp_path: Path, open_journal_at: OpenJournal, name: str):
    journal = open_journal_at(tmp_path / name)
    journal.append([sale(1)])
    reader = Reader(journal.path)
    assert reader.head() == journal.head
    reader.close()


def test_no_journal_is_to_wait_for(tmp_path: Path):
    for make in (lambda: None, (tmp_path / FILE).touch, lambda: sabotage(tmp_path / FILE, "create table t(x)")):
        make()
        with pytest.raises(TryLater, match="there is no journal"):
            Reader(tmp_path / FILE)


def test_waiting_for_entries(journal: Journal):
    assert not journal.wait(0, 0.01)
    journal.append([notice("a", {})])
    assert journal.wait(0, 5)
    found: list[bool] = []
    waiter = threading.Thread(target=lambda: found.append(journal.wait(1, 5)))
    waiter.start()
    time.sleep(0.05)
    began = time.monotonic()
    journal.append([notice("b", {})])
    waiter.join()
    assert found == [True]
    assert time.monotonic() - began < 1


def test_rest_checkpoints_when_enough_gathered(journal: Journal):
    def in_file() -> int:
        return journal.path.stat().st_size

    before = in_file()
    for number in range(199):
        journal.append([notice(str(number), {})])
        journal.rest(idle=True)
    assert in_file() == before
    journal.append([notice("200", {})])
    journal.rest(idle=False)  # not now: the line is busy
    assert in_file() == before
    journal.rest(idle=True)
    assert in_file() > before
    wal = journal.wal_bytes()
    for number in range(300, 600):
        journal.append([notice(str(number), {})])
        journal.rest(idle=True)
    assert journal.wal_bytes() < 2 * wal
