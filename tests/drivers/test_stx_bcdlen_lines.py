"""What is particular to stx-bcdlen: questions it asks, questions it cannot ask, what it hides, what it counts."""

from __future__ import annotations

import ast
import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers.terminals
from agent.contract import Mode, Side
from agent.errors import UsageError
from agent.fields import problems
from agent.pan import luhn
from drivers.framing import ACK, NAK, Frame, Framer, Layout, Length, Reason, decode, encode, lrc, stx
from drivers.simulators.stx_terminal import message, request
from drivers.terminals import stx_values as values
from drivers.terminals.linkpos import ACQUIRERS
from drivers.terminals.linkpos_message import Role, masked, parse, read
from drivers.terminals.stx_bcdlen import QUIET_S, EcrLine, TapLine, driver

BCD = Layout(Length.BCD)
LINKPOS = ACQUIRERS["linkpos"]
PAN = "4012888888881881"  # published test number
TOLD = encode(message(Role.RESPONSE, "20", "00", {"40": "000000012850", "65": "000001", "01": "A00001"}), BCD)
LAST = bytes.fromhex("02 0018 36303030303030303030 31303731303030 1c 03 36")  # written out, LRC by hand
HOST_1 = bytes.fromhex("02002636303030303030303030313035303030301c484e00033030311c0323")  # public vector


def ecr(**settings: object) -> EcrLine:
    line = driver.converse(Mode.ECR, settings)
    assert isinstance(line, EcrLine)
    return line


# -- questions


def test_asking_for_the_last_transaction_and_for_the_settlement():
    line = ecr()
    line.ask_last()
    assert line.outgoing() == LAST
    line.ask_settlement("001")
    assert line.outgoing() == HOST_1
    assert line.outgoing() == b""


def test_a_refused_question_is_asked_three_times_an_acknowledged_one_once():
    line = ecr()
    line.ask_last()
    assert line.outgoing() == LAST
    for _ in range(2):
        line.receive(NAK)
        assert line.outgoing() == LAST
    line.receive(NAK)
    assert line.outgoing() == b""
    line.ask_last()
    line.outgoing()
    line.receive(ACK + NAK)
    assert line.outgoing() == b""


def test_silence_or_a_hang_up_does_not_repeat_a_question():
    line = ecr()
    line.ask_settlement("001")
    line.outgoing()
    line.wake(3600.0)
    assert line.outgoing() == b""
    line.wake(math.inf)
    line.receive(NAK)
    assert line.outgoing() == b""


@pytest.mark.parametrize("host", ["1", "0001", "00a", "٠٠١", "40\x00", "001\x1c40"])
def test_a_host_number_has_three_digits(host):
    line = ecr()
    with pytest.raises(UsageError):
        line.ask_settlement(host)
    assert line.outgoing() == b""


# -- never a payment


PAYING = {"20", "22", "26", "27", "28", "38", "42", "DP", "E7", "E8", "21", "23", "MC"}
MONEY_FIELDS = {"40", "42", "43", "44"}


def buildable() -> list[bytes]:
    """Every frame the ecr line can be made to build, for every table, length and host."""
    frames = []
    for codes, length in itertools.product(ACQUIRERS, Length):
        line = ecr(codes=codes, length=length.value)
        line.ask_last()
        frames.append(line.outgoing())
        for host in ["", *(f"{number:03d}" for number in range(1000))]:
            line.ask_settlement(host)
            frames.append(line.outgoing())
    return frames


def test_no_frame_the_agent_can_build_pays_or_names_an_amount():
    frames = buildable()
    assert len(frames) == len(ACQUIRERS) * len(Length) * 1002
    for raw in frames:
        asked = parse(raw[3:-2])
        assert asked is not None
        assert asked.role is Role.REQUEST
        assert asked.code not in PAYING
        assert {item.type for item in asked.items} <= {"HN"}
        assert len(raw) <= 31


def test_the_scan_sees_a_payment():
    """Negative control: the till's own request is what the test above must refuse."""
    asked = parse(request("20", 100))
    assert asked is not None
    assert asked.code in PAYING
    assert {item.type for item in asked.items} & MONEY_FIELDS


def test_only_questions_are_framed():
    """By construction: encode() is called nowhere in this driver but on a question's data, and a question has no
    parameter an amount fits in. (Other drivers' tests hold their own.)"""
    ours = ("stx_", "linkpos", "hk_text", "nac_8583", "iso8583")
    allowed = {"ask_last": ["acquirer"], "ask_settlement": ["acquirer", "host"], "_request": ["code"]}
    framed, builders = set(), {}
    for path in sorted(Path(drivers.terminals.__path__[0]).glob("*.py")):
        if not path.name.startswith(ours):
            continue
        tree = ast.parse(path.read_text())
        assert "simulators" not in ast.dump(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "encode":
                assert isinstance(node.args[0], ast.Call)
                framed.add(ast.unparse(node.args[0].func))
            if path.name == "linkpos_message.py" and isinstance(node, ast.FunctionDef) and node.name in allowed:
                builders[node.name] = [argument.arg for argument in node.args.args]
    assert framed == {"linkpos_message.ask_last", "linkpos_message.ask_settlement"}
    assert builders == allowed


@given(
    st.lists(
        st.tuples(st.sampled_from(["bytes", "told", "last", "settle", "wake"]), st.binary(max_size=40)), max_size=20
    )
)
def test_whatever_the_terminal_says_only_known_frames_and_signs_go_out(script):
    line = ecr()
    known = {LAST, HOST_1}
    for what, data in script:
        reports = line.receive(TOLD if what == "told" else data) if what in ("told", "bytes") else []
        for report in reports:
            line.confirm(report)
        if what == "last":
            line.ask_last()
        elif what == "settle":
            line.ask_settlement("001")
        elif what == "wake":
            line.wake(QUIET_S)
        out = line.outgoing()
        while out:
            if out[:1] in (ACK, NAK):
                out = out[1:]
                continue
            used, frame = decode(out, BCD)
            assert isinstance(frame, Frame)
            assert frame.raw in known
            out = out[used:]


def test_the_other_modes_cannot_ask_at_all():
    for mode in (Mode.PROXY, Mode.TAP):
        assert not any(name.startswith("ask") for name in dir(driver.converse(mode, {})))


# -- what is hidden


def digits_of(size: int) -> st.SearchStrategy[str]:
    """Card numbers of Visa, UnionPay and Mastercard shape with a right check digit; thirteen digits only Visa had."""
    return st.tuples(
        st.sampled_from(["4"] if size == 13 else ["4", "62", "51"]), st.text("0123456789", min_size=size, max_size=size)
    ).map(lambda parts: checked((parts[0] + parts[1])[: size - 1]))


def checked(body: str) -> str:
    return next(body + digit for digit in "0123456789" if luhn(body + digit))


card_numbers = st.sampled_from([13, 16, 19]).flatmap(digits_of)
FORMS = ["{}", "{}   ", " {}", "{}=25121011000012345678", "{}D2512", "{}\0\0"]


@given(card_numbers, st.sampled_from(FORMS), st.sampled_from(["30", "31", "D5", "ZZ", "65", "D1", "16", "C1", "5A"]))
def test_a_card_number_in_any_field_is_nowhere_in_the_report(card, form, where):
    fields = {"40": "000000012850", "03": "240506", where: form.format(card)}
    if where == "D1" and len(card) < 16 and form.format(card).strip(" \0") == card:
        return  # what has the shape of a merchant number in the merchant's field is one
    report = read(Frame(encode(message(Role.RESPONSE, "20", "00", fields), BCD)), LINKPOS, "PHP")
    assert report is not None
    assert report.raw is not None
    assert problems(report.fields) == []
    for text in (repr(report), report.raw.decode("latin-1"), report.key):
        assert card not in text
    shown = parse(report.raw[3:-2])
    assert shown is not None
    (value,) = (item.value.decode() for item in shown.items if item.type == where)
    end = form.index("{") + len(card)
    assert sum(sign.isdecimal() for sign in value[:end]) <= (10 if where == "30" else 0)
    assert not any(sign.isalnum() for sign in value[end:])


@given(card_numbers, st.sampled_from(["02", "D0", "D2", "EG", "HO"]))
def test_a_card_number_inside_text_is_masked(card, where):
    text = f"CARD {card} APPROVED"
    report = read(Frame(encode(message(Role.RESPONSE, "20", "00", {where: text}), BCD)), LINKPOS, "PHP")
    assert report is not None
    assert card not in repr(report)


def test_grouped_card_numbers_are_hidden_too():
    for text in ("4012 8888 8888 1881", "4012-8888-8888-1881"):
        frame = Frame(encode(message(Role.RESPONSE, "20", "00", {"30": text}), BCD))
        report = read(frame, LINKPOS, "PHP")
        assert report is not None
        assert report.raw is not None
        assert b"8888" not in report.raw
        assert report.fields["card_masked"] == "401288******1881"


@given(st.binary(max_size=60))
def test_a_hidden_card_keeps_at_most_ten_digits_and_its_length(value):
    shown = values.hidden_card(value)
    assert len(shown) == len(value)
    assert sum(sign in b"0123456789" for sign in shown) <= 10


@pytest.mark.parametrize("glued", [PAN + "2512", PAN + PAN, "*" * 20])
def test_what_is_too_long_for_a_card_number_shows_nothing(glued):
    report = read(Frame(encode(message(Role.RESPONSE, "20", "00", {"30": glued}), BCD)), LINKPOS, "PHP")
    assert report is not None
    assert report.raw is not None
    assert "card_masked" not in report.fields
    assert b"\x1c30\x00" + bytes.fromhex(str(len(glued))) + b"*" * len(glued) in report.raw


def test_a_merchant_number_that_looks_like_a_card_number_is_kept():
    amex_like = "378282246310005"  # published test number
    report = read(Frame(encode(message(Role.RESPONSE, "20", "00", {"D1": amex_like}), BCD)), LINKPOS, "PHP")
    assert report is not None
    assert report.fields["merchant_id"] == amex_like


@given(card_numbers)
def test_raw_has_the_length_and_the_lrc_of_what_it_shows(card):
    frame = Frame(encode(message(Role.RESPONSE, "20", "00", {"30": card, "D5": "DOE/JANE"}), BCD))
    parsed = parse(frame.data)
    assert parsed is not None
    raw = masked(frame, parsed, LINKPOS)
    assert len(raw) == len(frame.raw)
    assert decode(raw, BCD) == (len(raw), Frame(raw))
    assert lrc(raw[1:-1]) == raw[-1]
    assert b"DOE" not in raw


def test_two_cards_that_differ_only_in_what_is_hidden_give_the_same_raw():
    """With the LRC that came, `raw` would tell the XOR of the hidden digits."""
    raws = set()
    for card in ("4012881111111881", "4012882222221881"):
        report = read(Frame(encode(message(Role.RESPONSE, "20", "00", {"30": card}), BCD)), LINKPOS, "PHP")
        assert report is not None
        raws.add(report.raw)
    assert len(raws) == 1


# -- the rest


def test_what_was_no_frame_is_counted_not_kept():
    line = driver.converse(Mode.TAP, {})
    assert isinstance(line, TapLine)
    line.receive(b"4012888888881881" + TOLD[:-1] + b"\xff" + TOLD[:9])
    line.wake(QUIET_S)
    assert line.dropped == {Reason.NOISE: 16, Reason.CHECK: len(TOLD), Reason.CUT_OFF: 9}


def test_a_proxy_tells_two_results_apart_that_say_the_same():
    """The resend is held and confirmed on its own."""
    line = driver.converse(Mode.PROXY, {})
    first, second = line.receive(TOLD + TOLD)
    assert first == second
    line.confirm(first)
    assert line.outgoing(Side.TILL) == TOLD
    line.confirm(second)
    assert line.outgoing(Side.TILL) == TOLD


def test_silence_shorter_than_a_gap_in_a_frame_changes_nothing():
    line = driver.converse(Mode.ECR, {})
    assert line.quiet_s is None
    line.receive(TOLD[:30])
    assert line.quiet_s == QUIET_S
    line.wake(QUIET_S / 2)
    assert len(line.receive(TOLD[30:])) == 1


@pytest.mark.parametrize(
    "settings",
    [{"length": "le16"}, {"codes": "nobody"}, {"currency": "pesos"}, {"currency": "php"}],
)
def test_wrong_settings_say_what_is_right(settings):
    with pytest.raises(UsageError) as refused:
        driver.converse(Mode.TAP, settings)
    assert refused.value.hint


def test_it_is_no_printer():
    with pytest.raises(UsageError):
        driver.converse(Mode.PRINTER, {})


@given(st.binary(max_size=400))
def test_any_data_in_a_right_frame_is_read_or_refused(data):
    for start in (b"", b"60000000001120000\x1c", b"60000000001150000\x1c"):
        payload = start + data or b"x"
        report = read(Frame(encode(payload, BCD)), LINKPOS, "PHP")
        if report is not None:
            assert problems(report.fields) == []
            assert report.raw is not None
            assert len(report.raw) == len(payload) + 5
        assert not Framer(stx(BCD)).feed(encode(payload, BCD))[1:]
