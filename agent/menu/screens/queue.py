"""The print queue: what waits, what is on hold, what nobody is sure of; then what was printed lately."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from agent.desk_client import Desk
from agent.menu import jobs
from agent.menu.doors import door
from agent.menu.page import Page
from agent.menu.times import zone_of
from agent.menu.vocabulary import Tone
from agent.menu.widgets import Choices, Key, phrase

LIMIT: Final = 50
ALL: Final = 500  # the most the desk gives at once


class QueueScreen(Page):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[jobs.Job] = []

    def body(self) -> Iterable[Widget]:
        yield Static(self.title_line(), classes="title", markup=False)
        yield Choices(id="jobs")
        yield Static(id="note", markup=False)

    def keys(self) -> Sequence[Key]:
        return (self.back_key(), Key("Enter", self.words("Open"), "open"))

    def on_mount(self) -> None:
        self.query_one(Choices).focus()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.reload()

    def recovered(self) -> None:
        self.reload()

    def heard(self) -> None:
        """Looks again with every status: a job may have been made whose answer was lost."""
        if self.is_current and self.menu.status is not None:
            self.reload()

    def reload(self) -> None:
        self.ask(lambda: self.look(self.menu.desk), self._show)

    # ---- what is listed
    def title_line(self) -> str:
        return self.words("Print queue")

    def look(self, desk: Desk) -> list[Any]:
        """The jobs to list; runs in a thread."""
        waiting = desk.get("/v1/jobs", open=1, limit=LIMIT).get("jobs") or []
        latest = desk.get("/v1/jobs", limit=LIMIT).get("jobs") or []
        known = {job.get("id") for job in waiting}
        return [*waiting, *(job for job in latest if job.get("id") not in known)]

    def empty_note(self) -> str:
        return self.words("Nothing was printed yet.")

    def _show(self, found: list[jobs.Job]) -> None:
        self.jobs = found
        zone = zone_of(self.menu.status)
        self.query_one(Choices).show([(str(job.get("id")), jobs.row(job, self.words, zone)) for job in found])
        waiting = jobs.attention(found)
        words = self.words
        note = words("Waiting for you: {count}. Enter opens one.", count=waiting) if waiting else ""
        if not found:
            note = self.empty_note()
        line = self.query_one("#note", Static)
        line.display = bool(note)
        line.update(phrase((note, Tone.WARN if waiting else Tone.QUIET)))

    def on_option_list_option_selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        index = self.query_one(Choices).highlighted
        if index is not None and index < len(self.jobs):
            self.app.push_screen(door("job", str(self.jobs[index].get("id", ""))))


class UnprintedScreen(QueueScreen):
    """Slips that were asked for and never confirmed printed; each says what to do about it."""

    def title_line(self) -> str:
        return self.words("Slips nobody saw come out")

    def look(self, desk: Desk) -> list[Any]:
        waiting = desk.get("/v1/jobs", open=1, limit=ALL).get("jobs") or []
        return [job for job in waiting if job.get("seq") is not None]

    def empty_note(self) -> str:
        return self.words("Every slip was printed.")
