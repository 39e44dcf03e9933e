"""Lists of transactions, and the one of today that can be printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import OptionList, Static

from agent.errors import SlipkeeperError
from agent.menu.doors import door
from agent.menu.page import Page
from agent.menu.sales import Sale, headings, number, row
from agent.menu.times import zone_of
from agent.menu.vocabulary import Tone
from agent.menu.widgets import Choices, Key, phrase

PAGE: Final = 50


class SalesPage(Page):
    """A list of transactions, more of it fetched when its end is reached; Enter or a tap opens the preview."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self.sales: list[Sale] = []
        self.more = False
        self._fetching = False

    def body(self) -> Iterable[Widget]:
        yield Static(self.title_line(), classes="title", markup=False)
        yield Static(headings(self.words), classes="headings", markup=False)
        yield Choices(id="sales")
        yield Static(id="note", markup=False)

    def keys(self) -> Sequence[Key]:
        return (self.back_key(), Key("Enter", self.words("Open"), "open"))

    def title_line(self) -> str:
        return ""

    def on_mount(self) -> None:
        self.query_one(Choices).focus()
        self.reload()

    def recovered(self) -> None:
        self.reload()

    def query_values(self) -> dict[str, str | int | None]:
        """What narrows the list down."""
        return {}

    def reload(self) -> None:
        self.fetch(0)

    def fetch(self, offset: int) -> None:
        """Fifty transactions from `offset`, in the background."""
        desk, values = self.menu.desk, self.query_values()
        self._fetching = True

        def then(answer: Any) -> None:
            self._fetching = False
            if values == self.query_values():  # else somebody typed on meanwhile
                found = list(answer.get("transactions") or [])
                held = self.sales if offset else []
                self.show_sales(each_once([*held, *found]), more=bool(answer.get("more")))

        self.ask(lambda: desk.get("/v1/transactions", **values, limit=PAGE, offset=offset or None), then)

    def failed(self, error: SlipkeeperError) -> None:
        self._fetching = False
        super().failed(error)

    def show_sales(self, sales: Sequence[Sale], *, more: bool) -> None:
        """Puts `sales` into the list; what already stands there is only added to."""
        held = len(self.sales)
        added = held > 0 and len(sales) > held and list(sales[:held]) == self.sales
        self.sales, self.more = list(sales), more
        rows = [row(sale, self.words, zone_of(self.menu.status)) for sale in (sales[held:] if added else sales)]
        said = [(f"sale-{one.seq}" if one.seq else None, (one.text, one.tone)) for one in rows]
        choices = self.query_one(Choices)
        if added:
            choices.add(said)
        else:
            choices.show(said)
        self.say_note("" if sales else self.empty_note())

    def empty_note(self) -> str:
        return self.words("Nothing here.")

    def say_note(self, text: str, tone: Tone = Tone.QUIET) -> None:
        note = self.query_one("#note", Static)
        note.display = bool(text)
        note.update(phrase((text, tone)))

    def chosen(self) -> Sale | None:
        index = self.query_one(Choices).highlighted
        return self.sales[index] if index is not None and index < len(self.sales) else None

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if self.more and not self._fetching and event.option_index >= len(self.sales) - 1:
            self.fetch(len(self.sales))

    def on_option_list_option_selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        sale = self.chosen()
        if sale and number(sale):
            self.app.push_screen(door("preview", sale))


class DetailsScreen(SalesPage):
    """Today's transactions; P prints the detail list."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("p,asterisk", "print", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self._busy = False
        self._day = ""

    def title_line(self) -> str:
        return self.words("Today's details")

    def keys(self) -> Sequence[Key]:
        return (*super().keys(), Key("P", self.words("Print the details"), "print"))

    def query_values(self) -> dict[str, str | int | None]:
        return {"day": self._day}

    def reload(self) -> None:
        self._day = str(((self.menu.status or {}).get("day") or {}).get("date") or "")
        if self._day:
            super().reload()

    def heard(self) -> None:
        """Only the keeper knows which day it is: the list waits for the first status."""
        if not self._day:
            self.reload()

    def action_print(self) -> None:
        if self._busy:
            return
        self._busy = True
        desk, operator = self.menu.desk, self.menu.operator
        self.ask(lambda: desk.post("/v1/details/today/print", {"operator": operator}), self._printing)

    def _printing(self, answer: Any) -> None:
        self._busy = False
        self.app.push_screen(door("job", str(answer.get("job", ""))))

    def failed(self, error: SlipkeeperError) -> None:
        self._busy = False
        super().failed(error)


def each_once(sales: Sequence[Sale]) -> list[Sale]:
    """`sales` without repeats: a page fetched later overlaps when something was sold meanwhile."""
    seen: set[int] = set()
    kept = []
    for sale in sales:
        seq = number(sale)
        if seq not in seen or not seq:
            kept.append(sale)
            seen.add(seq)
    return kept
