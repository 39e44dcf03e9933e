"""One print job on its way: the state in words, what to do now, and the question only a person can answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from agent.errors import SlipkeeperError
from agent.menu import jobs
from agent.menu.page import Page
from agent.menu.vocabulary import Tone
from agent.menu.widgets import Key, paragraph, phrase

_LOOK_S: Final = 0.4
_QUICK: Final = ("queued", "sending", "sent")  # over in a moment; what waits for paper is looked at with the status


class JobScreen(Page):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "done", show=False),
        Binding("y", f"answer('{jobs.CAME}')", show=False),
        Binding("n", f"answer('{jobs.NOT_CAME}')", show=False),
        Binding("r", f"answer('{jobs.RESUME}')", show=False),
        Binding("c", f"answer('{jobs.CANCEL}')", show=False),
    ]

    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.job_id = job_id
        self.job: jobs.Job | None = None
        self._asking = False
        self._answering = False

    def body(self) -> Iterable[Widget]:
        yield Static(id="title", classes="title", markup=False)
        yield Static(id="road", markup=False)
        yield Static(id="todo", markup=False)

    def keys(self) -> Sequence[Key]:
        words = self.words
        labels = {
            jobs.CAME: ("Y", words("Yes, whole")),
            jobs.NOT_CAME: ("N", words("No")),
            jobs.RESUME: ("R", words("Print now")),
            jobs.CANCEL: ("C", words("Drop it")),
        }
        actions = jobs.meaning(self.job).actions if self.job else ()
        return (self.back_key(), *(Key(*labels[name], f"answer('{name}')") for name in actions))

    def on_mount(self) -> None:
        self._next_look = self.set_timer(_LOOK_S, self.look)
        self.look()

    def recovered(self) -> None:
        self.look()

    def heard(self) -> None:
        """Also looks again when an earlier look found no answer."""
        if self.menu.status is not None and (self.job is None or jobs.meaning(self.job).moving):
            self.look()

    def look(self) -> None:
        if not self._asking and self.is_attached:
            self._asking = True
            desk, path = self.menu.desk, f"/v1/jobs/{self.job_id}"
            self.ask(lambda: desk.get(path), self._show)

    def _show(self, job: Any) -> None:
        self._asking = False
        if str(job.get("id", self.job_id)) != self.job_id:  # a further copy took its place meanwhile
            self.look()
            return
        self.job = job
        here = jobs.meaning(job)
        self.query_one("#title", Static).update(Content(jobs.name(job, self.words)))
        road = Content("  >  ").join(phrase(step) for step in jobs.road(job, self.words))
        self.query_one("#road", Static).update(road)
        why = jobs.reason(job, self.words)
        said = [(self.words(here.do), Tone.PLAIN)]
        if why:
            said.append((self.words("Reason: {why}", why=why), here.tone))
        self.query_one("#todo", Static).update(paragraph(said))
        self.call_later(self.show_keys)
        if job.get("state") in _QUICK:
            self._next_look.stop()
            self._next_look = self.set_timer(_LOOK_S, self.look)

    def failed(self, error: SlipkeeperError) -> None:
        self._asking = False
        self._answering = False
        super().failed(error)

    def action_done(self) -> None:
        """Enter leaves only when nothing is left to say: whoever presses it twice to print must still see this."""
        if self.job is not None:
            here = jobs.meaning(self.job)
            if not here.moving and not here.actions:
                self.action_back()

    def action_answer(self, action: str) -> None:
        """Tells the keeper what the person saw or wants; only what fits the state, and once."""
        if self.job is None or self._answering or action not in jobs.meaning(self.job).actions:
            return
        self._answering = True
        body = {"action": action, "operator": self.menu.operator}
        desk, path = self.menu.desk, f"/v1/jobs/{self.job_id}"
        self.ask(lambda: desk.post(path, body), self._decided)

    def _decided(self, job: Any) -> None:
        """What did not come out is printed again as a further copy: that one is followed now."""
        if job.get("again"):
            self.job_id = str(job["again"])
        self._answering = False
        self.look()
