"""What a dialect of `stx-bcdlen` is: how frames are found, what they say, and what the agent may ask.

The conversations of `stx_bcdlen` know no vendor's field; a dialect knows nothing of modes, holding and confirming.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.contract import Report, Side
from drivers.framing import ACK, NAK, Decoder, Frame


class Question(StrEnum):
    """What a till may ask besides a payment. Nothing else can be asked, so nothing else can be sent."""

    LAST = "last"  # the last transaction once more
    TRANSACTION = "transaction"  # one transaction, by its trace number
    TOTALS = "totals"  # the totals of the open batch, by acquirer
    SETTLEMENT = "settlement"  # settle with a host: closes the batch


@dataclass(frozen=True, slots=True)
class Dialect:
    """One line's language.

    `read` says what a frame from the `results_from` side tells, `asked` what a frame of the other side asks for (a
    notice: asking for a payment is not one). `questions` make whole frames out of what is asked
    about (a host, a trace number, ""); they raise UsageError when it is none. `accepted` and `refused` are the answers
    to a frame; empty where nobody answers so.
    """

    decoder: Decoder
    read: Callable[[Frame], Report | None]
    asked: Callable[[Frame], Report | None] = lambda _: None
    questions: Mapping[Question, Callable[[str], bytes]] = field(default_factory=dict)
    accepted: bytes = ACK
    refused: bytes = NAK
    results_from: Side = Side.TERMINAL
