"""QR codes as rows of modules, level M as printers are told (GS ( k fn 69), for papers that draw them themselves."""

from __future__ import annotations

import functools

MOST = 2331  # bytes a symbol of level M holds (ISO/IEC 18004, version 40)


@functools.lru_cache(maxsize=64)
def modules(data: str) -> tuple[tuple[bool, ...], ...]:
    """The symbol without its quiet zone, True = dark; empty when nothing can hold the data."""
    import qrcode  # noqa: PLC0415 - slow to import, and needed by few
    from qrcode.constants import ERROR_CORRECT_M  # noqa: PLC0415

    if not data or len(data.encode("utf-8", "replace")) > MOST:
        return ()
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=0)
    code.add_data(data.encode("utf-8", "replace"))
    code.make(fit=True)
    return tuple(tuple(bool(dark) for dark in row) for row in code.get_matrix())
