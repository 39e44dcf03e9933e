"""One request and what the terminal said to it: pieces gathered to a receipt, a receipt joined to its payment. Pure.

A result does not say which request it answers, and a receipt not to which payment it belongs. So the line remembers,
from one request to the next, what was asked, which result came and which pieces of a receipt. Beyond that only the key
of the last payment is kept: totals have no identity of their own.
"""

from __future__ import annotations

from agent.contract import Report, Side
from agent.fields import Kind
from drivers.framing import NAK, Frame
from drivers.terminals import ecr17_message as ecr17
from drivers.terminals import ecr17_receipt as receipts
from drivers.terminals.ecr17_wire import Check, payload


class Dialogue:
    """What is known between a request and the next. Bounded: a receipt too long is told in parts."""

    def __init__(self, check: Check, currency: str) -> None:
        self._check = check
        self._currency = currency
        self._asked: ecr17.Asked | None = None
        self._result: Report | None = None
        self._pieces: list[Frame] = []
        self._last_payment = ""

    def begin(self, asked: ecr17.Asked) -> None:
        self._asked, self._result, self._pieces = asked, None, []

    def end(self) -> None:
        """The line was lost. A receipt without its end is none."""
        self._asked = self._result = None
        self._pieces = []
        self._check.forget()

    def heard(self, frame: Frame, side: Side) -> list[Report]:
        data = payload(frame)
        if side is Side.TILL:
            self._till(frame, data)
            return []
        if receipts.is_piece(data):
            return self._piece(frame, data)
        if ecr17.is_result(data):
            told = self._receipt(part=True)  # what did not end before the next result
            self._result = ecr17.read(frame, self._asked, self._currency)
            if self._result.kind is Kind.TRANSACTION:
                self._last_payment = self._result.key
            return [*told, self._result]
        if ecr17.code_of(data) in {"C", "T"}:
            told = self._receipt(part=True)
            self._result = ecr17.totals(frame, self._last_payment, self._currency)
            return [*told, self._result]
        return []

    def _till(self, frame: Frame, data: bytes) -> None:
        asked = ecr17.asked(data)
        if asked is not None:
            self.begin(asked)
        elif frame.raw[:1] == NAK and self._pieces:
            self._pieces.pop()  # it comes again

    def _piece(self, frame: Frame, data: bytes) -> list[Report]:
        self._pieces.append(frame)
        if receipts.is_last(data):
            return self._receipt(part=False)
        long = sum(len(piece.raw) + 64 for piece in self._pieces) > receipts.MOST_BYTES
        return self._receipt(part=True) if long else []

    def _receipt(self, *, part: bool) -> list[Report]:
        pieces, self._pieces = self._pieces, []
        found = receipts.report(pieces, self._result, self._asked, part=part) if pieces else None
        return [found] if found is not None else []
