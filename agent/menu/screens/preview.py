"""The slip as it will be on the paper, why it is printed again, and the one key that prints it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from agent.desk_client import NoAnswer
from agent.errors import SlipkeeperError
from agent.menu.cells import printable
from agent.menu.doors import door
from agent.menu.page import Page
from agent.menu.sales import Sale, details, number
from agent.menu.vocabulary import JAMMED, LOST, REASONS, Tone
from agent.menu.widgets import Key, paragraph


class PaperPage(Page):
    """A page with paper on it that can be scrolled, and something to print. Printing is asked for once."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p,enter,asterisk", "print", show=False),
        Binding("6", "queue", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.busy = False
        self._lost = False  # asked, but nobody knows whether the keeper heard it

    def paper(self) -> Widget:
        return VerticalScroll(Static(id="paper", markup=False), id="desk")

    def keys(self) -> Sequence[Key]:
        if self._lost:
            return (self.back_key(), Key("6", self.words("Print queue"), "queue"))
        return (self.back_key(), Key("Enter", self.words("Print"), "print"))

    def show_paper(self, text: str) -> None:
        self.query_one("#paper", Static).update(Content(printable(text.rstrip("\n"))))

    def print_by(self, path: str, body: dict[str, object]) -> None:
        """Asks for a print job and follows it. A second key press while asking does nothing."""
        if self.busy or self._lost:
            return
        self.busy = True
        desk = self.menu.desk
        self.ask(lambda: desk.post(path, {**body, "operator": self.menu.operator}), self._printing)

    def _printing(self, answer: Any) -> None:
        self.busy = False
        self.app.switch_screen(door("job", str(answer.get("job", ""))))

    def failed(self, error: SlipkeeperError) -> None:
        self._lost = self.busy and isinstance(error, NoAnswer)
        self.busy = False
        super().failed(error)
        self.call_later(self.show_keys)

    def action_print(self) -> None:
        """Each page knows what it prints."""

    def action_back(self) -> None:
        if not self.busy:  # the answer to a print is never left behind; it comes within the desk's time-out
            super().action_back()

    def action_queue(self) -> None:
        if self._lost:
            self.app.switch_screen(door("queue"))


class Reason(Static):
    """One reason; its number key or a tap chooses it."""

    def __init__(self, index: int, text: str) -> None:
        super().__init__(f"{index + 1}  {text}", markup=False, classes="reason")
        self._index = index

    async def on_click(self, event: events.Click) -> None:
        event.stop()
        await self.run_action(f"screen.reason({self._index})")


class PreviewScreen(PaperPage):
    """One transaction: paper on the left, what to know and why again on the right."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(index + 1), f"reason({index})", show=False) for index in range(len(REASONS))),
    ]

    def __init__(self, sale: Sale | None) -> None:
        super().__init__()
        self.sale = sale
        self.reason = JAMMED if sale and sale.get("printed") == "no" else LOST
        self.shown = False  # nothing is printed that was not on the screen first

    def body(self) -> Iterable[Widget]:
        reasons = [Reason(index, self.words(text)) for index, text in enumerate(REASONS)]
        why = Static(self.words("Why again? (1-4)"), id="why", markup=False)
        yield Horizontal(self.paper(), Vertical(Static(id="details", markup=False), why, *reasons, id="side"))

    def on_mount(self) -> None:
        self.query_one("#desk").focus()
        self.recovered()

    def recovered(self) -> None:
        if not self.shown and self.sale:
            self._load(self.sale)

    def _load(self, sale: Sale) -> None:
        self.sale = sale
        desk, path = self.menu.desk, f"/v1/slips/{number(sale)}?format=text&as=reprint"
        self.query_one("#details", Static).update(paragraph(details(sale, self.words)))
        self._mark()
        self.ask(lambda: desk.get_bytes(path).decode("utf-8", "replace"), self._show)

    def _show(self, text: str) -> None:
        self.shown = True
        self.show_paper(text)

    def action_reason(self, index: int) -> None:
        self.reason = index
        self._mark()

    def _mark(self) -> None:
        for index, line in enumerate(self.query(Reason)):
            line.set_class(index == self.reason, "chosen")

    def action_print(self) -> None:
        if self.sale and self.shown:
            reason = self.words(REASONS[self.reason])
            self.print_by("/v1/reprints", {"seq": number(self.sale), "reason": reason})


class LastScreen(PreviewScreen):
    """The newest transaction. What is printed is the very one on the screen, even if another is sold meanwhile."""

    def __init__(self) -> None:
        super().__init__(None)

    def recovered(self) -> None:
        if self.sale is None:
            desk = self.menu.desk
            self.ask(lambda: desk.get("/v1/transactions", limit=1), self._found)
        else:
            super().recovered()

    def _found(self, answer: Any) -> None:
        sales = answer.get("transactions") or []
        if not sales:
            self.say_trouble(self.words("No payment was recorded yet."), Tone.WARN)
            return
        self.reason = JAMMED if sales[0].get("printed") == "no" else LOST
        self._load(sales[0])
