"""Reads the trace pairs of `tests/traces/<driver>/` (format: the README beside them)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.contract import Report, Side

TRACES = Path(__file__).parent.parent / "traces"
SIDES = {"<": Side.TERMINAL, ">": Side.TILL}
NOT_COMPARED = {"driver", "profile", "raw_sha256"}
TYPES = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Trace:
    """`steps`: a side and its bytes, or None for a second of silence."""

    name: str
    settings: dict[str, object]
    steps: tuple[tuple[Side, bytes] | None, ...]
    expected: list[dict[str, Any]]


def load(path: Path) -> Trace:
    settings: dict[str, object] = {}
    steps: list[tuple[Side, bytes] | None] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        sign, rest = line[:1], line[1:].strip()
        if sign in ("#", ""):
            continue
        if sign == "@":
            name, _, value = rest.partition(" ")
            settings[name] = TYPES.get(value, value)
        elif sign == "~":
            steps.append(None)
        elif sign in SIDES:
            steps.append((SIDES[sign], bytes.fromhex(rest)))
        elif sign == " " and steps and steps[-1] is not None:
            side, data = steps[-1]
            steps[-1] = (side, data + bytes.fromhex(rest))
        else:
            raise ValueError(f"{path.name}:{number}: {line!r} is no trace line")
    expected = [json.loads(line) for line in path.with_suffix(".expect").read_text().splitlines()]
    return Trace(path.stem, settings, tuple(steps), expected)


def of(driver: str) -> list[Path]:
    return sorted((TRACES / driver).glob("*.trace"))


def told(report: Report) -> dict[str, Any]:
    """A report as an expect line."""
    fields = {name: value for name, value in report.fields.items() if name not in NOT_COMPARED}
    return {"kind": report.kind.value, "key": report.key, **fields}


def lines(reports: list[Report]) -> str:
    return "".join(json.dumps(told(report), ensure_ascii=False) + "\n" for report in reports)
