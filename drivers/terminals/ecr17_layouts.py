"""Where the fields of ECR17 messages stand, counted from 1 as the specification does. Tables only.

Source: Nexi "Traditional POS" pages (public), standard ECR17: payment, extended payment, reversal, pre-authorisation,
incremental, closure, close session, terminal totals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.terminals.stx_values import CARD, Spec, free_text, shaped


@dataclass(frozen=True, slots=True)
class Place:
    """One field: its first sign as the specification counts, its length, what it is."""

    start: int
    size: int
    spec: Spec

    def of(self, data: bytes) -> bytes:
        return data[self.start - 1 : self.start - 1 + self.size]


def _digits(name: str) -> Spec:
    return shaped(name, r"[0-9]+")


_ENTRY_SPEC: Final = shaped("[entry]", r"ICC|MAG|MAN|CLM|CLI")
_AUTH: Final = shaped("auth_code", r"[0-9A-Za-z]{1,6}")
_WHEN: Final = shaped("[when]", r"[0-9]{7}")
_ACTION: Final = shaped("[action]", r"[0-9]{3}")
_STAN: Final = shaped("trace_no", r"[0-9]{6}")
_ONLINE: Final = shaped("[online]", r"[0-9]{6}")
_ACQUIRER: Final = shaped("acquirer", r"[0-9A-Za-z ]{1,11}")
_AMOUNT: Final = shaped("[amount]", r"[0-9]{8}")

_APPROVED: Final = (Place(13, 19, CARD), Place(32, 3, _ENTRY_SPEC), Place(35, 6, _AUTH), Place(41, 7, _WHEN))
_DENIED: Final = (Place(13, 24, free_text("text")),)
_ALWAYS: Final = (
    Place(48, 1, shaped("[card]", r"[0-9]")),
    Place(49, 11, _ACQUIRER),
    Place(60, 6, _STAN),
    Place(66, 6, _ONLINE),
    Place(72, 3, _ACTION),
)
_EXTENDED: Final = (Place(75, 8, _AMOUNT),)
FILLED: Final = frozenset({CARD, _AUTH, _WHEN, _STAN})  # of these zeros alone say that there is none
_EXTENDED_BYTES: Final = 92  # a result of `X`; one of a reversal is shorter and has nothing there
_EXCHANGED: Final = (  # amounts in the card's own currency: kept, but the shop is paid in its own
    *_EXTENDED,
    Place(83, 1, _digits("[exchanged]")),
    Place(84, 8, _digits("")),
    Place(92, 3, shaped("", r"[A-Z]{3}")),
    Place(95, 12, _digits("")),
    Place(107, 1, _digits("")),
)
_CLOSURE_EXCHANGED: Final = (
    Place(75, 1, _digits("[exchanged]")),
    Place(76, 8, _digits("")),
    Place(84, 3, shaped("", r"[A-Z]{3}")),
    Place(87, 12, _digits("")),
    Place(99, 1, _digits("")),
)
_PREAUTH: Final = (
    *_APPROVED[:3],
    Place(41, 8, _AMOUNT),
    Place(49, 9, _digits("rrn")),  # the code by which the reservation is raised and closed
    Place(58, 3, _ACTION),
    Place(61, 7, _WHEN),
)
_PREAUTH_DENIED: Final = (*_DENIED, Place(37, 3, _ACTION))
_PREAUTH_ALWAYS: Final = (Place(72, 11, _ACQUIRER), Place(83, 6, _STAN), Place(89, 6, _ONLINE))
_INCREMENTAL: Final = (
    *_APPROVED[:2],
    Place(35, 11, _ACQUIRER),
    Place(46, 6, _AUTH),
    Place(52, 6, _STAN),
    Place(58, 6, _ONLINE),
    Place(64, 7, _WHEN),
    Place(71, 3, _ACTION),
)
TOTAL: Final = Place(13, 16, shaped("[pos]", r"0[0-9]{15}"))
HOST_TOTAL: Final = Place(29, 16, shaped("[host]", r"0[0-9]{15}"))
NOT_CLOSED: Final = (Place(13, 19, free_text("text")), Place(32, 3, _ACTION))


def places_of(code: str, result: str, size: int) -> tuple[Place, ...]:
    """The fields of a result: by its letter, whether it was approved, and its length."""
    approved = result == "00"
    if code == "e":
        return (_PREAUTH if approved else _PREAUTH_DENIED) + _PREAUTH_ALWAYS
    if code == "i":
        return _INCREMENTAL
    more: tuple[Place, ...] = ()
    if code == "V":
        more = _EXCHANGED
    elif code == "v":
        more = _CLOSURE_EXCHANGED
    elif code == "E" and size >= _EXTENDED_BYTES:
        more = _EXTENDED
    return (_APPROVED if approved else _DENIED) + _ALWAYS + more
