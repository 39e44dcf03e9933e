"""The first screen: nine keys as on a card terminal, and above them what must not be missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.widget import Widget
from textual.widgets import Static

from agent.menu.header import notices, sending, unprinted
from agent.menu.page import Page
from agent.menu.vocabulary import msgid
from agent.menu.widgets import Key, Tile, paragraph

_TILES = (
    ("1", msgid("Reprint last"), msgid("The newest slip"), "reprint_last"),
    ("2", msgid("Reprint any"), msgid("By amount, time, card"), "reprint_any"),
    ("3", msgid("Today's details"), msgid("Every payment of today"), "details"),
    ("4", msgid("Settlement list"), msgid("Today or any day"), "days"),
    ("5", msgid("Status"), msgid("Is everything well?"), "status"),
    ("6", msgid("Print queue"), msgid("Waiting and on hold"), "queue"),
    ("7", msgid("Send now"), msgid("To head office"), "send"),
    ("8", msgid("No slip: what to do"), msgid("Paid, but no paper"), "no_slip"),
    ("9", msgid("中文"), msgid("Switch language"), "language"),
)
_ACROSS = 3


class MainScreen(Page):
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, action, show=False) for key, _, _, action in _TILES),
        Binding("asterisk,u", "unprinted", show=False),
        Binding("escape,0", "leave", show=False),
        Binding("left", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
        Binding("up", f"step({-_ACROSS})", show=False),
        Binding("down", f"step({_ACROSS})", show=False),
    ]

    def body(self) -> Iterable[Widget]:
        words = self.words
        yield Static(id="notices", markup=False)
        yield Tile("*", "", "", "unprinted", id="unprinted")
        with_help = [Tile(key, words(title), words(hint), action) for key, title, hint, action in _TILES]
        yield Grid(*with_help, id="tiles")

    def keys(self) -> Sequence[Key]:
        return (Key("0", self.words("Leave the menu"), "leave"),)

    def on_mount(self) -> None:
        self.heard()
        self.query("#tiles Tile").first().focus()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.heard()

    def heard(self) -> None:
        """Shows what the latest status makes urgent."""
        words, status = self.words, self.menu.status
        trouble = self.menu.trouble()
        said = notices(status, trouble, words) if status or trouble else []
        line = self.query_one("#notices", Static)
        line.display = bool(said)
        line.update(paragraph(said))
        count = unprinted(status)
        tile = self.query_one("#unprinted", Tile)
        tile.display = count > 0
        tile.say(words("Slips not printed: {count}", count=count), words("Paid, but nobody saw the paper. Look now."))
        if status:
            send = self.query("#tiles Tile")[6]
            if isinstance(send, Tile):
                send.say(words("Send now"), sending(status, words)[0])

    def action_step(self, by: int) -> None:
        tiles: list[Any] = [tile for tile in self.query(Tile) if tile.display]
        held = tiles.index(self.focused) if self.focused in tiles else 0
        self.set_focus(tiles[min(max(held + by, 0), len(tiles) - 1)])

    # ---- the nine keys; a screen is imported when it is first wanted, so that the first one is there at once
    def action_reprint_last(self) -> None:
        from agent.menu.screens.preview import LastScreen

        self.app.push_screen(LastScreen())

    def action_reprint_any(self) -> None:
        from agent.menu.screens.find import FindScreen

        self.app.push_screen(FindScreen())

    def action_details(self) -> None:
        from agent.menu.screens.lists import DetailsScreen

        self.app.push_screen(DetailsScreen())

    def action_unprinted(self) -> None:
        from agent.menu.screens.lists import UnprintedScreen

        self.app.push_screen(UnprintedScreen())

    def action_days(self) -> None:
        from agent.menu.screens.days import DaysScreen

        self.app.push_screen(DaysScreen())

    def action_status(self) -> None:
        from agent.menu.screens.status import StatusScreen

        self.app.push_screen(StatusScreen())

    def action_queue(self) -> None:
        from agent.menu.screens.queue import QueueScreen

        self.app.push_screen(QueueScreen())

    def action_send(self) -> None:
        from agent.menu.screens.status import SendScreen

        self.app.push_screen(SendScreen())

    def action_no_slip(self) -> None:
        from agent.menu.screens.find import NoSlipScreen

        self.app.push_screen(NoSlipScreen())

    def action_language(self) -> None:
        self.menu.swap_language()

    def action_leave(self) -> None:
        from agent.menu.screens.confirm import Confirm

        def leave(sure: bool | None) -> None:
            if sure:
                self.app.exit()

        self.app.push_screen(Confirm(self.words, self.words("Leave the menu?")), leave)
