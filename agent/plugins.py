"""Drivers by entry point, built-in ones too: a stranger's driver comes in by the same door (`slipkeeper.terminals`)."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from agent.contract import PrinterDriver, TerminalDriver
from agent.errors import UsageError

TERMINALS: Final = "slipkeeper.terminals"
PRINTERS: Final = "slipkeeper.printers"
STATEMENTS: Final = "slipkeeper.statements"


def names(group: str) -> list[str]:
    """The installed drivers of a group, without importing them."""
    return sorted(found.name for found in entry_points(group=group))


def terminal(name: str) -> TerminalDriver:
    """The terminal driver called `name`. Raises UsageError with the nearest name."""
    driver = _entry(TERMINALS, name).load()
    if not isinstance(driver, TerminalDriver):
        raise UsageError("the driver {name} is no terminal driver", "reinstall the package that brings it", name=name)
    return driver


def printer(name: str) -> PrinterDriver:
    """The printer driver called `name`. Raises UsageError with the nearest name."""
    driver = _entry(PRINTERS, name).load()
    if not isinstance(driver, PrinterDriver):
        raise UsageError("the driver {name} is no printer driver", "reinstall the package that brings it", name=name)
    return driver


def _entry(group: str, name: str) -> EntryPoint:
    found = entry_points(group=group)
    for entry in found:
        if entry.name == name:
            return entry
    nearest = difflib.get_close_matches(name, [entry.name for entry in found], 1)
    raise UsageError(
        "there is no driver {name}{guess}",
        "slipkeeper drivers lists what is installed",
        name=name,
        guess=f" (did you mean {nearest[0]}?)" if nearest else "",
    )
