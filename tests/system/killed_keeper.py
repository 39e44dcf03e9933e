"""The keeper as it is, or (with `early`) one that acknowledges before it writes: the negative control of the kill test."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from agent.capture import Capture
from agent.config import load
from agent.forever import Stop
from agent.keeper import Keeper


def acknowledge_early() -> None:
    """The mistake this whole design is against: the terminal is told first, the disk a moment later."""
    record: Any = Capture._record

    def early(self: Any, session: Any, reports: Any) -> None:
        for report in reports:
            session.conversation.confirm(report)
        self._send_all(session)
        if reports:
            time.sleep(0.005)  # what a slow card needs for a sync
        record(self, session, reports)

    Capture._record = early  # type: ignore[method-assign] - the control is a deliberate wrong


if __name__ == "__main__":
    if "early" in sys.argv:
        acknowledge_early()
    sys.exit(Keeper(load(Path(sys.argv[1])), Stop()).run())
