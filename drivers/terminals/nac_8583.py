"""UnionPay's ISO 8583 in STX frames: a terminal that reaches its acquirer over a serial line ("NAC"), heard on the way.

Here the *host* answers: results come from the side the terminal dials, and are held before they reach the terminal.
Data of a frame: TPDU `60 …`(5), header(6, may be missing), message. Requests carry tracks and PINs: nothing is ever
said of them; of an answer only listed fields are kept, everything else is overwritten.

Sources: CaoEnXin/LiaoYang_POS `Src/Commlib.c` (framing), `Src/tranproc.c`; 《中国银联POS终端消息域说明》 (fields,
transactions, settlement). Response codes outside the list are kept and mean "unknown".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent import pan
from agent.contract import Report
from agent.fields import Json, Kind, Outcome, TransactionType
from drivers.framing import ETX, STX, Frame, lrc
from drivers.terminals import stx_values as values
from drivers.terminals.iso8583 import Message, parse

LIMIT_BYTES: Final = 2048  # no message of a POS terminal is longer

_TPDU_BYTES: Final = 5
_HEADER_BYTES: Final = 6
_TPDU_ID: Final = 0x60
_HIDDEN: Final = 0xEE  # no digit, no sign

# Field 60.1, the terminal's own word for what it did.
_BY_KIND: Final[Mapping[str, TransactionType]] = MappingProxyType(
    {
        "01": TransactionType.BALANCE,
        "10": TransactionType.PREAUTH,
        "11": TransactionType.PREAUTH_VOID,
        "20": TransactionType.COMPLETION,
        "21": TransactionType.COMPLETION_VOID,
        "22": TransactionType.SALE,
        "23": TransactionType.VOID,
        "24": TransactionType.COMPLETION,  # by notice
        "25": TransactionType.REFUND,
        "30": TransactionType.OFFLINE,
        "32": TransactionType.ADJUSTMENT,
        "34": TransactionType.TIP,
    }
)
# Message type, processing code, condition code: where field 60 is not given back.
_BY_CODES: Final[Mapping[tuple[str, str, str], TransactionType]] = MappingProxyType(
    {
        ("0210", "000000", "00"): TransactionType.SALE,
        ("0210", "000000", "06"): TransactionType.COMPLETION,
        ("0210", "200000", "00"): TransactionType.VOID,
        ("0210", "200000", "06"): TransactionType.COMPLETION_VOID,
        ("0210", "310000", "00"): TransactionType.BALANCE,
        ("0230", "200000", "00"): TransactionType.REFUND,
        ("0230", "000000", "06"): TransactionType.COMPLETION,
        ("0110", "030000", "06"): TransactionType.PREAUTH,
        ("0110", "200000", "06"): TransactionType.PREAUTH_VOID,
    }
)
_KINDS: Final = {
    **dict.fromkeys(("0110", "0210", "0230", "0410"), Kind.TRANSACTION),
    "0510": Kind.SETTLEMENT,
    **dict.fromkeys(("0810", "0830"), Kind.NOTICE),
}
_APPROVED: Final = frozenset({"00", "10", "11", "A2", "A4", "A5", "A6"})
_DECLINED: Final = frozenset(
    {"01", "03", "04", "05", "12", "13", "14", "15", "21", "22", "25", "30", "34", "38", "40", "41", "43", "51", "54"}
    | {"55", "57", "58", "59", "61", "62", "64", "65", "68", "75", "90", "91", "92", "94", "96", "97", "98", "99"}
    | {"A0", "A1", "A3", "A7"}
)
_ENTRY: Final = {"01": "manual", "02": "swipe", "05": "chip", "07": "contactless"}
_CURRENCIES: Final = {"156": "CNY", "344": "HKD", "446": "MOP", "840": "USD"}
_VERDICTS: Final = {"1": "balanced", "2": "unbalanced", "3": "error"}
_SIDES: Final = (("domestic", 0), ("foreign", 31))  # 内卡 and 外卡 in field 48, 31 digits each
# What may be kept in raw. 48 holds totals in a settlement, but card numbers in a batch upload.
_KEPT: Final = frozenset({3, 4, 11, 12, 13, 15, 22, 25, 32, 37, 38, 39, 41, 42, 48, 49, 60, 61})
_SCANNED: Final = frozenset({44, 63})  # texts


def message(data: bytes) -> Message | None:
    """The message in the data of a frame; two bytes of length before the TPDU are skipped."""
    start = 2 if int.from_bytes(data[:2], "big") == len(data) - 2 else 0
    if data[start : start + 1] != bytes((_TPDU_ID,)):
        return None
    for place in (start + _TPDU_BYTES + _HEADER_BYTES, start + _TPDU_BYTES):
        found = parse(data, place)
        if found is not None:
            return found
    return None


def read(frame: Frame, currency: str) -> Report | None:
    """What the host answered; requests and batch uploads are no report."""
    answer = message(frame.data)
    if answer is None or answer.mti not in _KINDS:
        return None
    kind = _KINDS[answer.mti]
    warnings: list[str] = []
    fields = _common(answer, warnings)
    if kind is Kind.TRANSACTION:
        fields |= _payment(answer, currency, warnings)
    elif kind is Kind.SETTLEMENT:
        fields |= _settlement(answer, currency)
    raw = masked(frame, answer)
    fields |= {"raw_sha256": hashlib.sha256(raw).hexdigest(), "driver": "stx-bcdlen", "profile": "nac-8583"}
    if warnings:
        fields["warnings"] = [*warnings]
    return Report(kind, _key(kind, fields, raw), fields, raw)


def _common(answer: Message, warnings: list[str]) -> dict[str, Json]:
    named = {
        "terminal_id": answer[41],
        "merchant_id": answer[42],
        "trace_no": answer[11],
        "batch_no": answer[60][2:8],
        "rrn": answer[37],
        "auth_code": answer[38],
        "response_code": answer[39],
        "acquirer": values.text(answer[44][11:].encode("latin-1")) or answer[32],
        "issuer": values.text(answer[44][:11].encode("latin-1")),
        "card_scheme": answer[63][:3].upper(),
        "terminal_time": _day(answer[13]) + clock if (clock := values.moment("", answer[12])) else "",
        "settle_date": _day(answer[15]),
    }
    fields: dict[str, Json] = {}
    for name, text in named.items():
        clean = text.replace("\0", " ").strip()
        if clean and clean.isascii() and clean.isprintable():
            fields[name] = clean
        elif clean:
            warnings.append(f"{name} is not readable")
    code = answer[39]
    if code and _KINDS[answer.mti] is not Kind.NOTICE:
        outcome = Outcome.APPROVED if code in _APPROVED else Outcome.DECLINED if code in _DECLINED else Outcome.UNKNOWN
        fields["outcome"] = outcome.value
    return fields


def _day(digits: str) -> str:
    """--MM-DD: no message says the year. "" when it is no day."""
    known = len(digits) == 4 and values.moment(f"2000{digits}", "0000")
    return f"--{digits[:2]}-{digits[2:]}" if known else ""


def _payment(answer: Message, currency: str, warnings: list[str]) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    transaction_type = _BY_KIND.get(answer[60][:2]) or _BY_CODES.get((answer.mti, answer[3], answer[25]))
    if answer.mti == "0410":
        transaction_type = TransactionType.REVERSAL
    if transaction_type is not None:
        fields["transaction_type"] = transaction_type.value
    else:
        warnings.append("the host did not say of which type it was")
    if answer[4].isdecimal():
        fields |= {"amount_minor": int(answer[4]), "currency": _CURRENCIES.get(answer[49], currency)}
    elif transaction_type is not TransactionType.BALANCE:
        warnings.append("the host did not say the amount")
    if answer[2]:
        fields["method"] = "card"
        card = pan.mask_card(answer[2])
        if answer[2].isdecimal():
            fields["card_masked"] = card
    mode = answer[22][1:3] if answer[22].startswith("00") else answer[22][:2]  # a mode itself is never 00
    if mode in _ENTRY:
        fields["entry_mode"] = _ENTRY[mode]
    original = answer[61]
    if len(original) >= 12 and original[6:12].isdecimal():
        fields["original_trace_no"] = original[6:12]
        if date := _day(original[12:16]):
            fields["original_date"] = date
    return fields


def _settlement(answer: Message, currency: str) -> dict[str, Json]:
    """Field 48: per side debit amount 12 and count 3, credit amount 12 and count 3, the host's verdict 1."""
    digits = answer[48]
    if len(digits) != 62 or not digits.isdecimal():
        return {}
    totals: list[Json] = []
    verdict: dict[str, Json] = {}
    for group, start in _SIDES:
        side = digits[start : start + 31]
        for name, part in (("debit", side[:15]), ("credit", side[15:30])):
            totals.append(
                {
                    "group": group,
                    "transaction_type": name,
                    "count": int(part[12:]),
                    "amount_minor": int(part[:12]),
                }
            )
        if side[30] in _VERDICTS:
            verdict[group] = _VERDICTS[side[30]]
    return {"totals": totals, "currency": currency, **({"verdict": verdict} if verdict else {})}


def _key(kind: Kind, fields: Mapping[str, Json], raw: bytes) -> str:
    if kind is Kind.TRANSACTION:
        return values.transaction_key(fields, raw)
    names = ("terminal_id", "batch_no", "trace_no")
    if kind is Kind.SETTLEMENT and all(name in fields for name in names):
        return ":".join([*(str(fields[name]) for name in names), "settlement"])
    return values.raw_key(raw)


def masked(frame: Frame, answer: Message) -> bytes:
    """The frame with listed fields only, same length, LRC computed anew."""
    data = bytearray(frame.data)
    for number, part in answer.parts.items():
        if number in _KEPT and (number != 48 or answer.mti == "0510"):
            continue
        if number in _SCANNED:
            data[part.start : part.end] = pan.mask_bytes(frame.data[part.start : part.end])
        elif number == 2:
            data[part.start : part.end] = _hidden_digits(part.value, part.end - part.start)
        else:
            data[part.start : part.end] = bytes((_HIDDEN,)) * (part.end - part.start)
    body = frame.raw[1:3] + bytes(data) + bytes((ETX,))
    return bytes((STX,)) + body + bytes((lrc(body),))


def _hidden_digits(digits: str, size: int) -> bytes:
    """A BCD card number of `size` bytes with E for every digit but the first six and last four."""
    first = 6 if len(digits) > 10 else 0
    shown = digits[:first] + "E" * max(0, len(digits) - first - 4) + digits[first:][-4:]
    return bytes.fromhex(shown.ljust(size * 2, "F"))
