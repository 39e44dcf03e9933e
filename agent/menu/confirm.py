"""A question that wants a clear yes. Enter alone is never a yes: it is pressed too easily twice."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from agent.menu.widgets import Key, KeyBar
from agent.words import Words


class Confirm(ModalScreen[bool]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", show=False),
        Binding("n,escape,0", "no", show=False),
    ]

    def __init__(self, words: Words, question: str) -> None:
        super().__init__()
        self._words = words
        self._question = question

    def compose(self) -> ComposeResult:
        yes, no = self._words("Yes"), self._words("No")
        yield Vertical(
            Static(self._question, markup=False), KeyBar((Key("Y", yes, "yes"), Key("N", no, "no"))), id="question"
        )

    def action_yes(self) -> None:
        self.dismiss(result=True)

    def action_no(self) -> None:
        self.dismiss(result=False)
