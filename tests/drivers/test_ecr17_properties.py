"""ecr17 under any bytes, and a terminal, a till and the agent between them over real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.contract import Mode, Side
from agent.fields import problems
from drivers.framing import ACK, NAK, Frame, Framer
from drivers.simulators import ecr17_terminal as sim
from drivers.terminals import ecr17_wire as wire
from drivers.terminals.dialogue_lines import ProxyLine
from drivers.terminals.ecr17 import driver
from drivers.terminals.ecr17_receipt import lines

EXAMPLES = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
PAN = "4111111111111111"

modes = st.sampled_from(list(wire.Mode))
signs = st.characters(min_codepoint=4, max_codepoint=127, exclude_characters="\x02\x03")
heads = st.sampled_from(
    [
        "123456780E00",
        "123456780E01",
        "123456780V00",
        "123456780e00",
        "123456780i00",
        "123456780c00",
        "123456780C00",
        "123456780C01",
        "123456780T00",
        "123456780S",
        "123456780K",
        "123456780s",
    ]
)
payloads = st.builds(
    lambda head, tail: (head + tail).encode(),
    heads,
    st.text(signs, max_size=120) | st.text("0123456789 *ICL}", min_size=60, max_size=120),
)


def frames_of(mode: wire.Mode) -> st.SearchStrategy[bytes]:
    return st.one_of(
        payloads.map(lambda payload: wire.encode(payload, mode)),
        st.sampled_from([ACK, NAK]).map(lambda sign: wire.answer(sign, mode)),
        st.just(wire.progress(b"ATTENDERE PREGO")),
    )


@given(st.data(), modes, st.lists(st.integers(1, 40), max_size=12))
@EXAMPLES
def test_frames_come_out_as_they_went_in_however_they_are_cut(data: st.DataObject, mode: wire.Mode, cuts: list[int]):
    frames = data.draw(st.lists(frames_of(mode), min_size=1, max_size=5))
    stream, framer, found, start = b"".join(frames), Framer(wire.Check(mode).decode), [], 0
    for cut in [*cuts, len(stream)]:
        found += framer.feed(stream[start : start + cut])
        start += cut
    assert [piece.raw for piece in found if isinstance(piece, Frame)] == frames
    assert not framer.waiting


@given(payloads, modes)
@EXAMPLES
def test_a_mode_is_learnt_from_the_first_message(payload: bytes, mode: wire.Mode):
    check = wire.Check()
    _, found = check.decode(wire.encode(payload, mode))
    assert isinstance(found, Frame)
    assert check.mode is mode
    assert wire.payload(found) == payload


@given(st.lists(st.binary(max_size=60) | frames_of(wire.Mode.STD) | st.just(b"\x02"), max_size=8))
@EXAMPLES
def test_no_byte_is_lost(parts: list[bytes]):
    framer = Framer(wire.Check().decode)
    pieces = [piece for part in parts for piece in framer.feed(part)] + framer.silence()
    assert b"".join(piece.raw for piece in pieces) == b"".join(parts)


@given(st.lists(payloads, max_size=6), st.lists(payloads, max_size=2))
@EXAMPLES
def test_any_message_gives_fields_that_may_be_journalled(told: list[bytes], asked: list[bytes]):
    talk = driver.converse(Mode.PROXY, {})
    for payload in asked:
        talk.receive(wire.encode(payload, wire.Mode.STD), Side.TILL)
    for payload in told:
        frame = wire.encode(payload, wire.Mode.STD)
        for report in talk.receive(frame):
            assert problems(report.fields) == []
            assert report.key.strip()
            json.dumps(dict(report.fields), ensure_ascii=False).encode()
            if report.kind != "slip" and "text" not in report.fields:
                assert len(report.raw or b"") == len(frame)


@given(st.text(signs, max_size=400))
@EXAMPLES
def test_no_line_is_longer_than_paper_and_no_sign_is_lost(text: str):
    shown = lines(text)
    assert all(len(line) <= 42 for line in shown)
    kept = [sign for line in shown for sign in line if sign.isalnum()]
    assert kept == [sign for sign in text if sign.isalnum()]


@given(st.integers(0, 40), st.integers(1, 60))
@EXAMPLES
def test_a_card_number_is_never_kept_however_a_receipt_is_torn(before: int, size: int):
    """By a line end of the paper, by the end of a message, behind other digits that fill the line before."""
    talk = driver.converse(Mode.PROXY, {})
    told = []
    for piece in sim.receipt(b"7" * before + b"}" * (before % 24 != 0) + PAN.encode(), size):
        told += talk.receive(wire.encode(piece, wire.Mode.STD))
    assert told
    for report in told:
        said = (report.raw or b"").decode("latin-1") + str(report.fields["text"])
        assert PAN[6:-4] not in "".join(sign for sign in said if sign.isdecimal() or sign == "*")


@given(st.integers(12, 19), st.sampled_from(["E", "V", "e", "c", "v"]))
@EXAMPLES
def test_a_card_number_in_its_place_is_never_kept(size: int, code: str):
    number = "4000056655665556123"[:size]  # a published test number and more
    [report] = driver.converse(Mode.PROXY, {}).receive(
        wire.encode(sim.result(b"0121314", 1, number.encode(), code=code.encode()), wire.Mode.STD)
    )
    assert number not in (report.raw or b"").decode() + json.dumps(dict(report.fields))
    assert report.fields["card_masked"] == number[:6] + "*" * (size - 10) + number[-4:]


def test_hostile_streams_take_no_time_to_speak_of():
    for data in (
        b"\x02" * 200_000,
        b"\x02" + b"A" * 300_000,
        b"\x06\x03" * 100_000,
        b"\x01" + b"A" * 20,
        b"\x01" * 100_000,
    ):
        framer = Framer(wire.Check().decode)
        began = time.process_time()
        for start in range(0, len(data), 512):
            framer.feed(data[start : start + 512])
        framer.silence()
        assert time.process_time() - began < 3.0


def _between(ends: dict[Side, socket.socket], line: ProxyLine, journal: list[str], hold_s: float) -> None:
    """What capture does: report, commit, confirm; by the clock of a slow disk."""
    lock = threading.Lock()

    def pump(side: Side) -> None:
        with contextlib.suppress(OSError):  # the test is over
            pass_on(side)

    def pass_on(side: Side) -> None:
        while data := ends[side].recv(4096):
            with lock:
                for report in line.receive(data, side):
                    time.sleep(hold_s)
                    journal.append(f"{report.kind} {report.key}")
                    line.confirm(report)
                for other in Side:
                    ends[other].sendall(line.outgoing(other))
        for end in ends.values():
            end.shutdown(socket.SHUT_RDWR)

    for side in Side:
        threading.Thread(target=pump, args=(side,), daemon=True).start()


def _serve(*serving: Any) -> None:
    with contextlib.suppress(OSError):  # the listener was closed
        sim.serve(*serving, think_s=0.0)


@pytest.mark.parametrize("mode", [wire.Mode.STD, wire.Mode.STX])
def test_a_till_pays_through_the_agent_and_never_sees_a_result_before_it_is_written(mode: wire.Mode):
    line = driver.converse(Mode.PROXY, {})
    assert isinstance(line, ProxyLine)
    journal: list[str] = []

    def quiet(_: object) -> None:
        """Nobody reads what the simulator says."""

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = (listener, sim.Terminal(), mode, quiet)
        threading.Thread(target=_serve, args=serving, daemon=True).start()
        terminal = socket.create_connection(listener.getsockname(), timeout=5)
        till, ours = socket.socketpair()
        terminal.settimeout(None)
        with terminal, till, ours:
            _between({Side.TERMINAL: terminal, Side.TILL: ours}, line, journal, hold_s=0.05)
            wired = sim.Wire(till, mode)
            wired.send_until_acknowledged(sim.TERMINAL + b"0E1")
            told = sim.ask(wired, sim.pay(12850, b"X"), quiet)
            journal.append("till told")
            assert told[10:12] == b"00"
            assert b"ACQUISTO" in wired.next_message()
            journal.append("till printed")
            assert sim.ask(wired, sim.pay(9951), quiet)[10:12] == b"01"
            assert sim.ask(wired, sim.close(), quiet)[9:12] == b"C00"
    assert journal[0].startswith("transaction 12345678:")
    assert journal[1] == "till told"
    assert journal[2] == journal[0], "the receipt is a paper of that payment"
    assert journal[3] == "till printed"
    assert journal[4].startswith("transaction sha256:")
    assert any(entry.startswith("settlement 12345678:C:0000000000012850") for entry in journal)
