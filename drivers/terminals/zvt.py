"""The driver `zvt`: payment terminals of Germany, Austria and Switzerland, on a serial line or TCP port 20007.

The till commands, then the terminal takes over and says status, receipt lines and the end; the till answers each of
its messages with `80 00 00`, which means "processed". That answer is what may wait here:

- `proxy`: between till and terminal. Everything passes at once and unchanged, in order, but a message that makes a
  report is held until it is confirmed (or abandoned): `04 0F` status information, `06 1E` abort, the `06 D1` or `06 D3`
  that ends a receipt, and whatever ends a receipt that has no last line (`06 0F` as a rule). Lines before the last must
  pass, or the terminal would never send the next. On a serial line the block bytes 06 and 15 pass at once.
- `ecr`: the agent is the till, but never pays: it can register, ask for the last payment once more and order the end of
  day. Blocks are acknowledged at once; `80 00 00` to a message that makes a report goes out when it is confirmed. What
  makes none is answered at once. Nothing here has a place for an amount.
- `tap`: listens.

Patience: terminals repeat a block after 5 s (T3); tills waited 6 s and finished. So a hold must stay below 3 s.

Source: ZVT specification PA00P015_13.08 (application), PA00P016_04 (transport).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.contract import Conversation, Mode, Setting, TerminalDriver
from drivers.terminals.dialogue_lines import ProxyLine, TapLine
from drivers.terminals.zvt_dialogue import QUIET_S, Dialogue
from drivers.terminals.zvt_ecr import EcrLine
from drivers.terminals.zvt_wire import TRANSPORTS

_CHARSETS: Final = ("cp437", "latin-1", "iso-8859-15")


def _converse(mode: Mode, settings: Mapping[str, object]) -> Conversation:
    said = {setting.name: settings.get(setting.name, setting.default) for setting in _SETTINGS}
    transport = TRANSPORTS[str(said["transport"])]
    dialogue = Dialogue(transport, str(said["currency"]), str(said["charset"]))
    if mode is Mode.PROXY:
        return ProxyLine(transport.framer, dialogue, QUIET_S)
    if mode is Mode.ECR:
        password, currency = str(said["password"]), str(said["currency"])
        return EcrLine(transport, dialogue, password=password, currency=currency, receipts=said["receipts"] == "agent")
    return TapLine(transport.framer, dialogue, QUIET_S)


_SETTINGS: Final = (
    Setting("transport", "tcp", "how messages travel: bare over TCP, or in blocks on a serial line", tuple(TRANSPORTS)),
    Setting("charset", "cp437", "the terminal's letters: CP437 by the specification, Latin for some", _CHARSETS),
    Setting("currency", "EUR", "ISO 4217 code of the terminal; it names one only to tills that did"),
    Setting("password", "000000", "ecr: the password of the till, six digits"),
    Setting("receipts", "terminal", "ecr: who prints the receipts; agent = they come as text", ("terminal", "agent")),
)

driver: Final = TerminalDriver(
    name="zvt",
    summary="ZVT terminals of Germany, Austria and Switzerland on a serial or TCP till line",
    modes=frozenset({Mode.PROXY, Mode.ECR, Mode.TAP}),
    converse=_converse,
    settings=_SETTINGS,
)
