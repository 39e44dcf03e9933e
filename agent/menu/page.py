"""What all screens of the menu have in common: header, keys, a line for trouble, and asking the keeper off the UI.

The desk is asked in a thread; the answer comes back as a message and is handled on the UI's own thread, and only
while the screen still stands. So no screen ever waits for the keeper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from agent.desk_client import Desk
from agent.errors import SlipkeeperError
from agent.menu.cells import one_line
from agent.menu.confirm import Confirm
from agent.menu.header import Header, Status
from agent.menu.vocabulary import Tone
from agent.menu.widgets import HeaderBar, Key, KeyBar, phrase
from agent.words import Words

Answer = TypeVar("Answer")


class Menu(Protocol):
    """What a screen may ask of the application."""

    desk: Desk
    words: Words
    operator: str
    status: Status | None

    def header(self) -> Header: ...

    def trouble(self) -> tuple[str, str] | None: ...

    def poll(self) -> None: ...

    def swap_language(self) -> None: ...

    def exit(self) -> None: ...


class Answered(Message, bubble=False):
    """The desk answered: `handle` says what to do with it, on the UI's thread."""

    def __init__(self, handle: Callable[[], None]) -> None:
        super().__init__()
        self.handle = handle


class Page(Screen[None]):
    """A screen between the header and the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,0", "back", show=False)]

    @property
    def menu(self) -> Menu:
        return cast("Menu", self.app)

    @property
    def words(self) -> Words:
        return self.menu.words

    # ---- what a screen says of itself
    def body(self) -> Iterable[Widget]:
        """The widgets between header and keys."""
        return ()

    def keys(self) -> Sequence[Key]:
        """The keys shown at the bottom."""
        return (self.back_key(),)

    def heard(self) -> None:
        """The keeper told its status again (every two seconds while it is up)."""

    def recovered(self) -> None:
        """The keeper is back after it was down: ask again what the screen shows."""

    # ---- the frame
    def compose(self) -> ComposeResult:
        yield HeaderBar(self.menu.header())
        yield from self.body()
        yield Static(id="trouble", markup=False)
        yield KeyBar(self.keys())

    def back_key(self) -> Key:
        return Key("Esc", self.words("Back"), "back")

    def on_screen_resume(self) -> None:
        self.show_header()

    def show_header(self) -> None:
        for bar in self.query(HeaderBar):
            bar.show(self.menu.header())

    async def show_keys(self) -> None:
        await self.query_one(KeyBar).show(self.keys())

    def action_back(self) -> None:
        self.dismiss()

    def confirm(self, question: str, then: Callable[[], object]) -> None:
        """Does `then` only after a clear yes."""

        def answered(sure: object) -> None:
            if sure:
                then()

        self.app.push_screen(Confirm(self.words, question), answered)

    # ---- asking the keeper
    def ask(self, call: Callable[[], Answer], then: Callable[[Answer], None]) -> None:
        """Runs `call` in a thread, then `then(answer)` here, or `failed(error)`."""

        def work() -> None:
            try:
                answer = call()
            except SlipkeeperError as error:
                self.post_message(Answered(partial(self.failed, error)))
            else:
                self.post_message(Answered(partial(self._succeeded, then, answer)))

        self.run_worker(work, thread=True)

    def on_answered(self, message: Answered) -> None:
        if self.is_attached and self.app.is_running:  # else nobody looks at it any more
            message.handle()

    def _succeeded(self, then: Callable[[Any], None], answer: object) -> None:
        self.say_trouble("")
        then(answer)

    def failed(self, error: SlipkeeperError) -> None:
        what, hint = self.words.error(error)
        self.say_trouble(f"{what}: {hint}" if hint else what)

    def say_trouble(self, text: str, tone: Tone = Tone.BAD) -> None:
        """One or two lines above the keys; nothing when all is well."""
        line = self.query_one("#trouble", Static)
        line.display = bool(text)
        line.update(phrase((one_line(text), tone)))
