"""One command and what the terminal said to it: lines gathered to a receipt, a receipt joined to its payment. Pure.

A receipt is one message spread over many (06 D1) and belongs to the status information of the same command; a status
does not say which command it answers. So the line remembers, from one command to its end, what was asked, which payment
was told and which lines came. Nothing outlives the command.
"""

from __future__ import annotations

from typing import Final

from agent.contract import Report, Side
from drivers.framing import Frame
from drivers.terminals import zvt_message as zvt
from drivers.terminals import zvt_receipt as receipts
from drivers.terminals.zvt_wire import Apdu, Transport, parse

QUIET_S: Final = 2.0  # a message that does not go on for so long is cut off; short of the terminal's own 5 s

_ENDS = frozenset({zvt.COMPLETION, zvt.ABORT})


class Dialogue:
    """What is known between a command and its end. Bounded: a receipt too long is told in parts."""

    def __init__(self, transport: Transport, currency: str, charset: str) -> None:
        self._transport = transport
        self._currency = currency
        self._charset = charset
        self._asked: zvt.Asked | None = None
        self._status: Report | None = None
        self._lines: list[receipts.Printed] = []

    def begin(self, asked: zvt.Asked) -> None:
        """The till gave a command."""
        self.end()
        self._asked = asked

    def end(self) -> None:
        """The command came to its end, or the line was lost. A receipt without its end is none."""
        self._asked = self._status = None
        self._lines = []

    def heard(self, frame: Frame, side: Side) -> list[Report]:
        """What a message tells, from either side."""
        apdu = parse(self._transport.unwrap(frame.raw))
        return self._told(apdu, side) if apdu is not None else []

    def _told(self, apdu: Apdu, side: Side) -> list[Report]:
        if side is Side.TILL or apdu.code not in _TELLING:
            asked = zvt.asked(apdu)
            if asked is not None:
                self.begin(asked)
            return []
        if apdu.code in (zvt.PRINT_LINE, zvt.PRINT_BLOCK):
            return self._prints(apdu)
        told = self._receipt(part=False)  # no line follows: what came is all
        if apdu.code == zvt.STATUS:
            self._status = zvt.read(apdu, self._asked, self._currency, self._charset)
            told.append(self._status)
        elif apdu.code == zvt.ABORT:
            told.append(zvt.abort(apdu, self._asked))
        if apdu.code in _ENDS:
            self.end()
        return told

    def _prints(self, apdu: Apdu) -> list[Report]:
        piece = receipts.printed(apdu)
        if piece is None:
            return []
        self._lines.append(piece)
        long = sum(len(line.apdu.data) + 64 for line in self._lines) > receipts.MOST_BYTES
        return self._receipt(part=not piece.last) if piece.last or long else []

    def _receipt(self, *, part: bool) -> list[Report]:
        lines, self._lines = self._lines, []
        found = receipts.report(lines, self._status, self._asked, self._charset, part=part) if lines else None
        return [found] if found is not None else []


_TELLING = frozenset({zvt.STATUS, zvt.PRINT_LINE, zvt.PRINT_BLOCK, *_ENDS})
