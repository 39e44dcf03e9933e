"""From one screen to another by name. A screen is imported when it is first wanted: the first one is there at once,
and screens that lead to each other do not import each other.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from textual.screen import Screen

DOORS: Final = {
    "last": ("preview", "LastScreen"),
    "preview": ("preview", "PreviewScreen"),
    "find": ("find", "FindScreen"),
    "no_slip": ("find", "NoSlipScreen"),
    "details": ("lists", "DetailsScreen"),
    "unprinted": ("queue", "UnprintedScreen"),
    "days": ("days", "DaysScreen"),
    "status": ("status", "StatusScreen"),
    "send": ("status", "SendScreen"),
    "queue": ("queue", "QueueScreen"),
    "job": ("job", "JobScreen"),
}


def door(name: str, *arguments: object) -> Screen[Any]:
    """The screen called `name`, made from `arguments`."""
    module, kind = DOORS[name]
    screen = getattr(import_module(f"agent.menu.screens.{module}"), kind)(*arguments)
    assert isinstance(screen, Screen)
    return screen
