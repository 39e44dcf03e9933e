"""What a till and a Caisse-AP terminal would say, for tests and a dry run: messages only, no port."""

from __future__ import annotations

from typing import Final

_ASKED: Final = {"CZ": "0300", "CJ": "012345678901", "CA": "01", "CE": "978", "BA": "0", "CD": "0"}
_DONE: Final = {
    "AE": "10",
    "CC": "001",
    "CI": "1",
    "AC": "663366",
    "AA": "617210######4823",
    "AB": "2407",
    "CG": "424242",
}


def message(**items: str) -> bytes:
    return "".join(f"{tag}{len(value):03d}{value}" for tag, value in items.items()).encode("latin-1")


def question(amount_minor: int, **items: str) -> bytes:
    return message(**{**_ASKED, "CB": f"{amount_minor:02d}", **items})


def answer(amount_minor: int, **items: str) -> bytes:
    """A payment that was done; `items` replace or add. An empty one is left out."""
    said = {**_ASKED, "CB": f"{amount_minor:02d}", **_DONE, **items}
    return message(**{tag: value for tag, value in said.items() if value})


def refusal(amount_minor: int, cause: str = "04") -> bytes:
    return message(**{**_ASKED, "CB": f"{amount_minor:02d}", "AE": "01", "AF": cause})
