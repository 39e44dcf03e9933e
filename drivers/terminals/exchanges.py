"""Identities for answers that bear none: the place an answer has among the exchanges of its line.

Concert E+ answers name no number, no time, no authorisation; two coffees paid with one card read alike to the last bit.
What tells them apart is that they answered two questions. So an identity is made of the question as it was heard, the
answer, and the identity of the exchange before it on this line. A repetition within an exchange (the terminal was not
acknowledged and says it again) keeps its identity; when the exchange is over, the same words are another payment.

What this cannot do: a new conversation (a restart, a replugged cable) begins a new row. Its first exchange is taken for
the first one of an earlier row when question and answer are equal to the last sign: the same till asked for the same
amount and the same card paid it. A clock would help; a driver has none.
"""

from __future__ import annotations

import hashlib


class Exchanges:
    """The row of exchanges on one line. Bytes given here are masked already."""

    def __init__(self) -> None:
        self._before = ""
        self._question = b""
        self._told = ""

    def ask(self, question: bytes) -> None:
        """The till asks: whatever was answered before is over."""
        self.end()
        self._question = question

    def end(self) -> None:
        """The till has acknowledged the answer, or the terminal ended the exchange. Nothing was told: nothing ends."""
        if self._told:
            self._before, self._question, self._told = self._told, b"", ""

    def key(self, answer: bytes) -> str:
        """The identity of `answer` at this place of the row."""
        self._told = _digest(self._before.encode(), self._question, answer)
        return f"sha256:{self._told}"

    def own_key(self, answer: bytes) -> str:
        """The identity of an answer that names a number of its own: question and answer are enough."""
        self._told = _digest(b"", self._question, answer)
        return f"sha256:{self._told}"


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()
