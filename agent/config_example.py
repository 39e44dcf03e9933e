"""Writes config.example.toml from the dataclasses: every setting with its default and one line why."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Final

from agent.config import Config, Day, Printer, Shop, Storage, Terminal, Upstream

# What a list of tables shows: settings without a default need a sensible example.
_SAMPLES: Final[dict[type[Any], list[dict[str, Any]]]] = {
    Terminal: [
        {
            "name": "counter-1",
            "driver": "slip-tap",
            "mode": "printer",
            "port": "serial:/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A9007UX1-if00-port0?baud=9600",
        }
    ],
    Printer: [{"name": "receipts", "port": "file:/dev/usb/lp0"}],
}


def example() -> str:
    """The whole text of config.example.toml."""
    lines = ["# Slipkeeper's settings, each with its default. Check your own with: slipkeeper config check", ""]
    for member in dataclasses.fields(Config):
        element = _SAMPLED.get(member.name)
        if element is None:
            lines += [f"[{member.name}]", *_settings(_SECTIONS[member.name]), ""]
            continue
        for sample in _SAMPLES[element]:
            lines += [f"[[{member.name}]]", *_settings(element, sample), ""]
    return "\n".join(lines).rstrip() + "\n"


_SECTIONS: Final[dict[str, type[Any]]] = {"shop": Shop, "storage": Storage, "day": Day, "upstream": Upstream}
_SAMPLED: Final[dict[str, type[Any]]] = {"terminals": Terminal, "printers": Printer}


def _settings(kind: type[Any], sample: dict[str, Any] | None = None) -> list[str]:
    lines = []
    for member in dataclasses.fields(kind):
        why = member.metadata["help"]
        if member.default_factory is not dataclasses.MISSING:
            lines.append(f"# {member.name} = {{}}  # {why}")
            continue
        value = (sample or {}).get(member.name, member.default)
        lines += [f"# {why}", f"{member.name} = {json.dumps(value, ensure_ascii=False)}"]
    return lines
