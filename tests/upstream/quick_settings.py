"""Settings for tests: short waits, a log that is moved early, passwords hashed cheaply."""

from __future__ import annotations

from upstream.receiving import checkpoint
from upstream.settings import *  # noqa: F403 - everything else is as it is
from upstream.settings import DATABASES

DATABASES["default"]["OPTIONS"] |= {"timeout": 0.2}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
checkpoint.when_due.__defaults__ = (500_000,)
