"""Settlement lists: today's interim list, every closed day, and the terminal's own settlement slips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from agent.menu.lists import Paper, papers
from agent.menu.page import Page
from agent.menu.screens.preview import PaperPage
from agent.menu.vocabulary import JAMMED, REASONS
from agent.menu.widgets import Choices, Key


class DaysScreen(Page):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", show=False),
        Binding("c", "close_day", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.papers: list[Paper] = []

    def body(self) -> Iterable[Widget]:
        yield Static(self.words("Settlement list: which day?"), classes="title", markup=False)
        yield Choices(id="days")

    def keys(self) -> Sequence[Key]:
        words = self.words
        return (
            self.back_key(),
            Key("Enter", words("Open"), "open"),
            Key("C", words("Close the day"), "close_day"),
        )

    def on_mount(self) -> None:
        self.query_one(Choices).focus()
        self.reload()

    def recovered(self) -> None:
        self.reload()

    def reload(self) -> None:
        desk = self.menu.desk

        def look() -> tuple[list[Any], list[Any]]:
            return (
                desk.get("/v1/days", limit=60).get("days") or [],
                desk.get("/v1/settlements", limit=20).get("settlements") or [],
            )

        self.ask(look, lambda found: self._show(*found))

    def _show(self, days: list[Any], settlements: list[Any]) -> None:
        self.papers = papers(self.menu.status, days, settlements, self.words)
        self.query_one(Choices).show([(None, (paper.text, paper.tone)) for paper in self.papers])

    def on_option_list_option_selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        index = self.query_one(Choices).highlighted
        if index is not None and index < len(self.papers):
            self.app.push_screen(DayScreen(self.papers[index]))

    # ---- closing is not a cashier's everyday key: it is asked twice and cannot be taken back
    def action_close_day(self) -> None:
        question = self.words("Close the business day now? The list gets its number; this cannot be undone.")
        self.confirm(question, self._close_day)

    def _close_day(self) -> None:
        desk, operator = self.menu.desk, self.menu.operator
        self.ask(lambda: desk.post("/v1/days/close", {"operator": operator}), self._day_closed)

    def _day_closed(self, _: Any) -> None:
        self.menu.poll()
        self.reload()


class DayScreen(PaperPage):
    """One list on paper, to print."""

    def __init__(self, paper: Paper) -> None:
        super().__init__()
        self._paper = paper
        self._shown = False

    def body(self) -> Iterable[Widget]:
        yield self.paper()

    def on_mount(self) -> None:
        self.query_one("#desk").focus()
        self.recovered()

    def recovered(self) -> None:
        if not self._shown:
            desk, paper = self.menu.desk, self._paper
            self.ask(lambda: desk.get_bytes(paper.look_at).decode("utf-8", "replace"), self._show)

    def _show(self, text: str) -> None:
        self._shown = True
        self.show_paper(text)

    def action_print(self) -> None:
        if self._shown and self._paper.seq:
            self.print_by("/v1/reprints", {"seq": self._paper.seq, "reason": self.words(REASONS[JAMMED])})
        elif self._shown:
            self.print_by(self._paper.path, {})
