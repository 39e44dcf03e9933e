"""Receipts ECR17 terminals send to the till as messages `S`: one stream of signs, cut into pieces of 200. Pure.

7D ends a line; a line that is full ends by itself, so a 7D behind it is an empty line. A format sign stands first in
its line: 7E and 7F double height (24 signs), 7B and 7C double width (12), 5E compressed (42). 1B ends the receipt.

Source: Nexi "Traditional POS, Send ticket" (public).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent import pan
from agent.contract import Report
from agent.fields import PAPER, Json, Kind
from drivers.framing import Frame
from drivers.scrub import scrub
from drivers.terminals.ecr17_message import Asked, finished, rebuilt
from drivers.terminals.ecr17_wire import payload

MOST_BYTES: Final = 16 * 1024  # of one receipt; what is longer is told in parts

_HEAD: Final = 10
_NEW_LINE: Final = "\x7d"
_END: Final = b"\x1b"
_NORMAL: Final = 24
_WIDTHS: Final = {"\x7e": 24, "\x7f": 24, "\x7b": 12, "\x7c": 12, "\x5e": 42}


def is_piece(data: bytes) -> bool:
    """Whether a terminal's message is a piece of a receipt."""
    return data[9:10] == b"S"


def is_last(data: bytes) -> bool:
    return _END in data[_HEAD:]


def _laid_out(text: str) -> list[list[int]]:
    """For each line the places of its signs in the stream; signs that say the format are in none."""
    done, line, width = list[list[int]](), list[int](), _NORMAL
    for place, sign in enumerate(text):
        if sign == _NEW_LINE:
            done.append(line)
            line, width = [], _NORMAL
        elif not line and sign in _WIDTHS:
            width = _WIDTHS[sign]
        elif sign != _END.decode():
            line.append(place)
            if len(line) == width:
                done.append(line)
                line, width = [], _NORMAL
    return [*done, line] if line else done


def lines(text: str) -> list[str]:
    """The lines of a receipt, formats left out."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return ["".join(shown[place] for place in line).rstrip() for line in _laid_out(text)]


def report(
    frames: Sequence[Frame], status: Report | None, question: Asked | None, *, part: bool = False
) -> Report | None:
    """The receipt as one report; None when nothing stands on it.

    `status` is the result the same request (`question`) brought: the receipt is a paper of that payment. A receipt of
    anything else is a notice, one asked for again (R) a slip. `part`: it is not whole.
    """
    pieces = [payload(frame) for frame in frames]
    clean = _scrubbed([piece[_HEAD:] for piece in pieces])
    text = "\n".join(lines(b"".join(clean).decode("latin-1"))).rstrip("\n")
    if not text.strip():
        return None
    raw = b"".join(
        rebuilt(frame, piece[:_HEAD] + body) for frame, piece, body in zip(frames, pieces, clean, strict=True)
    )
    fields: dict[str, Json] = {"text": text}
    warnings = ["the receipt is not whole"] if part else []
    if clean != [piece[_HEAD:] for piece in pieces]:
        warnings.append("the terminal sent a full card number; it was masked here")
    if status is not None and status.kind is Kind.TRANSACTION:
        facts = {name: value for name, value in status.fields.items() if name not in PAPER}
        return finished(Kind.TRANSACTION, status.key, {**facts, **fields}, raw, warnings)
    again = question is not None and question.code == "R"
    if again:
        fields["reprint"] = True
    elif status is not None or (question is not None and question.transaction_type is None):
        return finished(Kind.NOTICE, "", fields, raw, warnings)
    # Slips go to a printer as they are: so they are kept as their lines, not as messages.
    return finished(Kind.SLIP, "", fields, (text + "\n").encode("latin-1", "replace"), warnings)


def _scrubbed(bodies: Sequence[bytes]) -> list[bytes]:
    """The pieces, card numbers masked as the paper shows them: also those a line end or a message's end tears."""
    whole = b"".join(bodies)
    laid_out = _laid_out(whole.decode("latin-1"))
    paper = b"\n".join(bytes(whole[place] for place in line) for line in laid_out)
    shown = bytearray(pan.mask_bytes(whole))
    places = [place for line in laid_out for place in (*line, -1)]
    for place, sign in zip(places, scrub(paper, "latin-1"), strict=False):
        if sign == ord("*"):
            shown[place] = sign
    clean, start = [], 0
    for body in bodies:
        clean.append(bytes(shown[start : start + len(body)]))
        start += len(body)
    return clean
