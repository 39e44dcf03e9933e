"""One end of an STX line over TCP for the simulators: frames in and out, ACK waited for as real devices do."""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Final

from drivers.framing import ACK, NAK, Frame, Framer, Layout, Reason, stx

ATTEMPTS: Final = 3  # x-lugoo/HK_Indirect_EDC ecr.c: three attempts, 1.0 + 0.5 s each
WAIT_FOR_ACK_S: Final = 1.5


class Wire:
    """A connected socket as a queue of frames and signs. OSError when the peer is gone."""

    def __init__(self, link: socket.socket, layout: Layout) -> None:
        self._link = link
        self._framer = Framer(stx(layout))
        self._came: deque[Frame | bytes] = deque()

    def send(self, data: bytes) -> None:
        self._link.sendall(data)

    def next(self, timeout_s: float) -> Frame | bytes | None:
        """The next frame, ACK or NAK; None when nothing came in time. A broken frame is answered by NAK."""
        until = time.monotonic() + timeout_s
        while not self._came:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return None
            self._link.settimeout(left_s)
            try:
                data = self._link.recv(4096)
            except TimeoutError:
                return None
            if not data:
                raise ConnectionResetError("the peer hung up")
            self._take(data)
        return self._came.popleft()

    def next_frame(self, timeout_s: float) -> Frame | None:
        """The next frame; signs in between are old answers."""
        until = time.monotonic() + timeout_s
        while True:
            came = self.next(max(0.0, until - time.monotonic()))
            if came is None or isinstance(came, Frame):
                return came

    def send_until_acknowledged(self, frame: bytes) -> bool:
        """As a real device: sends, waits for ACK, sends again. False when nobody acknowledged."""
        waiting: list[Frame] = []
        try:
            for _ in range(ATTEMPTS):
                self.send(frame)
                until = time.monotonic() + WAIT_FOR_ACK_S
                while (came := self.next(max(0.0, until - time.monotonic()))) is not None:
                    if came == ACK:
                        return True
                    if came == NAK:
                        break
                    if isinstance(came, Frame):
                        waiting.append(came)
            return False
        finally:
            self._came.extendleft(reversed(waiting))

    def _take(self, data: bytes) -> None:
        for piece in self._framer.feed(data):
            if isinstance(piece, Frame):
                self._came.append(piece)
            elif piece.reason is Reason.CHECK:
                self.send(NAK)
            else:
                self._came.extend(bytes((sign,)) for sign in piece.raw if sign in ACK + NAK)


def address(text: str) -> tuple[str, int]:
    """HOST:PORT as a socket wants it."""
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)
