"""The keeper: one process with the devices, the journal and the desk, no network of its own. Wires the roles together.

The order of the start is a promise too: journal, then capture, then everything that can wait. No printer, no network
and no index stands between a terminal and its acknowledgement.
"""

from __future__ import annotations

import logging
import secrets
import sys
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from agent import __version__, plugins, ports
from agent.alerts import Alarm, Alarms
from agent.calendar import Calendar
from agent.capture import Capture, Line
from agent.clock import Clock, Stamper, SystemClock, iso
from agent.config import Config, Terminal
from agent.config import Printer as PrinterConfig
from agent.contract import Level, Mode, Printer
from agent.counter import Counter, Parts
from agent.desk import DeskServer
from agent.entries import Draft, Kind
from agent.errors import DamagedJournal, SlipkeeperError
from agent.fields import Fields
from agent.forever import Stop, start
from agent.index import Index
from agent.journal import Journal
from agent.notify import notify, watchdog_s
from agent.papers import Papers
from agent.print_jobs import Job, from_row
from agent.print_queue import Queue, loader
from agent.printing import Printing
from agent.slips.template import Templates
from agent.succession import History, Opened, current_path, open_journal, remember, succeed
from agent.sync_view import SyncView
from agent.verify import verify

SOURCE: Final = "keeper"
RESTART: Final = 75  # the exit status that asks the supervisor for a fresh start
_SUCCEED: Final = "journal.succeed"  # left behind for the next start: the journal ends here
_PROVEN_AT_START: Final = 2000  # entries; the rest is proven at night
_REMEMBER_S: Final = 60.0
_CLOCK_STEP_MS: Final = 2000
_AFTER_THE_ACK_S: Final = 0.05  # projections let the acknowledgement go first, and gather what comes in a burst
_log: Final = logging.getLogger("slipkeeper.keeper")


class Keeper:
    """Everything one box does with its devices. `run` returns an exit status when told to stop."""

    def __init__(self, config: Config, stop: Stop, clock: Clock | None = None) -> None:
        self._config = config
        self._stop = stop
        self._clock = clock or SystemClock()
        self._stamper = Stamper(self._clock, config.shop.zone, config.day.starts_after)
        self._exit = 0
        self._remembered = 0
        self._skew_ms: int | None = None

    def run(self) -> int:
        config = self._config
        opened = self._open()
        journal = opened.journal
        alarms = Alarms(journal.append, self._now)
        self._begin(journal, alarms, opened)
        capture = Capture(
            [_line(terminal) for terminal in config.terminals],
            journal,
            alarms,
            now=self._now,
            mono_s=self._clock.mono_s,
        )
        self._stop.on_stop.append(capture.poke)
        capturing = start("capture", capture.step, self._stop, sacred=True)
        desk = self._serve(journal, alarms, capture)
        notify("READY=1")
        _log.info("ready: journal %s at %d", journal.head.journal_id[:8], journal.head.seq)
        self._watch(journal)
        notify("STOPPING=1")
        capturing.join(5)
        if not capturing.is_alive():
            capture.close()
        desk.server_close()
        config.socket.unlink(missing_ok=True)
        journal.append([Draft(Kind.STOP, SOURCE, self._now(), {"version": __version__})])
        journal.checkpoint()
        remember(config.state, journal.head)
        journal.close()
        return self._exit

    def _now(self) -> str:
        return iso(self._clock.now())

    def _open(self) -> Opened:
        state = self._config.state
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (state / _SUCCEED).exists():
            if current_path(state).exists():
                _log.warning("the journal ends here: kept as %s", succeed(state))
            (state / _SUCCEED).unlink()
        return open_journal(
            state, stamp=self._stamper, salt=partial(secrets.token_hex, 16), new_id=lambda: str(uuid.uuid4())
        )

    def _begin(self, journal: Journal, alarms: Alarms, opened: Opened) -> None:
        """The first entry of this run: what version, and since when nothing was heard."""
        last = History(self._config.state).last_at()
        now = self._now()
        drafts = [Draft(Kind.START, SOURCE, now, {"version": __version__, "python": sys.version.split()[0]})]
        if last:
            body: Fields = {"terminal": "*", "from": last, "to": now, "why": "the agent was not running"}
            drafts.append(Draft(Kind.BLIND, SOURCE, last, body))
            if last > now:
                step: Fields = {"what": f"{last} -> {now}", "from": last, "to": now}
                drafts.append(Draft(Kind.CLOCK, SOURCE, now, step))
        journal.append(drafts)
        if opened.trouble is not None:
            alarms.raise_(Alarm.of("journal_succeeded", opened.trouble))
        proof = verify(current_path(self._config.state), _PROVEN_AT_START)
        if not proof.whole:
            damage = DamagedJournal(
                "the journal is damaged: {trouble}",
                "slipkeeper journal verify; keep the files",
                trouble=proof.troubles[0],
            )
            alarms.raise_(Alarm.of("journal_damaged", damage))

    def _serve(self, journal: Journal, alarms: Alarms, capture: Capture) -> DeskServer:
        """Everything that may wait until capture runs: index, paper, calendar, desk."""
        config = self._config
        history = History(config.state)
        index = Index(config.state, history)
        index.catch_up()
        alarms.restore(
            {row["code"]: Alarm(row["code"], row["what"], row["hint"], row.get("values", {})) for row in index.alarms()}
        )
        queue = Queue(
            journal.append,
            [from_row(row) for row in index.jobs(only_open=True, limit=1000)],
            recall=_recall(index),
            poke=self._stop.poke,
        )
        queue.recover()
        templates = Templates(Path(config.day.template) if config.day.template else None)
        printers = {printer.name: _printer(printer) for printer in config.printers}
        understand = (next(iter(printers.values()), None) or _paperless()).understand
        papers = Papers(config, self._clock, history, index, queue, templates, understand, self._new_id)
        sync = SyncView(lambda: journal.head.seq, configured=bool(config.upstream.url))
        calendar = Calendar(
            config, journal, history, index, self._clock, print_list=papers.print_closed_day, unsynced=sync.unsent
        )
        printings = {
            printer.name: Printing(
                printer.name,
                printers[printer.name],
                Level(printer.level),
                open_link=partial(ports.open_link, ports.parse(printer.port)),
                queue=queue,
                load=loader(history),
                alarms=alarms,
                wall_s=lambda: self._clock.now().timestamp(),
            )
            for printer in config.printers
        }
        parts = Parts(
            config=config,
            clock=self._clock,
            journal=journal,
            history=history,
            index=index,
            calendar=calendar,
            queue=queue,
            alarms=alarms,
            capture=capture,
            printings=printings,
            papers=papers,
            sync=sync,
            understand=understand,
            succeed=self._succeed,
        )
        for name, printing in printings.items():
            start(f"printer {name}", partial(_print_step, printing, self._clock.mono_s), self._stop)
        start("calendar", calendar.step, self._stop)
        start("index", partial(_follow, journal, index), self._stop)
        desk = DeskServer(config.socket, Counter(parts).routes())
        desk.start()
        return desk

    def _watch(self, journal: Journal) -> None:
        """The main thread: watchdog, the mark beside the journal, the clock. Ends when told to stop."""
        period_s = watchdog_s()
        while not self._stop.stopped:
            notify("WATCHDOG=1")
            if journal.head.seq != self._remembered:
                remember(self._config.state, journal.head)
                self._remembered = journal.head.seq
            self._note_clock(journal)
            self._stop.sleep(min(period_s, _REMEMBER_S) if period_s else _REMEMBER_S)

    def _note_clock(self, journal: Journal) -> None:
        """A step of the wall clock against the one that never jumps is an entry."""
        skew_ms = int(self._clock.now().timestamp() * 1000) - int(self._clock.mono_s() * 1000)
        if self._skew_ms is not None and abs(skew_ms - self._skew_ms) > _CLOCK_STEP_MS:
            step_ms = skew_ms - self._skew_ms
            body: Fields = {"what": f"clock set by {step_ms / 1000:+.1f} s", "offset_ms": step_ms}
            try:
                journal.append([Draft(Kind.CLOCK, SOURCE, self._now(), body)])
            except SlipkeeperError as error:
                _log.warning("a clock step could not be journalled: %s", error)
                return
        self._skew_ms = skew_ms

    def _new_id(self) -> str:
        """Sorts by time, unique by 40 random bits."""
        return f"{int(self._clock.now().timestamp() * 1000):011x}-{secrets.token_hex(5)}"

    def _succeed(self, reason: str) -> None:
        """Leaves a note for the next start and asks the supervisor for one."""
        (self._config.state / _SUCCEED).write_text(reason[:500])
        self._exit = RESTART
        self._stop.stop()


def _line(terminal: Terminal) -> Line:
    driver = plugins.terminal(terminal.driver)
    settings = {setting.name: setting.default for setting in driver.settings} | dict(terminal.settings)
    return Line(
        terminal.name,
        terminal.driver,
        terminal.mode,
        ports.parse(terminal.port),
        ports.parse(terminal.till_port) if terminal.till_port else None,
        partial(driver.converse, Mode(terminal.mode), settings),
    )


def _printer(config: PrinterConfig) -> Printer:
    return plugins.printer(config.driver).make(config.columns, config.charset, Level(config.level))


def _paperless() -> Printer:
    """Who has no printer still sees slips on the screen."""
    return plugins.printer("escpos").make(48, "gb18030", Level.WRITE_ONLY)


def _print_step(printing: Printing, mono_s: Callable[[], float]) -> float:
    return printing.step(mono_s())


def _follow(journal: Journal, index: Index) -> float:
    """Projects as entries come; wakes at least every half minute."""
    number = index.catch_up()
    journal.wait(number - journal.head.base, 30.0)
    return _AFTER_THE_ACK_S


def _recall(index: Index) -> Callable[[str], Job | None]:
    def recall(job_id: str) -> Job | None:
        index.catch_up()
        row = index.job(job_id)
        return from_row(row) if row else None

    return recall
