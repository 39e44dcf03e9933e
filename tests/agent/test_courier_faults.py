"""Whatever happens on the way, upstream ends with exactly the journal: every byte, once, in order.

The negative controls are couriers with one line wrong. Under the same faults the same check must find them out.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agent.sync_loop
from agent import courier as role
from agent.config import Config, Storage, Upstream
from agent.forever import Stop
from agent.sync_answers import Claim, judge
from agent.sync_sender import Sender
from tests.fakes.courier import Box, chore, drain, lines_of, new_journal, sale
from tests.fakes.upstream import PASSING, FakeUpstream

ODD = ("bad-head", "ahead")  # three in a row are believed: that is a fork, and has tests of its own
QUICK = tuple(fault for fault in PASSING if fault not in {"slow", "endless", "huge"})


class Deaf(Sender):
    """Does not hear from a heartbeat where upstream is: that alone would mend what follows."""

    def beat(self, facts: Mapping[str, Any]) -> None:
        self.heard += 1


class CursorFirst(Deaf):
    """Moves its cursor before the answer, and believes it."""

    def attempt(self) -> bool:
        last = self.reader.head().seq
        if self.cursor >= last:
            return False
        self._head = self.reader.hash_at(self.cursor) or b""
        self._cap = 3
        batch = self._batch()
        self.memory.change(self.journal_id, acked_seq=batch.last, last_ok="now")
        headers, body = batch.request(0, plain=False)
        self.heard += 1
        self.client.call("POST", f"/v1/journals/{self.journal_id}/entries", headers, body)
        return self.cursor < last


class TrustsAny200(Deaf):
    """Takes status 200 for a yes, whoever said it."""

    def attempt(self) -> bool:
        last = self.reader.head().seq
        if self.cursor >= last:
            return False
        self._head = self.reader.hash_at(self.cursor) or b""
        self._cap = 3
        batch = self._batch()
        headers, body = batch.request(0, plain=False)
        reply = self.client.call("POST", f"/v1/journals/{self.journal_id}/entries", headers, body).reply
        self.heard += 1
        verdict = judge(reply, self.now())
        if reply.status == 200:
            self.memory.change(self.journal_id, acked_seq=batch.last, last_ok="now")
        elif isinstance(verdict, Claim):
            self.memory.change(self.journal_id, acked_seq=verdict.cursor)
        return self.cursor < last


Plan = list[tuple[str, int]]
steps = st.lists(
    st.tuples(
        st.sampled_from([*QUICK, "sell", "sell", "chore", "restart", "forget", "amnesia"]),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=14,
)


def ends_equal(directory: Path, plan: Plan, seed: int = 0) -> bool:
    """Plays `plan`, then lets the network be well. Whether upstream has exactly the journal in the end."""
    state = directory / uuid.uuid4().hex
    state.mkdir()
    journal = new_journal(state)
    journal_id = journal.head.journal_id
    chance = random.Random(seed)
    with FakeUpstream(max_entries=4) as upstream:
        box = Box(state, upstream.url, draw=chance.uniform)
        box.enrol(upstream, journal)
        courier = box.courier()
        for what, count in plan:
            match what:
                case "sell":
                    journal.append([sale() for _ in range(count)])
                case "chore":
                    journal.append([chore() for _ in range(count)])
                case "restart":
                    courier.close()
                    courier = box.courier()
                case "forget":
                    upstream.forget(journal_id, upstream.journals[journal_id].cursor * count // 12)
                case "amnesia":
                    courier.close()
                    for path in (state / "courier").glob("sync.db*"):
                        path.unlink()
                    courier = box.courier()
                case fault:
                    upstream.faults.extend([fault] * (1 if fault in ODD else count % 3 + 1))
                    journal.append([sale()])
            for _ in range(3):
                box.clock.sleep(courier.step())
        journal.append([sale()])  # an upstream that was set back last is noticed by the next batch
        kept, end = upstream.journals[journal_id], journal.head.seq
        try:
            drain(courier, box.clock, lambda: kept.cursor == end, steps=400)
        except AssertionError:
            return False
        finally:
            courier.close()
            journal.close()
        return kept.lines == lines_of(state) and kept.head(end) == journal.head.hash


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.integers(0, 1 << 30))
def test_any_sequence_of_faults_ends_with_the_journal_upstream(tmp_path: Path, plan: Plan, seed: int) -> None:
    assert ends_equal(tmp_path, plan, seed)


@pytest.mark.parametrize(
    ("wrong", "plan"),
    [
        (CursorFirst, [("sell", 3), ("reset", 1), ("sell", 3)]),
        (CursorFirst, [("sell", 3), ("500", 2)]),
        (TrustsAny200, [("sell", 3), ("portal", 1), ("portal", 1)]),
        (TrustsAny200, [("sell", 3), ("empty", 2)]),
    ],
)
def test_a_courier_with_one_line_wrong_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: type[Sender], plan: Plan
) -> None:
    assert ends_equal(tmp_path, plan)
    monkeypatch.setattr(agent.sync_loop, "Sender", wrong)
    assert ends_equal(tmp_path, [("sell", 3), ("sell", 2)])  # in good weather nobody would notice
    assert not ends_equal(tmp_path, plan)


# --- kill -9 ---------------------------------------------------------------------------------------------------------

KILLS = 24


def _courier_process(state: str, url: str, wrong: bool) -> None:
    """What `slipkeeper run courier` runs."""
    if wrong:
        agent.sync_loop.Sender = CursorFirst  # type: ignore[misc] - the negative control, in its own process
    config = Config(storage=Storage(directory=state), upstream=Upstream(url=url, start_window_s=0))
    role.run(config, Stop())


def _killed_often(tmp_path: Path, *, wrong: bool, kills: int = KILLS) -> tuple[FakeUpstream, Any, int]:
    """A courier that is killed again and again while the till sells. Upstream, journal, entries that never arrived."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["requests", "tenacity", "agent.courier", "agent.desk_client", "tests.agent.test_courier_faults"]
    )
    journal = new_journal(tmp_path)
    journal.append([sale() for _ in range(40)])
    chance = random.Random(20261120)
    selling = threading.Event()

    def sell() -> None:
        while not selling.wait(0.005):
            journal.append([sale()])

    with FakeUpstream(max_entries=3, delay_s=0.004) as upstream:
        upstream.drops_orphans = True
        Box(tmp_path, upstream.url).enrol(upstream, journal)
        till = threading.Thread(target=sell)
        till.start()
        kept = upstream.journals[journal.head.journal_id]
        for _ in range(kills):
            child = context.Process(target=_courier_process, args=(str(tmp_path), upstream.url, wrong), daemon=True)
            child.start()
            before = len(upstream.seen)
            _until(lambda before=before: len(upstream.seen) > before, 5)
            time.sleep(chance.uniform(0, 0.06))
            assert child.pid
            os.kill(child.pid, signal.SIGKILL)
            child.join()
        selling.set()
        till.join()
        end = journal.head.seq
        last = context.Process(target=_courier_process, args=(str(tmp_path), upstream.url, wrong), daemon=True)
        last.start()
        upstream.delay_s, upstream.max_entries = 0.0, 500
        _until(lambda: kept.cursor == end, 1.5 if wrong else 10)
        last.kill()
        last.join()
        return upstream, journal, end - kept.cursor


def _until(done: Callable[[], bool], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not done() and time.monotonic() < end:
        time.sleep(0.002)


def test_a_courier_that_is_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    upstream, journal, missing = _killed_often(tmp_path, wrong=False)
    kept = upstream.journals[journal.head.journal_id]
    assert missing == 0
    assert kept.lines == lines_of(tmp_path)
    assert kept.head(kept.cursor) == journal.head.hash
    assert upstream.commits >= KILLS // 2  # it was really at work when it was killed
    assert upstream.orphans  # and sometimes in the middle of a request
    journal.close()


def test_the_same_kills_find_a_courier_that_moves_its_cursor_first(tmp_path: Path) -> None:
    upstream, journal, missing = _killed_often(tmp_path, wrong=True, kills=12)
    assert missing > 0
    assert "gap" in upstream.refused
    journal.close()
