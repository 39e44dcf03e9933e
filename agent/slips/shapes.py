"""The names templates may use, slip by slip, as `lint` knows them. Their values come from `views`. Tables only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.fields import BY_NAME

Schema = Mapping[str, "Schema | None"]  # None: one value; a schema: rows


def _names(*names: str) -> dict[str, None]:
    return dict.fromkeys(names)


EVERYWHERE: Final = frozenset({"wide"})  # true from WIDE columns on
_T: Final[Schema] = _names(*BY_NAME, "seq", "at", "day", "source", "reprints", "printed", "tail", "result")
_TOTALS: Final[Schema] = _names("transaction_type", "currency", "count", "amount_minor")
_MONEY: Final[Schema] = _names("currency", "amount_minor")
_ROOT: Final[Schema] = _names("title", "notice", "shop", "home")
PAYMENT: Final[Schema] = {**_T, **_ROOT, **_names("name", "entry_mark", "signature", "explanation")}
DAY: Final[Schema] = {
    **_ROOT,
    **_names(
        "heading",
        "day",
        "number",
        "number_text",
        "closed_at",
        "late",
        "interim",
        "first_seq",
        "last_seq",
        "head",
        "seal",
    ),
    **_names("empty", "clear", "count", "unknown_count", "unprinted_count", "unsynced_count", "unsynced_since"),
    "totals": _TOTALS,
    "methods": _names("label", "method", "card_scheme", "currency", "count", "amount_minor"),
    "net": _MONEY,
    "transactions": _T,
    "unknown": _T,
    "unprinted": _T,
    "blind": _names("terminal", "from", "to"),
    "clock": _names("this"),
    "terminals": {
        **_names("terminal_id", "settled", "equal"),
        "lines": _names("transaction_type", "currency", "ours_count", "ours_minor", "theirs_count", "theirs_minor"),
        "difference": _MONEY,
    },
}
DETAILS: Final[Schema] = {
    **_ROOT,
    **_names("day", "printed_at", "terminal_id", "count"),
    "transactions": _T,
    "net": _MONEY,
}
SETTLEMENT: Final[Schema] = {
    **_names(*BY_NAME, "seq", "at", "day", "source", "name"),
    **_ROOT,
    "groups": {**_names("group", "verdict"), "lines": _TOTALS},
}
TEST_PAGE: Final[Schema] = {
    **_ROOT,
    **_names("printer", "charset", "printed_at", "columns", "ruler", "ruler_hanzi", "seal"),
}
