"""Which paper shows what: a payment again, a day's list, the details, a test page. Makes slips, asks for printing.

Between the wish ("print that again") and the queue: what is looked up, which template, which copy it will be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from agent import print_jobs, reprint
from agent.clock import Clock
from agent.config import Config
from agent.entries import Draft
from agent.errors import Refused, UsageError
from agent.index import Index
from agent.print_jobs import Job, Purpose
from agent.print_queue import Queue, loader
from agent.slips.layout import Understand
from agent.slips.model import Slip
from agent.slips.template import Templates
from agent.succession import History

_AGAIN: Final = frozenset({Purpose.REPRINT, Purpose.SETTLEMENT})

Row = dict[str, Any]


class Papers:
    """The papers of one shop. Safe from many threads."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        history: History,
        index: Index,
        queue: Queue,
        templates: Templates,
        understand: Understand,
        new_id: Callable[[], str],
    ) -> None:
        self._config = config
        self._clock = clock
        self._history = history
        self._index = index
        self._queue = queue
        self._templates = templates
        self._understand = understand
        self._new_id = new_id

    # -- slips -----------------------------------------------------------------------------------------------------

    def payment(self, seq: int) -> Row:
        """The payment an entry number belongs to. Raises UsageError when there is none."""
        self._index.catch_up()
        payment = self._index.payment(seq)
        if payment is None:
            raise UsageError("there is no transaction {seq}", "search by amount, time or last four", seq=seq)
        return payment

    def shown(self, seq: int, *, operator: str = "", marked: bool) -> Slip:
        """A payment, or a paper of the terminal's, as it was or (`marked`) as a reprint would come out now."""
        self._index.catch_up()
        subject, copy_no, _ = self._subject(seq)
        raw = self._history.raw(subject["raw"]) if subject.get("raw") is not None else None
        return reprint.slip(
            subject,
            raw,
            templates=self._templates,
            language=self._config.shop.language,
            columns=self.columns(),
            shop=self._config.shop.name,
            mark=reprint.Mark(copy_no, self._local_now(), operator) if marked else None,
            understand=self._understand,
        )

    def list_slip(self, listed: Row) -> Slip:
        return self._templated("interim" if listed["interim"] else "day_list", listed)

    def columns(self) -> int:
        """Of the printer that prints when nobody says which."""
        return self._config.printers[0].columns if self._config.printers else 48

    def printer(self, name: str = "") -> str:
        """A printer's name, checked; the one for lists when none is said. Raises Refused, UsageError."""
        printers = [printer.name for printer in self._config.printers]
        if not printers:
            raise Refused("no printer is configured", "add a [[printers]] table to the configuration")
        if name and name not in printers:
            raise UsageError("there is no printer {name}", "there is: " + ", ".join(printers), name=name)
        return name or self._config.day.printer or printers[0]

    # -- asking for paper ------------------------------------------------------------------------------------------

    def print_again(self, seq: int, *, operator: str, reason: str, printer: str = "") -> Job:
        """A reprint, marked as the copy it is. Raises UsageError without a reason: it stays in the journal for ever."""
        if not reason.strip():
            raise UsageError("a reprint needs a reason", 'for example: --reason "the customer lost it"')
        subject, copy_no, purpose = self._subject(seq)
        return self._queue.add(
            print_jobs.request(
                self._new_id(),
                self.shown(seq, operator=operator, marked=True),
                purpose=purpose,
                printer=self.printer(printer),
                of_seq=subject["seq"],
                copy_no=copy_no,
                operator=operator,
                reason=reason.strip(),
            )
        )

    def further_copy(self, job: Job) -> Draft:
        """The request for a paper that a person did not see come out."""
        if job.of_seq is not None and job.purpose in _AGAIN:
            slip = self.shown(job.of_seq, operator=job.operator, marked=True)
            copy_no = self._subject(job.of_seq)[1]
        else:
            copy_no = job.copy_no + 1
            first = job
            while first.again_of:
                first = self._queue.job(first.again_of)
            mark = reprint.Mark(copy_no, self._local_now(), job.operator)
            slip = reprint.marked(loader(self._history)(first), mark, self._config.shop.language, "")
        return print_jobs.request(
            self._new_id(),
            slip,
            purpose=job.purpose,
            printer=job.printer,
            of_seq=job.of_seq,
            copy_no=copy_no,
            operator=job.operator,
            reason=job.reason,
            again_of=job.id,
        )

    def print_closed_day(self, listed: Row, of_seq: int) -> None:
        """The list of a closed day, by itself. Its id is the day's own, so it is asked for once."""
        if self._config.printers:
            self._ask(
                self.list_slip(listed), Purpose.DAY_LIST, of_seq=of_seq, job_id=f"list-{of_seq}-{listed['head'][:8]}"
            )

    def print_list(self, listed: Row, *, operator: str, printer: str = "") -> Job:
        purpose = Purpose.INTERIM if listed["interim"] else Purpose.DAY_LIST
        return self._ask(self.list_slip(listed), purpose, operator=operator, printer=printer)

    def print_details(self, listed: Row, *, operator: str, printer: str = "") -> Job:
        return self._ask(self._templated("details", listed), Purpose.DETAIL, operator=operator, printer=printer)

    def print_test(self, name: str, *, operator: str) -> Job:
        chosen = next(printer for printer in self._config.printers if printer.name == self.printer(name))
        data = {
            "shop": self._config.shop.name,
            "printer": chosen.name,
            "charset": chosen.charset,
            "columns": chosen.columns,
            "printed_at": self._local_now(),
        }
        slip = self._templated("test_page", data, chosen.columns)
        return self._ask(slip, Purpose.TEST, operator=operator, printer=chosen.name)

    # -- how -------------------------------------------------------------------------------------------------------

    def _ask(
        self,
        slip: Slip,
        purpose: Purpose,
        *,
        operator: str = "",
        printer: str = "",
        of_seq: int | None = None,
        job_id: str = "",
    ) -> Job:
        return self._queue.add(
            print_jobs.request(
                job_id or self._new_id(),
                slip,
                purpose=purpose,
                printer=self.printer(printer),
                of_seq=of_seq,
                operator=operator,
            )
        )

    def _subject(self, seq: int) -> tuple[Row, int, Purpose]:
        """What a number stands for (a payment, or a paper like a settlement), its next copy, its purpose."""
        self._index.catch_up()
        paper = self._index.paper(seq)
        subject = paper or self.payment(seq)
        copy_no = reprint.next_copy(self._index.jobs_of(subject["seq"]))
        return subject, copy_no, Purpose.SETTLEMENT if paper else Purpose.REPRINT

    def _templated(self, name: str, data: Row, columns: int = 0) -> Slip:
        return self._templates.slip(name, self._config.shop.language, columns or self.columns(), data)

    def _local_now(self) -> str:
        return self._clock.now().astimezone(self._config.shop.zone).isoformat(timespec="seconds")
