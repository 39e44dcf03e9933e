"""Find and mask card numbers, before anything else may see them. Pure; drivers, the journal and upstream use it.

A card number is 13 to 19 digits that start like an issuer, have an issuer's length and pass the Luhn check. They stand
in one piece, in groups as cards print them, or alone in a run of digits with blanks or dashes; other numbers may stand
a blank away (an expiry date, a time). A sliding window would flag every order number (faults.md §5, 24), so a piece
is taken whole or not at all. What is masked keeps its length: the first six and last four digits stay.

Where a slip *labels* a number as a card number it is masked whatever it looks like: `mask_card`.
"""

from __future__ import annotations

import re
from typing import Final

# Issuer prefixes and lengths as the card organisations publish them. UnionPay 62/60/9558 (old bank cards), 81.
# Thirteen digits are an article number (EAN-13, 690 to 699 are China's) and no card but an old Visa.
_ISSUERS: Final = (
    (re.compile(r"62|60|81|9558"), range(14, 20)),  # UnionPay and bank cards of its members; Discover 60
    (re.compile(r"4"), (13, 16, 18, 19)),  # Visa
    (re.compile(r"5[0-9]|2[2-7]|6[4-9]"), range(14, 20)),  # Mastercard, Maestro, Discover 64-65
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"30|36|38|39|35|31"), (14, 16, 17, 18, 19)),  # Diners, JCB
)
# Digits with at most two blanks or dashes between them.
_RUN: Final = re.compile(r"[0-9]+(?:[ -]{1,2}[0-9]+)*")
_PIECE: Final = re.compile("[0-9]+")
# How cards and slips group a number: 4-4-4-4 with or without a rest, American Express, Diners, issuer first.
_GROUPS: Final = 5
_GROUPED: Final = re.compile("4-4-4-[1-7]|4-4-4-4-[1-3]|4-6-[45]|6-(?:10|13)|8-8")
# What follows the number on a magnetic stripe may never be kept (PCI DSS 3.3.1).
_TRACK: Final = re.compile(r"[=D][0-9]{4,}|\^[^\^]{2,30}\^[0-9]{4,}")
_STRIPE: Final = 110  # more than both tracks of a card hold
_FULL_WIDTH: Final = str.maketrans("０１２３４５６７８９－　＝\u00a0\t", "0123456789- =  ")


def luhn(digits: str) -> bool:
    """Whether the check digit (ISO/IEC 7812-1) at the end of `digits` is right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def is_card_number(digits: str) -> bool:
    """Whether a bare run of ASCII digits is taken for a card number."""
    return any(len(digits) in lengths and prefix.match(digits) for prefix, lengths in _ISSUERS) and luhn(digits)


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every card number in `text`, full-width digits included. Where two are possible, both."""
    plain = text.translate(_FULL_WIDTH)
    found = []
    for run in _RUN.finditer(plain):
        pieces = [piece.span() for piece in _PIECE.finditer(plain, *run.span())]
        reached = 0
        for place, (start, _) in enumerate(pieces):
            width = _card_at(plain, pieces, place)
            if width and pieces[place + width - 1][1] > reached:
                reached = pieces[place + width - 1][1]
                found.append((start, reached))
    return found


def _card_at(plain: str, pieces: list[tuple[int, int]], first: int) -> int:
    """How many pieces of a run, beginning with `first`, are one card number; 0 when none are."""
    start = pieces[first][0]
    digits, whole = "", 0
    for count, (begin, end) in enumerate(pieces[first : None if first == 0 else first + _GROUPS], 1):
        digits += plain[begin:end]
        if len(digits) > 19:
            break
        if len(digits) < 13:
            continue
        taken = count == 1 or (first == 0 and count == len(pieces)) or _grouped(pieces[first : first + count])
        whose = count == 1 or not _torn(plain, start, end)
        if taken and whose and is_card_number(digits) and not _fraction(plain, start):
            whole = count  # the longest wins: 4-4-4-4-3 over 4-4-4-4
    return whole


def _grouped(pieces: list[tuple[int, int]]) -> bool:
    return _GROUPED.fullmatch("-".join(str(end - begin) for begin, end in pieces)) is not None


def _torn(plain: str, start: int, end: int) -> bool:
    """Whether a group hangs on a masked number: those digits are its rest, not the beginning of another."""
    return plain[max(0, start - 1) : start] in {"*", "＊"} or plain[end : end + 1] in {"*", "＊"}


def _fraction(plain: str, start: int) -> bool:
    """Whether the digits are those of a number like 0.4111111111111111."""
    return plain[max(0, start - 2) : start] == "0." and not plain[max(0, start - 3) : max(0, start - 2)].isdecimal()


def hidden_places(text: str, start: int, end: int) -> list[int]:
    """Positions of the digits to hide in text[start:end]: all but the first six and the last four."""
    places = [place for place in range(start, end) if text[place].isdecimal()]
    return places[6:-4]


def mask(text: str) -> str:
    """`text` with every card number masked, same length."""
    found = spans(text)
    if not found:
        return text
    masked = list(text)
    for start, end in found:
        for place in hidden_places(text, start, end):
            masked[place] = _star(text[place])
        if track := _TRACK.match(text[end : end + _STRIPE].translate(_FULL_WIDTH)):
            for place in range(end, end + track.end()):
                masked[place] = _star(text[place]) if text[place].isdecimal() else text[place]
    return "".join(masked)


def _star(digit: str) -> str:
    return "＊" if digit > "9" else "*"


def mask_bytes(data: bytes) -> bytes:
    """`data` with every ASCII card number masked, same length. Drivers mask their own encodings by their own text."""
    text = data.decode("latin-1")
    return mask(text).encode("latin-1") if spans(text) else data


def mask_card(text: str) -> str:
    """A field labelled as card number: blanks out, at most the first six and last four digits kept, rest `*`."""
    compact = "".join(text.translate(_FULL_WIDTH).replace("＊", "*").replace("X", "*").replace("x", "*").split())
    compact = compact.replace("-", "").replace("#", "*")
    if len(compact) > 10 and all(sign.isdecimal() or sign == "*" for sign in compact):
        return compact[:6] + "*" * (len(compact) - 10) + compact[-4:]
    if "*" not in compact:
        return compact if len(compact) <= 4 else "*" * (len(compact) - 4) + compact[-4:]
    hidden = set([place for place, sign in enumerate(compact) if sign.isdecimal()][6:-4])
    return "".join("*" if place in hidden else sign for place, sign in enumerate(compact))
