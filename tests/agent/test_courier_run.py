"""The courier as a process: it starts, waits cheaply, stops at once, stands alone, and can be asked how it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import courier, enrol
from agent.config import Config, Storage, Upstream
from agent.enrol import Enrolment
from agent.errors import Refused
from agent.forever import Stop
from agent.succession import put_aside
from agent.sync_state import ask_now
from tests.fakes.courier import Box, chore, new_journal, sale
from tests.fakes.upstream import FakeUpstream

PROCESS = """
import signal, sys
from agent import courier
from agent.config import Config, Storage, Upstream
from agent.forever import Stop
stop = Stop()
signal.signal(signal.SIGTERM, lambda *_: stop.stop())
courier.run(Config(storage=Storage(directory=sys.argv[1]), upstream=Upstream(url=sys.argv[2], start_window_s=0)), stop)
"""


def config_of(state: Path, url: str = "") -> Config:
    return Config(storage=Storage(directory=str(state)), upstream=Upstream(url=url, start_window_s=0))


def until(done: Callable[[], bool], timeout_s: float = 10) -> float:
    began_s = time.monotonic()
    while not done():
        assert time.monotonic() - began_s < timeout_s, "not in time"
        time.sleep(0.005)
    return time.monotonic() - began_s


def test_a_sale_is_upstream_within_a_second_and_housekeeping_when_asked(tmp_path: Path) -> None:
    stop = Stop()
    with FakeUpstream() as upstream:
        thread = threading.Thread(target=courier.run, args=(config_of(tmp_path, upstream.url), stop))
        thread.start()
        time.sleep(0.05)  # there is no journal yet
        journal = new_journal(tmp_path)
        Box(tmp_path, upstream.url).enrol(upstream, journal)
        kept = upstream.journals[journal.head.journal_id]
        journal.append([sale()])
        until(lambda: kept.cursor == 1)
        journal.append([sale()])
        assert until(lambda: kept.cursor == 2) < 1.0
        journal.append([chore()])
        time.sleep(0.7)
        assert kept.cursor == 2
        ask_now(tmp_path)
        assert until(lambda: kept.cursor == 3) < 1.0
        began_s = time.monotonic()
        stop.stop()
        thread.join()
        assert time.monotonic() - began_s < 1
        journal.close()


def test_it_stops_at_once_in_the_middle_of_a_request(tmp_path: Path) -> None:
    journal = new_journal(tmp_path)
    with FakeUpstream(delay_s=20) as upstream:
        Box(tmp_path, upstream.url).enrol(upstream, journal)
        process = subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), upstream.url])
        until(lambda: bool(upstream.seen))
        began_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began_s < 4
    journal.close()


def test_a_second_courier_is_refused(tmp_path: Path) -> None:
    stop = Stop()
    first = threading.Thread(target=courier.run, args=(config_of(tmp_path), stop))
    first.start()
    until((tmp_path / "courier" / "courier.lock").exists)
    time.sleep(0.05)
    with pytest.raises(Refused):
        courier.run(config_of(tmp_path), Stop())
    stop.stop()
    first.join()
    stop.stop()
    courier.run(config_of(tmp_path), stop)  # the lock went with the process that held it


def test_waiting_costs_next_to_nothing(tmp_path: Path) -> None:
    """Half a second of CPU an hour is the budget; measured over two seconds, with room for a busy machine."""
    journal = new_journal(tmp_path)
    journal.append([sale() for _ in range(300)])
    with FakeUpstream() as upstream:
        Box(tmp_path, upstream.url).enrol(upstream, journal)
        process = subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), upstream.url])
        until(lambda: upstream.journals[journal.head.journal_id].cursor == 300)
        time.sleep(0.3)
        before_s = _cpu_s(process.pid)
        time.sleep(2)
        assert _cpu_s(process.pid) - before_s <= 0.04
        process.terminate()
        process.wait(10)
    journal.close()


def _cpu_s(pid: int) -> float:
    members = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(members[11]) + int(members[12])) / os.sysconf("SC_CLK_TCK")


def test_importing_it_costs_no_network_library() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, agent.courier; print([n for n in ('requests', 'tenacity', 'urllib3') if n in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"


def test_status_answers_from_the_files_alone(tmp_path: Path) -> None:
    assert courier.status(config_of(tmp_path))["state"] == "off"
    assert courier.status(config_of(tmp_path, "http://127.0.0.1:9"))["journals"] == []
    journal = new_journal(tmp_path)
    journal.append([sale() for _ in range(4)])
    with FakeUpstream() as upstream:
        box = Box(tmp_path, upstream.url)
        before = courier.status(config_of(tmp_path, upstream.url))
        assert (before["enrolled"], before["cursor"], before["unsent"]) == (False, 0, 4)
        box.enrol(upstream, journal)
        sender = box.courier()
        sender.step()
        sender.close()
        after = courier.status(config_of(tmp_path, upstream.url))
        assert (after["state"], after["enrolled"], after["cursor"], after["unsent"]) == ("ok", True, 4, 0)
        assert after["last_ok_at"]
        assert after["journals"][0]["upstream"] == "fake"
        assert "secret" not in str(after)
        head = journal.head
        journal.close()
        put_aside(tmp_path)
        follower = new_journal(tmp_path, parent=head)
        follower.append([sale()])
        enrol.save(tmp_path, Enrolment(follower.head.journal_id, upstream.url, upstream.url, "t"))
        rows = courier.status(config_of(tmp_path, upstream.url))["journals"]
        assert [(row["journal_id"], row["unsent"]) for row in rows] == [
            (head.journal_id, 0),
            (follower.head.journal_id, 1),
        ]
        follower.close()
