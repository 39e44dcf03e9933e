"""The real courier, the real receiving end, two processes and a network that goes away: everything arrives once."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import courier, enrol
from agent.config import Config, Storage, Upstream
from agent.courier import status
from agent.entries import Draft, Kind
from agent.errors import Refused
from agent.forever import Stop, start
from agent.journal import Journal
from agent.succession import put_aside
from tests.fakes.courier import Box, lines_of, new_journal, sale
from tests.upstream.running import Running


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path / "upstream").start()
    yield made
    if made.process and made.process.poll() is None:
        made.stop()


def rewind(receiver: Running, journal_id: str, keep: int) -> None:
    """As if an older backup of upstream were put back."""
    [(chain,)] = receiver.rows("select chain from entry where journal_id=? and seq=?", journal_id, keep)
    receiver.write("delete from entry where journal_id=? and seq>?", journal_id, keep)
    receiver.write("update journal set cursor=?, head=? where journal_id=?", keep, chain, journal_id)


def proof(receiver: Running) -> dict[str, Any]:
    told = json.loads(receiver.run("verify", "--json").stdout)
    assert told["whole"]
    return dict(told)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = new_journal(tmp_path / "agent")
    yield made
    made.close()


def config_of(tmp_path: Path, receiver: Running) -> Config:
    directory = str(tmp_path / "agent")
    return Config(storage=Storage(directory=directory), upstream=Upstream(url=receiver.url, start_window_s=0))


def until(done: Callable[[], bool], timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def arrived(config: Config, journal: Journal) -> Callable[[], bool]:
    return lambda: status(config)["cursor"] == journal.head.seq


def test_receiver_off_sell_receiver_on_everything_arrives_once(
    tmp_path: Path, receiver: Running, journal: Journal
) -> None:
    config = config_of(tmp_path, receiver)
    journal_id = journal.head.journal_id
    assert enrol.enrol(config, receiver.url, receiver.first_code).journal_id == journal_id
    with pytest.raises(Refused):
        enrol.enrol(config, receiver.url, receiver.first_code)
    stop = Stop()
    sending = courier.open_courier(config, stop)
    thread = start("sync", sending.step, stop)
    journal.append([sale() for _ in range(30)])
    journal.append([replace(sale(), raw=b"\x1b@\xcf\xfa\xca\xdb 128.50\n")])
    until(arrived(config, journal))
    until(lambda: bool(receiver.rows("select 1 from blob where journal_id=?", journal_id)))

    receiver.stop()
    journal.append([sale() for _ in range(700)])
    journal.append([Draft(Kind.DAY_CLOSE, "day", "2026-11-20", {"text": ["结算清单 第1号", "合计 128.50"]})])
    until(lambda: status(config)["attempts"] > 0)
    assert status(config)["state"] == "waiting"
    receiver.start()
    enrol.ask_now(config.state)
    until(arrived(config, journal))
    assert receiver.stored(journal_id) == lines_of(config.state)

    receiver.stop()
    rewind(receiver, journal_id, 400)
    journal.append([sale()])
    receiver.start()
    until(lambda: len(receiver.stored(journal_id)) == journal.head.seq)
    stop.stop()
    thread.join()
    sending.close()
    assert receiver.stored(journal_id) == lines_of(config.state)
    assert proof(receiver)["journals"][0]["head"] == journal.head.hash.hex()


def test_receiver_and_courier_are_killed_again_and_again(tmp_path: Path, receiver: Running, journal: Journal) -> None:
    config = config_of(tmp_path, receiver)
    enrol.enrol(config, receiver.url, receiver.first_code)
    chance = random.Random(7)
    for _ in range(3):
        journal.append([sale() for _ in range(1000)])
        child = os.fork()
        if child == 0:
            with open(os.devnull, "w") as nothing:
                os.dup2(nothing.fileno(), 2)
            courier.run(config, Stop())
            os._exit(0)
        time.sleep(chance.uniform(0.15, 0.5))
        receiver.stop(signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        receiver.start()
    box = Box(config.state, receiver.url, timeouts_s=(5, 30))
    sending = box.courier()
    while status(config)["cursor"] < journal.head.seq:
        box.clock.sleep(sending.step())
    sending.close()
    assert receiver.stored(journal.head.journal_id) == lines_of(config.state)
    assert len(proof(receiver)["journals"]) == 1


def test_a_cloned_box_is_stopped_and_its_new_journal_arrives(
    tmp_path: Path, receiver: Running, journal: Journal
) -> None:
    config = config_of(tmp_path, receiver)
    made = enrol.enrol(config, receiver.url, receiver.first_code)
    twin = new_journal(tmp_path / "twin", journal_id=made.journal_id)
    enrol.save(tmp_path / "twin", made)
    twin.append([sale() for _ in range(3)])
    boxes = {name: Box(tmp_path / name, receiver.url, timeouts_s=(5, 30)) for name in ("twin", "agent")}
    other = boxes["twin"].courier()
    for _ in range(4):
        other.step()
    other.close()
    theirs = receiver.stored(made.journal_id)
    assert len(theirs) == 3

    journal.append([sale() for _ in range(5)])
    box, followed = boxes["agent"], []

    def keeper() -> None:
        head = journal.head
        journal.close()
        put_aside(config.state)
        followed.append(new_journal(config.state, parent=head))
        followed[0].append([sale()])

    box.desk.succeed = keeper
    sending = box.courier()
    for _ in range(40):
        box.clock.sleep(max(sending.step(), 0.1))
    sending.close()
    assert receiver.stored(made.journal_id) == theirs
    assert len(followed) == 1
    assert receiver.stored(followed[0].head.journal_id) == lines_of(config.state)
    assert box.desk.alarms()["fork"] == "on"
    assert box.desk.state["state"] == "ok"
    assert len(proof(receiver)["journals"]) == 2
    followed[0].close()
    twin.close()
