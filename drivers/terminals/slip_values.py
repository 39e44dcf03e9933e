"""Values as slips print them: amounts, dates, times, codes. What does not fit is absent, never guessed."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

_CURRENCIES: Final = {
    **dict.fromkeys(("RMB", "CNY", "¥", "元", "人民币"), "CNY"),
    **dict.fromkeys(("HKD", "HK$"), "HKD"),
    **dict.fromkeys(("TWD", "NT$"), "TWD"),
    **dict.fromkeys(("USD", "$"), "USD"),
    "MOP": "MOP",
    "EUR": "EUR",
}
_AMOUNT: Final = re.compile(
    r"(?P<sign>-?)\s*(?P<front>RMB|CNY|HKD|HK\$|MOP|TWD|NT\$|USD|EUR|人民币|¥|\$)?\s*:?\s*(?P<minus>-?)\s*"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,12})(?:\.(?P<part>[0-9]{2}))?\s*(?P<back>RMB|CNY|元)?",
    re.IGNORECASE,
)
_DATE: Final = re.compile(
    r"(?P<year>[0-9]{4})([-/.年]?)(?P<month>[0-9]{2})([-/.月]?)(?P<day>[0-9]{2})日?(?![0-9])"
    r"|(?<![0-9])(?P<month2>[0-9]{2})[-/.月]?(?P<day2>[0-9]{2})日?(?![0-9/.:-])"
)
_TIME: Final = re.compile(r"(?<![0-9])(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?![0-9:])")
_DENSE_TIME: Final = re.compile(r"(?<![0-9])(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})(?![0-9])")


def amount(text: str) -> tuple[int, str] | None:
    """Minor units and currency of `RMB:1,128.50`; the sign is dropped, the type of the transaction says it."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        return None
    named = (match["front"] or match["back"] or "RMB").upper()
    minor = int(match["whole"].replace(",", "")) * 100 + int(match["part"] or 0)
    return (minor, _CURRENCIES[named]) if minor < 10**15 else None


def date(text: str) -> str | None:
    """`2024/05/06`, `20240506` as 2024-05-06; without a year `05/06`, `0506` as --05-06."""
    match = _DATE.match(text.strip())
    return _valid_date(match) if match else None


def _valid_date(match: re.Match[str]) -> str | None:
    year, month, day = match["year"], match["month"] or match["month2"], match["day"] or match["day2"]
    try:
        dt.date(int(year or 2000), int(month), int(day))
    except ValueError:
        return None
    return f"{year}-{month}-{day}" if year else f"--{month}-{day}"


def clock(text: str) -> str | None:
    """`13:14:15`, `13:14` or `131415` as an ISO time."""
    match = _TIME.search(text) or _DENSE_TIME.search(text)
    if match is None:
        return None
    try:
        dt.time(int(match["hour"]), int(match["minute"]), int(match["second"] or 0))
    except ValueError:
        return None
    return f"{match['hour']}:{match['minute']}" + (f":{match['second']}" if match["second"] else "")


def moment(text: str) -> str | None:
    """Date and time in one value; a time alone is `T13:14:15`, a date alone is no moment."""
    compact = re.fullmatch(r"([0-9]{8})([0-9]{6})", text.strip())
    day_text, time_text = (compact[1], compact[2]) if compact else (text.strip(), "")
    match = _DATE.match(day_text)
    if not match:
        time = clock(text)
        return f"T{time}" if time else None
    day, time = _valid_date(match), clock(time_text or day_text[match.end() :])
    return f"{day}T{time}" if day and time else None


def code(text: str, least: int = 1, most: int = 32) -> str | None:
    """Letters and digits without blanks, as printed."""
    return text if re.fullmatch(rf"[0-9A-Za-z]{{{least},{most}}}", text) else None
