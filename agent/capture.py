"""The role that hears terminals: bytes from ports into conversations, their reports into the journal, then the ACK.

The order is the promise: report → commit → `confirm` → acknowledgement. If the journal cannot be written, a proxy lets
the terminal's answer go (no sale is ever blocked), an alarm says so, and the report is kept in memory and tried again.

One thread serves every port by one selector. Opening a port may block, so that happens in a helper thread.
"""

from __future__ import annotations

import logging
import math
import os
import selectors
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Protocol

from agent import ports
from agent.alerts import Alarm, Alarms
from agent.contract import Conversation, Recovering, Report, Side
from agent.entries import Draft, Kind
from agent.errors import NotRecorded, SlipkeeperError
from agent.fields import Fields, Json, fits, problems
from agent.journal import Written

_log: Final = logging.getLogger("slipkeeper.capture")
_IDLE_S: Final = 30.0  # the longest sleep: one wake-up per half minute when nothing happens
_RETRY_CAP_S: Final = 30.0
_OWED: Final = 10_000  # reports kept in memory while the journal cannot be written
_CALLERS: Final = 8  # simultaneous callers of one listening port
_OUTBOX: Final = 1 << 20
NOT_WRITTEN: Final = "journal_not_written"
CHECKPOINT: Final = "journal_checkpoint"


class Store(Protocol):
    """What capture needs of the journal."""

    def append(self, drafts: list[Draft]) -> list[Written]: ...
    def rest(self, *, idle: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Line:
    """A terminal as configured: its name, its ports, and how to begin a conversation with it."""

    name: str
    driver: str
    mode: str
    address: ports.Address
    till: ports.Address | None
    converse: Callable[[], Conversation]


@dataclass(slots=True)
class _End:
    """One side of a line: how it is opened, and when to try again."""

    address: ports.Address
    listener: ports.Listener | None = None
    opening: Future[ports.Link] | None = None
    tries: int = 0
    again_at: float = 0.0


@dataclass(slots=True)
class _Session:
    """One conversation and its open links."""

    line: _Line
    conversation: Conversation
    links: dict[Side, ports.Link] = field(default_factory=dict)
    outbox: dict[Side, bytearray] = field(default_factory=dict)
    heard_at: float = 0.0


@dataclass(slots=True)
class _Line:
    """What is known of a line while running. `lost_at` is the UTC time since which its terminal cannot be heard."""

    config: Line
    ends: dict[Side, _End]
    sessions: list[_Session] = field(default_factory=list)
    lost_at: str = ""
    since: str = ""
    last_at: str = ""


class Capture:
    """`step()` waits for bytes, timers or callers and serves them. `state()` may be asked from any thread."""

    def __init__(
        self,
        lines: list[Line],
        store: Store,
        alarms: Alarms,
        *,
        now: Callable[[], str],
        mono_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._alarms = alarms
        self._now = now
        self._mono_s = mono_s
        self._selector = selectors.DefaultSelector()
        self._opener = ThreadPoolExecutor(2, thread_name_prefix="open-port")
        self._owed: deque[Draft] = deque(maxlen=_OWED)
        self._poke_read, self._poke_write = os.pipe()
        os.set_blocking(self._poke_read, False)
        self._selector.register(self._poke_read, selectors.EVENT_READ, None)
        self._lines = [
            _Line(line, {Side.TERMINAL: _End(line.address)} | ({Side.TILL: _End(line.till)} if line.till else {}))
            for line in lines
        ]
        for line in self._lines:
            line.since = now()

    def poke(self) -> None:
        """Lets a waiting step look again."""
        os.write(self._poke_write, b".")

    def step(self) -> float:
        for line in self._lines:
            self._keep_open(line)
        events = self._selector.select(self._patience())
        for key, mask in events:
            if key.data is None:
                os.read(self._poke_read, 64)
                continue
            owner, side = key.data
            if isinstance(owner, _Line):
                self._accept(owner, side)
            elif mask & selectors.EVENT_READ:
                self._hear(owner, side)
            else:
                self._send(owner, side)
        self._wake_the_quiet()
        self._rest(idle=not events)
        return 0.0

    def state(self) -> list[dict[str, Json]]:
        """Each terminal in words: connected, waiting (for a caller) or lost."""
        return [
            {
                "name": line.config.name,
                "driver": line.config.driver,
                "mode": line.config.mode,
                "state": self._state(line),
                "since": line.since,
                "last_at": line.last_at,
            }
            for line in self._lines
        ]

    @staticmethod
    def _state(line: _Line) -> str:
        if any(Side.TERMINAL in session.links for session in line.sessions):
            return "connected"
        return "waiting" if line.ends[Side.TERMINAL].listener is not None else "lost"

    def close(self) -> None:
        for line in self._lines:
            for session in list(line.sessions):
                for side in list(session.links):
                    self._drop_link(session, side)
            for end in line.ends.values():
                if end.listener is not None:
                    end.listener.close()
        self._opener.shutdown(wait=False, cancel_futures=True)
        self._selector.close()
        os.close(self._poke_read)
        os.close(self._poke_write)

    # -- opening ---------------------------------------------------------------------------------------------------

    def _keep_open(self, line: _Line) -> None:
        for side, end in line.ends.items():
            if end.opening is not None and end.opening.done():
                self._opened(line, side, end, end.opening)
            elif self._closed(line, side, end) and self._mono_s() >= end.again_at:
                self._open(line, side, end)

    @staticmethod
    def _closed(line: _Line, side: Side, end: _End) -> bool:
        """Whether this end is neither open nor being opened."""
        linked = any(side in session.links for session in line.sessions)
        return end.listener is None and end.opening is None and not linked

    def _open(self, line: _Line, side: Side, end: _End) -> None:
        if not end.address.listens:
            end.opening = self._opener.submit(ports.open_link, end.address)
            end.opening.add_done_callback(lambda _: self.poke())
            return
        try:
            end.listener = ports.Listener(end.address)
        except SlipkeeperError as error:
            self._failed(line, side, end, error)
            return
        self._selector.register(end.listener, selectors.EVENT_READ, (line, side))
        self._found(line, side, end)

    def _opened(self, line: _Line, side: Side, end: _End, opening: Future[ports.Link]) -> None:
        end.opening = None
        try:
            link = opening.result()
        except SlipkeeperError as error:
            self._failed(line, side, end, error)
            return
        self._join(line, side, link)
        self._found(line, side, end)

    def _failed(self, line: _Line, side: Side, end: _End, error: SlipkeeperError) -> None:
        end.tries += 1
        end.again_at = self._mono_s() + min(_RETRY_CAP_S, 0.5 * 2 ** min(end.tries, 6))
        if side is Side.TERMINAL and not line.lost_at:
            line.lost_at = self._now()
        if end.tries == 3:  # twice may be a plug being put in
            self._alarms.raise_(Alarm.of(f"port:{line.config.name}:{side}", error))

    def _found(self, line: _Line, side: Side, end: _End) -> None:
        end.tries = 0
        self._alarms.clear(f"port:{line.config.name}:{side}")
        if side is not Side.TERMINAL:
            return
        line.since = self._now()
        if line.lost_at:
            body: Fields = {"terminal": line.config.name, "from": line.lost_at, "to": line.since}
            self._write([Draft(Kind.BLIND, line.config.name, line.lost_at, body)])
            line.lost_at = ""

    def _accept(self, line: _Line, side: Side) -> None:
        listener = line.ends[side].listener
        link = listener.accept() if listener is not None else None
        if link is None:
            return
        if len(line.sessions) >= _CALLERS:
            link.close()
            return
        self._join(line, side, link)

    def _join(self, line: _Line, side: Side, link: ports.Link) -> None:
        """A new link: a proxy's two sides share one conversation, every other caller begins its own."""
        session = line.sessions[0] if line.sessions and len(line.ends) > 1 else None
        if session is None:
            session = _Session(line, line.config.converse())
            line.sessions.append(session)
        elif side in session.links:
            self._drop_link(session, side)
            if session not in line.sessions:
                line.sessions.append(session)
        session.links[side] = link
        session.outbox[side] = bytearray()
        session.heard_at = self._mono_s()
        self._selector.register(link, selectors.EVENT_READ, (session, side))
        if side is Side.TERMINAL and isinstance(session.conversation, Recovering):
            session.conversation.recover()
        self._send_all(session)

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _hear(self, session: _Session, side: Side) -> None:
        link = session.links.get(side)
        if link is None:
            return
        try:
            data = link.read()
        except ports.HungUpError:
            self._hung_up(session, side)
            return
        if not data:
            return
        session.heard_at = self._mono_s()
        self._record(session, session.conversation.receive(data, side))

    def _hung_up(self, session: _Session, side: Side) -> None:
        if side is Side.TERMINAL or len(session.links) == 1:  # a till that leaves ends no frame of the terminal
            self._record(session, session.conversation.wake(math.inf))
        self._drop_link(session, side)
        line = session.line
        end = line.ends[side]
        if side is Side.TERMINAL and end.listener is None and not line.lost_at:
            line.lost_at = line.since = self._now()
            end.again_at = self._mono_s() + 0.5

    def _drop_link(self, session: _Session, side: Side) -> None:
        link = session.links.pop(side)
        self._selector.unregister(link)
        link.close()
        if not session.links and session in session.line.sessions:
            session.line.sessions.remove(session)

    def _record(self, session: _Session, reports: list[Report]) -> None:
        """Commit, then confirm. All reports of one piece of data share one commit."""
        if reports:
            session.line.last_at = self._now()
            if self._write([_draft(session.line.config.name, report) for report in reports]):
                for report in reports:
                    session.conversation.confirm(report)
            else:
                for report in reports:
                    session.conversation.abandon(report)
        self._send_all(session)

    def _write(self, drafts: list[Draft]) -> bool:
        owed = list(self._owed)
        try:
            self._store.append(owed + drafts)
        except NotRecorded as error:
            self._owed.extend(drafts)
            self._alarms.raise_(Alarm.of(NOT_WRITTEN, error))
            return False
        if owed:
            self._owed.clear()
        self._alarms.clear(NOT_WRITTEN)
        return True

    # -- sending ---------------------------------------------------------------------------------------------------

    def _send_all(self, session: _Session) -> None:
        for side in Side:
            data = session.conversation.outgoing(side)
            if data and side in session.links:
                session.outbox[side] += data
            if side in session.links:
                self._send(session, side)

    def _send(self, session: _Session, side: Side) -> None:
        link, outbox = session.links[side], session.outbox[side]
        try:
            while outbox:
                taken = link.write(bytes(outbox))
                if taken == 0:
                    break
                del outbox[:taken]
        except ports.HungUpError:
            return  # the read that follows says so, after what still came in was heard
        if len(outbox) > _OUTBOX:
            _log.warning("%s takes nothing, %d bytes given up", link.name, len(outbox))
            outbox.clear()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if outbox else 0)
        self._selector.modify(link, events, (session, side))

    # -- time ------------------------------------------------------------------------------------------------------

    def _patience(self) -> float:
        now = self._mono_s()
        soonest = _IDLE_S if not self._owed else 1.0
        for line in self._lines:
            for side, end in line.ends.items():
                if self._closed(line, side, end):
                    soonest = min(soonest, end.again_at - now)
            for session in line.sessions:
                if session.conversation.quiet_s is not None:
                    soonest = min(soonest, session.heard_at + session.conversation.quiet_s - now)
        return max(0.0, soonest)

    def _wake_the_quiet(self) -> None:
        now = self._mono_s()
        for line in self._lines:
            for session in list(line.sessions):
                quiet_s = session.conversation.quiet_s
                if quiet_s is not None and now - session.heard_at >= quiet_s:
                    reports = session.conversation.wake(now - session.heard_at)
                    session.heard_at = now
                    self._record(session, reports)

    def _rest(self, *, idle: bool) -> None:
        """Between frames: the journal's own housekeeping; when nobody speaks, also what is owed."""
        if idle and self._owed:
            self._write([])
        if idle:
            self._alarms.settle()
        try:
            self._store.rest(idle=idle)
        except SlipkeeperError as error:
            self._alarms.raise_(Alarm.of(CHECKPOINT, error))
        else:
            self._alarms.clear(CHECKPOINT)


def _draft(source: str, report: Report) -> Draft:
    """The entry a report becomes. A field the contract does not know is a driver's mistake: said, not trusted."""
    wrong = problems(report.fields)
    if not wrong:
        return Draft(report.kind.value, source, report.key, report.fields, report.raw)
    fields: dict[str, Json] = {name: value for name, value in report.fields.items() if fits(name, value)}
    return Draft(report.kind.value, source, report.key, {**fields, "warnings": [*wrong]}, report.raw)
