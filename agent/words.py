"""What a person reads, in the person's language. English sentences are the message ids, gettext holds the Chinese.

No global state: whoever talks to a person holds a `Words`.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.errors import SlipkeeperError

LANGUAGES: Final = ("zh", "en")
_CATALOGUES: Final = Path(__file__).parent / "locale"


class Words:
    """Translates message ids and fills their `{named}` places: `words("{count} slips", count=3)`."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._catalogue = gettext.translation("slipkeeper", _CATALOGUES, languages=[self.language], fallback=True)

    def __call__(self, message: str, /, **values: object) -> str:
        text = self._catalogue.gettext(message) if message else ""
        try:
            return text.format(**values) if values else text
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ):  # a place nobody fills, in words that came from elsewhere
            return text

    def error(self, error: SlipkeeperError) -> tuple[str, str]:
        """What happened and the hint, in this language."""
        return self(error.what, **error.values), self(error.hint, **error.values)


def language_of(environment: Mapping[str, str], configured: str = "") -> str:
    """The language to talk: SLIPKEEPER_LANG, else the configuration, else the locale, else English."""
    wanted = (
        environment.get("SLIPKEEPER_LANG")
        or configured
        or environment.get("LC_ALL")
        or environment.get("LC_MESSAGES")
        or environment.get("LANG")
        or "en"
    )
    return "zh" if wanted.lower().startswith("zh") else "en"
