"""The agent as the till of an ECR17 terminal: four questions, none of which has a place for an amount."""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from typing import Final

from agent.contract import Report, Side
from agent.errors import UsageError
from drivers.framing import ACK, NAK, Frame, Framer, Loose, Reason
from drivers.terminals import ecr17_message as ecr17
from drivers.terminals.dialogue_lines import Held, TapLine
from drivers.terminals.ecr17_dialogue import Dialogue
from drivers.terminals.ecr17_receipt import is_last, is_piece
from drivers.terminals.ecr17_wire import Check, Mode, answer, encode, payload

QUIET_S: Final = 1.0  # a message that does not go on for so long is cut off; terminals wait 2 s
_ATTEMPTS: Final = 3


class Question(Enum):
    """What the agent may ask. Nothing else can be asked, so nothing else can be sent."""

    STATUS = "s"
    LAST = "G"  # the result of the last payment once more
    TOTALS = "T"  # of the open session; it stays open
    REPRINT = "R"  # the last receipt, as text to the agent


class EcrLine(TapLine):
    """Acknowledges at once what tells nothing, the rest when it is confirmed."""

    def __init__(self, check: Check, dialogue: Dialogue, *, terminal_id: str, till_id: str) -> None:
        super().__init__(lambda: Framer(check.decode), dialogue, QUIET_S)
        self._check = check
        self._dialogue = dialogue
        self._terminal_id = _eight_digits(terminal_id)
        self._till_id = _eight_digits(till_id)
        self._out = bytearray()
        self._unanswered: list[Held] = []
        self._waiting: deque[Question] = deque()
        self._asked: Question | None = None
        self._attempts = 0

    def ask(self, question: Question) -> None:
        """Puts a question on the line; it waits until what was asked before was answered."""
        self._waiting.append(question)
        self._next()

    def ask_last(self) -> None:
        """Asks for the last result once more."""
        self.ask(Question.LAST)

    def recover(self) -> None:
        """After a new connection: the status (its answer shows the LRC mode), then the last result."""
        self._forget()
        self._dialogue.end()
        self.ask(Question.STATUS)
        self.ask(Question.LAST)

    def confirm(self, report: Report) -> None:
        for held in self._unanswered:
            if report in held.reports:
                held.reports.remove(report)
                if not held.reports:
                    self._unanswered.remove(held)
                    self._out += held.raw
                return

    def abandon(self, report: Report) -> None:
        """Silence to the whole message: the terminal says it again, or can be asked."""
        self._unanswered = [held for held in self._unanswered if report not in held.reports]

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        if side is not Side.TERMINAL:
            return b""
        data = bytes(self._out)
        self._out.clear()
        return data

    def wake(self, elapsed_s: float) -> list[Report]:
        reports = super().wake(elapsed_s)
        if elapsed_s == math.inf:
            self._forget()
        return reports

    def _forget(self) -> None:
        self._waiting.clear()
        self._asked = None

    def _came(self, piece: Frame | Loose, side: Side, reports: list[Report]) -> None:
        if side is not Side.TERMINAL:
            return
        if isinstance(piece, Loose):
            if piece.reason is Reason.CHECK:
                self._out += answer(NAK, self._mode)
            return
        data = payload(piece)
        if not data:
            self._heard(piece.raw[:1])
            return
        accepted = answer(ACK, self._mode)
        if reports:
            self._unanswered.append(Held(accepted, list(reports)))
        else:
            self._out += accepted
        if self._ends(data):
            self._asked = None
            self._next()

    @property
    def _mode(self) -> Mode:
        return self._check.mode or Mode.STD

    def _heard(self, sign: bytes) -> None:
        """A NAK to what we asked makes us say it again (the mode may be known now); silence does not."""
        if sign != NAK or self._asked is None:
            return
        if self._attempts < _ATTEMPTS:
            self._attempts += 1
            self._out += encode(self._words(self._asked), self._mode)
        else:  # also what a terminal says to a command it does not know
            self._asked = None
            self._next()

    def _ends(self, data: bytes) -> bool:
        """Whether a message is the answer to what we asked."""
        if self._asked is Question.LAST:
            return ecr17.is_result(data)
        if self._asked is Question.REPRINT:
            return is_piece(data) and is_last(data)
        return self._asked is not None and ecr17.code_of(data) == self._asked.value

    def _next(self) -> None:
        if self._asked is not None or not self._waiting:
            return
        self._asked, self._attempts = self._waiting.popleft(), 1
        self._dialogue.begin(ecr17.Asked(self._asked.value))
        self._out += encode(self._words(self._asked), self._mode)

    def _words(self, question: Question) -> bytes:
        """The payload of a question: who asks, and nothing that could be an amount."""
        head = self._terminal_id + b"0" + question.value.encode()
        if question is Question.LAST:
            return head + self._till_id + b"0000"
        if question is Question.TOTALS:
            return head + self._till_id + b"0" + b"0000000"
        if question is Question.REPRINT:
            return head + b"1" + b"0" + b"0000000000"  # to the till; the last financial receipt
        return head


def _eight_digits(said: str) -> bytes:
    if len(said) != 8 or not (said.isascii() and said.isdecimal()):
        raise UsageError("{said} is no terminal or till number", "eight digits, e.g. 00000001", said=repr(said))
    return said.encode()
