"""What each template is given: the data of a slip, and what is derived from it. Pure.

The data are plain JSON values; a key that is absent is unknown and its line stays off the paper. Times are local, ISO
8601. T is a transaction: the canonical fields of `agent.fields`, and `seq` (entry), `at`, `day`, `source`.

`sale`, `status_note`
    T, `shop`; what is not approved comes out as `status_note`, whichever of the two is asked for;
    `signature`: true prints a line to sign (never on a reprint).
`day_list`, `interim`
    `shop`, `day` ("2026-06-22"), `number` (12, of this list), `closed_at`, `late` (made after the day had ended),
    `interim`, `first_seq`, `last_seq`, `head` (hex, the chain up to last_seq),
    `totals` [{transaction_type, currency, count, amount_minor}],
    `methods` [{method, card_scheme, currency, count, amount_minor}] signed, `net` [{currency, amount_minor}] signed,
    `transactions` [T], `unknown` [T] of which nobody knows whether they were paid, `unprinted` [T] without paper,
    `unsynced` {count, since}, `blind` [{terminal, from, to}] (`to` absent: still deaf), `clock` [sentence],
    `terminals` [{terminal_id, ours: totals, theirs: totals | null (not settled), difference: [{currency,
    amount_minor}]}] difference = ours - theirs, empty = equal
`details`
    `shop`, `day`, `printed_at`, `terminal_id`, `transactions` [T], `net`
`settlement`
    the fields of a settlement report: `terminal_id`, `merchant_id`, `merchant_name`, `batch_no`, `terminal_time`,
    `currency`, `totals` [{group, transaction_type, count, amount_minor}], `verdict` {domestic, foreign}; `shop`
`test_page`
    `shop`, `printer` (its name), `charset`, `printed_at`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.slips import formats, shapes, wording
from agent.slips.shapes import Schema

Data = Mapping[str, Any]

WIDE: Final = 42  # columns from which a template may call the paper wide


@dataclass(frozen=True, slots=True)
class View:
    """One kind of slip: the names its template may use, those it must use, and where their values come from."""

    schema: Schema
    mandatory: frozenset[str]
    values: Callable[[Data, str], dict[str, Any]]  # of the data (with `columns`) and the language


def rows(value: object) -> list[dict[str, Any]]:
    """A list as records; what is no record becomes one with `this`."""
    if not isinstance(value, list | tuple):
        return []
    return [dict(item) if isinstance(item, Mapping) else {"this": item} for item in value]


def _root(data: Data, title: str, notice: str, money: Iterable[Data] = ()) -> dict[str, Any]:
    """The data and what every template knows; `home` is the currency that goes without saying."""
    first = next((row["currency"] for row in money if isinstance(row.get("currency"), str)), "")
    return {**data, "title": title, "notice": notice, "home": data.get("currency", first)}


def _titled(*parts: object) -> str:
    return " ".join(str(part) for part in parts if part not in ("", None) and not isinstance(part, list | dict))


def _payment(notice: str) -> Callable[[Data, str], dict[str, Any]]:
    def values(data: Data, language: str) -> dict[str, Any]:
        context = formats.Context("amount_minor", data, language, "")
        kind = wording.word("transaction_type", str(data.get("transaction_type", "")), language)
        title = _titled(kind, formats.flow(data.get("amount_minor"), context), data.get("trace_no"))
        root = _root(data, title, wording.sentence(notice, language))
        mode = data.get("entry_mode")
        mark = (
            wording.word("entry_mode", mode, language, short=True)
            if isinstance(mode, str) and data.get("card_masked")
            else ""
        )
        outcome = str(data.get("outcome", "unknown"))
        about = f"about_{outcome}" if outcome in {"unknown", "declined"} else ""
        return {
            **root,
            "outcome": outcome,
            "explanation": wording.sentence(about, language) if about else "",
            "name": data.get("merchant_name") or data.get("shop"),
            "entry_mark": f"/{mark}" if len(mark) == 1 else "",
            "signature": data.get("signature") is True and data.get("reprint") is not True,
        }

    return values


def _listed(value: object, language: str) -> list[dict[str, Any]]:
    """Transactions as rows of a list: `tail` tells card or wallet, `result` is there when it is not approved."""
    listed = rows(value)
    for row in listed:
        context = formats.Context("card_masked", row, language, "")
        method = str(row.get("method", ""))
        name = "" if method == "card" else wording.word("method", method, language, short=True)
        row["tail"] = formats.last4(row.get("card_masked"), context) or name
        outcome = row.get("outcome", "unknown")
        row["result"] = "" if outcome == "approved" else wording.word("outcome", str(outcome), language)
    return listed


def _method_label(row: Data, language: str) -> str:
    method, scheme = str(row.get("method", "")), str(row.get("card_scheme", ""))
    return _titled(wording.word("method", method, language), scheme)


def _side_by_side(ours: Sequence[Data], theirs: Sequence[Data]) -> list[dict[str, Any]]:
    """Our totals and the terminal's in one row a type and currency; what one side has not got is absent there."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for side, totals in (("ours", ours), ("theirs", theirs)):
        for row in totals:
            key = (str(row.get("transaction_type", "other")), str(row.get("currency", "")))
            line = merged.setdefault(key, {"transaction_type": key[0], "currency": key[1]})
            for name, field in (("count", "count"), ("minor", "amount_minor")):
                value = row.get(field)
                held = line.get(f"{side}_{name}", 0)
                line[f"{side}_{name}"] = held + (value if type(value) is int else 0)
    return list(merged.values())


def _compared(terminal: Data) -> dict[str, Any]:
    theirs, difference = terminal.get("theirs"), rows(terminal.get("difference"))
    settled = isinstance(theirs, list | tuple)
    return {
        "terminal_id": terminal.get("terminal_id"),
        "settled": settled,
        "equal": settled and not difference,
        "lines": _side_by_side(rows(terminal.get("ours")), rows(theirs)),
        "difference": difference,
    }


def _day_list(data: Data, language: str) -> dict[str, Any]:
    interim = data.get("interim") is True
    number = data.get("number")
    number_text = wording.sentence("number", language, number=number) if isinstance(number, int | str) else ""
    title = wording.sentence("interim_title" if interim else "day_list_title", language)
    notice = wording.sentence("interim", language) if interim else ""
    if data.get("late") is True and not interim:
        notice = wording.sentence("late", language)
    lists = {name: _listed(data.get(name), language) for name in ("transactions", "unknown", "unprinted")}
    totals, blind, clock = rows(data.get("totals")), rows(data.get("blind")), rows(data.get("clock"))
    terminals = [_compared(terminal) for terminal in rows(data.get("terminals"))]
    unsynced = data.get("unsynced")
    unsynced = unsynced if isinstance(unsynced, Mapping) else {}
    trouble = [lists["unknown"], lists["unprinted"], blind, clock, unsynced.get("count")]
    return {
        **_root(data, _titled(title, data.get("day"), "" if interim else number_text), notice, totals),
        **lists,
        "heading": title.upper(),
        "number_text": "" if interim else number_text,
        "totals": totals,
        "methods": [{**row, "label": _method_label(row, language)} for row in rows(data.get("methods"))],
        "net": rows(data.get("net")),
        "blind": blind,
        "clock": clock,
        "terminals": terminals,
        "empty": not totals and not lists["transactions"],
        "clear": not any(trouble) and not any(terminal["difference"] for terminal in terminals),
        "count": len(lists["transactions"]) or None,
        "unknown_count": len(lists["unknown"]) or None,
        "unprinted_count": len(lists["unprinted"]) or None,
        "unsynced_count": unsynced.get("count") or None,
        "unsynced_since": unsynced.get("since"),
        "seal": _titled(
            "slipkeeper/interim/1" if interim else "slipkeeper/day/1",
            data.get("day"),
            "" if interim else number,
            data.get("last_seq"),
            data.get("head"),
        ),
    }


def _details(data: Data, language: str) -> dict[str, Any]:
    net, listed = rows(data.get("net")), _listed(data.get("transactions"), language)
    title = _titled(wording.sentence("details_title", language), data.get("day"))
    return {**_root(data, title, "", [*net, *listed]), "net": net, "transactions": listed, "count": len(listed)}


def _settlement(data: Data, language: str) -> dict[str, Any]:
    verdicts = data.get("verdict")
    verdicts = {str(name): value for name, value in verdicts.items()} if isinstance(verdicts, Mapping) else {}
    groups: dict[str, dict[str, Any]] = {}
    for name in [*verdicts, *(str(row.get("group", "all")) for row in rows(data.get("totals")))]:
        groups.setdefault(name, {"group": name, "verdict": verdicts.get(name), "lines": []})
    for row in rows(data.get("totals")):
        groups[str(row.get("group", "all"))]["lines"].append({"currency": data.get("currency"), **row})
    title = _titled(wording.sentence("settlement_title", language), data.get("terminal_id"), data.get("batch_no"))
    return {
        **_root(data, title, wording.sentence("composed_settlement", language)),
        "name": data.get("merchant_name") or data.get("shop"),
        "groups": list(groups.values()),
    }


def _test_page(data: Data, language: str) -> dict[str, Any]:
    title = _titled(wording.sentence("test_title", language), data.get("printer"))
    columns = data["columns"]
    return {
        **_root(data, title, ""),
        "ruler": "".join(str(place % 10) for place in range(1, columns + 1)),
        "ruler_hanzi": "".join("一二三四五六七八九十"[place % 10] for place in range(columns // 2)),
        "seal": _titled("slipkeeper/test/1", data.get("printed_at")),
    }


_PAYMENT_MUST: Final = frozenset(
    {"notice", "transaction_type", "amount_minor", "terminal_time", "terminal_id", "trace_no", "card_masked"}
)
_DAY_MUST: Final = frozenset(
    {"shop", "day", "totals", "net", "unknown", "unprinted", "unsynced_count", "blind", "clock", "terminals", "notice"}
)
VIEWS: Final[Mapping[str, View]] = {
    "sale": View(shapes.PAYMENT, _PAYMENT_MUST, _payment("composed")),
    "status_note": View(shapes.PAYMENT, _PAYMENT_MUST | {"outcome"}, _payment("no_slip")),
    "day_list": View(shapes.DAY, _DAY_MUST | {"number_text", "closed_at", "head"}, _day_list),
    "interim": View(shapes.DAY, _DAY_MUST, lambda data, language: _day_list({**data, "interim": True}, language)),
    "details": View(shapes.DETAILS, frozenset({"day", "transactions", "count"}), _details),
    "settlement": View(shapes.SETTLEMENT, frozenset({"notice", "terminal_id", "groups"}), _settlement),
    "test_page": View(shapes.TEST_PAGE, frozenset(), _test_page),
}
