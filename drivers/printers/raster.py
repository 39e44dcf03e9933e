"""Pictures for printers: bands of at most 128 rows and 9 KiB, and never the bytes of a real-time command inside them.

Bands bound what a printer may still wait for after a job that broke off: `rescue` has to feed it as much. A real
printer executes `DLE EOT`, `DLE ENQ` and `DLE DC4` wherever they stand, in the middle of dots too (Epson, "Notes" of
each), so dots that spell one are moved by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agent.slips.model import Image

BAND_BYTES: Final = 9216  # 128 rows of 80 mm paper
_BAND_ROWS: Final = 128
_WIDEST: Final = 255  # bytes a row; no slip printer is half as wide
_GS_V_0: Final = b"\x1dv0"
_REAL_TIME: Final = re.compile(rb"\x10(?:\x04[\x01-\x08\x12]|\x05[\x00-\x03]|\x14[\x01-\x08])")


def encoded(image: Image, columns_dots: int) -> bytes:
    """The image as GS v 0 bands, cropped to the paper."""
    row_bytes = (image.width_dots + 7) // 8
    kept = min(row_bytes, columns_dots // 8, _WIDEST)
    if not kept:
        return b""
    bits = image.bits[: row_bytes * image.height_dots].ljust(row_bytes * image.height_dots, b"\0")
    rows = [bits[start : start + kept] for start in range(0, len(bits), row_bytes)]
    return b"".join(_bands(0, kept, rows))


def bands(command: bytes) -> Iterator[bytes]:
    """A whole GS v 0 command in bands, its size (m) kept. Nothing when its length does not add up."""
    mode, width, count = command[3], int.from_bytes(command[4:6], "little"), int.from_bytes(command[6:8], "little")
    dots = command[8:]
    if command.startswith(_GS_V_0) and 0 < width <= _WIDEST and len(dots) == width * count:
        yield from _bands(mode, width, [dots[start : start + width] for start in range(0, len(dots), width)])


def _bands(mode: int, width: int, rows: list[bytes]) -> Iterator[bytes]:
    step = min(_BAND_ROWS, BAND_BYTES // width)
    for start in range(0, len(rows), step):
        yield _band(mode, width, rows[start : start + step])


def _band(mode: int, width: int, rows: list[bytes]) -> bytes:
    head = _GS_V_0 + bytes([mode]) + width.to_bytes(2, "little") + len(rows).to_bytes(2, "little")
    band = head + b"".join(rows)
    for dots in range(1, 8):
        if not _REAL_TIME.search(band):
            break
        band = head + b"".join(_moved(row, dots) for row in rows)
    return band


def _moved(row: bytes, dots: int) -> bytes:
    """A row of dots moved to the right; what leaves at the edge is lost."""
    return (int.from_bytes(row, "big") >> dots).to_bytes(len(row), "big")
