"""The doctor sees what is wrong, says unknown where it cannot see, and changes nothing."""

from __future__ import annotations

import gettext
import socket
from pathlib import Path

import agent
from agent.config import parse
from agent.contract import Truth
from agent.doctor import examine

CONFIG = """
[storage]
directory = "{state}"
[[terminals]]
name = "pos"
driver = "slip-tap"
mode = "printer"
port = "serial:{device}"
[[printers]]
name = "receipts"
port = "tcp://127.0.0.1:{port}"
"""


def examined(tmp_path, port, device="/dev/ttyNOSUCH"):
    found = examine(parse(CONFIG.format(state=tmp_path / "state", port=port, device=device)))
    return {finding.what.format(**finding.values): finding.good for finding in found}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_what_is_missing_is_said(tmp_path):
    found = examined(tmp_path, free_port())
    assert found["pos: /dev/ttyNOSUCH is not there"] is Truth.NO
    assert any(what.startswith("receipts: ") and good is Truth.NO for what, good in found.items())
    assert found[f"there is no journal yet at {tmp_path}/state/journal/journal.db"] is Truth.UNKNOWN
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_seen(tmp_path):
    device = tmp_path / "ttyUSB0"
    device.touch()
    with socket.create_server(("127.0.0.1", 0)) as printer:
        found = examined(tmp_path, printer.getsockname()[1], device)
        assert found[f"pos: {device} is there"] is Truth.YES
        assert any(what.startswith("receipts: ") and good is Truth.YES for what, good in found.items())


def test_a_damaged_journal_is_bad(tmp_path):
    path = tmp_path / "state" / "journal" / "journal.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 500)
    found = examined(tmp_path, free_port())
    assert [good for what, good in found.items() if "the journal is damaged" in what] == [Truth.NO]


def test_every_finding_is_said_in_chinese_too(tmp_path):
    catalogue = gettext.translation("slipkeeper", Path(agent.__file__).parent / "locale", languages=["zh"])
    found = list(examine(parse(CONFIG.format(state=tmp_path, port=free_port(), device="/dev/null"))))
    same_in_both = {"Python {version}", "SQLite {version}", "{name}: {cause}"}
    assert [f.what for f in found if f.what not in same_in_both and catalogue.gettext(f.what) == f.what] == []
