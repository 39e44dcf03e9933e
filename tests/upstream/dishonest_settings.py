"""Settings of a receiving end with the lying store."""

from __future__ import annotations

from upstream.settings import *  # noqa: F403 - everything else is as it is

RECEIVING_STORE = "tests.upstream.dishonest.EarlyStore"
