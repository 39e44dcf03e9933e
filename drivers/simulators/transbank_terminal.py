"""What a Transbank terminal would say, for tests and a dry run: texts and frames, no port.

Layouts: Transbank's public reference "POS Integrado". `Terminal.answer` is arithmetic; whoever owns a line sends its
frames one by one and waits for the acknowledgement of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from drivers.text_frames import encode

COMMERCE: Final = "597029414300"
TERMINAL_ID: Final = "75001637"


@dataclass(frozen=True, slots=True)
class Sale:
    """One line of the terminal's batch. A void is one with a negative amount."""

    amount: int
    operation: int
    ticket: str = "001234"
    auth_code: str = "252985"
    date: str = "26072023"  # DDMMYYYY
    time: str = "113748"

    def answer(self, function: str = "0210", code: str = "00") -> bytes:
        head = f"{function}|{code}|{COMMERCE}|{TERMINAL_ID}|{self.ticket}|{self.auth_code}|{self.amount}|0||0461"
        return encode(f"{head}|{self.operation:06d}|CR|||VI|{self.date}|{self.time}|0|0||".encode())

    def detail(self) -> bytes:
        head = f"0261|00|{COMMERCE}|{TERMINAL_ID}|{self.ticket}|{self.auth_code}|{self.amount}|0461"
        return encode(f"{head}|{self.operation:06d}|CR|||VI|{self.date}|{self.time}|0|0||0|".encode())


@dataclass(slots=True)
class Terminal:
    """A terminal with a batch. `said` are the questions it was asked."""

    batch: list[Sale] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)

    def answer(self, text: bytes) -> list[bytes]:
        """The frames that answer a question; empty where an acknowledgement is all."""
        self.said.append(text)
        function, *rest = text.decode("ascii").split("|")
        if function == "0200":
            return [*self._progress(rest), self._sell(int(rest[0]), rest[1])]
        if function == "0250":
            return [self.batch[-1].answer("0260") if self.batch else encode(b"0260|11|||||||||||||||||||")]
        if function == "0260":
            return [*(sale.detail() for sale in self.batch), self._end_of_list()]
        if function == "0700":
            total = sum(sale.amount for sale in self.batch)
            return [encode(f"0710|00|{len(self.batch)}|{total}|".encode())]
        if function == "0500":
            self.batch.clear()
            return [encode(f"0510|00|{COMMERCE}|{TERMINAL_ID}|".encode())]
        if function == "1200":
            return [self._void(int(rest[0]))]
        return []

    @staticmethod
    def _progress(rest: list[str]) -> list[bytes]:
        """Card, amount, PIN, host: sent only when the till asked for it."""
        wanted = len(rest) > 4 and rest[4] == "1"
        return [encode(f"0900|{code}|".encode()) for code in (78, 79, 81, 82)] if wanted else []

    def _sell(self, amount: int, ticket: str) -> bytes:
        sale = Sale(amount, len(self.batch) + 1, ticket)
        self.batch.append(sale)
        return sale.answer()

    def _void(self, operation: int) -> bytes:
        [sale] = [sale for sale in self.batch if sale.operation == operation and sale.amount > 0]
        self.batch.append(Sale(-sale.amount, operation, sale.ticket))
        return encode(f"1210|00|{COMMERCE}|{TERMINAL_ID}|{sale.auth_code}|{operation}".encode())

    def _end_of_list(self) -> bytes:
        blank = "| | | | "
        head = f"0261|00|{COMMERCE}|{TERMINAL_ID}{blank}|{len(self.batch) + 1:06d}"
        return encode(f"{head}|||| || | | | | |||".encode())
