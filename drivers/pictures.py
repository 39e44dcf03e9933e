"""Pictures and codes inside printer commands: dots as rows of bits, bar and QR codes as the data they carry.

Every function takes one token and says what it would print, or None when it prints nothing or cannot be read.
Sources: Epson ESC/POS reference (ESC *, GS v 0, GS ( L, GS 8 L, GS k, GS ( k); MY-628 guide (GS k 97, ESC Z).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.tokens import Token


@dataclass(frozen=True, slots=True)
class Dots:
    """One bit a dot, rows padded to whole bytes, most significant bit left, 1 = black."""

    width_dots: int
    height_dots: int
    bits: bytes


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a code says. `module_dots` is the size of one module of a two-dimensional code, 0 when unsaid."""

    symbology: str
    data: bytes
    module_dots: int = 0

    @property
    def text(self) -> str:
        """The data as characters: UTF-8 when it is valid, else GB18030."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return self.data.decode("gb18030", "replace")


_LINEAR: Final = ("upc-a", "upc-e", "ean13", "ean8", "code39", "itf", "codabar", "code93", "code128")
_MATRIX: Final = {48: "pdf417", 49: "qr", 50: "maxicode", 51: "databar", 52: "composite", 53: "aztec", 54: "datamatrix"}
_MOST_DOTS: Final = 1 << 24  # 2 MiB: no printer has paper as wide as a lie in a length


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def raster(token: Token) -> Dots | None:
    """GS v 0: m xL xH yL yH data; m doubles width (1) and height (2)."""
    if len(token.params) < 6:
        return None
    return _rows(_word(token.params, 2), token.params[6:], token.params[1] & 1, token.params[1] >> 1 & 1)


def graphics(token: Token) -> Dots | None:
    """GS ( L or GS 8 L, fn 112: a bx by c xL xH yL yH data, kept until it is printed by fn 2 or 50."""
    body = token.params[2 if token.name == "GS ( L" else 4 :]
    if len(body) < 10 or body[1] != 112:
        return None
    return _rows((_word(body, 6) + 7) // 8, body[10:], int(body[3] == 2), int(body[4] == 2))


def prints_graphics(token: Token) -> bool:
    """Whether GS ( L or GS 8 L prints what fn 112 kept."""
    body = token.params[2 if token.name == "GS ( L" else 4 :]
    return len(body) >= 2 and body[1] in (2, 50)


def column_image(token: Token) -> Dots | None:
    """ESC *: columns of 8 or 24 dots. Density is ignored but for single density, which is twice as wide."""
    if len(token.params) < 4:
        return None
    mode, columns, tall = token.params[0], _word(token.params, 1), token.params[0] in (32, 33)
    stride, data = (3 if tall else 1), token.params[3:]
    columns = min(columns, len(data) // stride)
    width = (columns + 7) // 8
    height = stride * 8
    bits = bytearray(width * height)
    for column in range(columns):
        for byte in range(stride):
            dots = data[column * stride + byte]
            for dot in range(8):
                if dots & 0x80 >> dot:
                    bits[(byte * 8 + dot) * width + column // 8] |= 0x80 >> column % 8
    image = Dots(width * 8, height, bytes(bits))
    return _scaled(image, int(mode in (0, 32)), 0 if tall else 1) if columns else None


def _rows(width: int, data: bytes, wide: int, tall: int) -> Dots | None:
    """Row-wise dots; a picture whose end is missing has as many rows as came."""
    height = len(data) // width if width else 0
    if not height or width * 8 * height << wide + tall > _MOST_DOTS:
        return None
    return _scaled(Dots(width * 8, height, data[: width * height]), wide, tall)


_DOUBLED: Final = [sum(3 << 2 * bit for bit in range(8) if byte >> bit & 1).to_bytes(2, "big") for byte in range(256)]


def _scaled(image: Dots, wide: int, tall: int) -> Dots:
    bits, width = image.bits, image.width_dots // 8
    if wide:
        bits, width = b"".join(_DOUBLED[byte] for byte in bits), width * 2
    if tall:
        rows = (bits[at : at + width] for at in range(0, len(bits), width))
        bits = b"".join(row * 2 for row in rows)
    return Dots(width * 8, image.height_dots << tall, bits)


def bar_code(token: Token) -> Symbol | None:
    """GS k in its three forms, ESC Z of Chinese modules."""
    params = token.params
    if token.name == "ESC Z":
        return Symbol("qr", params[5:]) if len(params) > 5 else None
    if len(params) < 3:
        return None
    if params[0] == 97:
        return Symbol("qr", params[5:]) if len(params) > 5 else None
    if params[0] < 7:
        return Symbol(_LINEAR[params[0]], params[1:].rstrip(b"\0"))
    place = params[0] - 65
    return Symbol(_LINEAR[place], params[2:]) if 0 <= place < len(_LINEAR) else Symbol("barcode", params[2:])


@dataclass(slots=True)
class SymbolMemory:
    """GS ( k keeps data and size apart from printing; this remembers them, per kind of symbol."""

    data: dict[int, bytes]
    module_dots: dict[int, int]

    def take(self, token: Token) -> Symbol | None:
        """The symbol a GS ( k prints (fn 81), or None while it only prepares one."""
        body = token.params[2:]
        if len(body) < 3:
            return None
        kind, function = body[0], body[1]
        if function == 80:
            self.data[kind] = body[3:]
        elif function == 67:
            self.module_dots[kind] = body[2]
        elif function == 81 and kind in self.data:
            return Symbol(_MATRIX.get(kind, "matrix"), self.data[kind], self.module_dots.get(kind, 0))
        return None
