"""A store that lies: it acknowledges first and commits a moment later. The crash test must see it."""

from __future__ import annotations

import threading
import time

from upstream.receiving.store import Name, Store, Taken
from upstream.receiving.wire import Batch


class EarlyStore(Store):
    _queue: threading.Lock = threading.Lock()

    def append(self, name: Name, batch: Batch) -> Taken:
        threading.Thread(target=self._later, args=(name, batch), daemon=True).start()
        return Taken(batch.last, batch.head, len(batch.lines), 0)

    def _later(self, name: Name, batch: Batch) -> None:
        with self._queue:
            time.sleep(0.02)
            super().append(name, batch)
