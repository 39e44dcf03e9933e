"""The configuration: what may be set, and what makes sense together.

The dataclasses are the only list of settings: `example()` writes config.example.toml from them, and a test holds the
shipped file to it. A field's help stands in its metadata; a secret is never here, only the file that holds it.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

from agent import plugins, ports
from agent.contract import Mode, Setting
from agent.errors import ConfigError, SlipkeeperError, UsageError
from agent.tables import NAMES, build, said

_SOCKET_BYTES: Final = 107  # unix(7)
PLACES: Final = (Path("slipkeeper.toml"), Path("/etc/slipkeeper/config.toml"))


def _help(text: str, default: Any = dataclasses.MISSING) -> Any:
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata={"help": text})
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Shop:
    name: str = _help("printed on lists and shown in the menu", "My shop")
    language: str = _help("zh or en: menu, lists and messages", "zh")
    currency: str = _help("ISO 4217 code of a bare amount typed into a search", "CNY")
    timezone: str = _help('name like "Asia/Shanghai"; empty = the machine\'s own', "")

    @property
    def zone(self) -> tzinfo | None:
        return zoneinfo.ZoneInfo(self.timezone) if self.timezone else None


@dataclass(frozen=True, slots=True)
class Storage:
    directory: str = _help("journal, index and everything else that must survive", "/var/lib/slipkeeper")
    socket: str = _help(
        "where menu and commands reach the keeper; /run/slipkeeper/desk.sock lets its group in; empty = here",
        "",
    )


@dataclass(frozen=True, slots=True)
class Day:
    cutoff: str = _help("a business day begins at this local time", "04:00")
    print_list: bool = _help("print the settlement list by itself when the day closes", True)  # noqa: FBT003 - a default
    printer: str = _help("name of the printer for lists; empty = the first one", "")
    template: str = _help("directory with your own slip templates; empty = the shipped ones", "")

    @property
    def starts_after(self) -> timedelta:
        hour, _, minute = self.cutoff.partition(":")
        return timedelta(hours=int(hour), minutes=int(minute))


@dataclass(frozen=True, slots=True)
class Terminal:
    name: str = _help("what you call this terminal; entries carry it as their source")
    driver: str = _help("slipkeeper drivers lists them")
    mode: str = _help("proxy, ecr, tap, printer or drop: the agent's place on the line")
    port: str = _help("the terminal's side: serial:…, tcp://…, tcp-listen://…, pty:…")
    till_port: str = _help("proxy only: the side of the till or of the real printer", "")
    settings: Mapping[str, Any] = _help("what the driver wants to know, see slipkeeper drivers", {})


@dataclass(frozen=True, slots=True)
class Printer:
    name: str = _help("what you call this printer")
    port: str = _help("file:/dev/usb/lp0, tcp://host:9100 or serial:…")
    driver: str = _help("slipkeeper drivers lists them", "escpos")
    columns: int = _help("48 for 80 mm paper, 32 for 58 mm", 48)
    charset: str = _help("gb18030, gbk or gb2312: what the printer's font knows", "gb18030")
    level: int = _help("what it can prove: 0 nothing, 1 how it is when asked", 1)


@dataclass(frozen=True, slots=True)
class Upstream:
    url: str = _help("the receiving end, as printed by slipkeeper upstream serve; empty = none", "")
    ca_file: str = _help("certificate authority to trust instead of the system's", "")
    proxy: str = _help("HTTP proxy to go through", "")
    start_window_s: int = _help("after a power cut, wait a random time up to this before the first call", 20)


@dataclass(frozen=True, slots=True)
class Config:
    shop: Shop = field(default_factory=Shop)
    storage: Storage = field(default_factory=Storage)
    day: Day = field(default_factory=Day)
    upstream: Upstream = field(default_factory=Upstream)
    terminals: tuple[Terminal, ...] = ()
    printers: tuple[Printer, ...] = ()

    @property
    def state(self) -> Path:
        return Path(self.storage.directory)

    @property
    def socket(self) -> Path:
        return Path(self.storage.socket) if self.storage.socket else self.state / "desk.sock"


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError with every mistake in it, UsageError when it is not there."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as cause:
        raise UsageError(
            "the configuration {path} cannot be read: {cause}",
            "slipkeeper config example > slipkeeper.toml writes one to begin with",
            path=str(path),
            cause=cause.strerror or str(cause),
        ) from cause
    except UnicodeDecodeError as cause:
        raise ConfigError([f"byte {cause.start} is no UTF-8: save the file as UTF-8"], str(path)) from cause
    return parse(text, str(path))


def find(environment: Mapping[str, str]) -> Path:
    """Where the configuration is: SLIPKEEPER_CONFIG, else ./slipkeeper.toml, else /etc/slipkeeper/config.toml."""
    if "SLIPKEEPER_CONFIG" in environment:
        return Path(environment["SLIPKEEPER_CONFIG"])
    return next((place for place in PLACES if place.exists()), PLACES[-1])


def parse(text: str, where: str = "the configuration") -> Config:
    """The configuration a TOML text says. Raises ConfigError with every mistake in it."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as cause:  # no TOML, a number without end, tables within tables without end
        raise ConfigError([str(cause)], where) from cause
    mistakes: list[str] = []
    config: Config = build(Config, data, "", mistakes)
    mistakes += _sense(config)
    if mistakes:
        raise ConfigError(mistakes, where)
    return config


def _sense(config: Config) -> list[str]:
    """Mistakes that each value alone does not show."""
    mistakes = []
    if config.shop.language not in {"zh", "en"}:
        mistakes.append(f"shop.language: {config.shop.language!r} is neither zh nor en")
    if not re.fullmatch(r"[A-Z]{3}", config.shop.currency):
        mistakes.append(f"shop.currency: {config.shop.currency!r} is no ISO 4217 code")
    if config.shop.timezone and config.shop.timezone not in zoneinfo.available_timezones():
        nearest = difflib.get_close_matches(config.shop.timezone, zoneinfo.available_timezones(), 1)
        mistakes.append(f"shop.timezone: unknown zone{f' (did you mean {nearest[0]}?)' if nearest else ''}")
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", config.day.cutoff):
        mistakes.append(f'day.cutoff: {config.day.cutoff!r} is no time like "04:00"')
    if config.day.printer and config.day.printer not in {printer.name for printer in config.printers}:
        mistakes.append(f"day.printer: there is no printer {config.day.printer!r}")
    if config.upstream.url and not re.match(r"https?://.", config.upstream.url):
        mistakes.append("upstream.url: must begin with https:// (or http:// on this machine)")
    if config.upstream.start_window_s < 0:
        mistakes.append("upstream.start_window_s: is less than nothing")
    mistakes += _sense_of_places(config)
    mistakes += _sense_of_names("terminals", [terminal.name for terminal in config.terminals])
    mistakes += _sense_of_names("printers", [printer.name for printer in config.printers])
    for place, terminal in enumerate(config.terminals):
        mistakes += [f"terminals[{place}].{mistake}" for mistake in _sense_of_terminal(terminal)]
    for place, printer in enumerate(config.printers):
        mistakes += [f"printers[{place}].{mistake}" for mistake in _sense_of_printer(printer)]
    return mistakes


def _sense_of_places(config: Config) -> list[str]:
    mistakes = []
    for name, place in (("directory", config.storage.directory), ("socket", config.storage.socket)):
        # Another working directory would be another journal.
        if (place or name == "directory") and not (place.startswith("/") and place.isprintable()):
            mistakes.append(f"storage.{name}: {said(place)} is no absolute path")
    if len(str(config.socket).encode()) > _SOCKET_BYTES:
        mistakes.append(
            f"storage.socket: {config.socket} is too long, a socket's path may be {_SOCKET_BYTES} bytes long"
        )
    ports_ = [port for t in config.terminals for port in (t.port, t.till_port)] + [p.port for p in config.printers]
    used = [port.partition("?")[0] for port in ports_ if port]
    twice = sorted({port for port in used if used.count(port) > 1 and not port.startswith(("tcp:", "file:"))})
    return mistakes + [f"the port {port} stands twice" for port in twice]


def _sense_of_names(kind: str, names: list[str]) -> list[str]:
    mistakes = [f"{kind}: the name {name!r} stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
    wrong = [name for name in names if not name or name != name.strip() or not name.isprintable() or len(name) > 64]
    return mistakes + [f"{kind}: {said(name)} is no name (1 to 64 signs, no blanks at its ends)" for name in wrong]


def _sense_of_terminal(terminal: Terminal) -> list[str]:
    mistakes = _sense_of_port("port", terminal.port)
    if terminal.till_port:
        mistakes += _sense_of_port("till_port", terminal.till_port)
    try:
        driver = plugins.terminal(terminal.driver)
    except SlipkeeperError as error:
        return [*mistakes, f"driver: {error}"]
    if terminal.mode not in {mode.value for mode in driver.modes}:
        can = ", ".join(sorted(driver.modes))
        mistakes.append(f"mode: {terminal.driver} cannot be {terminal.mode!r} (it can be: {can})")
    if terminal.mode == Mode.PROXY and not terminal.till_port:
        mistakes.append("till_port: missing, a proxy stands between two ports")
    return mistakes + _sense_of_settings(terminal.settings, driver.settings)


def _sense_of_settings(settings: Mapping[str, Any], known: tuple[Setting, ...]) -> list[str]:
    mistakes = []
    by_name = {setting.name: setting for setting in known}
    for name, value in settings.items():
        setting = by_name.get(name)
        if setting is None:
            nearest = difflib.get_close_matches(name, by_name, 1)
            guess = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(by_name)}"
            mistakes.append(f"settings.{name}: no such setting ({guess})")
        elif setting.choices and value not in setting.choices:
            mistakes.append(f"settings.{name}: {said(value)} is none of {', '.join(setting.choices)}")
        elif type(value) is not type(setting.default):
            mistakes.append(f"settings.{name}: expected {NAMES[type(setting.default)]}, found {said(value)}")
    return mistakes


def _sense_of_printer(printer: Printer) -> list[str]:
    mistakes = _sense_of_port("port", printer.port)
    try:
        driver = plugins.printer(printer.driver)
    except SlipkeeperError as error:
        return [*mistakes, f"driver: {error}"]
    if printer.charset not in driver.charsets:
        mistakes.append(f"charset: {printer.charset!r} is none of {', '.join(driver.charsets)}")
    if not 20 <= printer.columns <= 64:
        mistakes.append(f"columns: {printer.columns} is not between 20 and 64 (48 for 80 mm paper, 32 for 58 mm)")
    if printer.level not in range(4):
        mistakes.append(f"level: {printer.level} is not 0, 1, 2 or 3")
    return mistakes


def _sense_of_port(name: str, url: str) -> list[str]:
    try:
        ports.parse(url)
    except SlipkeeperError as error:
        return [f"{name}: {error}"]
    return []
