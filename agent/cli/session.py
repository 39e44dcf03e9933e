"""What every command has in hand: the configuration (read when it is needed), the person's language, the desk."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agent.words import Words, language_of

if TYPE_CHECKING:
    from agent.config import Config
    from agent.desk_client import Desk


class Session:
    """One run of the command line."""

    def __init__(self, config_path: Path | None, language: str | None, *, debug: bool) -> None:
        self._config_path = config_path
        self._language = language
        self.debug = debug

    @cached_property
    def config_path(self) -> Path:
        from agent.config import find

        return self._config_path or find(os.environ)

    @cached_property
    def config(self) -> Config:
        """The configuration. Raises ConfigError, UsageError."""
        from agent.config import load

        return load(self.config_path)

    @cached_property
    def desk(self) -> Desk:
        """The running keeper of this configuration."""
        from agent.desk_client import Desk

        return Desk(self.config.socket)

    @cached_property
    def words(self) -> Words:
        """The person's language: --lang, SLIPKEEPER_LANG, the configuration when it was read, the locale."""
        configured = self.config.shop.language if "config" in self.__dict__ else ""
        return Words(self._language or language_of(os.environ, configured))
