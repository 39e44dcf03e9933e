"""Characters a printer's own font lacks, drawn: a whole line becomes dots in the size the printer would give it.

A line of dots is understood by every printer; user-defined characters (FS 2) are not, and print as garbage where they
are not. Pillow and a font are looked for only when a slip holds such a character.
"""

from __future__ import annotations

from agent.slips.layout import PhysicalLine
from agent.slips.model import Image


class Glyphs:
    """Draws with whatever Chinese font this machine has."""

    def can_draw(self, sign: str) -> bool:
        return False

    def draw(self, line: PhysicalLine) -> Image:
        raise NotImplementedError
