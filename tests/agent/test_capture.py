"""Capture over real ports: nothing is acknowledged that is not durable, nothing on one line harms another."""

from __future__ import annotations

import datetime as dt
import os
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.alerts import Alarms
from agent.capture import CHECKPOINT, NOT_WRITTEN, Capture, Line
from agent.contract import Mode, Report, Side
from agent.entries import Draft
from agent.errors import TryLater
from agent.fields import Kind
from agent.journal import Reader
from agent.lines import draft_of
from agent.ports import parse
from agent.verify import verify
from drivers.simulators.slip_layouts import Sale, Shop, slip
from tests.fakes.capturing import ACK, Box, SerialLine, frame, until


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    box.close()
    assert verify(box.journal.path).whole


LISTEN = "tcp-listen://127.0.0.1:0"


def heard(line: socket.socket, count: int = 1, timeout_s: float = 5.0) -> bytes:
    """What comes, at most `count` bytes; b"" when nothing does."""
    line.settimeout(timeout_s)
    data = b""
    try:
        while len(data) < count:
            if not (more := line.recv(count - len(data))):
                break
            data += more
    except TimeoutError:
        pass
    return data


def answer(line: socket.socket, data: bytes, timeout_s: float = 5.0) -> bytes:
    line.sendall(data)
    return heard(line, 1, timeout_s)


# -- commit, then acknowledge -------------------------------------------------------------------------------------


class Toy:
    """The simplest conversation: a line of text is a report, "+" acknowledges it. `early` is the mistake."""

    quiet_s: float | None = None

    def __init__(self, *, early: bool = False, fails_on: bytes = b"never") -> None:
        self._early = early
        self._fails_on = fails_on
        self._buffer = b""
        self._out = b""
        self.recovered = 0

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        if self._fails_on in data:
            raise ZeroDivisionError("a driver's mistake")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        reports = [Report(Kind.NOTICE, line.decode("latin-1"), {"text": line.decode("latin-1")}) for line in lines]
        if self._early:
            self._out += b"+" * len(reports)
        return reports

    def wake(self, elapsed_s: float) -> list[Report]:
        return []

    def confirm(self, report: Report) -> None:
        if not self._early:
            self._out += b"+"

    def abandon(self, report: Report) -> None:
        pass

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        if side is Side.TILL:
            return b""
        data, self._out = self._out, b""
        return data


def acknowledged_before_written(box: Box, line: socket.socket) -> int:
    """How often an acknowledgement came while its entry was not in the journal. The disk is slow enough to see."""
    append, early = box.store.append, 0

    def slow(drafts: list[Draft]) -> list:
        time.sleep(0.02)
        return append(drafts)

    box.store.append = slow  # type: ignore[method-assign]
    for number in range(10):
        line.sendall(b"%d\n" % number)
        assert heard(line) == b"+"
        reader = Reader(box.journal.path)
        early += reader.find("toy", "notice", str(number)) is None
        reader.close()
    return early


def test_an_acknowledged_report_is_in_the_journal(box: Box):
    box.line("toy", LISTEN, Toy).run()
    with box.call("toy") as line:
        assert acknowledged_before_written(box, line) == 0


def test_the_control_a_driver_that_acknowledges_by_itself_is_caught(box: Box):
    """Through the conversation a driver could cheat: the contract suite forbids it, and this check sees it."""

    class Early(Toy):
        def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
            reports = super().receive(data, side)
            self.answered = bool(reports)
            return reports

    box.line("toy", LISTEN, Early).run()
    record = box.capture._record

    def early(session, reports):  # type: ignore[no-untyped-def]
        for report in reports:
            session.conversation.confirm(report)
        box.capture._send_all(session)
        record(session, reports)

    box.capture._record = early  # type: ignore[method-assign]
    with box.call("toy") as line:
        append, caught = box.store.append, 0

        def slow(drafts: list[Draft]) -> list:
            time.sleep(0.02)
            return append(drafts)

        box.store.append = slow  # type: ignore[method-assign]
        line.sendall(b"x\n")
        assert heard(line) == b"+"
        reader = Reader(box.journal.path)
        caught += reader.find("toy", "notice", "x") is None
        reader.close()
    assert caught == 1


def test_over_a_serial_line(box: Box, tmp_path: Path):
    serial = SerialLine(tmp_path / "ttyTest")
    box.line("pos", serial.url).run()
    until(lambda: box.connected("pos"))
    serial.read(0.5)  # the question for the last transaction
    for number in range(1, 6):
        serial.send(frame(number))
        assert serial.read() == ACK
        assert box.sold()[-1] == f"{number:06d}"
    serial.unplug()


def test_over_a_pty_of_our_own(box: Box, tmp_path: Path):
    box.line("pos", f"pty:{tmp_path}/terminal").run()
    path = tmp_path / "terminal"
    until(path.exists)
    near = os.open(path, os.O_RDWR | os.O_NOCTTY)
    until(lambda: box.connected("pos"))
    os.read(near, 100)
    os.write(near, frame(1))
    assert os.read(near, 10) == ACK
    assert box.sold() == ["000001"]
    os.close(near)


def test_when_we_call(box: Box):
    server = socket.create_server(("127.0.0.1", 0))
    box.line("pos", f"tcp://127.0.0.1:{server.getsockname()[1]}").run()
    line, _ = server.accept()
    line.settimeout(5)
    line.recv(100)
    assert answer(line, frame(1)) == ACK
    assert box.sold() == ["000001"]
    line.close()
    server.close()


def test_the_answer_of_a_proxy_is_held_until_it_is_recorded(box: Box):
    box.line("pos", LISTEN, mode=Mode.PROXY, till=LISTEN).run()
    with box.call("pos") as terminal, box.call("pos", "till") as till:
        till.sendall(b"\x02request\x03")
        assert heard(terminal, 9) == b"\x02request\x03"
        with box.store.hang():
            terminal.sendall(frame(1))
            assert box.store.waiting.wait(5)
            assert heard(till, 1, 0.2) == b""
        assert heard(till, len(frame(1))) == frame(1)
        assert box.sold() == ["000001"]


def test_a_slip_printed_to_us(box: Box):
    box.line("printer", LISTEN, "slip-tap", Mode.PRINTER).run()
    with box.call("printer") as line:
        line.sendall(slip(Shop(), Sale(12850, 7, 1, dt.datetime(2026, 11, 22, 12, 0))))
        found = until(lambda: box.entries("transaction"))
    assert found[0].body["amount_minor"] == 12850
    reader = Reader(box.journal.path)
    assert reader.raw(found[0].seq)
    reader.close()


def test_reports_of_one_piece_share_one_commit(box: Box):
    box.line("toy", LISTEN, Toy).run()
    with box.call("toy") as line:
        answer(line, b"first\n")
        before = box.store.tries
        line.sendall(b"a\nb\nc\n")
        assert heard(line, 3) == b"+++"
        assert box.store.tries == before + 1


def test_said_again_is_acknowledged_again_and_written_once(box: Box):
    box.line("pos", LISTEN).run()
    for _ in range(3):
        with box.call("pos") as line:
            line.recv(100)
            assert answer(line, frame(1)) == ACK
            assert answer(line, frame(1)) == ACK
    assert box.sold() == ["000001"]


# -- lines that break ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 3, 40, -1])
def test_hanging_up_in_the_middle_of_a_frame(box: Box, cut: int):
    box.line("pos", LISTEN).run()
    with box.call("pos") as line:
        line.recv(100)
        line.sendall(frame(1)[:cut])
    with box.call("pos") as line:
        line.recv(100)
        assert answer(line, frame(2)) == ACK
        assert answer(line, frame(1)) == ACK
    assert box.sold() == ["000002", "000001"]


def test_unplugged_and_plugged_in_again_leaves_a_blind_period(box: Box, tmp_path: Path):
    serial = SerialLine(tmp_path / "ttyTest")
    box.line("pos", serial.url).run()
    until(lambda: box.connected("pos"))
    serial.let_go()
    serial.send(frame(1))
    until(lambda: box.sold() == ["000001"])
    serial.unplug()
    until(lambda: not box.connected("pos"))
    time.sleep(0.1)
    serial.plug_in()
    [blind] = until(lambda: box.entries("blind"))
    assert blind.source == "pos"
    assert blind.body["terminal"] == "pos"
    assert box.entries("transaction")[0].at < blind.body["from"] < blind.body["to"] <= blind.at
    time.sleep(0.05)
    serial.read(1)  # the question for what was missed
    serial.send(frame(2))
    until(lambda: box.sold() == ["000001", "000002"])
    serial.unplug()


def test_a_device_that_is_not_there_is_said_once_and_awaited(box: Box, tmp_path: Path):
    serial = SerialLine(tmp_path / "ttyTest")
    serial.unplug()
    box.line("pos", serial.url).run()
    until(lambda: [alarm.code for alarm in box.alarms.on()] == ["port:pos:terminal"])
    serial.plug_in()
    until(lambda: box.connected("pos"), 5)
    until(lambda: len(box.entries("alarm_end")) == 1)
    assert len(box.entries("alarm")) == 1
    assert len(box.entries("blind")) == 1
    serial.unplug()


def test_a_port_taken_by_somebody_else(box: Box):
    taken = socket.create_server(("127.0.0.1", 0))
    number = taken.getsockname()[1]
    box.line("pos", f"tcp-listen://127.0.0.1:{number}").line("other", LISTEN).run()
    until(box.alarms.on)
    with box.call("other") as line:
        line.recv(100)
        assert answer(line, frame(1)) == ACK
    taken.close()
    until(lambda: box.port("pos") == number, 20)


def test_what_a_terminal_missed_is_asked_after_every_connection(box: Box):
    conversations: list[Recovering] = []

    class Recovering(Toy):
        def __init__(self) -> None:
            super().__init__()
            conversations.append(self)

        def recover(self) -> None:
            self._out += b"?"

    box.line("toy", LISTEN, Recovering).run()
    for _ in range(2):
        with box.call("toy") as line:
            assert heard(line) == b"?"


def test_a_terminal_that_calls_again_replaces_itself_in_a_proxy(box: Box):
    box.line("pos", LISTEN, mode=Mode.PROXY, till=LISTEN).run()
    with box.call("pos", "till") as till, box.call("pos") as first:
        first.sendall(frame(1)[:20])
        time.sleep(0.05)
        with box.call("pos") as second:
            assert heard(first, 1, 2) == b""  # hung up on
            second.sendall(frame(2))
            until(lambda: box.sold() == ["000002"])
            assert heard(till, 20 + len(frame(2))) == frame(1)[:20] + frame(2)


def test_callers_that_lost_their_power_keep_nobody_out(box: Box):
    """Eight terminals that never hung up: the ninth call is served, the quietest line is given up."""
    box.line("pos", LISTEN).run()
    ghosts = [box.call("pos") for _ in range(8)]
    for ghost in ghosts:
        ghost.recv(100)
        time.sleep(0.01)
    assert answer(ghosts[0], frame(1)) == ACK  # not quiet
    with box.call("pos") as line:
        line.recv(100)
        assert answer(line, frame(2)) == ACK
    assert answer(ghosts[0], frame(3)) == ACK
    assert heard(ghosts[1], 1, 2) == b""
    for ghost in ghosts:
        ghost.close()


# -- rubbish ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["stx-bcdlen", "slip-tap"])
def test_noise_loses_nothing_behind_it(box: Box, driver: str):
    box.line("pos", LISTEN, driver, Mode.ECR if driver == "stx-bcdlen" else Mode.PRINTER).run()
    dice = random.Random(1)
    with box.call("pos") as line:
        for _ in range(20):
            line.sendall(dice.randbytes(5000))
            heard(line, 100_000, 0.01)
        if driver == "stx-bcdlen":
            time.sleep(1.2)  # silence ends a frame that was none
            heard(line, 100_000, 0.1)
            assert answer(line, frame(1)) == ACK
    if driver == "slip-tap":  # noise may have begun a picture: only a new connection begins a new paper for sure
        with box.call("pos") as line:
            line.sendall(slip(Shop(), Sale(100, 1, 1, dt.datetime(2026, 11, 22, 12, 0))))
            until(lambda: "000001" in box.sold())
    assert "000001" in box.sold()


def test_a_byte_at_a_time(box: Box):
    box.line("pos", LISTEN).run()
    with box.call("pos") as line:
        line.recv(100)
        for place in frame(1):
            line.sendall(bytes([place]))
            time.sleep(0.001)
        assert heard(line) == ACK


def test_a_till_that_chatters_does_not_keep_half_a_frame_alive(box: Box):
    """The terminal's silence ends its broken frame, whatever the till says meanwhile."""
    box.line("pos", LISTEN, mode=Mode.PROXY, till=LISTEN).run()
    with box.call("pos") as terminal, box.call("pos", "till") as till:
        terminal.sendall(frame(1)[:30])
        got, end = b"", time.monotonic() + 5
        while len(got) < 30 and time.monotonic() < end:
            till.sendall(b"\x05")
            got += heard(till, 30 - len(got), 0.2)
        assert got == frame(1)[:30]


# -- a disk that fails --------------------------------------------------------------------------------------------


def alarms(box: Box) -> list[tuple[str, str]]:
    return [(entry.kind, entry.body["code"]) for entry in box.entries() if entry.kind.startswith("alarm")]


def test_what_cannot_be_written_is_not_acknowledged_and_written_later(box: Box):
    box.line("pos", LISTEN).run()
    with box.call("pos") as line:
        line.recv(100)
        box.store.broken = True
        for number in range(1, 4):
            assert answer(line, frame(number), 0.3) == b""
        assert [alarm.code for alarm in box.alarms.on()] == [NOT_WRITTEN]
        assert box.sold() == []
        box.store.broken = False
        until(lambda: sorted(box.sold()) == ["000001", "000002", "000003"])
        until(lambda: alarms(box) == [("alarm", NOT_WRITTEN), ("alarm_end", NOT_WRITTEN)])
        assert answer(line, frame(1)) == ACK  # the terminal says it again
    assert sorted(box.sold()) == ["000001", "000002", "000003"]


def test_a_proxy_lets_the_sale_go(box: Box):
    box.line("pos", LISTEN, mode=Mode.PROXY, till=LISTEN).run()
    with box.call("pos") as terminal, box.call("pos", "till") as till:
        box.store.broken = True
        began = time.monotonic()
        terminal.sendall(frame(1))
        assert heard(till, len(frame(1))) == frame(1)
        assert time.monotonic() - began < 1
        box.store.broken = False
        until(lambda: box.sold() == ["000001"])


def test_one_report_that_never_can_be_written_blocks_no_other(box: Box):
    box.line("pos", LISTEN).run()
    with box.call("pos") as line:
        line.recv(100)
        box.store.poison = ":000001:000013:"
        assert answer(line, frame(13), 0.3) == b""
        for number in range(1, 6):
            assert answer(line, frame(number)) == ACK
        box.store.broken = True
        for number in range(6, 9):
            assert answer(line, frame(number), 0.2) == b""
        box.store.broken = False
        until(lambda: len(box.sold()) == 8)
        assert "000013" not in box.sold()
        assert [alarm.code for alarm in box.alarms.on()] == [NOT_WRITTEN]
        box.store.poison = ""
        until(lambda: "000013" in box.sold())
    until(lambda: not box.alarms.on())


def test_a_checkpoint_that_fails_is_an_alarm_and_nothing_more(box: Box):
    box.line("pos", LISTEN).run()
    rest = box.store.rest

    def fail(*, idle: bool) -> None:
        raise TryLater("the journal's checkpoint failed", "check the disk")

    box.store.rest = fail  # type: ignore[method-assign]
    with box.call("pos") as line:
        line.recv(100)
        assert answer(line, frame(1)) == ACK
        until(lambda: [alarm.code for alarm in box.alarms.on()] == [CHECKPOINT])
        assert answer(line, frame(2)) == ACK
        box.store.rest = rest  # type: ignore[method-assign]
        assert answer(line, frame(3)) == ACK
        until(lambda: not box.alarms.on())


# -- a disk that hangs (a dying card takes minutes to say so) ------------------------------------------------------


def test_a_hanging_disk_holds_no_sale_up(box: Box):
    """Promise 2: nothing the agent does can delay a payment past its time-out."""
    box.line("pos", LISTEN, mode=Mode.PROXY, till=LISTEN).line("two", LISTEN, mode=Mode.PROXY, till=LISTEN).run()
    with box.call("pos") as terminal, box.call("pos", "till") as till, box.call("two") as terminal2:
        with box.call("two", "till") as till2, box.store.hang():
            began = time.monotonic()
            terminal.sendall(frame(1))
            assert heard(till, len(frame(1))) == frame(1)
            assert time.monotonic() - began < 4
            for number in range(2, 5):  # and on every line, both ways, the same one too
                began = time.monotonic()
                till2.sendall(b"\x02pay\x03")
                assert heard(terminal2, 5) == b"\x02pay\x03"
                terminal2.sendall(frame(number))
                assert heard(till2, len(frame(number))) == frame(number)
                terminal.sendall(frame(number + 10))
                assert heard(till, len(frame(number))) == frame(number + 10)
                assert time.monotonic() - began < 2
            assert [alarm.code for alarm in box.alarms.on()] == [NOT_WRITTEN]
            with box.call("pos", "till") as again:  # a till that connects for each sale
                again.sendall(b"\x05")
                assert heard(terminal, 1) == b"\x05"
        until(lambda: len(box.sold()) == 7)
        till2.close()
    assert len(set(box.sold())) == len(box.sold())
    until(lambda: not box.alarms.on())
    until(lambda: alarms(box)[-1] == ("alarm_end", NOT_WRITTEN))


def test_a_disk_that_is_only_slow_is_waited_for(box: Box):
    """A late acknowledgement, no false alarm, nothing let go unrecorded."""
    box.line("pos", LISTEN, mode=Mode.PROXY, till=LISTEN).run()
    with box.call("pos") as terminal, box.call("pos", "till") as till:
        for number in range(1, 4):
            with box.store.hang():
                terminal.sendall(frame(number))
                time.sleep(0.3)
            assert heard(till, len(frame(number))) == frame(number)
            assert box.sold()[-1] == f"{number:06d}"
    assert box.entries("alarm") == []


def test_after_the_disk_came_back_everything_is_held_again(box: Box):
    box.line("pos", LISTEN, mode=Mode.PROXY, till=LISTEN).run()
    with box.call("pos") as terminal, box.call("pos", "till") as till:
        with box.store.hang():
            terminal.sendall(frame(1))
            assert heard(till, len(frame(1))) == frame(1)
        until(lambda: not box.alarms.on())
        with box.store.hang():
            terminal.sendall(frame(2))
            assert box.store.waiting.wait(5)
            assert heard(till, 1, 0.3) == b""
        assert heard(till, len(frame(2))) == frame(2)


# -- drivers that fail --------------------------------------------------------------------------------------------


def test_a_driver_that_fails_costs_the_others_nothing(box: Box):
    box.line("bad", LISTEN, lambda: Toy(fails_on=b"boom")).line("pos", LISTEN).run()
    with box.call("bad") as bad, box.call("pos") as good:
        good.recv(100)
        for number in range(1, 4):
            bad.sendall(b"boom\n")
            assert answer(good, frame(number)) == ACK
        assert answer(bad, b"well again\n") == b"+"
    assert [alarm.code for alarm in box.alarms.on()] == ["driver:bad"]


def test_a_proxy_whose_driver_fails_passes_bytes(box: Box):
    box.line("bad", LISTEN, lambda: Toy(fails_on=b"boom"), till=LISTEN).run()
    with box.call("bad") as terminal, box.call("bad", "till") as till:
        terminal.sendall(b"boom")
        assert heard(till, 4) == b"boom"
        till.sendall(b"pay 100")
        assert heard(terminal, 7) == b"pay 100"
        terminal.sendall(b"approved boom")
        assert heard(till, 13) == b"approved boom"
    until(lambda: [alarm.code for alarm in box.alarms.on()] == ["driver:bad"])


@pytest.mark.parametrize("where", ["wake", "confirm", "outgoing"])
def test_wherever_it_fails(box: Box, where: str):
    class Bad(Toy):
        pass

    def fail(self: Toy, *args: object) -> None:
        raise RuntimeError(where)

    setattr(Bad, where, fail)
    box.line("bad", LISTEN, Bad).line("pos", LISTEN).run()
    with box.call("bad") as bad, box.call("pos") as good:
        good.recv(100)
        bad.sendall(b"x\n")
        bad.close()
        assert answer(good, frame(1)) == ACK
    until(lambda: [alarm.code for alarm in box.alarms.on()] == ["driver:bad"])


@pytest.mark.parametrize(
    ("report", "key", "fields", "warned"),
    [
        (Report(Kind.NOTICE, "k", {"text": "fine"}), "k", {"text": "fine"}, False),
        (Report(Kind.NOTICE, "k", {"text": "half \ud800"}), "k", {}, True),
        (Report(Kind.NOTICE, "k", {"amout": 1, "rrn": "1"}), "k", {"rrn": "1"}, True),
        (Report(Kind.TRANSACTION, "k", {"amount_minor": 1.5, "currency": "CNY"}), "k", {"currency": "CNY"}, True),
        (Report(Kind.TRANSACTION, "k", {"amount_minor": 5}), "k", {}, True),
        (Report(Kind.NOTICE, "k", {"warnings": ["own"], "x": 1}), "k", {}, True),
        (Report(Kind.NOTICE, "", {}), None, {}, False),
        (Report(Kind.NOTICE, "\ud800", {}), None, {}, False),
        (Report(Kind.NOTICE, "a\nb", {}), None, {}, False),
        (Report(Kind.NOTICE, "x" * 100_000, {}), None, {}, False),
        (Report(Kind.NOTICE, None, {}, b"raw"), None, {}, False),  # type: ignore[arg-type]
    ],
)
def test_a_misshapen_report_is_kept_and_says_so(box: Box, report: Report, key: str | None, fields: dict, warned: bool):
    draft = draft_of("pos", report)
    assert draft == draft_of("pos", report)  # said again, it has the same name
    if key is None:
        assert re.fullmatch("sha256:[0-9a-f]{64}", draft.key)
    else:
        assert draft.key == key
    assert {name: value for name, value in draft.body.items() if name != "warnings"} == fields
    assert ("warnings" in draft.body) is warned
    assert box.journal.append([draft])[0].new
    assert not box.journal.append([draft])[0].new


# -- many lines ---------------------------------------------------------------------------------------------------


def test_64_idle_lines_wake_nobody(box: Box, tmp_path: Path):
    for number in range(64):
        box.line(f"pos{number}", f"pty:{tmp_path}/t{number}", mode=Mode.TAP)
    box.run()
    until(lambda: all(row["state"] == "connected" for row in box.capture.state()))
    time.sleep(0.3)
    rounds, cpu = box.rounds, time.process_time()
    time.sleep(2)
    assert box.rounds - rounds <= 1
    assert time.process_time() - cpu < 0.1
    near = os.open(tmp_path / "t63", os.O_RDWR | os.O_NOCTTY)
    os.write(near, frame(1))
    until(lambda: box.sold() == ["000001"])
    os.close(near)


def test_a_till_that_does_not_read_holds_up_nobody(box: Box):
    """And costs a megabyte at most."""
    box.line("pos", LISTEN, mode=Mode.PROXY, till=LISTEN).line("other", LISTEN).run()
    with box.call("pos") as terminal, box.call("pos", "till"), box.call("other") as other:
        other.recv(100)
        terminal.settimeout(0.2)
        sent = 0
        while sent < 12 << 20:
            try:
                sent += terminal.send(b"\x00" * 65536)
            except TimeoutError:
                pytest.fail("the terminal is held up by its till")
        assert answer(other, frame(1)) == ACK
        held = sum(len(out) for line in box.capture._lines for s in line.sessions for out in s.outbox.values())
        assert held <= 2 << 20


def test_many_terminals_at_once(box: Box):
    for number in range(12):
        box.line(f"pos{number}", LISTEN)
    box.run()
    troubles: list[str] = []

    def sell(number: int) -> None:
        with box.call(f"pos{number}") as line:
            line.recv(100)
            for sale in range(20):
                if answer(line, frame(sale)) != ACK:
                    troubles.append(f"{number}:{sale}")

    threads = [threading.Thread(target=sell, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    sold = [(entry.source, entry.body["trace_no"]) for entry in box.entries("transaction")]
    assert len(sold) == len(set(sold)) == 240


# -- ends ---------------------------------------------------------------------------------------------------------


def test_a_poke_after_the_end_goes_nowhere(box: Box, tmp_path: Path):
    """A port that opens late pokes a capture that is gone; the number of its pipe may be a stranger's file by then."""
    line = Line("x", "toy", "tap", parse("tcp-listen://127.0.0.1:0"), None, Toy)
    capture = Capture([line], box.store, Alarms(box.store.append, lambda: ""), now=lambda: "", mono_s=time.monotonic)
    capture.close()
    files = [(tmp_path / f"f{number}").open("w+b") for number in range(20)]
    for _ in range(10):
        capture.poke()
    assert all(file.read() == b"" for file in files)
    for file in files:
        file.close()


def test_poking_a_thousand_times_does_not_block(box: Box):
    box.line("pos", LISTEN).run()
    with box.store.hang():
        for _ in range(100_000):
            box.capture.poke()


def test_the_state_in_words(box: Box, tmp_path: Path):
    box.line("pos", LISTEN).line("gone", f"serial:{tmp_path}/nowhere").run()
    box.port("pos")
    assert [row["state"] for row in box.capture.state()] == ["waiting", "lost"]
    with box.call("pos") as line:
        line.recv(100)
        answer(line, frame(1))
        [row, _] = box.capture.state()
    assert (row["name"], row["state"], row["mode"]) == ("pos", "connected", "ecr")
    assert row["since"] <= row["last_at"]
