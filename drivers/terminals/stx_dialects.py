"""The dialects of `stx-bcdlen` by name, made from settings. Adding one is a row here and a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from agent.contract import Mode, Side
from agent.errors import UsageError
from drivers.framing import Layout, Length, encode, stx
from drivers.terminals import hk_text, linkpos_message, nac_8583
from drivers.terminals.linkpos import ACQUIRERS
from drivers.terminals.stx_dialect import Dialect, Question

Settings = Mapping[str, object]
_ANY: Final = frozenset({Mode.PROXY, Mode.ECR, Mode.TAP})
_HEARS: Final = frozenset({Mode.PROXY, Mode.TAP})  # the agent is nobody's host


def _linkpos(_mode: Mode, settings: Settings) -> Dialect:
    codes = str(settings["codes"])
    acquirer = ACQUIRERS.get(codes)
    if acquirer is None:
        known = ", ".join(ACQUIRERS)
        raise UsageError("there is no code table {codes}", "one of: {known}", codes=repr(codes), known=known)
    layout = _layout(settings, linkpos_message.LIMIT_BYTES)
    currency = _currency(settings, acquirer.currency)
    return Dialect(
        stx(layout),
        lambda frame: linkpos_message.read(frame, acquirer, currency),
        lambda frame: linkpos_message.asked(frame, acquirer, currency),
        {
            Question.LAST: lambda _: encode(linkpos_message.ask_last(acquirer), layout),
            Question.SETTLEMENT: lambda host: encode(linkpos_message.ask_settlement(acquirer, host), layout),
        },
    )


def _hk_text(mode: Mode, settings: Settings) -> Dialect:
    currency = _currency(settings, "HKD")
    return Dialect(
        hk_text.decode,
        lambda frame: hk_text.read(frame, currency, own_question=mode is Mode.ECR),
        questions={Question.TRANSACTION: hk_text.ask_transaction, Question.TOTALS: hk_text.ask_totals},
        accepted=hk_text.EMPTY,
        refused=b"",
    )


def _nac_8583(mode: Mode, settings: Settings) -> Dialect:
    """The terminal asks, the host answers: in a proxy the `till` port is the line to the host."""
    currency = _currency(settings, "CNY")
    return Dialect(
        stx(_layout(settings, nac_8583.LIMIT_BYTES)),
        lambda frame: nac_8583.read(frame, currency),
        results_from=Side.TILL if mode is Mode.PROXY else Side.TERMINAL,
    )


DIALECTS: Final[Mapping[str, tuple[Callable[[Mode, Settings], Dialect], frozenset[Mode]]]] = MappingProxyType(
    {
        "linkpos": (_linkpos, _ANY),
        "hk-text": (_hk_text, _ANY),
        "nac-8583": (_nac_8583, _HEARS),
    }
)


def choose(mode: Mode, settings: Settings) -> Dialect:
    """The dialect the settings name. Raises UsageError when there is none, or it has no place for `mode`."""
    name = str(settings["dialect"])
    if name not in DIALECTS:
        raise UsageError("there is no dialect {name}", "one of: {known}", name=repr(name), known=", ".join(DIALECTS))
    make, modes = DIALECTS[name]
    if mode not in modes:
        known = ", ".join(sorted(modes))
        raise UsageError("{name} has no mode {mode}", "its modes are: {known}", name=name, mode=mode.value, known=known)
    return make(mode, settings)


def _layout(settings: Settings, limit_bytes: int) -> Layout:
    length = str(settings["length"])
    if length not in list(Length):
        raise UsageError('the length is "bcd" or "be16", not {length}', 'length = "bcd"', length=repr(length))
    return Layout(Length(length), limit_bytes)


def _currency(settings: Settings, usual: str) -> str:
    currency = str(settings["currency"]) or usual
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise UsageError("{currency} is no ISO 4217 code", 'for example currency = "PHP"', currency=repr(currency))
    return currency
