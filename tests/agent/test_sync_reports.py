"""What the courier tells the keeper, and how it behaves when nobody listens."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import NotRecorded, TryLater, UsageError
from agent.sync_answers import ENDED_BY_SUCCESS, Trouble
from agent.sync_reports import CLOCK_EVERY_S, RECEIPT_EVERY_S, Reports
from agent.sync_telling import facts
from tests.fakes.courier import FakeClock, FakeDesk

TROUBLE = Trouble("upstream refuses the token of this box", "hint", "sync_refused", {"a": "b"})


@dataclass
class Scene:
    clock: FakeClock = field(default_factory=FakeClock)
    desk: FakeDesk = field(default_factory=FakeDesk)

    def __post_init__(self) -> None:
        self.reports = Reports(self.desk, self.clock.mono_s)

    def after(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.reports.flush()


def test_the_state_is_said_when_it_changes_and_once_a_second_at_most() -> None:
    scene = Scene()
    for cursor in range(100):
        scene.reports.state({"cursor": cursor})
        scene.after(0.05)
    said = scene.desk.bodies("/v1/sync/state")
    assert 4 <= len(said) <= 7
    scene.after(1)
    assert scene.desk.state == {"cursor": 99}
    count = len(scene.desk.said)
    for _ in range(9):
        scene.reports.state({"cursor": 99})
        scene.after(1)
    assert len(scene.desk.said) == count


def test_receipts_wait_their_minute_and_the_newest_wins() -> None:
    scene = Scene()
    kept: list[int] = []
    for cursor in range(10):
        scene.reports.receipt({"cursor": cursor}, lambda cursor=cursor: kept.append(cursor))
        scene.after(1)
    scene.after(RECEIPT_EVERY_S)
    assert [body["cursor"] for body in scene.desk.bodies("/v1/sync/receipt")] == kept == [0, 9]


def test_a_clock_offset_is_said_hourly_and_forgotten_when_it_is_over() -> None:
    scene = Scene()
    for offset_ms, wait_s in ((1999, 1), (-2500, 1), (3000, 1), (100, CLOCK_EVERY_S), (4000, 1)):
        scene.reports.clock(offset_ms)
        scene.after(wait_s)
    assert [body["offset_ms"] for body in scene.desk.bodies("/v1/sync/clock")] == [-2500, 4000]


def test_an_alarm_is_said_once_and_its_end_once() -> None:
    scene = Scene()
    scene.reports.well()
    scene.after(1)
    assert len(scene.desk.said) == len(ENDED_BY_SUCCESS)  # what a courier before us may have raised
    scene.desk.said.clear()
    for _ in range(3):
        scene.reports.alarm(TROUBLE)
        scene.after(1)
    for _ in range(3):
        scene.reports.well()
        scene.after(1)
    on, off = scene.desk.bodies("/v1/alarms")
    assert on == {"code": "sync_refused", "state": "on", "what": TROUBLE.what, "hint": "hint", "values": {"a": "b"}}
    assert (off["code"], off["state"]) == ("sync_refused", "off")


def test_a_passing_fault_is_no_alarm_and_a_fork_is_not_ended_by_a_good_answer() -> None:
    scene = Scene()
    scene.reports.alarm(Trouble("the network"))
    scene.reports.alarm(Trouble("fork", "hint", "fork"))
    scene.reports.well()
    scene.after(1)
    assert scene.desk.alarms()["fork"] == "on"


def test_what_a_keeper_that_was_away_missed_is_said_later_newest_first_of_its_kind() -> None:
    scene = Scene()
    scene.desk.down = True
    scene.reports.state({"cursor": 1})
    scene.reports.alarm(TROUBLE)
    scene.after(1)
    scene.reports.state({"cursor": 2})
    scene.desk.down = False
    scene.after(5)
    assert scene.desk.said == []  # it is left alone for a while
    scene.after(6)
    assert scene.desk.state == {"cursor": 2}
    assert scene.desk.alarms() == {"sync_refused": "on"}


def test_a_hanging_keeper_costs_one_time_out_in_a_while() -> None:
    clock = FakeClock()

    class Hangs:
        calls = 0

        def post(self, path: str, body: object) -> Any:
            self.calls += 1
            clock.sleep(5)
            raise TryLater("no answer")

    desk = Hangs()
    reports = Reports(desk, clock.mono_s)
    began_s = clock.mono
    while clock.mono - began_s < 150:
        reports.state({"now": clock.mono})
        reports.alarm(TROUBLE)
        reports.flush()
        clock.sleep(0.5)
    assert desk.calls <= 11


def test_what_the_keeper_refuses_is_not_said_again() -> None:
    scene = Scene()
    scene.desk.refuse = {"/v1/sync/receipt"}
    kept: list[int] = []
    scene.reports.receipt({"cursor": 1}, lambda: kept.append(1))
    scene.after(1)
    scene.after(100)
    assert kept == [1]


def test_what_could_not_be_journalled_is_said_again() -> None:
    clock = FakeClock()
    errors = [NotRecorded("disk full"), UsageError("never")]

    class Full:
        said = 0

        def post(self, path: str, body: object) -> Any:
            if errors and isinstance(errors[0], NotRecorded):
                raise errors.pop(0)
            self.said += 1
            return {}

    desk = Full()
    reports = Reports(desk, clock.mono_s)
    reports.receipt({"cursor": 1}, lambda: None)
    reports.flush()
    clock.sleep(11)
    reports.flush()
    assert desk.said == 1


def test_a_heartbeat_without_a_keeper_is_shorter_and_tells_no_secrets(tmp_path: Path) -> None:
    desk = FakeDesk(down=True)
    told = facts(tmp_path, desk, FakeClock())
    assert {"agent_version", "uptime_s", "disk_free_bytes"} <= set(told)
    assert "terminals" not in told
    desk.down = False
    assert facts(tmp_path, desk, FakeClock())["terminals"] == [{"name": "pos1", "driver": "x", "state": "connected"}]
    assert facts(tmp_path / "gone", desk, FakeClock())["agent_version"]
