"""ISO 8583 in STX frames: fields by the table, nothing secret kept, broken messages refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import Mode
from agent.errors import UsageError
from agent.fields import problems
from drivers.framing import Frame, decode, encode
from drivers.terminals.iso8583 import ELEMENTS, parse
from drivers.terminals.nac_8583 import message, read
from drivers.terminals.stx_bcdlen import driver
from tests.drivers.nac_messages import ANSWER, BCD, HEADER, PAN, REQUEST, SETTLED, TPDU, frame, pack


def told(raw: bytes):
    report = read(Frame(raw), "CNY")
    assert report is not None
    assert problems(report.fields) == []
    return report


def test_the_parser_reads_what_an_independent_packer_packed():
    for mti, fields in (("0200", REQUEST), ("0210", ANSWER), ("0510", SETTLED)):
        found = parse(pack(mti, fields), 0)
        assert found is not None
        assert found.mti == mti
        assert {number: found[number].rstrip() for number in fields} == {
            number: value.rstrip() for number, value in fields.items()
        }


def test_nothing_secret_is_in_raw_not_even_as_bcd():
    secret = {
        **ANSWER,
        35: REQUEST[35],
        36: "99" + PAN,
        52: "PINBLOCK",
        54: "1002156C000000009999",
        55: REQUEST[55],
        58: "PURSE",
        62: "WORKINGKEYS",
        63: f"CUP{PAN}",
        44: f"010200 {PAN}",
    }
    came = frame("0210", secret)
    assert bytes.fromhex(PAN) in came  # the test could not fail otherwise
    report = told(came)
    assert report.raw is not None
    assert len(report.raw) == len(came)
    assert decode(report.raw, BCD) == (len(report.raw), Frame(report.raw))
    shown = report.raw.hex()
    assert PAN not in shown
    assert PAN[6:-4] not in shown
    assert "2512" not in shown
    for word in (b"PINBLOCK", b"1002156C", b"xxxx", b"PURSE", b"WORKINGKEYS", b"MACMACMA", PAN.encode()):
        assert word in came
        assert word not in report.raw
    assert PAN not in repr(report)
    assert report.fields["card_masked"] == "401288******1881"


def test_a_batch_upload_and_a_request_are_no_report():
    for mti in ("0200", "0220", "0320", "0330", "0400", "0500", "0800", "0820"):
        assert read(Frame(frame(mti, REQUEST)), "CNY") is None


@given(st.text("0123456789", min_size=0, max_size=19))
def test_card_numbers_of_any_length_keep_ten_digits_at_most(digits):
    report = told(frame("0210", {**ANSWER, 2: digits}))
    assert report.raw is not None
    found = message(report.raw[3:-2])
    assert found is not None
    assert sum(sign.isdecimal() for sign in found[2]) <= 10
    assert len(found[2]) == len(digits)


def test_the_lrc_does_not_tell_the_hidden_digits():
    raws = {told(frame("0210", {**ANSWER, 2: card})).raw for card in ("4012881111111881", "4012882222221881")}
    assert len(raws) == 1


@given(st.data())
def test_a_message_cut_anywhere_or_with_bytes_left_over_is_refused(data):
    whole = pack("0210", ANSWER)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert parse(whole[:cut], 0) is None
    assert parse(whole + data.draw(st.binary(min_size=1, max_size=4)), 0) is None


@given(st.binary(max_size=300), st.sampled_from(["0210", "0510", "0810", "0230"]))
def test_any_data_is_read_or_refused(data, mti):
    for start in (b"", TPDU, TPDU + HEADER, TPDU + HEADER + bytes.fromhex(mti)):
        payload = start + data or b"x"
        report = read(Frame(encode(payload, BCD)), "CNY")
        if report is not None:
            assert problems(report.fields) == []


present = st.sets(st.sampled_from(sorted(set(ELEMENTS) - {22, 57, 59})))


@given(present, st.sampled_from(["0210", "0510", "0410"]))
def test_any_set_of_fields_is_read(numbers, mti):
    pool = {
        **REQUEST,
        **ANSWER,
        **SETTLED,
        23: "0001",
        26: "12",
        36: "99",
        53: "2" * 16,
        54: "x",
        58: "x",
        61: "0" * 16,
        62: "x",
    }
    report = told(frame(mti, {number: pool[number] for number in numbers}))
    assert report.raw is not None
    assert bytes.fromhex(PAN) not in report.raw


@pytest.mark.parametrize(
    ("digits", "moment"),
    [("131415", "--05-06T13:14:15"), ("250000", None), ("000060", None)],
)
def test_times_that_are_none_are_left_out(digits, moment):
    assert told(frame("0210", {**ANSWER, 12: digits})).fields.get("terminal_time") == moment


def test_29_february_is_a_day_and_30_is_none():
    assert told(frame("0210", {**ANSWER, 13: "0229"})).fields["terminal_time"] == "--02-29T13:14:15"
    assert told(frame("0210", {**ANSWER, 13: "0230", 15: "1301"})).fields.get("settle_date") is None


def test_the_agent_is_nobodys_host():
    with pytest.raises(UsageError):
        driver.converse(Mode.ECR, {"dialect": "nac-8583"})
