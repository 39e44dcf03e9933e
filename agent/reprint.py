"""What is printed when somebody asks for a paper again. Pure: the caller looks up, this decides.

- The terminal's own paper where we captured it: the very bytes, between our marks.
- Else a slip composed from the journal, which says so.
- A payment of which nobody knows that it was approved never gets anything that looks like a slip, not even its own
  captured bytes (they may be half of one): it gets a status note (requirement R19, and no second charge by mistake).
- Every paper is marked as the copy it is. `print_jobs.next_copy_no` says which: no two papers carry the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from agent.errors import Refused, UsageError
from agent.fields import Kind, Outcome
from agent.print_jobs import copies_printed, from_row, next_copy_no
from agent.slips import marks
from agent.slips.layout import Understand
from agent.slips.model import Captured, Cell, Cut, Line, Row, Slip

Subject = Mapping[str, Any]  # a payment or a paper as the index gives it: canonical fields, `seq`, `at`, perhaps `kind`

_TITLE_COLUMNS: Final = 40
_PROOF: Final = 3  # lines of the text that must be found in the bytes again


class TemplateSource(Protocol):
    """agent.slips.template.Templates."""

    def slip(self, name: str, language: str, columns: int, data: Mapping[str, Any]) -> Slip: ...


@dataclass(frozen=True, slots=True)
class Mark:
    """What makes a copy a copy. `printed_at` is local ISO 8601."""

    copy_no: int
    printed_at: str
    operator: str


def slip(
    subject: Subject,
    raw: bytes | None,
    *,
    templates: TemplateSource,
    language: str,
    columns: int,
    shop: str,
    mark: Mark | None,
    understand: Understand | None = None,
) -> Slip:
    """The paper of `subject`, between its marks unless `mark` is None (then it is for a screen only).

    `raw` are its captured bytes; `understand` (a printer driver's) proves that they are a printer's stream and not a
    protocol's frame. Raises Refused where there is nothing to print.
    """
    data = {**subject, "shop": shop}
    paper, origin = _paper(data, raw, templates, language, columns, understand)
    return marked(paper, mark, language, _original_at(subject), origin) if mark else paper


def marked(
    paper: Slip, mark: Mark, language: str, original_at: str, origin: Literal["raw", "composed"] = "composed"
) -> Slip:
    """Any paper as a copy: also a day's list that did not come out and is printed again."""
    return marks.reprint(
        paper,
        language=language,
        copy_no=mark.copy_no,
        original_at=original_at,
        printed_at=mark.printed_at,
        operator=mark.operator,
        origin=origin,
    )


def next_copy(jobs: Iterable[Mapping[str, Any]]) -> int:
    """The number of the next copy, from the rows of all print jobs of the same payment or paper."""
    return next_copy_no(from_row(row) for row in jobs)


def copies(jobs: Iterable[Mapping[str, Any]]) -> int:
    """How many came out, as far as anybody can tell."""
    return copies_printed(from_row(row) for row in jobs)


def allow(subject: Subject, earlier: int, *, operator: str, reason: str) -> None:
    """Whether `operator` may print this again. Today everybody may who says why; raises UsageError, later Refused.

    The approval policy (free for a while, then a supervisor's PIN) belongs here: it sees what (`subject`), how often
    it was done (`earlier`, of `copies`) and who asks.
    """
    del subject, earlier, operator
    if not reason.strip():
        raise UsageError("a reprint needs a reason", 'for example: --reason "the customer lost it"')


def _paper(
    data: Subject,
    raw: bytes | None,
    templates: TemplateSource,
    language: str,
    columns: int,
    understand: Understand | None,
) -> tuple[Slip, Literal["raw", "composed"]]:
    kind = data.get("kind", Kind.TRANSACTION)
    if kind == Kind.TRANSACTION and data.get("outcome") != Outcome.APPROVED:
        return templates.slip("status_note", language, columns, data), "composed"
    composed = None
    if kind == Kind.TRANSACTION:
        composed = templates.slip("sale", language, columns, data)
    elif kind == Kind.SETTLEMENT:
        composed = templates.slip("settlement", language, columns, data)
    text = data.get("text", "")
    title = composed.title if composed else _first_line(text)
    if raw is not None and _is_paper(data, raw, understand):
        return Slip(title, columns, (Captured(raw, text), Cut()), "captured"), "raw"
    if _has_lines(text):
        # The terminal's own words, though not its bytes: protocols that hand over print lines.
        rows: tuple[Row, ...] = tuple(Line((Cell(line),)) for line in text.splitlines())
        return Slip(title, columns, (*rows, Cut()), "captured"), "raw"
    if composed is None:
        raise Refused(
            "of entry {seq} there is nothing to print", "look at it with slipkeeper journal show", **_named(data)
        )
    return composed, "composed"


def _is_paper(data: Subject, raw: bytes, understand: Understand | None) -> bool:
    """Whether captured bytes went to a printer. What a protocol sent must never be sent to one."""
    if data.get("kind") == Kind.SLIP:
        return True  # nobody could read it, so it is all we have
    text = data.get("text", "")
    if "text" in data.get("cut", ()):
        return True  # a slip too long for its line: its text stands in the bytes only
    if not _has_lines(text):
        return False
    if understand is None:
        return True
    said = {_bare(line) for line in _lines_of(understand(raw))}
    wanted = [_bare(line) for line in text.splitlines() if _bare(line)]
    return all(line in said for line in wanted[:_PROOF])


def _has_lines(text: str) -> bool:
    """Whether a text is a slip's lines, not the one-line answer of a host ("APPROVED")."""
    return len([line for line in text.splitlines() if line.strip()]) > 1


def _lines_of(rows: Iterable[Row]) -> Iterable[str]:
    return ("".join(cell.text for cell in row.cells) for row in rows if isinstance(row, Line))


def _bare(line: str) -> str:
    return "".join(line.split())


def _first_line(text: str) -> str:
    return next((line.strip()[:_TITLE_COLUMNS] for line in text.splitlines() if line.strip()), "slip")


def _original_at(subject: Subject) -> str:
    return str(subject.get("terminal_time") or subject.get("at") or "")


def _named(data: Subject) -> dict[str, object]:
    return {"seq": data.get("seq", "?")}
