"""Masks card numbers in a printer stream, in the very bytes, before anything else may see them.

A number is looked for in what the paper would show, so that no command between the digits, no full-width digit and no
tab helps it to escape; then its characters' own bytes are overwritten and the stream keeps its length. Looked at are
each line as it stands, each line without its tabs and jumps, and the lines joined (a number may be broken by a line
end). Two rules beside `agent.pan`: a number labelled as card number is masked whatever it looks like, and a number
labelled as merchant or order number, in the shape such numbers have, is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent import pan
from drivers.paper import StyledLine
from drivers.tokens import Token, TokenKind, tokenize
from drivers.typeset import typeset_tokens

_WIDE: Final = str.maketrans("０１２３４５６７８９＊－＃　Ｘx", "0123456789*-# XX")
_BLANK: Final = r"[ \t]*"
_CARD_LABEL: Final = re.compile(rf"卡{_BLANK}号码?|\bCARD{_BLANK}(?:NO|NUMBER|NUM|#)|\bPAN\b", re.IGNORECASE)
# Labels of numbers that are no card numbers, and how long such a number is (contiguous digits).
_OTHER_LABELS: Final = (
    (re.compile(r"商户(?:编号|号|代码)|MERCHANT *(?:NO|ID)|\bMID\b", re.IGNORECASE), range(15, 16)),
    (re.compile(r"[订单]单?号|交易号|序列号|流水号|\b(?:ORDER|INVOICE|SERIAL|SN)\b", re.IGNORECASE), range(13, 20)),
)
# Between a label and its value: English in brackets or behind a slash, dot, colon.
_TO_VALUE: Final = re.compile(r"[ .]*(?:[(（/][^:：)）0-9*]{0,24}[)）]?)?[ .]*[:：]?[ ]*")
_SIGN: Final = "[0-9*X#]"
_CARD_VALUE: Final = re.compile(
    rf"{_SIGN}{{12,19}}(?!{_SIGN})"  # one piece
    rf"|(?:{_SIGN}{{4}}[ -]){{2,3}}{_SIGN}{{4}}(?:[ -]{_SIGN}{{1,3}}(?![0-9/.]))?(?!{_SIGN})"  # groups of four
    rf"|{_SIGN}(?:[ -]{{0,3}}{_SIGN})*"  # anything else
)
_DIGITS: Final = re.compile("[0-9]+")
_LEAST_ALONE: Final = 8  # signs of a number that stands under its label, not behind it

# Neighbouring groups of digits that a line end may have torn apart.
_GROUP: Final = re.compile(r"(?<![0-9*.])[0-9]{1,19}(?![0-9*.])")
_BETWEEN: Final = re.compile(r"[ -]{0,2}|\n")

# Full-width digits in raw bytes.
_WIDE_DIGITS: Final = (
    (re.compile(rb"(?:\xa3[\xb0-\xb9]){2}"), "gb18030"),
    (re.compile(rb"(?:\xef\xbc[\x90-\x99]){2}"), "utf-8"),
)


@dataclass(frozen=True, slots=True)
class _View:
    """Text, and for each character the byte offset and size it has; size 0 has no bytes."""

    text: str
    offsets: Sequence[int]
    sizes: bytes


def scrub(data: bytes, charset: str = "auto") -> bytes:
    """`data` with every card number masked, same length."""
    tokens = tokenize(data)
    written = [token for token in tokens if token.kind is not TokenKind.RASTER]
    hidden = _hidden(written, charset)
    for pattern, other in _WIDE_DIGITS:  # the printer may read them as digits whatever we take the text for
        if pattern.search(data):
            hidden |= _hidden(written, other)
    masked = bytearray(data)
    for place, size in hidden:
        masked[place : place + size] = {1: b"*", 2: "＊".encode("gb18030"), 3: "＊".encode()}.get(size, b"*" * size)
    for token in tokens:  # bar codes, QR data, pictures that swallowed text
        if token.kind is not TokenKind.TEXT and len(token.data) >= 13:
            start = token.start + (8 if token.name == "GS ( k" else 2)  # behind parameters that may be digits
            masked[start : token.end] = pan.mask_bytes(bytes(masked[start : token.end]))
    return bytes(masked)


def _hidden(written: list[Token], charset: str) -> set[tuple[int, int]]:
    """Byte places and sizes of all digits to hide, the text read in one charset."""
    page = [item for item in typeset_tokens(written, charset) if isinstance(item, StyledLine) and item.runs]
    views = [_view(line, pads=True) for line in page]
    hidden = set(_labelled(views))
    exempt = set(_exempt(views)) - {place for place, _ in hidden}
    for view in _all_views(page, views):
        hidden |= {found for found in _found(view, exempt) if found[1]}
    return hidden


def _view(line: StyledLine, *, pads: bool) -> _View:
    runs = [run for run in line.runs if pads or not run.pad]
    text = "".join(run.text for run in runs).translate(_WIDE)
    return _View(text, [place for run in runs for place in run.offsets], b"".join(run.sizes for run in runs))


def _all_views(page: list[StyledLine], views: list[_View]) -> Iterator[_View]:
    yield from views
    yield _as_one_line(page, views)
    if any(run.pad for line in page for run in line.runs):
        dense = [_view(line, pads=False) for line in page]
        yield from dense
        yield _as_one_line(page, dense)


def _as_one_line(page: list[StyledLine], views: list[_View]) -> _View:
    """The lines as they follow each other, without ruled ones and without blanks at their ends."""
    texts, offsets, sizes = [], list[int](), bytearray()
    for line, view in zip(page, views, strict=True):
        if line.is_rule:
            continue
        start, end = len(view.text) - len(view.text.lstrip()), len(view.text.rstrip())
        texts.append(view.text[start:end])
        offsets += [*view.offsets[start:end], 0]
        sizes += view.sizes[start:end] + b"\0"
    return _View("\n".join([*texts, ""]), offsets, bytes(sizes))


def _found(view: _View, exempt: set[int]) -> Iterator[tuple[int, int]]:
    """Byte places and sizes of digits to hide in one view."""
    masked = pan.mask(view.text)
    if masked != view.text:
        for place, (before, after) in enumerate(zip(view.text, masked, strict=True)):
            if before != after and view.offsets[place] not in exempt:
                yield view.offsets[place], view.sizes[place]
    for start, end in _broken(view.text):
        if not any(view.sizes[place] and view.offsets[place] in exempt for place in range(start, end)):
            for place in pan.hidden_places(view.text, start, end):
                yield view.offsets[place], view.sizes[place]


def _broken(text: str) -> Iterator[tuple[int, int]]:
    """Card numbers with a line end inside: neighbouring groups of digits that together are one."""
    groups = [match.span() for match in _GROUP.finditer(text)] if "\n" in text else []
    for first, (start, _) in enumerate(groups):
        digits, crossed = "", False
        for at in range(first, len(groups)):
            begin, end = groups[at]
            between = text[groups[at - 1][1] : begin] if at > first else ""
            crossed = crossed or "\n" in between
            digits += text[begin:end]
            if len(digits) > 19 or not _BETWEEN.fullmatch(between):
                break
            if crossed and len(digits) >= 13 and pan.is_card_number(digits):
                yield start, end  # go on: a shorter number may be the beginning of the right one


def _labelled(views: list[_View]) -> Iterator[tuple[int, int]]:
    """Digits to hide in numbers that a label calls card numbers."""
    for view, start, alone in _values(views, _CARD_LABEL):
        match = _CARD_VALUE.match(view.text, start)
        if match is None:
            continue
        places = [place for place in range(*match.span()) if view.text[place] not in " -"]
        if alone and len(places) < _LEAST_ALONE:
            continue
        if len(places) > 10:
            places = places[6:-4]
        elif len(places) > 4 and "*" not in match.group():
            places = places[:-4]
        else:
            places = []
        yield from ((view.offsets[place], view.sizes[place]) for place in places if view.text[place].isdecimal())


def _exempt(views: list[_View]) -> Iterator[int]:
    """Byte places of numbers that a label calls something else."""
    for label, lengths in _OTHER_LABELS:
        for view, start, _ in _values(views, label):
            match = _DIGITS.match(view.text, start)
            if match and len(match.group()) in lengths:
                yield from view.offsets[start : match.end()]


def _values(views: list[_View], label: re.Pattern[str]) -> Iterator[tuple[_View, int, bool]]:
    """Where the value of each label begins: behind it, or on the next line when the label ends its line."""
    for number, view in enumerate(views):
        for found in label.finditer(view.text):
            between = _TO_VALUE.match(view.text, found.end())
            start = between.end() if between else found.end()
            if view.text[start:].strip():
                yield view, start, False
            elif number + 1 < len(views):
                below = views[number + 1]
                yield below, len(below.text) - len(below.text.lstrip()), True
