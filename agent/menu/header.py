"""The two lines at the top of every screen: shop, day, clock; terminal, printer and sending in words. Pure.

Three-valued throughout: a printer that does not answer is neither fine nor out of paper, and while the keeper is down
everything it would know is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from agent.menu.cells import one_line
from agent.menu.times import moment
from agent.menu.vocabulary import Tone, msgid
from agent.words import Words

Status = Mapping[str, Any]
Phrase = tuple[str, Tone]


@dataclass(frozen=True, slots=True)
class Header:
    """What the two lines say. `states` stand side by side in the second line."""

    shop: str
    day: str
    clock: str
    states: tuple[Phrase, ...]


_TERMINAL: Final[Mapping[str, tuple[str, Tone]]] = {
    "connected": (msgid("Terminal {name}: connected"), Tone.GOOD),
    "waiting": (msgid("Terminal {name}: ready"), Tone.GOOD),  # it calls when it has something
    "lost": (msgid("Terminal {name}: lost"), Tone.BAD),
}
_UNSURE: Final = (msgid("Terminal {name}: unknown"), Tone.WARN)
_LOUDNESS: Final = {Tone.GOOD: 0, Tone.QUIET: 0, Tone.PLAIN: 1, Tone.WARN: 2, Tone.BAD: 3}


def header(status: Status | None, now: datetime, words: Words, shop: str = "Slipkeeper") -> Header:
    """The header for the latest status; None = the keeper does not answer. `now` is this machine's clock."""
    if status is None:
        return Header(shop, "", f"{now:%H:%M}", ((words("The keeper does not answer"), Tone.BAD),))
    seen = moment(status.get("now")) or now
    clock = f"{seen:%H:%M}"
    if status.get("clock") == "doubtful":
        clock = words("{time} clock doubtful", time=clock)
    day = (status.get("day") or {}).get("date")
    return Header(
        one_line(status.get("shop") or shop),
        words("Day {date}", date=one_line(day)) if day else words("Day unknown"),
        clock,
        (terminals(status, words), printers(status, words), sending(status, words)),
    )


def terminals(status: Status, words: Words) -> Phrase:
    """All terminals in one phrase: the worst one is named."""
    known = list(status.get("terminals") or [])
    if not known:
        return words("No terminal"), Tone.WARN
    return _worst([terminal(one, words) for one in known])


def terminal(one: Mapping[str, Any], words: Words) -> Phrase:
    message, tone = _TERMINAL.get(str(one.get("state")), _UNSURE)
    return words(message, name=one_line(one.get("name", ""))), tone


def printers(status: Status, words: Words) -> Phrase:
    """All printers in one phrase: the worst one speaks."""
    known = list(status.get("printers") or [])
    if not known:
        return words("No printer"), Tone.WARN
    return _worst([printer(one, words) for one in known])


def printer(one: Mapping[str, Any], words: Words) -> Phrase:
    """What a printer is known to be, most hindering first."""
    said = one.get("status") or {}
    for name, bad, message, tone in _PRINTER:
        if said.get(name) == bad:
            return words(message), tone
    if one.get("held"):
        return words("Printer: {count} on hold", count=one["held"]), Tone.WARN
    if said.get("online") == "yes" and said.get("paper") == "yes":
        return words("Printer: ready"), Tone.GOOD
    return words("Printer: unknown"), Tone.PLAIN


_PRINTER: Final = (
    ("online", "no", msgid("Printer: off or offline"), Tone.BAD),
    ("paper", "no", msgid("Printer: out of paper"), Tone.BAD),
    ("cover_closed", "no", msgid("Printer: cover open"), Tone.BAD),
    ("fault", "yes", msgid("Printer: fault"), Tone.BAD),
    ("paper_low", "yes", msgid("Printer: paper runs low"), Tone.WARN),
)


def sending(status: Status, words: Words) -> Phrase:
    """How much of the journal upstream does not hold yet."""
    sync = status.get("sync") or {}
    state, unsent = sync.get("state"), sync.get("unsent")
    if state == "off":
        return words("Sending: off"), Tone.QUIET
    if not isinstance(unsent, int):
        return words("Sending: unknown"), Tone.WARN
    if state == "trouble":
        return words("Unsent {count}, trouble", count=unsent), Tone.BAD
    if unsent:
        return words("Unsent {count}", count=unsent), Tone.WARN if state == "waiting" else Tone.PLAIN
    return words("All sent"), Tone.GOOD


def _worst(phrases: Sequence[Phrase]) -> Phrase:
    return max(phrases, key=lambda phrase: _LOUDNESS[phrase[1]])


def notices(status: Status | None, trouble: tuple[str, str] | None, words: Words) -> list[Phrase]:
    """What stands above the nine keys, most urgent first: two lines of alarms, or three that the keeper is down."""
    if status is None:
        what, hint = trouble or (words("The keeper does not answer"), "")
        tell = words("Tell whoever looks after the till: {hint}", hint=one_line(hint))
        keep = words("What is paid now may go unrecorded: keep the terminal's slips. Trying again by itself.")
        return [(one_line(what), Tone.BAD), (tell, Tone.PLAIN), (keep, Tone.PLAIN)]
    alarms = list(status.get("alarms") or [])
    shown = alarms[:2] if len(alarms) <= 2 else alarms[:1]
    said = [(alarm(one, words), Tone.BAD) for one in shown]
    if len(alarms) > len(shown):
        said.append((words("{count} more: see 5 Status", count=len(alarms) - len(shown)), Tone.WARN))
    return said


def alarm(one: Mapping[str, Any], words: Words) -> str:
    """An alarm and its next step in one line."""
    values = dict(one.get("values") or {})
    try:
        what, hint = words(str(one.get("what", "")), **values), words(str(one.get("hint", "")), **values)
    except (KeyError, IndexError, ValueError):  # a keeper of another version names other places
        what, hint = str(one.get("what", "")), str(one.get("hint", ""))
    return one_line(f"{what}: {hint}" if hint else what)


def unprinted(status: Status | None) -> int:
    """How many slips were asked for and never confirmed printed; 0 while unknown."""
    count = (status or {}).get("unprinted")
    return count if isinstance(count, int) else 0
