"""Amounts are whole numbers of the smallest unit, for machines and for people, in every currency's own way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.money import Money, exponent

CURRENCIES = ("CNY", "USD", "JPY", "KRW", "KWD", "TND", "CLF", "HUF", "XXX")


@pytest.mark.parametrize(
    ("minor", "currency", "number", "text"),
    [
        (12850, "CNY", "128.50", "￥128.50"),
        (0, "CNY", "0.00", "￥0.00"),
        (1, "CNY", "0.01", "￥0.01"),
        (-1, "CNY", "-0.01", "-￥0.01"),
        (-123456789, "EUR", "-1234567.89", "-€1,234,567.89"),
        (500, "JPY", "500", "￥500"),
        (1, "KWD", "0.001", "KWD 0.001"),
        (1234567, "KWD", "1234.567", "KWD 1,234.567"),
        (1, "CLF", "0.0001", "CLF 0.0001"),
        (10**15 - 1, "CNY", "9999999999999.99", "￥9,999,999,999,999.99"),
    ],
)
def test_written_for_machines_and_people(minor, currency, number, text):
    money = Money(minor, currency)
    assert money.number() == number
    assert str(money) == text


@given(st.integers(-(10**18), 10**18), st.sampled_from(CURRENCIES))
def test_no_digit_is_lost_or_invented(minor, currency):
    written = Decimal(Money(minor, currency).number())
    assert written * 10 ** exponent(currency) == minor
    assert -written.as_tuple().exponent == exponent(currency)


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), st.sampled_from(CURRENCIES))
def test_sums_and_signs(one, other, currency):
    total = Money(one, currency) + Money(other, currency)
    assert total == Money(one + other, currency)
    assert -total == Money(-total.minor, currency)


def test_currencies_are_never_added_to_each_other():
    with pytest.raises(ValueError, match="cannot add USD to CNY"):
        Money(1, "CNY") + Money(1, "USD")


def test_exponents_of_iso_4217():
    none = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF")
    assert {exponent(code) for code in (*none, "XOF", "XPF")} == {0}
    assert {exponent(code) for code in ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")} == {3}
    assert {exponent(code) for code in ("CLF", "UYW")} == {4}
    assert {exponent(code) for code in ("CNY", "HUF", "MGA", "TWD", "IDR", "ZZZ")} == {2}
