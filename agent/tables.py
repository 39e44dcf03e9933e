"""TOML tables into frozen dataclasses: every mistake at once, an unknown key is an error with the nearest name."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, Final


def build(kind: type[Any], data: Any, path: str, mistakes: list[str]) -> Any:
    """A dataclass of `kind` from a TOML table. Mistakes are added to `mistakes`, each with its path.

    A value that cannot be used gives way to its default, so that the rest is checked too; None only when something
    without a default is missing.
    """
    if not isinstance(data, dict):
        mistakes.append(f"{path.rstrip('.') or 'the file'}: expected a table, found {said(data)}")
        return None
    hints = typing.get_type_hints(kind)
    known = {member.name: member for member in dataclasses.fields(kind)}
    for name in data:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 1)
            guess = f" (did you mean {nearest[0]}?)" if nearest else f" (known: {', '.join(known)})"
            mistakes.append(f"{path}{name}: no such setting{guess}")
    values, whole = {}, True
    for name, member in known.items():
        required = member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING
        value = _value(hints[name], data[name], f"{path}{name}", mistakes) if name in data else None
        if value is not None:
            values[name] = value
        elif required:
            whole = False
            if name not in data:
                mistakes.append(f"{path}{name}: missing ({member.metadata['help']})")
    return kind(**values) if whole else None


def _value(kind: Any, value: Any, path: str, mistakes: list[str]) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(typing.cast("type[Any]", kind), value, f"{path}.", mistakes)
    origin = typing.get_origin(kind)
    if origin is tuple:
        if not isinstance(value, list):
            mistakes.append(f"{path}: expected [[{path}]] tables, found {said(value)}")
            return None
        element = typing.get_args(kind)[0]
        built = [build(element, item, f"{path}[{place}].", mistakes) for place, item in enumerate(value)]
        return tuple(item for item in built if item is not None)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            mistakes.append(f"{path}: expected a table, found {said(value)}")
            return None
        return types.MappingProxyType(dict(value))
    if type(value) is not kind:
        mistakes.append(f"{path}: expected {NAMES[kind]}, found {said(value)}")
        return None
    return value


NAMES: Final = {str: 'a text in "quotes"', int: "a whole number", bool: "true or false"}


def said(value: Any) -> str:
    """A value as a mistake shows it; what is too long to be shown is named."""
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # a number of ten thousand digits, tables nested without end
        shown = " " * 41
    return shown if len(shown) <= 40 else type(value).__name__
