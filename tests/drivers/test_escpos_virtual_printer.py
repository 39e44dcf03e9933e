"""The virtual printer is the judge of other tests, so it is held to the documents itself, and to python-escpos' word."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import Level
from agent.slips.model import Cell, Cut, Line, QrCode, Slip
from drivers.printers.escpos import EscPos
from drivers.simulators.printer import VirtualPrinter, into_files
from drivers.simulators.printer_model import PrinterModel

SLIP = Slip("", 32, (Line((Cell("商户存根", width=2, height=2),)), Line((Cell("金额：￥128.50"),)), Cut()))
DATA = EscPos(32, "gb18030", Level.STATUS).encode(SLIP)
ASK = bytes.fromhex("100401 100402 100403 100404")


@pytest.mark.parametrize(
    ("sensors", "answer"),
    [
        ({}, "16121212"),
        ({"lines_left": 0}, "1e32127e"),
        ({"cover_open": True}, "1e161212"),
        ({"offline": True}, "1e121212"),
        ({"cutter_jammed": True}, "1e521a12"),
        ({"silent": True}, ""),
    ],
)
def test_questions_are_answered_at_once_whatever_waits(sensors: dict[str, object], answer: str) -> None:
    model = PrinterModel()
    for name, value in sensors.items():
        setattr(model.sensors, name, value)
    assert model.receive(b"text that waits\n" + ASK).hex() == answer


@given(st.lists(st.integers(0, 60), max_size=8))
def test_the_cut_of_the_input_changes_nothing(cuts: list[int]) -> None:
    data = DATA + ASK + b"\x1dr\x01" + b"\x1d(H\x06\x0000ABCD" + DATA
    model, answers, at = PrinterModel(), b"", 0
    for size in [*cuts, len(data)]:
        answers += model.receive(data[at : at + size]) + model.print_lines(1 << 20)
        at += size
    frame = bytes.fromhex("1400000f")
    assert sorted(answers) == sorted(frame + bytes.fromhex("16121212") + b"\x00" + b'7"ABCD\x00' + frame)
    assert model.pieces == [piece.replace(b"\x1da\xff", b"") for piece in (DATA, DATA)]


def test_a_marker_behind_the_data_is_answered_only_when_they_are_printed() -> None:
    model = PrinterModel()
    model.sensors.lines_left = 1
    assert model.receive(DATA + b"\x1dr\x01\x1d(H\x06\x0000ABCD") == b""
    assert b'7"ABCD\x00' not in model.print_lines(100)
    assert model.changes() == bytes.fromhex("1c000f0f")
    assert model.pieces == []
    model.sensors.lines_left = None
    assert model.changes() == bytes.fromhex("1400000f")
    assert model.print_lines(100).endswith(b'\x007"ABCD\x00')
    assert len(model.pieces) == 1


def test_off_and_on_loses_the_buffer_and_the_modes_but_not_the_paper() -> None:
    model = PrinterModel()
    model.receive(DATA)
    model.print_lines(1)
    model.power_cycle()
    model.print_lines(100)
    model.sensors.cover_open = True
    assert model.changes() == b"", "nobody has asked for reports since"
    assert "商户存根".encode("gb18030") in model.hanging
    assert b"128.50" not in model.hanging


def test_a_full_buffer_takes_no_more() -> None:
    model = PrinterModel(buffer_bytes=20)
    model.sensors.offline = True
    model.receive(b"x" * 19 + b"\n")
    assert model.room == 0


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_taken(data: bytes) -> None:
    model = PrinterModel()
    model.receive(data)
    model.print_lines(1 << 20)
    model.changes()


@pytest.fixture
def printer() -> Iterator[VirtualPrinter]:
    with_papers = VirtualPrinter(listen=("127.0.0.1", 0)).start()
    yield with_papers
    with_papers.stop()


def wait_for(printer: VirtualPrinter, pieces: int) -> None:
    end = time.monotonic() + 5
    while len(printer.pieces) < pieces:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_serves_one_caller_after_the_other(printer: VirtualPrinter) -> None:
    first = socket.create_connection(("127.0.0.1", printer.port))
    second = socket.create_connection(("127.0.0.1", printer.port))
    second.sendall(DATA)
    first.sendall(DATA)
    wait_for(printer, 1)
    time.sleep(0.05)
    assert len(printer.pieces) == 1, "the second caller waits, as at a real printer"
    first.close()
    wait_for(printer, 2)
    second.close()


def test_a_drop_is_a_reset_after_exactly_so_many_bytes(printer: VirtualPrinter) -> None:
    printer.drop_after(10)
    with socket.create_connection(("127.0.0.1", printer.port)) as connection:
        connection.sendall(DATA)
        time.sleep(0.2)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    assert printer.received == 10


def test_unknown_faults_are_refused(printer: VirtualPrinter) -> None:
    with pytest.raises(AttributeError):
        printer.set(on_fire=True)


def test_each_paper_becomes_a_text_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write = into_files(tmp_path / "out", 32)
    write(DATA)
    write(b"\n\n\x1dVB\x00")  # only fed and cut
    write(EscPos(32, "gb18030", Level.STATUS).encode(Slip("", 32, (QrCode("x"), Cut()))))
    into_files(tmp_path / "out", 32)(DATA)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["0001.png", "0001.txt", "0002.png", "0002.txt", "0003.png", "0003.txt"]
    assert (tmp_path / "out" / "0001.txt").read_text().split() == ["商户存根", "金额：￥128.50"]
    assert (tmp_path / "out" / "0001.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.splitlines()[0].endswith("0001.png  商户存根")


def test_the_command_prints_a_line_a_slip_and_ends_politely(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "drivers.simulators.printer", "--listen", "127.0.0.1:0", "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    try:
        assert process.stdout
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(DATA)
            assert "0001.png  商户存根" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.mark.parametrize("words", [[], ["--listen", "here"], ["--listen", "127.0.0.1:1", "--pty", "/tmp/x"]])
def test_wrong_words_are_named(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "drivers.simulators.printer", "--out", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Error:" in done.stderr
