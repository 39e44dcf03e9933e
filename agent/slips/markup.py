r"""Reads a slip template: a strict subset of ReceiptLine (OFSC) with fields and blocks, into nodes. Pure.

    商户号 | {{merchant_id}}           cells; text clings to the bar it touches, else away from it; no bar: centred
    ^ ^^ ^^^ ^^^^ …                  double width, double height, twice, three times … the size; before a cell's text
    " _ `                            bold, underlined, inverted; before a cell's text
    -    =    (empty line)           rule, cut, empty line
    ~ and \| \{ \^ \" \_ \` \~ \- \=    a blank, and signs that would mean something
    {width:6 * 9}                    columns of the cells from here on, * the rest, {width:auto} by need
    {code:TEXT; option:qrcode 4}     QR code, 3 to 8 dots a module
    {comment:TEXT}
    {{field}} {{field|format}}       a value; a line none of whose values is known is left out
    {{#if field}} {{else}} {{/if}} {{#each rows}} {{/each}}     alone on their lines; `this` is a row that is no record

Values are put into finished cells: nothing in a value is ever read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.slips.model import Align, Cell
from agent.slips.nodes import (
    Block,
    Column,
    CutLine,
    EmptyLine,
    Node,
    Pieces,
    Place,
    Problem,
    QrLine,
    RuleLine,
    TextLine,
    WidthLine,
)

_BLOCK: Final = re.compile(r"\{\{\s*(?:#(if|each)\s+([a-z_][a-z0-9_]*)|(/if|/each|else))\s*\}\}")
_TOKENS: Final = re.compile(
    r"\{\{\s*(?P<field>[a-z_][a-z0-9_]*)\s*(?:\|\s*(?P<format>[a-z0-9_]*)\s*)?\}\}"
    r"|\\(?P<literal>[\\|{}^\"_`~=-])"
    r"|(?P<sign>[|^\"_`~{}\\])"
    r"|(?P<plain>[^|^\"_`~{}\\]+)"
)
_PROPERTY: Final = re.compile(r"\{(?!\{)(.*)\}")
_MEMBER: Final = re.compile(r"\s*(width|code|option)\s*:\s*(.*?)\s*", re.DOTALL)
_SIZES: Final = {0: (1, 1), 1: (2, 1), 2: (1, 2)}  # then 3 carets = twice the size, 4 = three times …
_LARGEST: Final = 6
_DEEPEST: Final = 16


@dataclass(slots=True)
class _Reader:
    """The place in the text while it is read."""

    lines: Sequence[str]
    problems: list[Problem]
    at: int = 0
    depth: int = 0

    def problem(self, what: str, **values: object) -> None:
        self.problems.append(Problem(self.at, what, values))


def parse(text: str) -> tuple[tuple[Node, ...], list[Problem]]:
    """The nodes of a template and everything wrong with its markup, by line. Lines that cannot be read are left out."""
    reader = _Reader(text.removeprefix("\ufeff").splitlines(), [])
    nodes, closing = _nodes(reader, ())
    while closing:  # a stray {{/if}}: say so and go on behind it
        reader.problem("{{{{{tag}}}}} closes nothing", tag=closing)
        more, closing = _nodes(reader, ())
        nodes += more
    return nodes, reader.problems


def _nodes(reader: _Reader, closers: tuple[str, ...]) -> tuple[tuple[Node, ...], str]:
    """Nodes up to the tag that closes them, and that tag; "" at the end of the text."""
    nodes: list[Node] = []
    while reader.at < len(reader.lines):
        line = reader.lines[reader.at]
        reader.at += 1
        block = _BLOCK.fullmatch(line.strip())
        if block is None:
            nodes += _one(reader, line)
        elif block[3] is None:
            nodes.append(_block(reader, block[1], block[2]))
        elif block[3] in closers or not closers:
            return tuple(nodes), block[3]
        else:
            reader.problem("{{{{{tag}}}}} closes nothing", tag=block[3])
    return tuple(nodes), ""


def _block(reader: _Reader, word: str, name: str) -> Block:
    number = reader.at
    otherwise: tuple[Node, ...] = ()
    if reader.depth == _DEEPEST:
        reader.problem("blocks inside blocks go too deep here")
        return Block(number, word, name, ())
    reader.depth += 1
    body, closing = _nodes(reader, (f"/{word}", "else") if word == "if" else (f"/{word}",))
    if closing == "else":
        otherwise, closing = _nodes(reader, (f"/{word}",))
    reader.depth -= 1
    if not closing:
        reader.problems.append(Problem(number, "{{{{#{tag}}}}} is never closed", {"tag": f"{word} {name}"}))
    return Block(number, word, name, body, otherwise)


def _one(reader: _Reader, line: str) -> Iterator[Node]:
    bare = line.strip()
    if not bare:
        yield EmptyLine(reader.at)
    elif set(bare) == {"-"}:
        yield RuleLine(reader.at)
    elif set(bare) == {"="}:
        yield CutLine(reader.at)
    elif found := _PROPERTY.fullmatch(bare):
        yield from _property(reader, found[1])
    else:
        yield from _text_line(reader, line)


def _property(reader: _Reader, inside: str) -> Iterator[Node]:
    if inside.lstrip().startswith("comment:"):
        return
    members: dict[str, str] = {}
    for part in re.split(r"(?<!\\);", inside):
        found = _MEMBER.fullmatch(part)
        if found is None:
            reader.problem("unknown property {property}", property=part.strip())
            return
        members[found[1]] = found[2]
    if "width" in members:
        yield from _widths(reader, members["width"])
    if "code" in members:
        option = re.fullmatch(r"qrcode(?:[\s,]+([3-8]))?(?:[\s,]+m)?", members.get("option", "qrcode"))
        if option is None:
            reader.problem("a code is {code:…;option:qrcode 4}, 3 to 8 dots a module")
        else:
            yield QrLine(reader.at, _pieces(reader, members["code"]), int(option[1] or 4))
    elif "option" in members:
        reader.problem("an option needs a code")


def _widths(reader: _Reader, value: str) -> Iterator[WidthLine]:
    if value == "auto":
        yield WidthLine(reader.at, ())
        return
    parts = re.split(r"[\s,]+", value)
    if not all(part == "*" or re.fullmatch(r"[1-9][0-9]?", part) for part in parts):
        reader.problem("a width is auto, or columns and * for the rest: {width:6 * 9}")
        return
    # ReceiptLine counts the blank between two cells apart, the model as part of the cell before it.
    gutters = [1] * (len(parts) - 1) + [0]
    widths = (None if part == "*" else int(part) + gutter for part, gutter in zip(parts, gutters, strict=True))
    yield WidthLine(reader.at, tuple(widths))


def _pieces(reader: _Reader, text: str) -> Pieces:
    return tuple(token if isinstance(token, Place) else token[1] for token in _tokens(reader, text))


def _tokens(reader: _Reader, text: str) -> Iterator[Place | tuple[bool, str]]:
    """Values, and text with whether it is markup."""
    at = 0
    while at < len(text):
        found = _TOKENS.match(text, at)
        if found is None:  # pragma: no cover - every character is one of the alternatives
            break
        at = found.end()
        if found["field"] is not None:
            yield Place(found["field"], found["format"] or "")
        elif found["literal"] is not None:
            yield False, found["literal"]
        elif found["plain"] is not None:
            yield False, found["plain"]
        elif found["sign"] in "{}\\":
            reader.problem("{sign} stands alone: a sign of its own is written \\{sign}", sign=found["sign"])
        elif found["sign"] == "~":
            yield False, "\u00a0"
        else:
            yield True, found["sign"]


def _text_line(reader: _Reader, line: str) -> Iterator[TextLine]:
    cells: list[list[Place | tuple[bool, str]]] = [[]]
    bars = 0
    for token in _tokens(reader, line):
        if token == (True, "|"):
            bars += 1
            cells.append([])
        else:
            cells[-1].append(token)
    opened = bars > 0 and _is_blank(cells[0])
    closed = bars > 0 and _is_blank(cells[-1]) and len(cells) > 1 + opened
    kept = cells[opened : len(cells) - closed]
    if not bars:
        opened = closed = True  # no bar at all: nothing to cling to, so in the middle
    columns = []
    for place, tokens in enumerate(kept):
        bar_left, bar_right = place > 0 or opened, place < len(kept) - 1 or closed
        columns.append(_column(reader, tokens, (bar_left, bar_right)))
    yield TextLine(reader.at, tuple(columns))


def _is_blank(tokens: Sequence[Place | tuple[bool, str]]) -> bool:
    return all(not isinstance(token, Place) and not token[0] and not token[1].strip(" \t") for token in tokens)


def _column(reader: _Reader, tokens: list[Place | tuple[bool, str]], bars: tuple[bool, bool]) -> Column:
    """Look and pieces of one cell; blanks beside a bar say which way the text clings."""
    first, last = tokens[0] if tokens else (False, ""), tokens[-1] if tokens else (False, "")
    loose_left = isinstance(first, tuple) and not first[0] and first[1][:1] in (" ", "\t")
    loose_right = isinstance(last, tuple) and not last[0] and last[1][-1:] in (" ", "\t")
    if bars[0] != bars[1]:  # one bar: to it when touching, else away from it
        loose_left, loose_right = (loose_left, not loose_left) if bars[0] else (not loose_right, loose_right)
    align = Align.CENTER if loose_left == loose_right else Align.RIGHT if loose_left else Align.LEFT
    look = Cell("", align=align)
    carets = 0
    pieces: list[str | Place] = []
    for token in tokens:
        if isinstance(token, tuple) and token[0]:
            if any(isinstance(piece, Place) or piece.strip() for piece in pieces):
                if token[1] == "^":
                    reader.problem("{sign} stands before the text of its cell", sign="^")
                continue  # a closing ", _ or `: the look is the whole cell's
            carets += token[1] == "^"
            look = replace(
                look,
                bold=look.bold or token[1] == '"',
                underline=look.underline or token[1] == "_",
                invert=look.invert or token[1] == "`",
            )
        else:
            pieces.append(token if isinstance(token, Place) else token[1])
    size = _SIZES.get(carets, (min(carets - 1, _LARGEST),) * 2)
    return Column(_stripped(pieces), replace(look, width=size[0], height=size[1]))


def _stripped(pieces: Sequence[str | Place]) -> Pieces:
    """Without the blanks at the edges; `~` blanks stay."""
    kept = [piece for piece in pieces if piece != ""]
    if kept and isinstance(kept[0], str):
        kept[0] = kept[0].lstrip(" \t")
    if kept and isinstance(kept[-1], str):
        kept[-1] = kept[-1].rstrip(" \t")
    return tuple(piece for piece in kept if piece != "")
