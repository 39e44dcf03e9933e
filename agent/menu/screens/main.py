"""The first screen: nine keys as on a card terminal, and above them what must not be missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Grid, Vertical
from textual.widget import Widget

from agent.menu.doors import door
from agent.menu.header import notices, sending, unprinted
from agent.menu.page import Page
from agent.menu.vocabulary import msgid
from agent.menu.widgets import Key, Text, Tile, paragraph

_TILES = (
    ("1", msgid("Reprint last"), msgid("The newest slip"), "open('last')"),
    ("2", msgid("Reprint any"), msgid("Amount, time, card"), "open('find')"),
    ("3", msgid("Today's details"), msgid("Every payment today"), "open('details')"),
    ("4", msgid("Settlement list"), msgid("Today or any day"), "open('days')"),
    ("5", msgid("Status"), msgid("Is everything well?"), "open('status')"),
    ("6", msgid("Print queue"), msgid("Waiting and on hold"), "open('queue')"),
    ("7", msgid("Send now"), msgid("To head office"), "open('send')"),
    ("8", msgid("No slip: what to do"), msgid("Paid, but no paper"), "open('no_slip')"),
    ("9", msgid("中文"), msgid("Switch language"), "language"),
)
_ACROSS = 3


class MainScreen(Page):
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, action, show=False) for key, _, _, action in _TILES),
        Binding("asterisk,u", "open('unprinted')", show=False),
        Binding("escape,0", "leave", show=False),
        Binding("left", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
        Binding("up", f"step({-_ACROSS})", show=False),
        Binding("down", f"step({_ACROSS})", show=False),
    ]

    def body(self) -> Iterable[Widget]:
        words = self.words
        yield Vertical(Text(id="notices"), Tile("*", "", "", "open('unprinted')", id="unprinted"), id="urgent")
        tiles = [Tile(key, words(title), words(hint), action, id=f"key{key}") for key, title, hint, action in _TILES]
        yield Grid(*tiles, id="tiles")

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
        line = self.query_one("#notices", Text)
        line.display = bool(said)
        line.say(paragraph(said))
        count = unprinted(status)
        tile = self.query_one("#unprinted", Tile)
        tile.display = count > 0
        tile.label(words("Slips not printed: {count}", count=count), words("Paid, but nobody saw the paper. Look now."))
        if status or trouble:
            self.query_one("#key7", Tile).label(words("Send now"), sending(status or {}, words)[0])

    def action_step(self, by: int) -> None:
        tiles: list[Any] = [tile for tile in self.query(Tile) if tile.display]
        held = tiles.index(self.focused) if self.focused in tiles else 0
        self.set_focus(tiles[min(max(held + by, 0), len(tiles) - 1)])

    def action_open(self, name: str) -> None:
        self.app.push_screen(door(name))

    def action_language(self) -> None:
        self.menu.swap_language()

    def action_leave(self) -> None:
        self.confirm(self.words("Leave the menu?"), self.menu.exit)
