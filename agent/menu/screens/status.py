"""Status: everything the keeper says of itself, in words. Send now: the backlog going down, live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from agent.menu.cells import fit
from agent.menu.header import sending
from agent.menu.page import Page
from agent.menu.report import Fact, facts, sending_facts
from agent.menu.vocabulary import Tone
from agent.menu.widgets import STYLES, Key, paragraph

_LABEL = 16


def table(found: Sequence[Fact]) -> Content:
    """Facts below each other, values behind their labels."""
    lines = [
        Content.assemble((fit(fact.label, _LABEL), "$text-muted"), "  ", (fact.value, STYLES[fact.tone]))
        for fact in found
    ]
    return Content("\n").join(lines)


class StatusScreen(Page):
    def body(self) -> Iterable[Widget]:
        yield VerticalScroll(Static(id="facts", markup=False), id="scroll")

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
        self.query_one("#facts", Static).update(table(said))


class SendScreen(Page):
    def body(self) -> Iterable[Widget]:
        yield Static(self.words("Send now"), classes="title", markup=False)
        yield Static(id="sending", markup=False)
        yield Static(id="facts", markup=False)

    def keys(self) -> Sequence[Key]:
        return (self.back_key(), Key("7", self.words("Send now"), "send"))

    BINDINGS = [("7", "send", "")]

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
            self.query_one("#sending", Static).update(paragraph([(words("Sending: unknown"), Tone.WARN)]))
            return
        self.query_one("#sending", Static).update(paragraph([sending(status, words)]))
        self.query_one("#facts", Static).update(table(list(sending_facts(status, words))))
