"""The driver `ecr17`: Italian terminals (Nexi group and most banks) that speak the ECR17 standard over TCP.

The till asks; the terminal acknowledges (`06 03 LRC`), shows progress, says its result and perhaps the receipt; each of
its messages waits for the till's acknowledgement. The places the agent can have:

- `proxy`: between till and terminal. Everything passes at once and unchanged, in order, but a message that makes a
  report is held until it is confirmed (or abandoned): a result, totals, the last piece of a receipt. Pieces before the
  last must pass, or the terminal would never send the next.
- `ecr`: the agent is the till, but never pays: it can ask for status, last result, totals and the last receipt. What
  makes a report is acknowledged when it is confirmed, everything else at once.

Patience: the terminal waits 2 s for an acknowledgement and says a message three times. So a hold must stay below 2 s.

Source: Nexi "Traditional POS" pages (public), standard ECR17.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.contract import Conversation, Mode, Setting, TerminalDriver
from drivers.framing import Framer
from drivers.terminals import ecr17_wire as wire
from drivers.terminals.dialogue_lines import ProxyLine
from drivers.terminals.ecr17_dialogue import Dialogue
from drivers.terminals.ecr17_ecr import QUIET_S, EcrLine

_AUTO: Final = "auto"


def _converse(mode: Mode, settings: Mapping[str, object]) -> Conversation:
    said = {setting.name: str(settings.get(setting.name, setting.default)) for setting in _SETTINGS}
    check = wire.Check(None if said["lrc"] == _AUTO else wire.Mode(said["lrc"]))
    dialogue = Dialogue(check, said["currency"])
    if mode is Mode.ECR:
        return EcrLine(check, dialogue, terminal_id=said["terminal_id"], till_id=said["till_id"])
    return ProxyLine(lambda: Framer(check.decode), dialogue, QUIET_S)


_SETTINGS: Final = (
    Setting("lrc", _AUTO, "what the check byte covers; auto learns it from the line", (_AUTO, *wire.Mode)),
    Setting("currency", "EUR", "ISO 4217 code of the terminal; no message names it"),
    Setting("terminal_id", "00000000", "ecr: the terminal's number; 00000000 suits any"),
    Setting("till_id", "00000001", "ecr: the number of the till, eight digits"),
)

driver: Final = TerminalDriver(
    name="ecr17",
    summary="Italian terminals of the ECR17 standard (Nexi group) on a TCP till line",
    modes=frozenset({Mode.PROXY, Mode.ECR}),
    converse=_converse,
    settings=_SETTINGS,
)
