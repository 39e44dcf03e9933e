"""What people at the counter may ask and get: one method a wish, plain values in and out. The desk puts it on a socket.

Everything that prints goes through the queue, everything that lasts through the journal; here wishes are understood,
looked up and answered. Menu, command line and till software all come this way, so none can go round another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from agent import __version__, print_jobs
from agent.alerts import Alarm, Alarms
from agent.calendar import Calendar
from agent.capture import Capture
from agent.clock import Clock, Stamper
from agent.config import Config
from agent.desk import Asked, Content, Route
from agent.entries import Draft, Kind
from agent.errors import Refused, UsageError
from agent.index import Index
from agent.journal import Journal
from agent.papers import Papers
from agent.print_jobs import Job
from agent.print_queue import Queue
from agent.printing import Printing
from agent.search import wanted
from agent.slips.model import Row as SlipRow
from agent.slips.model import Slip
from agent.succession import History
from agent.sync_state import ask_now
from agent.sync_view import SyncView

SOURCE: Final = "counter"
_PAGE_LIMIT: Final = 500

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """The keeper's parts a wish may need."""

    config: Config
    clock: Clock
    journal: Journal
    history: History
    index: Index
    calendar: Calendar
    queue: Queue
    alarms: Alarms
    capture: Capture
    printings: Mapping[str, Printing]
    papers: Papers
    sync: SyncView
    understand: Callable[[bytes], tuple[SlipRow, ...]]
    succeed: Callable[[str], None]


class Counter:
    """Answers wishes. Safe from many threads: its parts are, and it remembers nothing itself."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        return [
            ("GET", "/v1/status", self.status),
            ("GET", "/v1/transactions", self.transactions),
            ("GET", "/v1/transactions/{seq}", self.transaction),
            ("GET", "/v1/slips/{seq}", self.slip),
            ("POST", "/v1/reprints", self.reprint),
            ("GET", "/v1/jobs", self.jobs),
            ("GET", "/v1/jobs/{id}", self.job),
            ("POST", "/v1/jobs/{id}", self.decide),
            ("GET", "/v1/days", self.days),
            ("POST", "/v1/days/close", self.close_day),
            ("GET", "/v1/days/{day}", self.day),
            ("POST", "/v1/days/{day}/print", self.print_day),
            ("POST", "/v1/details/{day}/print", self.print_details),
            ("GET", "/v1/settlements", self.settlements),
            ("POST", "/v1/printers/{name}/test", self.print_test),
            ("GET", "/v1/entries", self.entries),
            ("POST", "/v1/sync/now", self.sync_now),
            ("POST", "/v1/sync/state", self.sync_state),
            ("POST", "/v1/sync/receipt", self.sync_receipt),
            ("POST", "/v1/sync/clock", self.sync_clock),
            ("POST", "/v1/alarms", self.alarm),
            ("POST", "/v1/journal/succeed", self.succeed),
        ]

    # -- looking ---------------------------------------------------------------------------------------------------

    def status(self, _: Asked) -> Row:
        p = self._parts
        last = p.index.catch_up()
        now = p.clock.now()
        today = p.calendar.shown("today")
        open_jobs = p.queue.open()
        head = p.journal.head
        return {
            "version": __version__,
            "shop": p.config.shop.name,
            "language": p.config.shop.language,
            "now": now.astimezone(p.config.shop.zone).isoformat(timespec="seconds"),
            "clock": Stamper(p.clock).trust(now),
            "journal": {
                "id": head.journal_id,
                "seq": last,
                "head": head.hash.hex(),
                "size_bytes": p.journal.path.stat().st_size + p.journal.wal_bytes(),
            },
            "terminals": p.capture.state(),
            "printers": [self._printer_state(name, open_jobs) for name in p.printings],
            "day": {
                "date": today["day"],
                "closes_at": p.calendar.closes_at(),
                "next_number": today["number"],
                "count": today["count"],
                "totals": today["totals"],
                "unknown": len(today["unknown"]),
            },
            "sync": p.sync.state(),
            "unprinted": sum(1 for job in open_jobs if job.of_seq is not None),
            "alarms": [
                {
                    "code": a["code"],
                    "what": a["what"],
                    "hint": a["hint"],
                    "values": a.get("values", {}),
                    "since": a["since"],
                }
                for a in p.index.alarms()
            ],
        }

    def _printer_state(self, name: str, open_jobs: list[Job]) -> Row:
        state = self._parts.printings[name].state()
        mine = [job for job in open_jobs if job.printer == name]
        return {
            "name": name,
            "level": int(state.level),
            "status": {key: value.value for key, value in asdict(state.status).items()},
            "why": state.why,
            "queue": len(mine),
            "held": sum(1 for job in mine if job.state in {print_jobs.State.HELD, print_jobs.State.UNKNOWN}),
        }

    def transactions(self, asked: Asked) -> Row:
        p = self._parts
        p.index.catch_up()
        limit = min(asked.number("limit", 50), _PAGE_LIMIT)
        found = p.index.search(
            wanted(asked.text("text"), p.config.shop.currency), asked.text("day"), limit + 1, asked.number("offset", 0)
        )
        return {"transactions": [self._shown(payment) for payment in found[:limit]], "more": len(found) > limit}

    def transaction(self, asked: Asked) -> Row:
        payment = self._parts.papers.payment(asked.number("seq"))
        jobs = self._parts.index.jobs_of(payment["seq"])
        return {"transaction": self._shown(payment), "entries": payment["entries"], "jobs": [_plain(j) for j in jobs]}

    def _shown(self, payment: Row) -> Row:
        """A payment as it is answered, with what is known of its paper."""
        states = {job["state"] for job in self._parts.index.jobs_of(payment["seq"])}
        if states & {"printed", "printed_by_operator"}:
            printed = "yes"
        else:
            printed = "no" if states & {"held", "failed_before"} else "unknown"
        return {name: value for name, value in payment.items() if name != "raw"} | {"printed": printed}

    def slip(self, asked: Asked) -> Row | Content:
        """A slip for the eye: as it was (`as=original`), or as it would be printed again (`as=reprint`)."""
        slip = self._parts.papers.shown(asked.number("seq"), marked=asked.text("as", "original") == "reprint")
        return self._drawn(slip, asked.text("format", "text"))

    def _drawn(self, slip: Slip, form: str) -> Row | Content:
        from agent.slips import render_html, render_png, render_text  # noqa: PLC0415 - pictures load Pillow

        p = self._parts
        if form == "json":
            return {"slip": slip.to_json()}
        if form == "text":
            return Content("text/plain; charset=utf-8", render_text.text(slip, p.understand).encode())
        if form == "html":
            return Content("text/html; charset=utf-8", render_html.html(slip, p.understand).encode())
        if form == "png":
            return Content("image/png", render_png.png(slip, p.understand))
        if form == "pdf":
            return Content("application/pdf", render_png.pdf(slip, p.understand))
        raise UsageError("{form} is no form of a slip", "one of: text, json, html, png, pdf", form=form)

    # -- reprinting ------------------------------------------------------------------------------------------------

    def reprint(self, asked: Asked) -> Row:
        """Prints a slip again, marked. The answer says which copy it will be."""
        p = self._parts
        p.index.catch_up()
        if asked.yes("last"):
            newest = p.index.search(wanted("", p.config.shop.currency), limit=1)
            if not newest:
                raise Refused("there is no transaction yet", "")
            seq = newest[0]["seq"]
        else:
            seq = asked.number("seq")
        job = p.papers.print_again(
            seq, operator=asked.text("operator"), reason=asked.text("reason"), printer=asked.text("printer")
        )
        return {"job": job.id, "copy_no": job.copy_no, "title": job.title}

    # -- the queue -------------------------------------------------------------------------------------------------

    def jobs(self, asked: Asked) -> Row:
        self._parts.index.catch_up()
        rows = self._parts.index.jobs(only_open=asked.yes("open"), limit=min(asked.number("limit", 50), _PAGE_LIMIT))
        return {"jobs": [_plain(row) for row in rows]}

    def job(self, asked: Asked) -> Row:
        self._parts.index.catch_up()
        row = self._parts.index.job(asked.text("id"))
        if row is None:
            raise UsageError(
                "there is no paper {job}", "slipkeeper print queue lists what is open", job=asked.text("id")
            )
        raw = self._parts.history.raw(row["seq"])
        return {**_plain(row), "history": row["history"], "slip": print_jobs.slip_of(raw).to_json() if raw else None}

    def decide(self, asked: Asked) -> Row:
        """A person's word about a paper."""
        p = self._parts
        job, again = p.queue.decide(
            asked.text("id"), asked.text("action"), asked.text("operator"), p.papers.further_copy
        )
        p.index.catch_up()
        row = _plain(p.index.job(job.id) or {})
        return row | ({"again": again.id} if again else {})

    # -- lists -----------------------------------------------------------------------------------------------------

    def days(self, asked: Asked) -> Row:
        self._parts.index.catch_up()
        return {"days": self._parts.index.days(min(asked.number("limit", 30), _PAGE_LIMIT))}

    def day(self, asked: Asked) -> Row | Content:
        listed = self._parts.calendar.shown(asked.text("day"))
        form = asked.text("format", "json")
        return listed if form == "json" else self._drawn(self._parts.papers.list_slip(listed), form)

    def close_day(self, asked: Asked) -> Row:
        """Closes a day that is over, or (asked for explicitly) the day that is going on."""
        calendar = self._parts.calendar
        return calendar.close(asked.text("day") or calendar.today(), print_list=self._parts.config.day.print_list)

    def print_day(self, asked: Asked) -> Row:
        p = self._parts
        listed = p.calendar.shown(asked.text("day"))
        return _asked_for(p.papers.print_list(listed, operator=asked.text("operator"), printer=asked.text("printer")))

    def print_details(self, asked: Asked) -> Row:
        p = self._parts
        listed = p.calendar.shown(asked.text("day"))
        return _asked_for(
            p.papers.print_details(listed, operator=asked.text("operator"), printer=asked.text("printer"))
        )

    def print_test(self, asked: Asked) -> Row:
        return _asked_for(self._parts.papers.print_test(asked.text("name"), operator=asked.text("operator")))

    def settlements(self, asked: Asked) -> Row:
        """The terminals' own settlement slips, newest first; reprint one by its number."""
        self._parts.index.catch_up()
        rows = self._parts.index.papers(Kind.SETTLEMENT, limit=min(asked.number("limit", 30), _PAGE_LIMIT))
        return {"settlements": [{name: value for name, value in row.items() if name != "raw"} for row in rows]}

    # -- the journal and the courier -------------------------------------------------------------------------------

    def entries(self, asked: Asked) -> Row:
        found = self._parts.history.entries(asked.number("after", 0), min(asked.number("limit", 100), _PAGE_LIMIT))
        return {"entries": [json.loads(entry.wire()) | {"number": number} for number, entry in found]}

    def sync_now(self, _: Asked) -> Row:
        ask_now(self._parts.config.state)
        return {}

    def sync_state(self, asked: Asked) -> Row:
        self._parts.sync.tell(asked.values)
        return {}

    def sync_receipt(self, asked: Asked) -> Row:
        """Upstream says it holds the journal up to here: that itself is worth an entry."""
        cursor, head = asked.number("cursor"), asked.text("head")
        body: dict[str, Any] = {"cursor": cursor, "head": head}
        body |= {name: asked.text(name) for name in ("upstream", "received_at", "signature") if asked.text(name)}
        [written] = self._parts.journal.append([Draft(Kind.RECEIPT, "courier", f"{cursor}:{head}", body)])
        return {"seq": written.entry.seq}

    def sync_clock(self, asked: Asked) -> Row:
        offset = asked.values.get("offset_ms")
        if type(offset) is not int:
            raise UsageError("{name} must be a whole number", "", name="offset_ms")
        what = f"upstream {offset:+d} ms"
        draft = Draft(Kind.CLOCK, "courier", Stamper(self._parts.clock)().at, {"what": what, "offset_ms": offset})
        self._parts.journal.append([draft])
        return {}

    def alarm(self, asked: Asked) -> Row:
        """An alarm of the courier's, on or off."""
        code = asked.text("code")
        if asked.text("state") == "on":
            values = asked.values.get("values") or {}
            self._parts.alarms.raise_(Alarm(code, asked.text("what"), asked.text("hint"), dict(values)))
        else:
            self._parts.alarms.clear(code)
        return {}

    def succeed(self, asked: Asked) -> Row:
        """Upstream holds another content for this journal: it ends here, the keeper starts anew with a child of it."""
        if asked.text("journal_id", "") == self._parts.journal.head.journal_id:  # asked again until it has happened
            self._parts.succeed(asked.text("reason"))
        return {}


def _plain(job: Row) -> Row:
    names = (
        "id",
        "purpose",
        "title",
        "printer",
        "state",
        "why",
        "of_seq",
        "copy_no",
        "at",
        "operator",
        "reason",
        "again_of",
    )
    row = {name: job[name] for name in names if name in job}
    row["seq"] = row.pop("of_seq", None)
    return row


def _asked_for(job: Job) -> Row:
    return {"job": job.id, "title": job.title}
