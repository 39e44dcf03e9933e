"""The search box: any slip by amount, time, last four digits, trace or words; and the guide for "no slip came"."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from agent.errors import SlipkeeperError
from agent.menu.advice import advise
from agent.menu.sales import Sale, headings
from agent.menu.screens.lists import PAGE, SalesPage, each_once
from agent.menu.search import Search
from agent.menu.vocabulary import Tone
from agent.menu.widgets import Choices, paragraph

_TIMER_SLACK_S: Final = 0.01  # a timer that rings a hair too early would find the fingers still moving


class FindScreen(SalesPage):
    """The box keeps the keys; up and down walk the list below, Enter opens."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "walk(-1)", show=False, priority=True),
        Binding("down", "walk(1)", show=False, priority=True),
        Binding("pageup", "walk(-10)", show=False, priority=True),
        Binding("pagedown", "walk(10)", show=False, priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.search = Search()

    def body(self) -> Iterable[Widget]:
        box = Input(placeholder=self.words("Amount, time, last four, trace or words"), id="box")
        box.cursor_blink = False
        yield box
        yield from self.above_list()
        yield Static(headings(self.words), classes="headings", markup=False)
        choices = Choices(id="sales")
        choices.can_focus = False
        yield choices
        yield Static(id="note", markup=False)

    def above_list(self) -> Iterable[Widget]:
        return ()

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._ask_now()

    # ---- typing
    def on_input_changed(self, event: Input.Changed) -> None:
        self.search.typed(event.value, monotonic())
        self.mark_stale()
        self.set_timer(self.search.pause_s + _TIMER_SLACK_S, self._ask_now)

    def mark_stale(self) -> None:
        """What answers an older text is shown pale: it may be about another payment."""
        for widget in self.query("#sales, #advice"):
            widget.set_class(not self.search.settled, "stale")

    def _ask_now(self) -> None:
        question = self.search.question(monotonic())
        if question is None:
            return
        desk = self.menu.desk
        self.ask(lambda: desk.get("/v1/transactions", text=question, limit=PAGE), self._found)

    def _found(self, answer: Any) -> None:
        if self.search.answer():
            self.show_found(list(answer.get("transactions") or []), more=bool(answer.get("more")))
        self.mark_stale()
        self._ask_now()

    def show_found(self, sales: list[Sale], *, more: bool) -> None:
        self.show_sales(each_once(sales), more=more)
        if more:
            self.say_note(self.words("The newest {count} are shown. Type more to narrow it down.", count=len(sales)))

    def empty_note(self) -> str:
        return self.words("Nothing fits. Try the amount alone, or the time.")

    def query_values(self) -> dict[str, str | int | None]:
        return {"text": self.search.text}

    def failed(self, error: SlipkeeperError) -> None:
        self.search.failed()
        super().failed(error)

    def recovered(self) -> None:
        self._ask_now()

    def heard(self) -> None:
        if self.menu.status is not None and not self.search.settled:
            self._ask_now()

    # ---- choosing
    def action_walk(self, by: int) -> None:
        choices = self.query_one(Choices)
        if choices.option_count:
            choices.highlighted = min(max((choices.highlighted or 0) + by, 0), choices.option_count - 1)

    def on_input_submitted(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Opens what is highlighted, but never a row that belongs to an older text."""
        if self.search.settled:
            super().action_open()


class NoSlipScreen(FindScreen):
    """Paid, but no paper: the same box, and above the list what to do now."""

    def above_list(self) -> Iterable[Widget]:
        yield Static(id="advice", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self._advise([])

    def show_found(self, sales: list[Sale], *, more: bool) -> None:
        super().show_found(sales, more=more)
        self._advise(sales, more=more)

    def failed(self, error: SlipkeeperError) -> None:
        super().failed(error)
        self._advise(None)

    def _advise(self, found: list[Sale] | None, *, more: bool = False) -> None:
        advice = advise(self.search.text, found, self.menu.status, self.words, more=more)
        steps = [(step, Tone.PLAIN) for step in advice.steps]
        self.query_one("#advice", Static).update(paragraph([(advice.title, advice.tone), *steps]))

    def empty_note(self) -> str:
        return ""
