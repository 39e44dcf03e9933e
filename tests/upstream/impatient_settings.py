"""Settings for tests: a store that does not wait long for its lock, and a log that is moved early."""

from __future__ import annotations

from upstream.receiving import checkpoint
from upstream.settings import *  # noqa: F403 - everything else is as it is
from upstream.settings import DATABASES

DATABASES["default"]["OPTIONS"] |= {"timeout": 0.2}
checkpoint.when_due.__defaults__ = (500_000,)
