"""One tree of errors. Each says what happened and the next thing to do (`hint`).

Two kinds of failure matter to the roles: `TryLater` is the world's fault (cable, paper, network) and waits;
everything else is ours, crashes the role and is restarted. Texts are English message ids; `agent.words`
translates them and fills in `values` where a person reads them.
"""

from __future__ import annotations


class SlipkeeperError(Exception):
    """What happened, in one sentence with `{named}` places, and the next command to try."""

    exit_code = 1

    def __init__(self, what: str, hint: str = "", /, **values: object) -> None:
        self.what = what
        self.hint = hint
        self.values = values
        super().__init__(what.format(**values) if values else what)


class UsageError(SlipkeeperError):
    """Wrong words on a command line or in a request."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration cannot be used. `mistakes` holds every one of them, one sentence each."""

    def __init__(self, mistakes: list[str], where: str) -> None:
        self.mistakes = mistakes
        super().__init__(
            "{count} mistake(s) in {where}:\n{mistakes}",
            "slipkeeper config example shows every setting with its default",
            count=len(mistakes),
            where=where,
            mistakes="\n".join(f"  - {mistake}" for mistake in mistakes),
        )


class Refused(SlipkeeperError):
    """The answer is no: a policy, a difference found, a verification that failed."""


class DamagedJournal(SlipkeeperError):
    """The journal on disk is not what was written. It is never repaired, only kept."""


class TryLater(SlipkeeperError):
    """The world's fault: a device, the network, the disk. The same call may succeed later."""

    exit_code = 3


class NotRecorded(TryLater):
    """A commit failed: whether the entry is on disk is *unknown*. The peer must repeat; the insert is idempotent."""
