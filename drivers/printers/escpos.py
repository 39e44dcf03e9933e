"""ESC/POS, the language of nearly every slip printer: slips into bytes, answers into a status.

Lines come from `agent.slips.layout`, the same that text and pictures are made of, so paper and preview agree. Chinese
is sent as bytes of the printer's own encoding in Hanzi mode, switched on once by FS &; python-escpos switches nothing
and turns full-width punctuation into `?` (its issues 190, 281, 491). What the font lacks is drawn, never guessed.
Byte values: Epson ESC/POS reference; MY-628/638 programming guide for the Chinese modules.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from agent.contract import Level, PrinterDriver, PrinterStatus
from agent.slips import drawing
from agent.slips.layout import PhysicalLine, lay_out, normalise
from agent.slips.model import Align, Captured, Cell, Cut, Image, Line, QrCode, Row, Rule, Slip
from drivers.printers import answers, raster, understand
from drivers.printers.charset import CHARSETS, encode, missing
from drivers.printers.replay import safe, single_byte

_RESET: Final = b"\x1b@"
_ASB_ON: Final = b"\x1da\xff"  # after every ESC @: some printers switch it off there (Bixolon)
_HANZI: Final = b"\x1c&"
_ALIGN: Final = {Align.LEFT: b"\x1ba\x00", Align.CENTER: b"\x1ba\x01", Align.RIGHT: b"\x1ba\x02"}
_CUT: Final = {True: b"\x1dVB\x00", False: b"\x1dVA\x00"}  # feed to the cutter, then cut: no separate feed
_QR_MOST: Final = 2331  # bytes in a version 40 symbol at level M
_LEADING: Final = b"\x1bJ\x06"  # a line of text feeds 30 dots, its letters are 24 high

_Style = tuple[int, int, bool, bool, bool]  # width, height, bold, underline, invert
_PLAIN: Final[_Style] = (1, 1, False, False, False)


class EscPos:
    """One printer: `columns` wide, with the characters of `charset`, able to prove what `level` says."""

    def __init__(self, columns: int, charset: str, level: Level) -> None:
        self.columns = columns
        self._charset = charset
        self._level = level
        self._ready = (_ASB_ON if level >= Level.STATUS else b"") + _HANZI

    def encode(self, slip: Slip) -> bytes:
        # Level 2 and 3 put their marker here, behind the cut: GS r 1, or GS ( H with the job's number.
        return b"".join([_RESET, self._ready, *self._pieces(slip)])

    def question(self) -> bytes:
        return answers.QUESTION if self._level >= Level.STATUS else b""

    def status(self, answer: bytes) -> PrinterStatus:
        return answers.read(answer)

    def rescue(self) -> bytes:
        # NULs are white dots where dots are awaited and nothing at all elsewhere (receiptio does the same). The cut
        # keeps the half slip off the next one, which may be another customer's.
        return b"\0" * (raster.BAND_BYTES + 8) + _RESET + _CUT[True] + _RESET + self._ready

    def understand(self, raw: bytes) -> tuple[Row, ...]:
        return understand.rows(raw, self.columns)

    def _pieces(self, slip: Slip) -> Iterator[bytes]:
        slip, drawn = self._sayable(replace(slip, columns=min(slip.columns, self.columns)))
        style = _PLAIN
        for line in lay_out(slip, self._charset):
            if line.row is None and not (drawn and any(drawn.intersection(run.text) for run in line.runs)):
                text, style = _text(line, style)
                yield text
                continue
            yield _switch(style, _PLAIN)
            style = _PLAIN
            yield self._picture_of(line) if line.row is None else self._row(line.row, slip.columns)

    def _row(self, row: Cut | QrCode | Image | Captured, columns: int) -> bytes:
        if isinstance(row, Cut):
            return _CUT[row.partial]
        if isinstance(row, Image):
            return _aligned(row.align, raster.encoded(row, self.columns * drawing.CELL))
        if isinstance(row, QrCode):
            return self._qr(row, columns)
        return self._captured(row.data)

    def _captured(self, data: bytes) -> bytes:
        """What a terminal printed, verbatim but safe; laid out anew where its paper was broader than ours."""
        if understand.from_broader_paper(data, self.columns):
            rows = tuple(row for row in understand.rows(data, self.columns) if not isinstance(row, Cut))
            return b"".join(self._pieces(Slip("", self.columns, rows)))
        ready = self._ready if not single_byte(data) else self._ready.removesuffix(_HANZI)
        return _RESET + ready + safe(data, ready) + _RESET + self._ready

    def _qr(self, row: QrCode, columns: int) -> bytes:
        """GS ( k: model 2, module size, level M, store, print. What no symbol can hold is printed as text."""
        data = row.data.encode(errors="replace")
        if not data or len(data) > _QR_MOST:
            return b"".join(self._pieces(Slip("", columns, (Line((Cell(row.data),)),))))
        size = bytes([min(max(row.module_dots, 1), 16)])
        functions = (b"1A2\0", b"1C" + size, b"1E1", b"1P0" + data, b"1Q0")
        code = b"".join(b"\x1d(k" + len(part).to_bytes(2, "little") + part for part in functions)
        return _aligned(row.align, code)

    # -- what the font lacks ---------------------------------------------------------------------------------------

    def _sayable(self, slip: Slip) -> tuple[Slip, frozenset[str]]:
        """The slip with `[U+20BB7]` for what no font here can draw either, and the characters that will be drawn."""
        texts = (cell.text for row in slip.rows if isinstance(row, Line) for cell in row.cells)
        said = "".join(text for text in texts if not text.isascii())
        rules = "".join(row.char for row in slip.rows if isinstance(row, Rule))
        lost = missing(normalise(said + rules), self._charset)
        names = {sign: f"[U+{ord(sign):04X}]" for sign in lost if not drawing.can_draw(sign)}
        if not names:
            return slip, lost
        table = str.maketrans(names)
        rows = tuple(_renamed(row, table) for row in slip.rows)
        return replace(slip, rows=rows), lost.difference(names)

    def _picture_of(self, line: PhysicalLine) -> bytes:
        """A line of dots is understood by every printer; user-defined characters (FS 2) print as garbage on some."""
        return raster.encoded(drawing.dots(line), self.columns * drawing.CELL) + _LEADING


def _renamed(row: Row, names: dict[int, str]) -> Row:
    if isinstance(row, Line):
        return Line(tuple(replace(cell, text=normalise(cell.text).translate(names)) for cell in row.cells))
    return Rule() if isinstance(row, Rule) and normalise(row.char).translate(names) != normalise(row.char) else row


def _text(line: PhysicalLine, style: _Style) -> tuple[bytes, _Style]:
    """One line of text behind `style`, and the style it leaves."""
    parts = []
    for run in line.runs:
        wanted = (run.width, run.height, run.bold, run.underline, run.invert)
        if run.text.isspace():  # blanks between cells and bars: whatever does not show on a blank may stay
            wanted = (*wanted[:2], style[2], *wanted[3:])
        if wanted != style:
            parts.append(_switch(style, wanted))
            style = wanted
        parts.append(encode(run.text))
    parts.append(b"\n")
    return b"".join(parts), style


@functools.lru_cache(maxsize=4096)
def _switch(now: _Style, then: _Style) -> bytes:
    """The commands from one look to another; none where they are the same."""
    width, height, bold, underline, invert = then
    found = b""
    if now[:2] != then[:2]:
        found += b"\x1d!" + bytes([(width - 1) << 4 | (height - 1)])  # GS !: Latin and Hanzi alike
    if now[2] != bold:
        found += b"\x1bE" + bytes([bold])
    if now[3] != underline:
        found += b"\x1b-" + bytes([underline]) + b"\x1c-" + bytes([underline])  # Latin, then Hanzi
    if now[4] != invert:
        found += b"\x1dB" + bytes([invert])
    return found


def _aligned(align: Align, data: bytes) -> bytes:
    return data if align is Align.LEFT else _ALIGN[align] + data + _ALIGN[Align.LEFT]


def _make(columns: int, charset: str, level: Level) -> EscPos:
    return EscPos(columns, charset, level)


driver = PrinterDriver(
    name="escpos",
    summary="ESC/POS printers: Epson TM and the many that speak its language, Chinese ones included",
    make=_make,
    charsets=CHARSETS,
)
