"""Status: everything the keeper says of itself, in words. Send now: the backlog going down, live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from agent.menu.cells import fit, wrap
from agent.menu.header import sending
from agent.menu.page import Page
from agent.menu.report import Fact, facts, sending_facts
from agent.menu.vocabulary import Tone
from agent.menu.widgets import STYLES, Key, Text, paragraph

_LABEL = 18


def table(found: Sequence[Fact], width: int) -> Content:
    """Facts below each other, values behind their labels and wrapped there, in `width` columns."""
    lines = []
    for fact in found:
        for index, part in enumerate(wrap(fact.value, max(width - _LABEL - 2, 20))):
            label = "" if index else fact.label
            lines.append(
                Content.assemble((fit(label, _LABEL), "$text-muted"), "  ", Content.styled(part, STYLES[fact.tone]))
            )
    return Content("\n").join(lines)


class StatusScreen(Page):
    def body(self) -> Iterable[Widget]:
        yield VerticalScroll(Text(id="facts"), id="scroll")

    def on_mount(self) -> None:
        self.query_one("#scroll").focus()
        self.heard()

    def heard(self) -> None:
        words, status, trouble = self.words, self.menu.status, self.menu.trouble()
        if status is not None:
            said = facts(status, words)
        elif trouble is not None:
            said = [Fact(words("Keeper"), trouble[0], Tone.BAD), Fact("", trouble[1], Tone.BAD)]
        else:
            said = [Fact(words("Keeper"), words("asking"))]
        self.query_one("#facts", Text).say(table(said, self.size.width - 4))


class SendScreen(Page):
    def body(self) -> Iterable[Widget]:
        yield Static(self.words("Send now"), classes="title", markup=False)
        yield Text(id="sending")
        yield Text(id="facts")

    def keys(self) -> Sequence[Key]:
        return (self.back_key(), Key("7", self.words("Send now"), "send"))

    BINDINGS: ClassVar[list[BindingType]] = [Binding("7", "send", show=False)]

    def on_mount(self) -> None:
        self.heard()
        self.action_send()

    def action_send(self) -> None:
        desk = self.menu.desk
        self.ask(lambda: desk.post("/v1/sync/now", {"operator": self.menu.operator}), self._asked)

    def _asked(self, _: Any) -> None:
        self.menu.poll()

    def heard(self) -> None:
        status, words = self.menu.status, self.words
        if status is None:
            self.query_one("#sending", Text).say(paragraph([(words("Sending: unknown"), Tone.WARN)]))
            return
        self.query_one("#sending", Text).say(paragraph([sending(status, words)]))
        self.query_one("#facts", Text).say(table(list(sending_facts(status, words)), self.size.width - 4))
