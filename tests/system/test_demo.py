"""The demo is the whole system: real processes, ptys, TCP, HTTP; only the devices are simulated."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest

from agent.demo import TEST_CARD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "agent.cli",
            "--lang",
            "zh",
            "demo",
            "--seconds",
            "20",
            "--no-menu",
            "--json",
            "--dir",
            directory,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory, json.loads(done.stdout)


def slipkeeper(directory, *words):
    config = ["--config", directory / "slipkeeper.toml"]
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", *config, *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_it_sells_reprints_closes_and_both_sides_are_equal(told):
    _, result = told
    assert result["troubles"] == []
    assert result["sold"] >= 5
    assert result["list_number"] == 1
    assert 0 < result["list_count"] <= result["sold"]
    assert result["offline_unsent"] > 0
    assert result["ours"] == result["theirs"]
    assert result["ours"]["cursor"] > result["sold"]


def test_the_papers_are_a_marked_reprint_and_the_list(told):
    directory, result = told
    texts = [path.read_text() for path in sorted((directory / "paper").glob("*.txt"))]
    assert len(result["papers"]) == len(texts) == 2
    assert texts[0].count("DUPLICATE") == 2
    assert any("结算清单" in text for text in texts)


def test_the_journal_it_left_is_whole_and_can_be_exported(told):
    directory, result = told
    verified = slipkeeper(directory, "journal", "verify", "--json")
    assert verified.returncode == 0, verified.stdout
    exported = slipkeeper(directory, "journal", "export", "-")
    first, *lines = exported.stdout.splitlines()
    # one STOP entry was written after the comparison, when the keeper ended
    assert json.loads(first)["entries"] == len(lines) == result["ours"]["cursor"] + 1


def test_no_card_number_is_anywhere_on_the_disk(told):
    """The simulated terminal sends a whole test number; of what the system left, no byte may hold it."""
    directory, _ = told
    seen_by_the_till = (directory / "log" / "till.log").read_text()
    assert TEST_CARD in seen_by_the_till  # it was really on the line, and the till got its answer unchanged
    devices = {"till.log", "terminal.log"}
    for path in directory.rglob("*"):
        if path.is_file() and path.name not in devices:
            assert TEST_CARD.encode() not in path.read_bytes(), path


def test_a_wrong_head_would_be_noticed(told):
    """The negative control: change one byte of one line, and verify must say so."""
    directory, _ = told
    copy = directory / "tampered"
    shutil.copytree(directory / "state", copy / "state")
    text = (directory / "slipkeeper.toml").read_text().replace(f"{directory}/state", f"{copy}/state")
    (copy / "slipkeeper.toml").write_text(text)
    connection = sqlite3.connect(copy / "state" / "journal" / "journal.db")
    connection.execute("drop trigger entries_never_change")
    connection.execute(
        "update entries set line = cast(replace(cast(line as text), '\"approved\"', '\"declined\"') as blob)"
        " where kind = 'transaction'"
    )
    connection.commit()
    connection.close()
    verified = slipkeeper(copy, "journal", "verify")
    assert verified.returncode == 1
