"""The driver `mellon-gr`: Greek terminals on the Mellon link between till and terminal, TCP port 4000.

As `proxy` the agent passes the till's bytes at once, and the terminal's except for a result or an error: those are
held until they are recorded. TCP brings no acknowledging byte: relaying the result is the acknowledgement, and tills
wait for more than 150 s. There is no other mode: the terminal can be asked for payments and for an echo only.

A result does not say what it is the result of. The question with the same session number does; when it was not heard,
the type stays unknown. An approval is known by terminal, batch and trace number, a rejection by its session's question.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from agent.contract import Conversation, Mode, Report, Setting, TerminalDriver
from agent.errors import UsageError
from drivers.framing import Frame, Framer
from drivers.terminals import mellon_gr_message
from drivers.terminals.exchanges import Exchanges
from drivers.terminals.mellon_gr_message import Question
from drivers.terminals.stx_bcdlen import ProxyLine
from drivers.terminals.stx_dialect import Dialect

_CHARSETS: Final = ("iso8859-7", "iso8859-5")


class MellonLine(ProxyLine):
    """A proxy that remembers the till's last question."""

    def __init__(self, currency: str, charset: str) -> None:
        super().__init__(Dialect(mellon_gr_message.decode, lambda _: None))
        self._currency = currency
        self._charset = charset
        self._till = Framer(mellon_gr_message.decode)
        self._asked: Question | None = None
        self._exchanges = Exchanges()

    def _passes(self, data: bytes) -> None:
        super()._passes(data)
        for piece in self._till.feed(data):
            if isinstance(piece, Frame) and (question := mellon_gr_message.asked(piece)):
                self._asked = question
                self._exchanges.ask(question.raw)

    def _understood(self, frame: Frame) -> Report | None:
        report = mellon_gr_message.read(frame, self._asked, self._currency, self._charset)
        if report is None or not report.key.startswith("sha256:"):
            return report
        return replace(report, key=self._exchanges.own_key(report.key.encode()))


def _converse(mode: Mode, settings: Mapping[str, object]) -> Conversation:
    if mode is not Mode.PROXY:
        raise UsageError(
            "{name} has no mode {mode}", "its modes are: {known}", name="mellon-gr", mode=mode.value, known="proxy"
        )
    said = {setting.name: str(settings.get(setting.name, setting.default)) for setting in _SETTINGS}
    currency, charset = said["currency"], said["charset"]
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise UsageError("{currency} is no ISO 4217 code", 'for example currency = "EUR"', currency=repr(currency))
    if charset not in _CHARSETS:
        raise UsageError(
            "there is no charset {charset}", "one of: {known}", charset=repr(charset), known=", ".join(_CHARSETS)
        )
    return MellonLine(currency, codecs.lookup(charset).name)


_SETTINGS: Final = (
    Setting("currency", "EUR", "of the terminal, where the till's question was not heard"),
    Setting("charset", "iso8859-7", "of receipts: Greek, or Cyrillic", _CHARSETS),
)

driver: Final = TerminalDriver(
    name="mellon-gr",
    summary="Greek terminals on the Mellon link between till and terminal, TCP 4000, receipts included",
    modes=frozenset({Mode.PROXY}),
    converse=_converse,
    settings=_SETTINGS,
)
