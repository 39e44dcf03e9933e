"""Values of the canonical fields as people say them. Sentences stand in the templates, both go through gettext."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

TYPES: Final[dict[str, Promise]] = {
    "sale": _("Sale"),
    "void": _("Void"),
    "refund": _("Refund"),
    "preauth": _("Pre-authorisation"),
    "preauth_void": _("Pre-authorisation void"),
    "completion": _("Completion"),
    "completion_void": _("Completion void"),
    "offline": _("Offline sale"),
    "adjustment": _("Adjustment"),
    "tip": _("Tip"),
    "balance": _("Balance inquiry"),
    "load": _("Load"),
    "reversal": _("Reversal"),
    "other": _("Other"),
}
OUTCOMES: Final[dict[str, Promise]] = {
    "approved": _("Approved"),
    "declined": _("Declined"),
    "unknown": _("Unknown"),
}
METHODS: Final[dict[str, Promise]] = {
    "card": _("Card"),
    "wechat": _("WeChat Pay"),
    "alipay": _("Alipay"),
    "unionpay_qr": _("UnionPay QR"),
    "cash": _("Cash"),
    "other": _("Other"),
}
STATES: Final[dict[str, Promise]] = {
    "online": _("online"),
    "late": _("late"),
    "silent": _("silent"),
}


def word(table: dict[str, Promise], value: str | None) -> str:
    """The word for a value; a value without a word stands for itself, an unknown one for nothing."""
    return str(table.get(value, value)) if value else ""
