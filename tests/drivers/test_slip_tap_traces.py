"""Every pair in tests/traces/slip-tap: whole, byte by byte, and the streams a printer would set."""

import math
import re

import pytest

from agent.contract import Mode
from agent.fields import problems
from drivers import typeset
from drivers.terminals.slip_tap import driver
from drivers.tokens import Flaw, tokenize
from tests.drivers import traces

PATHS = traces.of("slip-tap")


def play(trace: traces.Trace, size: int):
    talk = driver.converse(Mode.PRINTER, trace.settings)
    reports, silent_s = [], 0
    for step in trace.steps:
        if step is None:
            silent_s += 1
            reports += talk.wake(float(silent_s))
            continue
        side, data = step
        silent_s = 0
        for at in range(0, len(data), size):
            reports += talk.receive(data[at : at + size], side)
    return reports + talk.wake(math.inf)


@pytest.mark.parametrize("size", [1 << 20, 1, 7])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_trace(path, size):
    trace = traces.load(path)
    reports = play(trace, size)
    assert [traces.told(report) for report in reports] == trace.expected, "what came:\n" + traces.lines(reports)
    assert all(problems(report.fields) == [] for report in reports)


def test_there_are_traces():
    assert len(PATHS) >= 20


@pytest.mark.parametrize("path", [path for path in PATHS if path.stem != "lying-lengths"], ids=lambda path: path.stem)
def test_every_command_of_the_traces_is_known(path):
    data = b"".join(step[1] for step in traces.load(path).steps if step)
    assert [token for token in tokenize(data) if token.flaw is not Flaw.NONE] == []


@pytest.mark.parametrize("name", ["snaildev-receipt-text", "handmade-zh-slip", "handmade-receiptline-zh"])
def test_chinese_comes_out_as_chinese(name):
    (path,) = (path for path in PATHS if path.stem == name)
    text = typeset.text(b"".join(step[1] for step in traces.load(path).steps if step))
    assert "\ufffd" not in text
    assert len(re.findall("[\u4e00-\u9fff]", text)) >= 20
    assert re.search("消费", text)
