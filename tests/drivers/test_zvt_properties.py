"""zvt under any bytes: framing, bitmaps, receipts. And a terminal, a till and the agent between them over real sockets."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import socket
import threading
import time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.contract import Mode, Side
from agent.fields import problems
from drivers.framing import Frame
from drivers.simulators import zvt_terminal as sim
from drivers.terminals import zvt_fields, zvt_values, zvt_wire
from drivers.terminals.dialogue_lines import ProxyLine
from drivers.terminals.zvt import driver

EXAMPLES = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
PAN = "4111111111111111"
AT = dt.datetime(2024, 5, 6, 13, 14, 15)

codes = st.sampled_from([0x040F, 0x04FF, 0x060F, 0x061E, 0x06D1, 0x06D3, 0x0601, 0x0650, 0x8000, 0x849C])
bmps = st.one_of(
    st.builds(
        lambda tag, value: bytes((tag,)) + (value * 16)[: zvt_fields.BMPS[tag].size],
        st.sampled_from([tag for tag, spec in zvt_fields.BMPS.items() if isinstance(spec.size, int)]),
        st.binary(min_size=1, max_size=16),
    ),
    st.builds(
        lambda tag, value: bytes((tag,)) + sim.counted(value),
        st.sampled_from([0x22, 0x23, 0x8B]),
        st.binary(max_size=30),
    ),
    st.builds(
        lambda tag, value: bytes((tag,)) + sim.counted(value, 3),
        st.sampled_from([0x24, 0x3C, 0x60]),
        st.binary(max_size=60),
    ),
    st.builds(lambda value: b"\x06" + bytes((len(value),)) + value, st.binary(max_size=60)),
    st.binary(max_size=6),
)
messages = st.builds(zvt_wire.encode, codes, st.lists(bmps, max_size=8).map(b"".join))


@given(
    st.lists(messages, min_size=1, max_size=5),
    st.lists(st.integers(1, 40), max_size=12),
    st.sampled_from(["tcp", "serial"]),
)
@EXAMPLES
def test_messages_come_out_as_they_went_in_however_they_are_cut(apdus: list[bytes], cuts: list[int], name: str):
    transport = zvt_wire.TRANSPORTS[name]
    stream = b"".join(transport.wrap(apdu) for apdu in apdus)
    framer, found, start = transport.framer(), [], 0
    for cut in [*cuts, len(stream)]:
        found += framer.feed(stream[start : start + cut])
        start += cut
    assert [transport.unwrap(piece.raw) for piece in found if isinstance(piece, Frame)] == apdus
    assert b"".join(piece.raw for piece in found) == stream
    assert not framer.waiting


@given(st.lists(st.binary(max_size=60) | messages.map(zvt_wire.wrap_serial) | st.just(b"\x10\x02\x10"), max_size=8))
@EXAMPLES
def test_no_byte_of_a_serial_line_is_lost(parts: list[bytes]):
    framer = zvt_wire.TRANSPORTS["serial"].framer()
    pieces = [piece for part in parts for piece in framer.feed(part)] + framer.silence()
    assert b"".join(piece.raw for piece in pieces) == b"".join(parts)


@given(st.binary(max_size=300))
@EXAMPLES
def test_a_block_survives_doubling(apdu: bytes):
    block = zvt_wire.wrap_serial(apdu)
    assert zvt_wire.unwrap_serial(block) == apdu
    used, found = zvt_wire.decode_serial(block)
    assert isinstance(found, Frame)
    assert used == len(block)


@given(st.lists(messages, max_size=6), st.sampled_from(["cp437", "latin-1", "iso-8859-15"]))
@EXAMPLES
def test_any_message_gives_fields_that_may_be_journalled(apdus: list[bytes], charset: str):
    talk = driver.converse(Mode.TAP, {"charset": charset})
    for apdu in apdus:
        for report in talk.receive(apdu):
            assert problems(report.fields) == []
            assert report.key.strip()
            json.dumps(dict(report.fields), ensure_ascii=False).encode()


@given(st.lists(bmps, max_size=10).map(b"".join))
@EXAMPLES
def test_masking_keeps_the_length_and_is_done_once(data: bytes):
    masked = zvt_values.masked(data)
    assert len(masked) == len(data)
    assert zvt_values.masked(masked) == masked


@given(st.integers(0, 30), st.sampled_from([0x22, 0x23, 0xA7]))
@EXAMPLES
def test_a_packed_card_number_is_never_kept_wherever_it_stands(before: int, tag: int):
    value = bytes(before) + bytes.fromhex(PAN)
    data = b"\x27\0" + bytes((tag,)) + sim.counted(value)
    assert PAN in data.hex()
    assert PAN[6:-4] not in zvt_values.masked(data).hex()


@given(st.integers(0, 21), st.booleans())
@EXAMPLES
def test_a_card_number_torn_by_a_line_end_is_never_kept(at: int, by_lines: bool):
    text = f"Karte {PAN}".encode()
    lines = [text[:at], text[at:]]
    one_by_one = [sim.print_line(lines[0]), sim.print_line(lines[1], 0x81)]
    apdus = one_by_one if by_lines else [sim.print_block(lines, 1)]
    talk = driver.converse(Mode.TAP, {})
    for report in (report for apdu in apdus for report in talk.receive(apdu)):
        told = (report.raw or b"").decode("latin-1") + str(report.fields["text"])
        digits = "".join(sign for sign in told if sign.isdecimal() or sign == "*")
        assert PAN not in digits
        assert PAN[6:-4] not in digits


def test_hostile_streams_take_no_time_to_speak_of():
    """Beginnings without ends, ends that lie about their length."""
    for name, data in (
        ("serial", b"\x10\x02" * 30_000),
        ("serial", b"\x10\x02" + b"A" * 200_000),
        ("tcp", b"\x04\x0f\xff\xff\x3f" * 20_000),
    ):
        framer = zvt_wire.TRANSPORTS[name].framer()
        began = time.process_time()
        for start in range(0, len(data), 512):
            framer.feed(data[start : start + 512])
        framer.silence()
        assert time.process_time() - began < 3.0


def _between(terminal: socket.socket, till: socket.socket, line: ProxyLine, journal: list[str], hold_s: float) -> None:
    """What capture does: report, commit, confirm; by the clock of a slow disk."""
    ends = {Side.TERMINAL: terminal, Side.TILL: till}
    lock = threading.Lock()

    def pump(side: Side) -> None:
        with contextlib.suppress(OSError):  # the test is over
            pass_on(side)

    def pass_on(side: Side) -> None:
        while data := ends[side].recv(4096):
            with lock:
                for report in line.receive(data, side):
                    time.sleep(hold_s)
                    journal.append(report.key)
                    line.confirm(report)
                for other in Side:
                    ends[other].sendall(line.outgoing(other))
        ends[Side.TERMINAL if side is Side.TILL else Side.TILL].shutdown(socket.SHUT_RDWR)

    threads = [threading.Thread(target=pump, args=(side,), daemon=True) for side in Side]
    for thread in threads:
        thread.start()


def _serve(*serving: Any) -> None:
    with contextlib.suppress(OSError):  # the listener was closed
        sim.serve(*serving, think_s=0.0)


def test_a_till_pays_through_the_agent_and_never_sees_a_result_before_it_is_written():
    line = driver.converse(Mode.PROXY, {})
    assert isinstance(line, ProxyLine)
    journal: list[str] = []

    def quiet(_: object) -> None:
        """Nobody reads what the simulator says."""

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, sim.Terminal(), quiet), daemon=True).start()
        terminal = socket.create_connection(listener.getsockname(), timeout=5)
        till, ours = socket.socketpair()
        terminal.settimeout(None)
        with terminal, till, ours:
            _between(terminal, ours, line, journal, hold_s=0.05)
            wire = sim.Wire(till)
            heard = sim.ask(wire, sim.pay(12850), lambda said: journal.append(f"till {said['code']}"))
            assert [apdu.code for apdu in heard] == [0x040F, 0x06D3, 0x060F]
            declined = sim.ask(wire, sim.pay(9951), lambda said: journal.append(f"till {said['code']}"))
            assert [apdu.code for apdu in declined] == [0x040F, 0x061E]
            closed = sim.ask(wire, sim.end_of_day(), lambda said: journal.append(f"till {said['code']}"))
            assert closed[0].code == 0x040F
    assert journal[0].startswith("40000123:")
    assert journal[1] == "till 040f"
    assert journal[2] == journal[0], "the receipt is a paper of that payment"
    assert journal[3] == "till 06d3"
