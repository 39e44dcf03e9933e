"""When the search box asks the keeper, and which answer still counts. Pure: the time is handed in.

One question at a time: while one is under way, the newest text waits. So a slow keeper makes the list late, never
the keys, and no answer to an older text can overwrite a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Search:
    """The state of one search box. `pause_s` is how long the fingers must rest before the keeper is asked."""

    pause_s: float = 0.15
    text: str = ""
    answered: str | None = None  # the text whose answer is on the screen
    asking: str | None = None  # the text under way
    _typed_at_s: float = 0.0

    def typed(self, text: str, at_s: float) -> None:
        self.text = text.strip()
        self._typed_at_s = at_s

    def question(self, at_s: float) -> str | None:
        """The text to ask for now, or None: nothing new, still typing, or one is under way."""
        if self.asking is not None or self.text == self.answered or self.wait_s(at_s) > 0:
            return None
        self.asking = self.text
        return self.text

    def wait_s(self, at_s: float) -> float:
        """How long until the fingers have rested long enough; 0 when they have."""
        return max(0.0, self._typed_at_s + self.pause_s - at_s)

    def answer(self) -> bool:
        """An answer came: whether it fits what stands in the box now. If not, it is not shown and asked anew."""
        current = self.asking == self.text
        if current:
            self.answered = self.asking
        self.asking = None
        return current

    def failed(self) -> None:
        """No answer came: what is on the screen belongs to no text any more."""
        self.asking = None
        self.answered = None

    @property
    def settled(self) -> bool:
        """Whether the list on the screen answers the text in the box."""
        return self.asking is None and self.text == self.answered
