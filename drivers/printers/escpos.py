"""ESC/POS, the language of nearly every slip printer: slips into bytes, answers into a status.

Lines come from `agent.slips.layout`, the same that text and pictures are made of, so paper and preview agree. Chinese
is sent as bytes of the printer's own encoding in Hanzi mode, switched on once by FS &; python-escpos switches nothing
and turns full-width punctuation into `?` (escpos.md §1.3). What the font lacks is drawn, never guessed.
Byte values: Epson ESC/POS reference; MY-628/638 programming guide for the Chinese modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from agent.contract import Level, PrinterDriver, PrinterStatus
from agent.slips.layout import PhysicalLine, Run, lay_out, normalise
from agent.slips.model import Align, Captured, Cell, Cut, Image, Line, QrCode, Row, Slip
from drivers.printers import answers, raster
from drivers.printers.charset import CHARSETS, encode, missing
from drivers.printers.glyphs import Glyphs
from drivers.printers.replay import safe, single_byte

_RESET: Final = b"\x1b@"
_ASB_ON: Final = b"\x1da\xff"  # after every ESC @: some printers switch it off there (Bixolon)
_HANZI: Final = b"\x1c&"
_ALIGN: Final = {Align.LEFT: b"\x1ba\x00", Align.CENTER: b"\x1ba\x01", Align.RIGHT: b"\x1ba\x02"}
_CUT: Final = {True: b"\x1dVB\x00", False: b"\x1dVA\x00"}  # feed to the cutter, then cut: no separate feed
_QR_MOST: Final = 2331  # bytes in a version 40 symbol at level M
_CELL_DOTS: Final = 12  # font A at 203 dpi
_PLAIN: Final = Run("", 0)


class EscPos:
    """One printer: `columns` wide, with the characters of `charset`, able to prove what `level` says."""

    def __init__(self, columns: int, charset: str, level: Level) -> None:
        self.columns = columns
        self._charset = charset
        self._level = level
        self._glyphs = Glyphs()
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
        from drivers.printers.understand import rows  # noqa: PLC0415 - only previews need it

        return rows(raw, self.columns)

    def _pieces(self, slip: Slip) -> Iterator[bytes]:
        slip = replace(slip, columns=min(slip.columns, self.columns))
        style = _PLAIN
        for line in lay_out(self._sayable(slip), self._charset):
            if line.row is None and not self._lacks(line):
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
            return _aligned(row.align, raster.encoded(row, self.columns * _CELL_DOTS))
        if isinstance(row, QrCode):
            return self._qr(row, columns)
        ready = self._ready if not single_byte(row.data) else self._ready.removesuffix(_HANZI)
        return _RESET + ready + safe(row.data, ready) + _RESET + self._ready

    def _qr(self, row: QrCode, columns: int) -> bytes:
        """GS ( k: model 2, module size, level M, store, print. What no symbol can hold is printed as text."""
        data = row.data.encode()
        if not data or len(data) > _QR_MOST:
            return b"".join(self._pieces(Slip("", columns, (Line((Cell(row.data),)),))))
        size = bytes([min(max(row.module_dots, 1), 16)])
        functions = (b"1A2\0", b"1C" + size, b"1E1", b"1P0" + data, b"1Q0")
        code = b"".join(b"\x1d(k" + len(part).to_bytes(2, "little") + part for part in functions)
        return _aligned(row.align, code)

    # -- what the font lacks ---------------------------------------------------------------------------------------

    def _sayable(self, slip: Slip) -> Slip:
        """The slip with `[U+20BB7]` for characters that neither the printer nor any font here can draw."""
        texts = (cell.text for row in slip.rows if isinstance(row, Line) for cell in row.cells)
        lost = missing(normalise("".join(text for text in texts if not text.isascii())), self._charset)
        names = {sign: f"[U+{ord(sign):04X}]" for sign in lost if not self._glyphs.can_draw(sign)}
        if not names:
            return slip
        table = str.maketrans(names)
        rows = (
            Line(tuple(replace(cell, text=normalise(cell.text).translate(table)) for cell in row.cells))
            if isinstance(row, Line)
            else row
            for row in slip.rows
        )
        return replace(slip, rows=tuple(rows))

    def _lacks(self, line: PhysicalLine) -> bool:
        return any(missing(run.text, self._charset) for run in line.runs)

    def _picture_of(self, line: PhysicalLine) -> bytes:
        return raster.encoded(self._glyphs.draw(line), self.columns * _CELL_DOTS)


def _text(line: PhysicalLine, style: Run) -> tuple[bytes, Run]:
    """One line of text behind `style`, and the style it leaves."""
    parts = []
    for run in line.runs:
        wanted = _as_blank(style) if run.text.isspace() and not run.invert else run
        parts += [_switch(style, wanted), encode(run.text)]
        style = wanted
    return b"".join([*parts, b"\n"]), style


def _as_blank(style: Run) -> Run:
    """The cheapest look for blanks between cells: whatever it was, without what shows on a blank."""
    return replace(style, underline=False, invert=False, width=1, height=1)


def _switch(now: Run, then: Run) -> bytes:
    """The commands from one look to another; none where they are the same."""
    found = b""
    if (now.width, now.height) != (then.width, then.height):
        found += b"\x1d!" + bytes([(then.width - 1) << 4 | (then.height - 1)])  # GS !: Latin and Hanzi alike
    if now.bold != then.bold:
        found += b"\x1bE" + bytes([then.bold])
    if now.underline != then.underline:
        found += b"\x1b-" + bytes([then.underline]) + b"\x1c-" + bytes([then.underline])  # Latin, then Hanzi
    if now.invert != then.invert:
        found += b"\x1dB" + bytes([then.invert])
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
