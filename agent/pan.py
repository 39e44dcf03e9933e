"""Find and mask card numbers, before anything else may see them. Pure; drivers, the journal and upstream use it.

A card number is a whole run of 13 to 19 digits (blanks or dashes may stand between groups) that starts like an issuer,
has an issuer's length and passes the Luhn check. A sliding window would flag every order number (faults.md §5, 24),
so a run is taken whole or not at all. What is masked keeps its length: the first six and last four digits stay.

Where a slip *labels* a number as a card number it is masked whatever it looks like: `mask_card`.
"""

from __future__ import annotations

import re
from typing import Final

# Issuer prefixes and lengths as the card organisations publish them. UnionPay 62/60/9558 (old bank cards), 81.
_ISSUERS: Final = (
    (re.compile(r"62|60|81|9558"), range(13, 20)),  # UnionPay and bank cards of its members; Discover 60
    (re.compile(r"4"), (13, 16, 18, 19)),  # Visa
    (re.compile(r"5[0-9]|2[2-7]|6[4-9]"), range(13, 20)),  # Mastercard, Maestro, Discover 64-65
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"30|36|38|39|35|31"), (14, 16, 17, 18, 19)),  # Diners, JCB
)
# A run: digits with at most two blanks or one dash between them, not part of a longer run, number or masked number.
_RUN: Final = re.compile(r"(?<![0-9*＊.])[0-9](?:[ -]{0,2}[0-9]){12,18}(?![0-9*＊])(?! {0,2}[0-9])")
_FULL_WIDTH: Final = str.maketrans("０１２３４５６７８９－　", "0123456789- ")


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
    """Start and end of every card number in `text`, full-width digits included."""
    plain = text.translate(_FULL_WIDTH)
    found = []
    for match in _RUN.finditer(plain):
        digits = match.group().replace(" ", "").replace("-", "")
        if is_card_number(digits):
            found.append(match.span())
    return found


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
            masked[place] = "＊" if text[place] > "9" else "*"
    return "".join(masked)


def mask_bytes(data: bytes) -> bytes:
    """`data` with every ASCII card number masked, same length. Drivers mask their own encodings by their own text."""
    text = data.decode("latin-1")
    return mask(text).encode("latin-1") if spans(text) else data


def mask_card(text: str) -> str:
    """A field labelled as card number: blanks out, at most the first six and last four digits kept, rest `*`."""
    compact = "".join(text.translate(_FULL_WIDTH).replace("＊", "*").replace("X", "*").replace("x", "*").split())
    compact = compact.replace("-", "").replace("#", "*")
    if len(compact) <= 10 or not all(sign.isdecimal() or sign == "*" for sign in compact):
        return compact if len(compact) <= 4 or "*" in compact else "*" * (len(compact) - 4) + compact[-4:]
    return compact[:6] + "*" * (len(compact) - 10) + compact[-4:]
