"""LinkPOS (Hypercom) messages as tables: fields, transaction codes and response codes, per acquirer.

The codes differ from bank to bank (26 is a void for one and a refund for the next, 50 settles here and reads a card
there), so they are rows here and nothing else knows them. `linkpos_message` reads by these tables.

Sources, facts only: dasaintgray/iotelkiosk `screen_controller.dart` (BDO, response capture in a comment), a public
C# test program with Maybank sale, void and refund responses in comments, HICAPSConnectLibrary HFields and
HTransaction (HICAPS, Australia). The banks' own specifications are confidential and were not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agent.fields import Kind, Outcome, TransactionType
from drivers.terminals.stx_values import CARD, SECRET, Spec, free_text, shaped

LINKPOS_FIELDS: Final[Mapping[str, Spec]] = MappingProxyType(
    {
        "01": shaped("auth_code", r"[0-9A-Z]{1,6}"),
        "02": free_text("text"),  # response text (40)
        "03": shaped("[date]", r"[0-9]{6}"),  # YYMMDD
        "04": shaped("[time]", r"[0-9]{6}"),  # HHMMSS
        "16": shaped("terminal_id", r"[0-9A-Z]{1,8}"),
        "30": CARD,  # some terminals send it unmasked
        "31": SECRET,  # expiry
        "40": shaped("amount_minor", r"[0-9]{1,12}"),  # two implied decimals
        "50": shaped("batch_no", r"[0-9]{1,6}"),
        "65": shaped("trace_no", r"[0-9]{1,6}"),  # invoice number
        "D0": free_text("[merchant]"),  # three lines of 23: name, address, address
        "D1": shaped("merchant_id", r"[0-9A-Z]{1,15}"),
        "D2": free_text("[issuer]"),  # issuer name (10)
        "D3": shaped("rrn", r"[0-9A-Z]{1,12}"),
        "D4": shaped("", r"[0-9A-Z]{2}"),  # issuer id
        "D5": SECRET,  # cardholder name
        "EF": free_text(""),  # AID
        "EG": free_text(""),  # application label
        "EH": free_text(""),  # transaction certificate
        "HN": shaped("acquirer", r"[0-9]{3}"),  # host number
        "HO": free_text(""),  # host totals; the layout of the answer is not public
    }
)

# HICAPS numbers some of them otherwise. 30 may come encrypted; C1 is the card verification code.
HICAPS_FIELDS: Final[Mapping[str, Spec]] = MappingProxyType(
    {
        **{name: LINKPOS_FIELDS[name] for name in ("01", "02", "03", "04", "30", "31", "40", "65")},
        "00": shaped("", r"[0-9A-Z]{2}"),  # response code of the bank
        "14": shaped("terminal_id", r"[0-9A-Z]{1,16}"),
        "79": shaped("rrn", r"[0-9A-Z]{1,12}"),
        "DD": shaped("", r"[0-9A-Z]{1,2}"),  # acquirer id
        "MN": shaped("merchant_id", r"[0-9A-Z]{1,15}"),
        "SM": free_text(""),  # status message
        "VR": shaped("", r"[0-9A-Z.]{1,8}"),  # terminal version
    }
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a transaction code says: the kind of report, and the type of a transaction.

    A retrieval repeats an earlier transaction and does not say of which type it was.
    """

    kind: Kind
    transaction_type: TransactionType | None = None
    retrieval: bool = False


def _pays(transaction_type: TransactionType) -> Meaning:
    return Meaning(Kind.TRANSACTION, transaction_type)


_RETRIEVAL: Final = Meaning(Kind.TRANSACTION, retrieval=True)
_NOTICE: Final = Meaning(Kind.NOTICE)


@dataclass(frozen=True, slots=True)
class Acquirer:
    """One bank's dialect. `currency` is what its terminals count in: no message says it.

    `ask_last` and `ask_settlement` are the only codes the agent ever sends; neither has a field for an amount.
    """

    name: str
    currency: str
    fields: Mapping[str, Spec]
    codes: Mapping[str, Meaning]
    outcomes: Mapping[str, Outcome]
    ask_last: str
    ask_settlement: str


ACQUIRERS: Final[Mapping[str, Acquirer]] = MappingProxyType(
    {
        "linkpos": Acquirer(
            name="linkpos",
            currency="PHP",  # the one bank with a public capture of the whole answer is Philippine
            fields=LINKPOS_FIELDS,
            codes={
                "20": _pays(TransactionType.SALE),
                "22": _pays(TransactionType.SALE),  # by instalments: the shop is paid in full
                "26": _pays(TransactionType.VOID),
                "27": _pays(TransactionType.REFUND),
                "28": _pays(TransactionType.TIP),
                "37": _NOTICE,  # card verification
                "38": _pays(TransactionType.COMPLETION),
                "50": Meaning(Kind.SETTLEMENT),
                "71": _RETRIEVAL,
                "72": _RETRIEVAL,  # of the family; what sets 72 and 73 apart is not public
                "73": _RETRIEVAL,
                "D0": _NOTICE,  # test
            },
            # ED, EN, TO: the terminal lost its host; whether the host approved before, nobody here knows.
            outcomes={"00": Outcome.APPROVED, "01": Outcome.DECLINED, "ND": Outcome.DECLINED},
            ask_last="71",
            ask_settlement="50",
        ),
        "hicaps": Acquirer(
            name="hicaps",
            currency="AUD",
            fields=HICAPS_FIELDS,
            codes={
                "20": _pays(TransactionType.SALE),
                "26": _pays(TransactionType.REFUND),
                "42": _pays(TransactionType.VOID),
                "61": Meaning(Kind.SETTLEMENT),
                "A0": _RETRIEVAL,
                **dict.fromkeys(("21", "23", "24", "DP", "E7", "E8", "EF", "MC"), _pays(TransactionType.OTHER)),
                **dict.fromkeys(("22", "50", "D0", "D1", "HT", "KC", "TS"), _NOTICE),
                **dict.fromkeys(("A4", "A5", "A6", "A7", "A8", "AM", "AP", "MP"), _NOTICE),
                **dict.fromkeys(("EL", "HL"), Meaning(Kind.DETAIL_LIST)),
            },
            outcomes={"00": Outcome.APPROVED, "01": Outcome.DECLINED, "ND": Outcome.DECLINED},
            ask_last="A0",
            ask_settlement="61",
        ),
    }
)
