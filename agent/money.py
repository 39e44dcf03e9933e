"""Money is an integer of the currency's smallest unit and an ISO 4217 code. Never a float, never a bare number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# ISO 4217 minor-unit exponents that differ from 2.
_EXPONENTS: Final = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_SIGNS: Final = {"CNY": "￥", "EUR": "€", "GBP": "£", "USD": "$", "HKD": "HK$", "JPY": "￥"}


def exponent(currency: str) -> int:
    """How many decimal places the currency's minor unit has."""
    return _EXPONENTS.get(currency, 2)


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount; negative only as a difference or a net sum."""

    minor: int
    currency: str

    def number(self) -> str:
        """For files and machines: 1234.50."""
        places = exponent(self.currency)
        sign, digits = ("-" if self.minor < 0 else ""), str(abs(self.minor)).rjust(places + 1, "0")
        return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)

    def __str__(self) -> str:
        """For people: ￥1,234.50."""
        sign = "-" if self.minor < 0 else ""
        whole, dot, part = Money(abs(self.minor), self.currency).number().partition(".")
        return f"{sign}{_SIGNS.get(self.currency, self.currency + ' ')}{int(whole):,}{dot}{part}"

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.minor + other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)
