"""The role that hears terminals: bytes from ports into conversations, their reports into the journal, then the ACK.

The order is the promise: report → commit → `confirm` → acknowledgement. If the journal cannot be written, a proxy lets
the terminal's answer go (no sale is ever blocked), an alarm says so, and the report is kept in memory and tried again.

One thread serves every port by one selector. Opening a port may block, so that happens in a helper thread. A disk may
block too, for minutes when it dies: while this thread waits for it, the turn is free, and a second thread that looks
once a second serves the lines in its place, with the journal as good as unwritable, until the disk answers.
"""

from __future__ import annotations

import contextlib
import logging
import math
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol, TypeVar

from agent import ports
from agent.alerts import Alarm, Alarms
from agent.contract import Conversation, Recovering, Report, Side
from agent.entries import Draft, Kind
from agent.errors import NotRecorded, SlipkeeperError
from agent.fields import Fields, Json
from agent.forever import spared
from agent.journal import Written
from agent.lines import End, Line, LineState, Passing, Session, draft_of

__all__ = ["CHECKPOINT", "NOT_WRITTEN", "Capture", "Line", "Store"]

_log: Final = logging.getLogger("slipkeeper.capture")
_IDLE_S: Final = 30.0  # the longest sleep: one wake-up per half minute when nothing happens
_RETRY_CAP_S: Final = 30.0
_RETRY_LOCAL_S: Final = 3.0  # looking at a device's file costs nothing, and who plugs it in waits for it
_OWED: Final = 10_000  # reports kept in memory while the journal cannot be written
_OWED_AT_ONCE: Final = 50
_PAY_EVERY_S: Final = 0.5
_CALLERS: Final = 8  # simultaneous callers of one listening port
_OUTBOX: Final = 1 << 20
_DISK_LOOK_S: Final = 1.0
_DISK_PATIENCE_S: Final = 1.0  # a terminal repeats its answer after 1.5 s, a till waits half a minute
NOT_WRITTEN: Final = "journal_not_written"
CHECKPOINT: Final = "journal_checkpoint"

Result = TypeVar("Result")


class Store(Protocol):
    """What capture needs of the journal."""

    def append(self, drafts: list[Draft]) -> list[Written]: ...
    def rest(self, *, idle: bool) -> None: ...


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
        self._turn = threading.Lock()  # whoever serves the lines
        self._at_disk_since: float | None = None
        self._disk_answered = threading.Event()
        self._at_stake: tuple[Session, list[Report]] | None = None
        self._ended = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._opener = ThreadPoolExecutor(2, thread_name_prefix="open-port")
        self._owed: deque[Draft] = deque(maxlen=_OWED)
        self._pay_at = 0.0
        self._settle_at = 0.0
        self._poke_read, self._poke_write = socket.socketpair()
        self._poke_read.settimeout(0)
        self._poke_write.settimeout(0)
        self._selector.register(self._poke_read, selectors.EVENT_READ, None)
        self._lines = [
            LineState(line, {Side.TERMINAL: End(line.address)} | ({Side.TILL: End(line.till)} if line.till else {}))
            for line in lines
        ]
        for line in self._lines:
            line.since = now()
        if any(line.till for line in lines):
            threading.Thread(target=self._stand_by, name="capture-stand-by", daemon=True).start()

    def poke(self) -> None:
        """Lets a waiting step look again."""
        with contextlib.suppress(OSError):  # full of pokes, or closed
            self._poke_write.send(b".")

    def step(self) -> float:
        with self._turn:
            self._serve()
        return 0.0

    def state(self) -> list[dict[str, Json]]:
        """Each terminal in words: connected, waiting (for a caller) or lost."""
        return [line.plain() for line in self._lines]

    def close(self) -> None:
        self._ended.set()
        for line in self._lines:
            for session in list(line.sessions):
                for side in list(session.links):
                    self._drop_link(session, side)
            for end in line.ends.values():
                if end.listener is not None:
                    end.listener.close()
        self._opener.shutdown(wait=False, cancel_futures=True)
        self._selector.close()
        self._poke_read.close()
        self._poke_write.close()

    def _serve(self) -> None:
        for line in self._lines:
            self._keep_open(line)
        events = self._selector.select(self._patience())
        for key, mask in events:
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._poke_read.recv(4096)
                continue
            owner, side = key.data
            if isinstance(owner, LineState):
                self._accept(owner, side)
            elif mask & selectors.EVENT_READ:
                self._hear(owner, side)
            else:
                self._send(owner, side)
        self._wake_the_quiet()
        self._rest(idle=not events)

    # -- the disk --------------------------------------------------------------------------------------------------

    def _at_the_disk(self, act: Callable[[], Result]) -> Result:
        """Does what may wait for the disk. Meanwhile the turn is free."""
        self._disk_answered.clear()
        self._at_disk_since = self._mono_s()
        self._turn.release()
        try:
            return act()
        finally:
            self._disk_answered.set()
            if not self._turn.acquire(blocking=False):
                self.poke()  # somebody serves the lines in our place
                self._turn.acquire()
            self._at_disk_since = None

    def _stand_by(self) -> None:
        """Looks whether the thread that serves the lines waits for the disk too long; then serves them in its place."""
        while not self._ended.wait(_DISK_LOOK_S):
            spared("capture-stand-by", self._stand_in)

    def _stand_in(self) -> None:
        since = self._at_disk_since
        if since is None or self._mono_s() - since < _DISK_PATIENCE_S:
            return
        with self._turn:
            if self._at_disk_since == since and not self._disk_answered.is_set():
                self._relieve()
        while not self._disk_answered.is_set() and self._at_disk_since == since:
            self.step()

    def _relieve(self) -> None:
        """Lets go what waits for a commit that does not come."""
        error = NotRecorded("the disk does not answer", "check the disk with slipkeeper doctor; sales go on unrecorded")
        self._alarms.raise_(Alarm.of(NOT_WRITTEN, error), at_once=False)
        at_stake, self._at_stake = self._at_stake, None
        if at_stake is not None:
            session, reports = at_stake
            for report in reports:
                session.conversation.abandon(report)
            self._send_all(session)

    # -- opening ---------------------------------------------------------------------------------------------------

    def _keep_open(self, line: LineState) -> None:
        for side, end in line.ends.items():
            if end.opening is not None and end.opening.done():
                self._opened(line, side, end, end.opening)
            elif self._closed(line, side, end) and self._mono_s() >= end.again_at:
                self._open(line, side, end)

    @staticmethod
    def _closed(line: LineState, side: Side, end: End) -> bool:
        """Whether this end is neither open nor being opened."""
        linked = any(side in session.links for session in line.sessions)
        return end.listener is None and end.opening is None and not linked

    def _open(self, line: LineState, side: Side, end: End) -> None:
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

    def _opened(self, line: LineState, side: Side, end: End, opening: Future[ports.Link]) -> None:
        end.opening = None
        try:
            link = opening.result()
        except SlipkeeperError as error:
            self._failed(line, side, end, error)
            return
        self._join(line, side, link)
        self._found(line, side, end)

    def _failed(self, line: LineState, side: Side, end: End, error: SlipkeeperError) -> None:
        end.tries += 1
        cap_s = _RETRY_CAP_S if end.address.scheme == "tcp" else _RETRY_LOCAL_S
        end.again_at = self._mono_s() + min(cap_s, 0.5 * 2 ** min(end.tries, 6))
        if side is Side.TERMINAL and not line.lost_at:
            line.lost_at = self._now()
        if end.tries == 3:  # twice may be a plug being put in
            self._alarms.raise_(Alarm.of(f"port:{line.config.name}:{side}", error), at_once=False)

    def _found(self, line: LineState, side: Side, end: End) -> None:
        end.tries = 0
        self._alarms.clear(f"port:{line.config.name}:{side}", at_once=False)
        if side is not Side.TERMINAL:
            return
        line.since = self._now()
        if line.lost_at:
            body: Fields = {"terminal": line.config.name, "from": line.lost_at, "to": line.since}
            self._write([Draft(Kind.BLIND, line.config.name, line.lost_at, body)])
            line.lost_at = ""

    def _accept(self, line: LineState, side: Side) -> None:
        end = line.ends[side]
        if end.listener is None:
            return
        try:
            link = end.listener.accept()
        except SlipkeeperError as error:
            self._selector.unregister(end.listener)
            end.listener.close()
            end.listener = None
            self._failed(line, side, end, error)
            return
        if link is None:
            return
        if len(line.sessions) >= _CALLERS:  # terminals that lost their power never hung up: the quietest is such a one
            self._hung_up(min(line.sessions, key=lambda session: session.heard_at), side)
        self._join(line, side, link)

    def _join(self, line: LineState, side: Side, link: ports.Link) -> None:
        """A new link: a proxy's two sides share one conversation, every other caller begins its own."""
        session = line.sessions[0] if line.sessions and len(line.ends) > 1 else None
        if session is not None and side in session.links:
            self._hung_up(session, side)  # only the newest is served, what the one before left unfinished ends here
            session = line.sessions[0] if line.sessions else None
        if session is None:
            session = Session(line, line.config.converse())
            line.sessions.append(session)
        session.links[side] = link
        session.outbox[side] = bytearray()
        session.heard_at = self._mono_s()
        self._selector.register(link, selectors.EVENT_READ, (session, side))
        conversation = session.conversation
        if side is Side.TERMINAL and isinstance(conversation, Recovering):
            self._asked(session, conversation.recover)
        self._send_all(session)

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _hear(self, session: Session, side: Side) -> None:
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
        if side is Side.TERMINAL:
            session.heard_at = self._mono_s()
        self._record(session, self._heard(session, partial(session.conversation.receive, data, side), data, side))

    def _heard(
        self, session: Session, act: Callable[[], list[Report]], data: bytes = b"", side: Side = Side.TERMINAL
    ) -> list[Report]:
        """What a driver makes of bytes or silence. One that fails must not silence the other terminals."""
        done, reports = spared(session.line.config.driver, act)
        if done:
            return reports or []
        self._driver_failed(session)
        if isinstance(session.conversation, Passing) and data:
            session.conversation.receive(data, side)
        return []

    def _asked(self, session: Session, act: Callable[[], None]) -> None:
        if not spared(session.line.config.driver, act)[0]:
            self._driver_failed(session)

    def _driver_failed(self, session: Session) -> None:
        line = session.line.config
        error = SlipkeeperError(
            "the driver {driver} failed on {terminal}: what it sends now is not recorded",
            "its log says why; restart the keeper when it is mended",
            driver=line.driver,
            terminal=line.name,
        )
        self._alarms.raise_(Alarm.of(f"driver:{line.name}", error), at_once=False)
        session.conversation = Passing() if line.till else line.converse()

    def _hung_up(self, session: Session, side: Side) -> None:
        if side is Side.TERMINAL or len(session.links) == 1:  # a till that leaves ends no frame of the terminal
            gone = session.links.get(side)
            self._record(session, self._heard(session, partial(session.conversation.wake, math.inf)))
            if session.links.get(side) is not gone:  # seen while we waited for the disk
                return
        self._drop_link(session, side)
        line = session.line
        end = line.ends[side]
        if side is Side.TERMINAL and end.listener is None and not line.lost_at:
            line.lost_at = line.since = self._now()
            end.again_at = self._mono_s() + 0.5

    def _drop_link(self, session: Session, side: Side) -> None:
        link = session.links.pop(side, None)
        if link is not None:
            self._selector.unregister(link)
            link.close()
        if not session.links and session in session.line.sessions:
            session.line.sessions.remove(session)

    def _record(self, session: Session, reports: list[Report]) -> None:
        """Commit, then confirm. All reports of one piece of data share one commit."""
        if reports:
            line = session.line
            line.last_at = self._now()
            self._at_stake = (session, reports)
            written = self._write([draft_of(line.config.name, report) for report in reports])
            relieved, self._at_stake = self._at_stake is None, None
            conversation = session.conversation
            for report in reports if not relieved else ():
                self._asked(session, partial(conversation.confirm if written else conversation.abandon, report))
        self._send_all(session)

    def _write(self, drafts: list[Draft]) -> bool:
        """Whether the drafts are durable. Those that are not are owed: kept in memory, and tried again."""
        if self._at_disk_since is not None:  # we serve in the place of a thread that waits for the disk
            self._owe(drafts)
            return False
        try:
            self._at_the_disk(lambda: self._store.append(drafts))
        except SlipkeeperError as error:
            self._owe(drafts)
            self._alarms.raise_(Alarm.of(NOT_WRITTEN, error), at_once=False)
            return False
        return True

    def _owe(self, drafts: list[Draft]) -> None:
        if len(self._owed) + len(drafts) > _OWED:
            _log.error("%d reports wait for the journal, the oldest are given up", len(self._owed))
        self._owed.extend(drafts)

    def _pay(self) -> None:
        """Writes what is owed, a few at a time. One that fails alone goes to the end: it must not block the others."""
        some = [self._owed[place] for place in range(min(_OWED_AT_ONCE, len(self._owed)))]
        try:
            self._at_the_disk(lambda: self._store.append(some))
        except SlipkeeperError as error:
            _log.debug("%d reports are still owed: %s", len(self._owed), error)
            self._pay_one()
            return
        for _ in some:
            self._owed.popleft()

    def _pay_one(self) -> None:
        first = self._owed[0]
        try:
            self._at_the_disk(lambda: self._store.append([first]))
        except SlipkeeperError:
            self._owed.rotate(-1)
        else:
            self._owed.popleft()

    # -- sending ---------------------------------------------------------------------------------------------------

    def _send_all(self, session: Session) -> None:
        for side in Side:
            conversation: Conversation = session.conversation
            done, data = spared(session.line.config.driver, partial(conversation.outgoing, side))
            if not done:
                self._driver_failed(session)
            if data and side in session.links:
                session.outbox[side] += data
            self._send(session, side)

    def _send(self, session: Session, side: Side) -> None:
        link = session.links.get(side)
        if link is None:
            return
        outbox = session.outbox[side]
        try:
            while outbox:
                taken = link.write(bytes(outbox))
                if taken == 0:
                    break
                del outbox[:taken]
        except ports.HungUpError:
            outbox.clear()  # the read that follows says so, after what still came in was heard
        if len(outbox) > _OUTBOX:
            _log.warning("%s takes nothing, %d bytes given up", link.name, len(outbox))
            outbox.clear()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if outbox else 0)
        self._selector.modify(link, events, (session, side))

    # -- time ------------------------------------------------------------------------------------------------------

    def _patience(self) -> float:
        now = self._mono_s()
        soonest = _IDLE_S if not self._owed else self._pay_at - now
        if self._alarms.owes:
            soonest = min(soonest, self._settle_at - now)
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
                    silent_s, session.heard_at = now - session.heard_at, now
                    self._record(session, self._heard(session, partial(session.conversation.wake, silent_s)))

    def _rest(self, *, idle: bool) -> None:
        """Between frames: what is owed, the alarms, and the journal's own housekeeping."""
        if self._at_disk_since is not None:
            return
        if self._owed and self._mono_s() >= self._pay_at:
            self._pay_at = self._mono_s() + _PAY_EVERY_S
            self._pay()
        if not self._owed:
            self._alarms.clear(NOT_WRITTEN, at_once=False)
        if self._alarms.owes and self._mono_s() >= self._settle_at:
            self._settle_at = self._mono_s() + _PAY_EVERY_S
            self._at_the_disk(self._alarms.settle)
        try:
            self._at_the_disk(lambda: self._store.rest(idle=idle))
        except SlipkeeperError as error:
            self._alarms.raise_(Alarm.of(CHECKPOINT, error), at_once=False)
        else:
            self._alarms.clear(CHECKPOINT, at_once=False)
