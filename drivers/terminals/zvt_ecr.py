"""The agent as the till of a ZVT terminal: three questions, none of which has a place for an amount."""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from typing import Final

from agent.contract import Report, Side
from agent.errors import UsageError
from drivers.framing import Frame, Loose, Reason
from drivers.terminals import zvt_message as zvt
from drivers.terminals.dialogue_lines import Held, TapLine
from drivers.terminals.zvt_dialogue import QUIET_S, Dialogue
from drivers.terminals.zvt_fields import CURRENCIES
from drivers.terminals.zvt_wire import Transport, encode, parse

_ATTEMPTS: Final = 3
_PROCESSED: Final = encode(0x8000)


class Question(Enum):
    """What the agent may ask. Nothing else can be asked, so nothing else can be sent."""

    REGISTRATION = 0x0600
    LAST = 0x0620  # the last payment once more ("repeat receipt")
    END_OF_DAY = 0x0650  # closes the batch


class EcrLine(TapLine):
    """The agent as the till. `receipts`: it prints them, so the terminal sends them instead of printing."""

    def __init__(
        self, transport: Transport, dialogue: Dialogue, *, password: str, currency: str, receipts: bool
    ) -> None:
        super().__init__(transport.framer, dialogue, QUIET_S)
        self._transport = transport
        self._dialogue = dialogue
        self._secret = _password(password)
        self._currency = _currency_number(currency)
        self._receipts = receipts
        self._out = bytearray()
        self._unanswered: list[Held] = []
        self._waiting: deque[Question] = deque()
        self._asked: tuple[Question, bytes] | None = None
        self._attempts = 0

    def ask(self, question: Question) -> None:
        """Puts a question on the line; it waits until what was asked before came to its end."""
        self._waiting.append(question)
        self._next()

    def ask_last(self) -> None:
        """Asks for the last payment once more; nothing is printed by the terminal."""
        self.ask(Question.LAST)

    def ask_settlement(self) -> None:
        """Orders the end of day: this closes the batch."""
        self.ask(Question.END_OF_DAY)

    def recover(self) -> None:
        """After a new connection: registers again and asks for the last payment, which may have been missed."""
        self._waiting.clear()
        self._asked = None
        self._dialogue.end()
        self.ask(Question.REGISTRATION)
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
            self._waiting.clear()
            self._asked = None
        return reports

    def _came(self, piece: Frame | Loose, side: Side, reports: list[Report]) -> None:
        if side is not Side.TERMINAL:
            return
        if isinstance(piece, Loose):
            self._loose(piece)
            return
        self._out += self._transport.accepted
        apdu = parse(self._transport.unwrap(piece.raw))
        if apdu is None:
            return
        if not apdu.is_answer:
            processed = self._transport.wrap(_PROCESSED)
            if reports:
                self._unanswered.append(Held(processed, list(reports)))
            else:
                self._out += processed
        if apdu.code in {zvt.COMPLETION, zvt.ABORT} or apdu.code >> 8 == 0x84:
            self._asked = None
            self._next()

    def _loose(self, piece: Loose) -> None:
        """A damaged block is refused. A NAK to what we asked makes us say it again; silence does not."""
        if piece.reason is Reason.CHECK:
            self._out += self._transport.refused
            return
        refused = self._transport.refused and self._transport.refused in piece.raw
        if refused and piece.reason is Reason.NOISE and self._asked is not None and self._attempts < _ATTEMPTS:
            self._attempts += 1
            self._out += self._asked[1]

    def _next(self) -> None:
        if self._asked is not None or not self._waiting:
            return
        question = self._waiting.popleft()
        raw = self._transport.wrap(encode(question.value, self._words(question)))
        self._asked, self._attempts = (question, raw), 1
        self._dialogue.begin(zvt.Asked(question.value))
        self._out += raw

    def _words(self, question: Question) -> bytes:
        """The data of a question: the password, and what the terminal shall do besides. Never an amount."""
        if question is Question.REGISTRATION:
            # Config byte: who prints receipts; TLV 26: the text block 06 D3 is understood.
            config = b"\x86" if self._receipts else b"\x00"
            return self._secret + config + self._currency + bytes.fromhex("06 06 26 04 0A 02 06 D3")
        if question is Question.LAST:
            # Service byte: with status information; without a receipt where the terminal would print it (2.20).
            return self._secret + (b"\x03\x01" if self._receipts else b"\x03\x03")
        return self._secret


def _password(digits: str) -> bytes:
    if len(digits) != 6 or not (digits.isascii() and digits.isdecimal()):
        raise UsageError("{password} is no password of a terminal", "six digits, usually 000000", password=repr(digits))
    return bytes.fromhex(digits)


def _currency_number(code: str) -> bytes:
    known = {name: number for number, name in CURRENCIES.items()}
    if code not in known:
        hint = "one of {known}"
        raise UsageError("{code} is no currency ZVT terminals take", hint, code=repr(code), known=", ".join(known))
    return bytes.fromhex(known[code])
