"""The few things every screen is built of: the two lines on top, the keys below, tiles, lists. No decisions here.

Whatever came from the keeper is put on the screen as plain text, never as markup: slips contain square brackets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from agent.menu.cells import columns, cut, fit
from agent.menu.header import Header, Phrase
from agent.menu.vocabulary import Tone

STYLES: Final = {
    Tone.PLAIN: "",
    Tone.GOOD: "$text-success",
    Tone.QUIET: "$text-muted",
    Tone.WARN: "$text-warning bold",
    Tone.BAD: "$text-error bold",
}


def phrase(said: Phrase) -> Content:
    """A text in the colour of its tone."""
    return Content.styled(said[0], STYLES[said[1]])


def paragraph(said: Iterable[Phrase]) -> Content:
    """Phrases below each other."""
    return Content("\n").join(phrase(one) for one in said)


class Text(Static):
    """Text that is drawn again only when it changed: the status comes every two seconds, mostly with nothing new."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(markup=False, id=id, classes=classes)
        self._said = Content()

    def say(self, said: Content) -> None:
        if said.plain != self._said.plain or said.spans != self._said.spans:
            self._said = said
            self.update(said)


class HeaderBar(Widget):
    """Two lines: who, which day, what time; how terminal, printer and sending are."""

    def __init__(self, header: Header) -> None:
        super().__init__()
        self._header = header

    def show(self, header: Header) -> None:
        if header != self._header:
            self._header = header
            self.refresh()

    def render(self) -> Content:
        width = max(self.size.width - 2, 20)
        right = f"{self._header.day}   {self._header.clock}".strip()
        shop = fit(self._header.shop, max(width - columns(right) - 1, 0))
        states = self._header.states
        room = max((width - 3 * (len(states) - 1)) // max(len(states), 1), 8)
        if sum(columns(text) for text, _ in states) + 3 * (len(states) - 1) > width:
            states = tuple((cut(text, room), tone) for text, tone in states)
        below = Content("   ").join(phrase(one) for one in states)
        return Content.assemble(" ", (shop, "bold"), " ", right, " \n ", below)


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it does: shown at the bottom, works by touch as well. `action` is an action of the screen."""

    key: str
    label: str
    action: str


class KeyTile(Static):
    """One key at the bottom."""

    def __init__(self, key: Key) -> None:
        super().__init__(Content.assemble((key.key, "bold $accent"), f" {key.label}"), markup=False)
        self._action = key.action

    async def on_click(self, event: events.Click) -> None:
        event.stop()
        await self.run_action(f"screen.{self._action}")


class KeyBar(Horizontal):
    """The keys of a screen, side by side, three rows high so that a finger finds them."""

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__(*(KeyTile(key) for key in keys))
        self._keys = tuple(keys)

    async def show(self, keys: Sequence[Key]) -> None:
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            await self.remove_children()
            await self.mount(*(KeyTile(key) for key in keys))


class Tile(Text, can_focus=True):
    """A large key in the middle of a screen: a number, a title, a line of help."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", show=False)]

    def __init__(self, key: str, title: str, help_line: str, action: str, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._key = key
        self._action = action
        self.label(title, help_line)

    def label(self, title: str, help_line: str) -> None:
        key = (f"{self._key}  ", "bold $accent")
        self.say(Content.assemble(key, (title, "bold"), "\n   ", (help_line, "$text-muted")))

    async def action_press(self) -> None:
        await self.run_action(f"screen.{self._action}")

    async def on_click(self, event: events.Click) -> None:
        event.stop()
        await self.action_press()


class Choices(OptionList):
    """A list of one-line rows; Enter or a tap chooses one. A row with an identity appears once."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._rows: list[tuple[str | None, Phrase]] = []

    def show(self, rows: Sequence[tuple[str | None, Phrase]]) -> None:
        """Puts `rows` (identity, phrase) in place of what stood there; the highlight stays on its row."""
        if list(rows) == self._rows:
            return
        chosen = self.chosen
        self._rows = list(rows)
        self.set_options(Option(phrase(said), id=name) for name, said in rows)
        names = [name for name, _ in rows]
        if names:
            self.highlighted = names.index(chosen) if chosen in names and chosen else 0

    def add(self, rows: Sequence[tuple[str | None, Phrase]]) -> None:
        self._rows += rows
        self.add_options(Option(phrase(said), id=name) for name, said in rows)

    @property
    def chosen(self) -> str | None:
        """The identity of the highlighted row."""
        if self.highlighted is None or self.highlighted >= self.option_count:
            return None
        return self.get_option_at_index(self.highlighted).id
