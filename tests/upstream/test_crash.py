"""kill -9 in mid-batch: what was answered is stored, what was not is sent again, nothing is lost or doubled.

The verifier does not ask the server: it regenerates every line and reads the file. The negative control runs the same
story against a store that acknowledges before it commits, and must fail.
"""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing
from itertools import count

import pytest
import requests

from tests.upstream.box import Client
from tests.upstream.running import Running

KILLS = 3


class Lost(AssertionError):
    """An acknowledged entry is not in the file."""


class Sender(threading.Thread):
    """An agent's courier in small: one batch in flight, never gives up, remembers what was answered."""

    def __init__(self, running: Running, box: Client, dice: random.Random) -> None:
        super().__init__(daemon=True)
        self.running, self.box, self.dice = running, box, dice
        self.acknowledged = 0
        self.enough = threading.Event()

    def run(self) -> None:
        for _ in count():
            if self.enough.is_set():
                return
            try:
                self._step()
            except requests.RequestException:
                time.sleep(0.02)

    def _step(self) -> None:
        cursor = self.box.where().json()["cursor"]
        while not self.enough.is_set():
            first = max(cursor + 1 - self.dice.choice((0, 0, 0, 5)), 1)  # sometimes what is held already
            answer = self.box.send(first, cursor + self.dice.randint(1, 12))
            if answer.status_code != 200:
                return
            cursor = answer.json()["cursor"]
            self.acknowledged = max(self.acknowledged, cursor)


def wait_for_work(senders: list[Sender]) -> None:
    """Until everybody was answered something new: a kill of an idle server shows nothing."""
    before = [sender.acknowledged for sender in senders]
    end = time.monotonic() + 20
    while any(sender.acknowledged <= held for sender, held in zip(senders, before, strict=True)):
        assert time.monotonic() < end, "the machine is too slow for this story"
        time.sleep(0.01)


def crash_story(running: Running, boxes: list[Client]) -> None:
    """Raises Lost when an acknowledged entry is missing after a kill; fails when anything is doubled or altered."""
    senders = [Sender(running, box, random.Random(number)) for number, box in enumerate(boxes)]
    for sender in senders:
        sender.start()
    dice = random.Random(1)
    try:
        for _ in range(KILLS):
            wait_for_work(senders)
            time.sleep(dice.random() * 0.1)
            running.stop(signal.SIGKILL)
            for sender in senders:  # I1: before anybody could send it again
                if (held := len(running.stored(sender.box.journal.journal_id))) < sender.acknowledged:
                    raise Lost(f"{sender.acknowledged} acknowledged, {held} held")
            running.start()
    finally:
        for sender in senders:
            sender.enough.set()
        for sender in senders:
            sender.join(10)
    for sender in senders:
        stored = running.stored(sender.box.journal.journal_id)
        assert not sender.is_alive()
        assert len(stored) >= sender.acknowledged
        assert stored == sender.box.journal.lines(1, len(stored))


def prepared(running: Running, client) -> list[Client]:
    boxes = [client(running) for _ in range(3)]
    for box in boxes:
        box.journal.head(1500)
    return boxes


def test_nothing_is_lost_or_doubled(new_server, client):
    running = new_server()
    crash_story(running, prepared(running, client))
    done = running.run("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert running.rows("PRAGMA integrity_check") == [("ok",)]
    # The projections caught up after each kill: one transaction for every entry.
    entries = running.rows("SELECT count(*) FROM entry")
    assert running.rows("SELECT count(*) FROM ledger_transaction") == entries


def test_the_story_would_notice_an_early_acknowledgement(new_server, client):
    running = new_server(environment={"DJANGO_SETTINGS_MODULE": "tests.upstream.dishonest_settings"})
    with pytest.raises(Lost):
        crash_story(running, prepared(running, client))


def test_an_upstream_restored_from_a_backup_is_filled_again(new_server, client):
    running = new_server()
    box = client(running)
    box.send(1, 60)
    running.stop()
    file = running.data / "upstream.db"
    backup = file.read_bytes()
    running.start()
    assert box.send(61, 129).json()["cursor"] == 129
    running.stop()
    file.write_bytes(backup)
    running.start()
    told = box.send(130, 135)
    assert (told.status_code, told.json()["code"], told.json()["cursor"]) == (409, "gap", 60)
    assert told.json()["head"] == box.journal.head(60).hex()
    assert box.status(cursor=129, head=box.journal.head(129).hex(), seq=135).json()["cursor"] == 60
    assert box.send(61, 135).json()["stored"] == 75
    assert running.stored(box.journal.journal_id) == box.journal.lines(1, 135)


def test_a_torn_connection_stores_nothing(new_server, client):
    running = new_server()
    box = client(running)
    host, port = running.listen.split(":")
    with socket.create_connection((host, int(port))) as line:
        head = (
            f"POST /v1/journals/{box.journal.journal_id}/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
            f"Authorization: Bearer {box.token}\r\nContent-Type: application/x-ndjson\r\nJournal-From: 1\r\n"
            f"Journal-Prev: {box.journal.head(0).hex()}\r\nJournal-Head: {box.journal.head(1).hex()}\r\n\r\n"
        )
        line.sendall(head.encode() + box.journal.line(1)[:200])
    assert box.send(1, 2).json()["stored"] == 2


def test_a_full_store_is_not_now_and_later_fine(new_server, client):
    """Another process holds the file: 503 with Retry-After, never a false yes."""
    running = new_server(environment={"DJANGO_SETTINGS_MODULE": "tests.upstream.quick_settings"})
    box = client(running)
    with closing(sqlite3.connect(running.data / "upstream.db", isolation_level=None)) as holder:
        holder.execute("PRAGMA wal_autocheckpoint=0")
        holder.execute("BEGIN IMMEDIATE")
        answer = box.send(1, 2)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert requests.get(running.url + "/readyz", timeout=5).status_code == 503
        assert requests.get(running.url + "/healthz", timeout=5).status_code == 200
        holder.execute("ROLLBACK")
    assert box.send(1, 2).json()["stored"] == 2


def test_the_log_of_the_database_stays_small(new_server, client):
    """No connection checkpoints by itself, so ours must: the log would hold everything else."""
    running = new_server(environment={"DJANGO_SETTINGS_MODULE": "tests.upstream.quick_settings"})
    box = client(running)
    sizes = []
    for first in range(1, 1801, 200):
        box.send(first, first + 199)
        sizes.append((running.data / "upstream.db-wal").stat().st_size)
    assert max(sizes) < 2_000_000
    assert sizes[-1] < max(sizes) or len(set(sizes)) > 1
    assert (running.data / "upstream.db").stat().st_size > 1_000_000
    assert len(running.stored(box.journal.journal_id)) == 1800
