"""Where the receiving end keeps its things, and how it is told: no Django here, so that the command line starts fast.

A shop sets nothing up: one directory holds the SQLite file and the secret key, readable by nobody else. A chain names
a PostgreSQL database instead. `use()` hands the choice to `upstream.settings` through the environment, the one door
both `slipkeeper upstream …` and a WSGI server such as granian come in by.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.errors import TryLater, UsageError

DATA: Final = "SLIPKEEPER_UPSTREAM_DATA"
DATABASE: Final = "SLIPKEEPER_UPSTREAM_DATABASE"
OPEN_PAGES: Final = "SLIPKEEPER_UPSTREAM_OPEN_PAGES"
ADDRESS: Final = "SLIPKEEPER_UPSTREAM_ADDRESS"
SETTINGS: Final = "DJANGO_SETTINGS_MODULE"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Place:
    """`directory` holds the secret key and, unless `database` names a PostgreSQL by URL, the SQLite file."""

    directory: Path
    database: str = ""

    @property
    def sqlite_file(self) -> Path:
        return self.directory / "upstream.db"

    @property
    def secret_file(self) -> Path:
        return self.directory / "secret.key"

    def prepare(self) -> None:
        """Make the directory and the secret key, once. Both are the owner's alone."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        except OSError as cause:
            raise TryLater(
                "{directory} cannot be used: {cause}",
                "slipkeeper upstream serve --data DIR takes another directory",
                directory=self.directory,
                cause=cause.strerror,
            ) from cause
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))

    def secret(self) -> str:
        """The secret key, or "" while there is none (Django then refuses to sign anything)."""
        try:
            return self.secret_file.read_text().strip()
        except FileNotFoundError:
            return ""

    def use(self, environment: MutableMapping[str, str]) -> None:
        """Tell `upstream.settings`, which reads the environment."""
        environment[DATA] = str(self.directory)
        environment[DATABASE] = self.database
        environment.setdefault(SETTINGS, "upstream.settings")


def place_of(environment: Mapping[str, str], directory: Path | None = None, database: str = "") -> Place:
    """The place meant: the words on the command line, else the environment, else the usual directory."""
    if directory is None:
        directory = Path(environment.get(DATA) or _usual_directory(environment))
    return Place(directory.absolute(), database or environment.get(DATABASE, ""))


def _usual_directory(environment: Mapping[str, str]) -> Path:
    if state := environment.get("STATE_DIRECTORY"):  # systemd made one for us
        return Path(state.partition(":")[0])
    home = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "/")) / ".local/share")
    return Path(home) / "slipkeeper/upstream"


def postgresql(url: str) -> dict[str, object]:
    """Django's words for `postgresql://user:password@host:port/name?option=value`."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise UsageError(
            "the database {url} is no PostgreSQL address",
            "postgresql://user@host:5432/name, or leave it out for SQLite",
            url=f"{parts.scheme}://…",  # never the password
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def local_zone(environment: Mapping[str, str], localtime: Path = Path("/etc/localtime")) -> str:
    """The name of the time zone people here live in; "UTC" when the machine does not say."""
    name = environment.get("TZ", "").lstrip(":")
    if not name and localtime.is_symlink():
        name = str(localtime.readlink()).partition("zoneinfo/")[2]
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
    return name


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. `port` 0 takes any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        return self.host in _LOOPBACK


def read_listen(text: str) -> Listen:
    """`127.0.0.1:8470`, `[::1]:8470`, `0.0.0.0:8470`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError("{text} is no address to listen on", "--listen 127.0.0.1:8470", text=text)
    return Listen(host, int(port))
