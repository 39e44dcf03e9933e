"""Drivers come in by entry point; one that is broken or misspelt is a sentence, not a crash."""

from __future__ import annotations

import sys

import pytest

from agent import plugins
from agent.errors import UsageError


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A stranger's package with three drivers: one that cannot be imported, one that is none, one that works."""
    (tmp_path / "strange_driver.py").write_text(
        "from agent.contract import Mode, TerminalDriver\n"
        "nothing = 42\n"
        "driver = TerminalDriver('strange', 'hears nothing', frozenset({Mode.TAP}), lambda mode, settings: None)\n"
    )
    info = tmp_path / "strange-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[slipkeeper.terminals]\nstrange = strange_driver:driver\nbroken = no_such_module:driver\nnone = strange_driver:nothing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("strange_driver", None)


def test_a_strangers_driver_comes_in_by_the_same_door(stranger):
    assert "strange" in plugins.names(plugins.TERMINALS)
    assert plugins.terminal("strange").summary == "hears nothing"


def test_a_broken_one_is_said_and_the_others_are_there(stranger):
    with pytest.raises(UsageError, match="broken cannot be loaded: No module named 'no_such_module'"):
        plugins.terminal("broken")
    with pytest.raises(UsageError, match="none is no terminal driver"):
        plugins.terminal("none")
    assert plugins.terminal("slip-tap").name == "slip-tap"


def test_a_misspelt_one_gets_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean slip-tap"):
        plugins.terminal("slip-tab")
    with pytest.raises(UsageError, match=r"there is no driver xyzzy$"):
        plugins.printer("xyzzy")
