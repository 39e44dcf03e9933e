"""Points in time as the shop reads them off its own clock. Pure.

The keeper writes UTC where it tells of the journal, and the shop's local time as `now`: the machine under the counter
may well run on another zone than the shop.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any


def moment(value: object, zone: tzinfo | None = None) -> datetime | None:
    """A point in time: UTC becomes local time (the machine's without `zone`), local time stays as it was written."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.astimezone(zone).replace(tzinfo=None) if str(value).endswith("Z") else found.replace(tzinfo=None)


def zone_of(status: Mapping[str, Any] | None) -> tzinfo | None:
    """The shop's zone, as the keeper's own `now` shows it; None = unknown, the machine's is used."""
    try:
        return datetime.fromisoformat(str((status or {}).get("now"))).tzinfo
    except ValueError:
        return None


def short(value: object, zone: tzinfo | None = None) -> str:
    """05-06 13:14; empty when it is no point in time."""
    found = moment(value, zone)
    return f"{found:%m-%d %H:%M}" if found else ""
