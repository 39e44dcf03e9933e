"""No card number may rest here, whatever an agent sends: the last net behind the drivers' and the journal's own. Pure.

Hashes are looked past: of the hexadecimal digests, salts and UUIDs in a line about one in a thousand holds a run of
digits that passes for a card number. Everything else is masked, in names and values alike, also when it is written
with JSON escapes or as a bare number.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from agent.pan import mask, mask_bytes

# 32 or 64 hexadecimal digits with at least one letter, or a UUID: made by us, never printed by a terminal.
_HASH: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:(?=[0-9]*[a-f])(?:[0-9a-f]{64}|[0-9a-f]{32})"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})(?![0-9A-Za-z])"
)
# Spellings in which a card number could hide from a look at the line as text: escapes, and numbers with an exponent.
_DISGUISE: Final = re.compile(r"\\u|\d\\t|[:,\[]\s*-?[\d.]+[eE]")
_DIGIT_ESCAPE: Final = re.compile(r"\\u003([0-9])")


def guard_text(text: str) -> str:
    """`text` with every card number masked and every hash left alone."""
    parts = []
    end = 0
    for found in _HASH.finditer(text):
        parts += [mask(text[end : found.start()]), found.group()]
        end = found.end()
    return "".join(parts) + mask(text[end:])


def guard_json(value: Any) -> Any:
    """A JSON value with every card number masked; a number that is one becomes masked text."""
    if isinstance(value, str):
        return guard_text(value)
    if isinstance(value, dict):
        return {guard_text(name): guard_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [guard_json(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
        return value if mask(text) == text else mask(text)
    return value


def guard_line(line: bytes) -> tuple[bytes, bool]:
    """The line to keep, and whether it had to be masked. Untouched, byte for byte, when there is nothing to mask."""
    text = line.decode(errors="replace")
    if not _DISGUISE.search(text) and guard_text(text) == text:
        return line, False
    try:
        members = json.loads(text)
        safe = guard_json(members)
        if safe == members:
            return line, False
        return json.dumps(safe, sort_keys=True, separators=(",", ":")).encode(), True
    except (ValueError, RecursionError):  # too deep or too odd to be walked: the text as it stands
        text = _DIGIT_ESCAPE.sub(lambda found: found.group(1), text)
        masked = guard_text(text)
        return (line, False) if masked == text else (masked.encode(), True)


def guard_blob(data: bytes) -> tuple[bytes, bool]:
    """Captured bytes to keep, and whether they had to be masked."""
    masked = mask_bytes(data)
    return masked, masked != data
