"""The printing peer's conversation: where slips end, what is answered and when, and that no card number leaves."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import Mode, Side
from agent.errors import UsageError
from agent.fields import Kind, problems
from drivers.simulators.slip_layouts import Sale, Shop, slip
from drivers.terminals import slip_stream
from drivers.terminals.slip_tap import SETTINGS, driver
from tests.drivers.contract_suite import Case, Check, pairs
from tests.drivers.test_scrub import LABELS, NUMBERS, SPELLINGS, leaked
from tests.drivers.test_unionpay_slip import AT, SALE

ASK = b"\x1dr\x01"
NUMBER = "4012888888881881"
OTHER = Sale(990, 346, 12, AT)
PAPER = "欢迎光临\n合计 68.00\n\n\n\n\n".encode("gb18030")
WITH_CARD = slip(Shop(style=2), SALE).replace(b"622202******8888", NUMBER.encode())
FACTS = {"trace_no": "000345", "amount_minor": 12850, "transaction_type": "sale"}
PRINTED = {Side.TERMINAL: b"\x00"}


def case(name, mode, data, *expected, **more):
    return Case(
        name, driver, mode, ((Side.TERMINAL, data),), expected, framed=False, settings={"limit_kib": 32}, **more
    )


CASES = (
    case("sale", Mode.PRINTER, slip(Shop(), SALE) + ASK, FACTS, confirmed=PRINTED),
    case(
        "two slips",
        Mode.PRINTER,
        slip(Shop(), SALE) + slip(Shop(style=3), OTHER) + ASK,
        FACTS,
        {"trace_no": "000346"},
        confirmed=PRINTED,
    ),
    case("no cut", Mode.PRINTER, PAPER, {"kind": Kind.SLIP, "text": "欢迎光临\n合计 68.00"}),
    case(
        "marker without cut",
        Mode.PRINTER,
        PAPER + b"\x1d(H\x06\x0000abcd",
        {"kind": Kind.SLIP},
        confirmed={Side.TERMINAL: b"7\x22abcd\x00"},
    ),
    case(
        "real-time question", Mode.PRINTER, PAPER + b"\x10\x04\x01", {"kind": Kind.SLIP}, early={Side.TERMINAL: b"\x16"}
    ),
    case(
        "questions only",
        Mode.PRINTER,
        b"\x1b@\x10\x04\x01\x1dI\x43\x1dr\x01",
        early={Side.TERMINAL: b"\x16\x5fTM-T88V\x00\x00"},
    ),
    case("card number", Mode.PRINTER, WITH_CARD, {"card_masked": "401288******1881"}, secrets=(NUMBER,)),
    case("tap", Mode.TAP, slip(Shop(), SALE) + ASK, FACTS),
    case("drop", Mode.DROP, slip(Shop(), SALE), FACTS),
    case("inline", Mode.PROXY, slip(Shop(), SALE) + ASK, FACTS, early={Side.TILL: slip(Shop(), SALE) + ASK}),
)


# The memory of a conversation does not depend on the slip: measured once per mode.
HEAVY = {"sale-bounded_memory", "tap-bounded_memory", "inline-bounded_memory"}
PAIRS = [pair for pair in pairs(CASES) if "bounded_memory" not in pair.id or pair.id in HEAVY]


@pytest.mark.parametrize(("case", "check"), PAIRS)
def test_contract(case: Case, check: Check) -> None:
    check(case)


def talk(mode=Mode.PRINTER, **settings):
    return driver.converse(mode, settings)


def texts(reports):
    return [report.fields.get("text") for report in reports]


@pytest.mark.parametrize(
    ("data", "slips"),
    [
        (b"one\n\x1dVB\x00two\n\x1dV\x00", ["one", "two"]),
        (b"one\n\x1bitwo\n\x1bm", ["one", "two"]),
        (b"one\n\x0ctwo\n\x0c", ["one", "two"]),
        (b"one\n\x1b@two\n\x1dV\x01", ["one", "two"]),
        (b"\x1b@\x1c&\n\n\n\x1dVB\x00\n\x0c \n\x1dV\x00", []),  # only feeds
        (b"\x1b@\x1bE\x01one\n\n\n\n\x1dVB\x00", ["one"]),
        (b"\x1dv0\x00\x01\x00\x01\x00\xff\x1dVB\x00", [None]),  # a picture is a slip too
    ],
)
def test_where_slips_end(data, slips):
    assert texts(talk().receive(data)) == slips


def test_a_reset_in_the_middle_may_be_switched_off():
    line = talk(reset_ends_slip=False)
    assert texts(line.receive(b"one\n\x1b@two\n\x1dV\x00")) == ["one\ntwo"]


def test_silence_ends_a_slip():
    line = talk()
    assert line.quiet_s is None
    assert line.receive(b"one\n") == []
    assert line.quiet_s == 2.0
    line.receive(b"\n\n\n\n")
    assert line.quiet_s == 1.5  # the paper was fed out of the way
    assert line.wake(1.0) == []
    assert texts(line.wake(1.5)) == ["one"]
    assert line.quiet_s is None
    assert talk(idle_ms=700).quiet_s is None
    assert line.wake(math.inf) == []


def test_hanging_up_ends_a_slip_without_a_line_end():
    line = talk()
    line.receive("商户".encode("gb18030"))
    assert texts(line.wake(math.inf)) == ["商户"]


def test_styles_set_before_a_slip_belong_to_it():
    line = talk()
    line.receive(b"\x1b@\x1c.\x1bt\x10\n\n")
    (found,) = line.receive(b"\x80 5,00\n\x1dV\x00")
    assert found.fields["text"] == "€ 5,00"
    assert found.raw == b"\x1b@\x1c.\x1bt\x10\x80 5,00\n\x1dV\x00"


@pytest.mark.parametrize(
    ("question", "answered"),
    [
        ("10 04 01", "16"),
        ("10 04 02", "12"),
        ("10 04 03", "12"),
        ("10 04 04", "12"),
        ("10 14 08 01 03 14 01 06 02 08", "37 25 00"),
        ("1d 61 ff", "14 00 00 0f"),
        ("1d 61 00", ""),
        ("1d 49 01", "20"),
        ("1d 49 02", "03"),
        ("1d 49 45", "5f" + b"CHINA GB18030".hex() + "00"),
        ("1d 49 42", "5f" + b"EPSON".hex() + "00"),
        ("1d 72 01", "00"),
        ("1d 72 02", "00"),
        ("1d 28 48 06 00 30 30 41 42 43 44", "37 22 41 42 43 44 00"),
        ("1b 76", "00"),
        ("1d 72 09", ""),
        ("10 05 01", ""),
        ("1b 3d 01 10 04 01", "16"),  # what a known till opens with
    ],
)
def test_answers_of_a_printer(question, answered):
    line = talk()
    line.receive(bytes.fromhex(question))
    assert line.outgoing() == bytes.fromhex(answered)


def test_another_model_may_be_imitated():
    line = talk(model="TM-T81")
    line.receive(b"\x1dI\x43")
    assert line.outgoing() == b"\x5fTM-T81\x00"


def test_a_marker_waits_for_every_slip_before_it():
    line = talk()
    first, second = line.receive(b"one\n\x1dV\x00" + b"two\n\x1dV\x00" + ASK + b"\x10\x04\x01")
    assert line.outgoing() == b"\x16"  # real time does not wait
    line.confirm(second)
    assert line.outgoing() == b""
    line.confirm(first)
    assert line.outgoing() == b"\x00"


def test_markers_between_slips_come_out_one_by_one():
    line = talk()
    first, second = line.receive(b"one\n\x1dV\x00\x1d(H\x06\x0000aaaa" + b"two\n\x1dV\x00\x1d(H\x06\x0000bbbb")
    line.confirm(first)
    assert line.outgoing() == b"7\x22aaaa\x00"
    line.confirm(second)
    assert line.outgoing() == b"7\x22bbbb\x00"


def test_a_marker_behind_an_open_slip_ends_it_soon():
    line = talk()
    assert line.receive(b"one\n" + ASK) == []
    assert line.outgoing() == b""
    assert line.quiet_s == 0.5
    line.receive(b"more\n")
    assert line.quiet_s == 2.0  # it went on printing
    (found,) = line.wake(2.0)
    line.confirm(found)
    assert line.outgoing() == b"\x00"


def test_a_question_of_identity_does_not_wait_for_a_slip():
    line = talk()
    line.receive(b"one\n\x1dI\x01")
    assert line.outgoing() == b"\x20"


def test_an_unrecorded_slip_is_never_acknowledged():
    line = talk()
    first, second = line.receive(b"one\n\x1dV\x00" + b"two\n\x1dV\x00" + ASK)
    line.confirm(second)
    line.abandon(first)
    assert line.outgoing() == b""
    (third,) = line.receive(b"three\n\x1dV\x00" + ASK)
    line.confirm(third)
    assert line.outgoing() == b"\x00"


def test_the_next_caller_gets_no_answer_of_the_last_one():
    line = talk()
    (found,) = line.receive(b"one\n\x1dV\x00" + ASK)
    line.wake(math.inf)
    line.confirm(found)
    assert line.outgoing() == b""


def test_inline_both_directions_pass_unchanged():
    line = talk(Mode.PROXY)
    line.receive(b"one\n\x10\x04\x01")
    line.receive(b"\x12", Side.TILL)
    assert (line.outgoing(Side.TILL), line.outgoing(Side.TERMINAL)) == (b"one\n\x10\x04\x01", b"\x12")


def test_a_slip_too_long_comes_in_parts_and_nothing_is_lost():
    line = talk()
    rows = b"".join(b"row %06d of a very long list%s\n" % (number, b"." * 900) for number in range(2_500))
    reports = line.receive(b"long list\n" + rows) + line.wake(math.inf)
    assert b"".join(report.raw for report in reports) == b"long list\n" + rows
    assert all(len(report.raw) <= (slip_stream.LIMIT_KIB << 10) + 4096 for report in reports)
    said = [report.fields["warnings"][0] for report in reports]
    told = [re.findall(r"part (\d+)(, the last one)?", words)[0] for words in said]
    assert len(told) > 2
    assert told == [(str(n), ", the last one" if n == len(told) else "") for n in range(1, len(told) + 1)]
    assert all(words.endswith(": long list") for words in said)
    assert len({report.key for report in reports}) == len(reports)


LIMIT = 1 << 15
# The moment a part is cut the buffer ends in the middle of the number: between two pieces of text, or at a line end.
TORN = (b"x" * (9 * 4096 - 9) + b" " + NUMBER.encode() + b" " + b"x" * LIMIT, b"x" * 9)
BROKEN = (b"x" * 99 + b"\n") * 327 + b"y" * (LIMIT - 327 * 100 - 9) + b"\n" + b"40128888\n", b"88881881\n"


def in_parts(pieces) -> bytes:
    line = talk(limit_kib=LIMIT >> 10)
    reports = [report for piece in pieces for report in line.receive(piece)] + line.wake(math.inf)
    assert len(reports) > 1
    raw = b"".join(report.raw for report in reports)
    assert len(raw) == sum(len(piece) for piece in pieces)
    return raw


@pytest.mark.parametrize("pieces", [TORN, BROKEN])
def test_no_card_number_slips_through_the_seam_of_two_parts(pieces):
    assert leaked(in_parts(pieces), NUMBER) == ""


@pytest.mark.parametrize("pieces", [TORN, BROKEN])
def test_without_the_seam_it_would(pieces, monkeypatch):
    monkeypatch.setattr(slip_stream, "_SEAM", 0)
    assert leaked(in_parts(pieces), NUMBER) == NUMBER


@pytest.mark.parametrize("before", [0, 8, 4088, 4096, 4100, LIMIT - 4104, LIMIT - 8, LIMIT])
def test_no_card_number_near_a_seam_leaves(before):
    data = b"x" * before + b" " + NUMBER.encode() + b" " + b"x" * LIMIT
    assert leaked(in_parts([data]), NUMBER) == ""


@given(
    st.sampled_from(NUMBERS),
    st.sampled_from(sorted(SPELLINGS)),
    st.sampled_from(LABELS),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_no_card_number_ever_leaves(number, spelling, label, cuts):
    data = (
        "商户存根\n终端号:12345678\n".encode("gb18030") + label + SPELLINGS[spelling](number) + b"\n128.50\n\x1dVB\x00"
    )
    line, reports, before = talk(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        reports += line.receive(data[before:cut])
        assert number not in repr(line)
        before = max(before, min(cut, len(data)))
    reports += line.wake(math.inf)
    assert reports
    for report in reports:
        assert problems(report.fields) == []
        assert leaked(report.raw, number) == ""
        shown = repr(report).translate(str.maketrans("０１２３４５６７８９", "0123456789"))
        assert number not in re.sub(r"[ \-]|\\n", "", shown)


def test_nothing_to_read_is_a_picture():
    (found,) = talk().receive(b"\x1dv0\x00\x01\x00\x01\x00\xff\x1dVB\x00")
    assert (found.kind, found.fields["warnings"]) == (Kind.SLIP, ["a picture without text"])
    assert found.key == "sha256:" + found.fields["raw_sha256"]


@pytest.mark.parametrize(
    "charset", [choice for setting in SETTINGS if setting.name == "charset" for choice in setting.choices]
)
def test_every_charset_of_the_settings_can_be_had(charset):
    (found,) = talk(charset=charset).receive(b"one \xe9\n\x1dV\x00")
    assert found.fields["text"].startswith("one")


def test_it_never_asks_a_terminal():
    with pytest.raises(UsageError, match="slip-tap has no mode ecr"):
        talk(Mode.ECR)


def test_settings_are_described():
    assert {setting.name for setting in SETTINGS} == {
        "charset",
        "idle_ms",
        "idle_fed_ms",
        "idle_marker_ms",
        "limit_kib",
        "reset_ends_slip",
        "model",
    }
    assert all(setting.why for setting in SETTINGS)
