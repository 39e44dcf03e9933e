"""The cashier's menu on the whole screen: `run()` is all the command line needs.

The application holds the desk, the words and the latest status; the screens are in `agent.menu.screens`. It asks the
keeper for its status every two seconds and draws only what changed; nothing moves by itself.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from textual.app import App
from textual.binding import BindingType
from textual.message import Message
from textual.theme import Theme

from agent.desk_client import Desk
from agent.errors import SlipkeeperError, TryLater
from agent.menu.header import Header, Status, header
from agent.menu.page import Page
from agent.menu.screens.main import MainScreen
from agent.words import Words

POLL_S: Final = 2.0
_THEME: Final = Theme(
    name="till",
    primary="#7fb4d8",
    accent="#8ec5ea",
    background="#1b232d",
    surface="#232d39",
    panel="#2c3947",
    foreground="#e9edf1",
    success="#8fd19e",
    warning="#f2c879",
    error="#ff9a8c",
    dark=True,
    variables={
        "text-success": "#8fd19e",
        "text-warning": "#f2c879",
        "text-error": "#ff9a8c",
        "text-muted": "#b4c2cf",
    },
)


class Heard(Message, bubble=False):
    """What came of asking for the status."""

    def __init__(self, status: Status | None, error: SlipkeeperError | None) -> None:
        super().__init__()
        self.status = status
        self.error = error


class MenuApp(App[None]):
    """The menu. `now` is this machine's clock; `operator` is written on whatever is asked for."""

    CSS_PATH = "menu.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self, desk: Desk, words: Words, operator: str, now: Callable[[], datetime], poll_s: float = POLL_S
    ) -> None:
        super().__init__()
        self.desk = desk
        self.words = words
        self.operator = operator
        self.status: Status | None = None
        self.animation_level = "none"
        self._error: SlipkeeperError | None = None
        self._now = now
        self._poll_s = poll_s
        self._asking = False
        self._shop = "Slipkeeper"  # until the keeper tells; it stays on the screen when the keeper is gone

    def on_mount(self) -> None:
        self.register_theme(_THEME)
        self.theme = _THEME.name
        self.push_screen(MainScreen())
        self.poll()
        self.set_interval(self._poll_s, self.poll)

    # ---- what screens ask of the application
    def header(self) -> Header:
        if self.status is None and self._error is None:  # nobody has answered yet: say nothing wrong
            return Header(self._shop, "", f"{self._now():%H:%M}", ())
        return header(self.status, self._now(), self.words, self._shop)

    def trouble(self) -> tuple[str, str] | None:
        """What is wrong with the keeper and what to do, None while it answers."""
        return self.words.error(self._error) if self._error else None

    def swap_language(self) -> None:
        self.words = Words("en" if self.words.language == "zh" else "zh")
        self.switch_screen(MainScreen())

    def poll(self) -> None:
        """Asks for the status, unless a question is under way."""
        if not self._asking:
            self._asking = True
            self.run_worker(self._ask, thread=True)

    def _ask(self) -> None:
        try:
            status: Any = self.desk.get("/v1/status")
        except SlipkeeperError as error:
            self.post_message(Heard(None, error))
        else:
            if isinstance(status, dict):
                self.post_message(Heard(status, None))
            else:
                self.post_message(Heard(None, TryLater("the answer of the keeper cannot be read", "slipkeeper doctor")))

    def on_heard(self, message: Heard) -> None:
        if not self.is_running:  # leaving: the screens are being taken down
            return
        was_down = self._error is not None
        self._asking = False
        self.status, self._error = message.status, message.error
        self._shop = self.header().shop
        for screen in self.screen_stack:
            if isinstance(screen, Page) and screen.is_mounted:  # one just being made looks by itself
                screen.show_header()
                if was_down and self.status is not None:
                    screen.recovered()
                screen.heard()


def run(desk_socket: Path, language: str) -> None:
    """Shows the menu until the cashier leaves it. Wires the real clock and the user's own name."""
    try:
        operator = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run a user id without a name
        operator = str(os.getuid())
    MenuApp(Desk(desk_socket), Words(language), operator, datetime.now).run()
