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
    driver = _load(TERMINALS, name)
    if not isinstance(driver, TerminalDriver):
        raise UsageError("the driver {name} is no terminal driver", "reinstall the package that brings it", name=name)
    return driver


def printer(name: str) -> PrinterDriver:
    """The printer driver called `name`. Raises UsageError with the nearest name."""
    driver = _load(PRINTERS, name)
    if not isinstance(driver, PrinterDriver):
        raise UsageError("the driver {name} is no printer driver", "reinstall the package that brings it", name=name)
    return driver


def _load(group: str, name: str) -> object:
    """What an entry point names. A stranger's driver that cannot be imported is said, not raised through us."""
    entry = _entry(group, name)
    try:
        return entry.load()
    except (ImportError, AttributeError, SyntaxError) as cause:
        raise UsageError(
            "the driver {name} cannot be loaded: {cause}",
            "reinstall the package that brings it",
            name=name,
            cause=str(cause),
        ) from cause


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
