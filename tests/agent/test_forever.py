"""A role is repeated whatever happens to it; a sacred one takes the process with it; no poke is lost."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import threading
import time

import pytest

from agent.errors import TryLater
from agent.forever import EXIT_CRASHED, Stop, _backoff, repeat, start


def test_a_step_is_repeated_until_stopped():
    stop, seen = Stop(), []

    def step() -> float:
        seen.append(1)
        if len(seen) == 5:
            stop.stop()
        return 0.0

    repeat("role", step, stop)
    assert len(seen) == 5


def test_it_waits_as_long_as_the_step_says():
    stop, times = Stop(), []

    def step() -> float:
        times.append(time.monotonic())
        if len(times) == 3:
            stop.stop()
        return 0.05

    repeat("role", step, stop)
    assert all(later - earlier >= 0.05 for earlier, later in itertools.pairwise(times))


def test_a_crashed_role_is_started_anew(caplog: pytest.LogCaptureFixture):
    stop, tries = Stop(), []

    def step() -> float:
        tries.append(1)
        if len(tries) < 3:
            stop.poke()  # somebody wants it: no need to wait out the back-off
            raise ZeroDivisionError
        stop.stop()
        return 0.0

    with caplog.at_level(logging.INFO, "slipkeeper.forever"):
        repeat("printer", step, stop)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["printer crashed", "printer crashed", "printer goes on after 2 failed tries"]


def test_the_worlds_fault_is_said_once(caplog: pytest.LogCaptureFixture):
    stop, tries = Stop(), []

    def step() -> float:
        tries.append(1)
        stop.poke()
        if len(tries) < 5:
            raise TryLater("no paper", "load some")
        stop.stop()
        return 0.0

    with caplog.at_level(logging.INFO, "slipkeeper.forever"):
        repeat("printer", step, stop, sacred=True)  # a sacred role waits for the world too
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_sacred_role_ends_the_process():
    code = (
        "from agent.forever import *\nimport atexit\natexit.register(print, 'cleaned up')\n"
        "def step():\n    raise ZeroDivisionError\n"
        "start('capture', step, Stop(), sacred=True).join()\nprint('went on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == EXIT_CRASHED
    assert done.stdout == ""
    assert "ZeroDivisionError" in done.stderr


def test_a_crash_of_one_role_leaves_the_others_alone():
    stop, well = Stop(), threading.Event()
    count = 0

    def good() -> float:
        nonlocal count
        count += 1
        if count > 20:
            well.set()
        return 0.001

    def bad() -> float:
        raise MemoryError

    threads = [start("bad", bad, stop), start("good", good, stop)]
    assert well.wait(5)
    stop.stop()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def test_a_poke_wakes():
    stop, times = Stop(), []

    def step() -> float:
        times.append(time.monotonic())
        return 60.0

    thread = start("role", step, stop)
    while not times:
        time.sleep(0.005)
    stop.poke()
    deadline = time.monotonic() + 5
    while len(times) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.stop()
    thread.join(5)
    assert len(times) >= 2
    assert times[1] - times[0] < 5


def test_a_poke_during_the_step_is_not_lost():
    """The queue is looked at, then a job comes and pokes, then the role goes to sleep for an hour: it must not."""
    stop, count = Stop(), 0

    def step() -> float:
        nonlocal count
        count += 1
        if count == 1:
            stop.poke()  # comes while we still work
            return 3600.0
        stop.stop()
        return 0.0

    began = time.monotonic()
    repeat("role", step, stop)
    assert count == 2
    assert time.monotonic() - began < 5


def test_stopping_wakes_everybody_and_tells_once():
    stop, told = Stop(), []
    stop.on_stop.append(lambda: told.append(1))
    threads = [threading.Thread(target=stop.sleep, args=(60.0,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    stop.stop()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert told == [1]
    assert stop.stopped
    began = time.monotonic()
    stop.sleep(60.0)  # after the end nobody sleeps
    stop.sleep(-1.0)
    assert time.monotonic() - began < 1


def test_nothing_is_repeated_after_the_end():
    stop = Stop()
    stop.stop()
    repeat("role", lambda: pytest.fail("stepped"), stop)


def test_back_off_grows_jitters_and_ends():
    assert all(0.2 <= _backoff(failures) <= 30.0 for failures in (1, 2, 5, 10, 1000) for _ in range(50))
    assert max(_backoff(1) for _ in range(200)) <= 1.0
    assert max(_backoff(50) for _ in range(200)) > 20
    assert len({_backoff(8) for _ in range(20)}) > 10
