"""What a reprint shows: the very bytes of the slip when we have them, else a slip composed from the journal that says so.

Nothing that was not approved ever comes out looking like a slip: unknown and declined payments make a status note
(状态说明，非签购单). The mark top and bottom is put round whatever it is and no template can take it off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.entries import Kind
from agent.fields import Outcome
from agent.money import Money
from agent.slips import marks
from agent.slips.model import Captured, Cut, Slip
from agent.slips.template import Templates
from agent.slips.wording import sentence, word

# A copy counts when it is, or may well be, in somebody's hand. One that failed before its first byte, was called off or
# was seen not to come out does not; one of which nobody knows does, so that no two papers carry the same number.
_COUNTED: Final = frozenset(
    {"printed", "unconfirmed", "printed_by_operator", "unknown", "sending", "sent", "held", "queued"}
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the mark says: which copy, when (local, ISO 8601) and by whom it is printed."""

    copy_no: int
    printed_at: str
    operator: str


def next_copy(jobs: Iterable[Mapping[str, Any]]) -> int:
    """The number the next reprint of a paper bears; `jobs` are the print jobs of it so far."""
    asked = [job for job in jobs if job["purpose"] in {"reprint", "settlement"}]
    return 1 + sum(1 for job in asked if job["state"] in _COUNTED)


def slip(
    subject: Mapping[str, Any],
    raw: bytes | None,
    *,
    templates: Templates,
    language: str,
    columns: int,
    shop: str,
    mark: Mark | None,
) -> Slip:
    """The paper of a payment or of a terminal's own list (`subject` is a row of the index, `raw` its captured paper).

    Without `mark` it is shown as it was, for the eye only.
    """
    kind = subject.get("kind", Kind.TRANSACTION)
    payment = kind == Kind.TRANSACTION
    captured = raw is not None and (not payment or subject.get("outcome") == Outcome.APPROVED)
    if captured and raw is not None:
        shown = Slip(
            _title(subject, language), columns, (Captured(raw, str(subject.get("text", ""))), Cut()), "captured"
        )
    else:
        shown = templates.slip("sale" if payment else "settlement", language, columns, {**subject, "shop": shop})
    if mark is None:
        return shown
    return marks.reprint(
        shown,
        language=language,
        copy_no=mark.copy_no,
        original_at=str(subject.get("terminal_time", "")),
        printed_at=mark.printed_at,
        operator=mark.operator,
        origin="raw" if captured else "composed",
    )


def _title(subject: Mapping[str, Any], language: str) -> str:
    """How queues and archives name it: type, amount, trace number."""
    kind = subject.get("kind", Kind.TRANSACTION)
    if kind == Kind.TRANSACTION:
        parts = [word("transaction_type", str(subject.get("transaction_type", "other")), language)]
    elif kind == Kind.SETTLEMENT:
        parts = [sentence("settlement_title", language)]
    else:
        parts = [sentence("slip_title", language)]
    if "amount_minor" in subject and "currency" in subject:
        parts.append(str(Money(subject["amount_minor"], subject["currency"])))
    if "trace_no" in subject:
        parts.append(str(subject["trace_no"]))
    return " ".join(parts)
