"""ISO 4217 numeric codes as payment protocols of Europe and French-speaking Africa send them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

BY_NUMBER: Final = MappingProxyType(
    {
        "978": "EUR",
        "756": "CHF",
        "826": "GBP",
        "840": "USD",
        "203": "CZK",
        "208": "DKK",
        "348": "HUF",
        "752": "SEK",
        "578": "NOK",
        "985": "PLN",
        "946": "RON",
        "975": "BGN",
        "941": "RSD",
        "008": "ALL",
        "807": "MKD",
        "949": "TRY",
        "504": "MAD",
        "788": "TND",
        "012": "DZD",
        "950": "XAF",
        "952": "XOF",
        "953": "XPF",
    }
)
