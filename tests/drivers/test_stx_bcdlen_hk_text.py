"""The Hong Kong text dialect: messages in any cut, questions without amounts, card numbers in any key."""

from __future__ import annotations

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import Mode
from agent.errors import UsageError
from agent.fields import Kind, problems
from drivers.framing import ACK, NAK, Frame, Framer, Loose
from drivers.terminals.hk_text import EMPTY, FIELDS, LIMIT_BYTES, ask_totals, ask_transaction, decode, read
from drivers.terminals.stx_bcdlen import EcrLine, driver
from drivers.terminals.stx_dialect import Question

PAN = "4012888888881881"  # published test number


def message(*items: str) -> bytes:
    return ('"<START>",' + "".join(f'"{item}",' for item in items) + '"<END>"').encode()


def line() -> EcrLine:
    talk = driver.converse(Mode.ECR, {"dialect": "hk-text"})
    assert isinstance(talk, EcrLine)
    return talk


values = st.text(string.ascii_uppercase + string.digits + " .*", min_size=1, max_size=20)
messages = st.lists(st.tuples(st.sampled_from(sorted(FIELDS)), values).map("=".join), max_size=6).map(
    lambda items: message(*items)
)


@given(st.lists(messages, max_size=4), st.lists(st.integers(0, 900), max_size=8))
def test_any_cut_gives_the_same_messages(said, cuts):
    stream = b"\r\n".join(said)
    framer = Framer(decode)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [piece for start, end in itertools.pairwise(edges) for piece in framer.feed(stream[start:end])]
    assert [piece.raw for piece in pieces if isinstance(piece, Frame)] == said
    assert b"".join(piece.raw for piece in pieces + framer.silence()) == stream


@given(st.lists(st.sampled_from([b'"<START>"', b'"<END>"', b'"<STA', b"RT>", b'"', b"x" * 500, EMPTY]), max_size=12))
def test_what_is_no_message_comes_out_as_it_went_in(parts):
    stream = b"".join(parts)
    whole, bytewise = Framer(decode), Framer(decode)
    pieces = whole.feed(stream) + whole.silence()
    single = [piece for place in range(len(stream)) for piece in bytewise.feed(stream[place : place + 1])]
    single += bytewise.silence()
    assert b"".join(piece.raw for piece in pieces) == b"".join(piece.raw for piece in single) == stream
    assert [p.raw for p in pieces if isinstance(p, Frame)] == [p.raw for p in single if isinstance(p, Frame)]


def test_a_message_without_end_is_given_up_at_the_limit():
    framer = Framer(decode)
    pieces = framer.feed(b'"<START>",' + b"x" * 3000)
    assert not framer.waiting
    assert all(isinstance(piece, Loose) for piece in pieces)
    assert not framer.feed(b'"<START>"' + b"x" * (LIMIT_BYTES - 20))


def test_it_can_be_asked_for_a_transaction_and_for_totals_only():
    talk = line()
    assert talk.questions == {Question.TRANSACTION, Question.TOTALS}
    talk.ask(Question.TRANSACTION, "000345")
    assert talk.outgoing() == b'"<START>","CMD=GETTXN","INVOICENO=000345","<END>"'
    talk.ask(Question.TOTALS, "CUP")
    assert talk.outgoing() == b'"<START>","CMD=GETTOTAL","ACQNAME=CUP","<END>"'
    for question in (Question.LAST, Question.SETTLEMENT):
        with pytest.raises(UsageError):
            talk.ask(question)
    assert talk.outgoing() == b""


@given(st.text(max_size=12))
def test_nothing_that_is_asked_about_can_smuggle_a_payment(about):
    for ask in (ask_transaction, ask_totals):
        try:
            asked = ask(about)
        except UsageError:
            continue
        assert b"AMT" not in asked.replace(b"ACQNAME=" + about.encode(), b"")
        assert asked.count(b'"') == 8
        assert asked.split(b",")[1] in (b'"CMD=GETTXN"', b'"CMD=GETTOTAL"')


def test_nobody_answers_by_signs():
    talk = line()
    talk.receive(b"x" + ACK + NAK + EMPTY)
    assert talk.outgoing() == b""


def test_a_rejection_is_a_declined_payment_only_when_a_till_asked():
    rejected = Frame(message("STATUS=R", "TXNTYPE=SALE", "TXNDATE=20240506", "TXNTIME=1321"))
    in_between = read(rejected, "HKD", own_question=False)
    asked_by_us = read(rejected, "HKD", own_question=True)
    assert in_between is not None
    assert asked_by_us is not None
    assert (in_between.kind, in_between.fields["outcome"]) == (Kind.TRANSACTION, "declined")
    assert asked_by_us.kind is Kind.NOTICE
    assert "outcome" not in asked_by_us.fields


@pytest.mark.parametrize("said", [EMPTY, message("CMD=SALE", "AMT=1.00", "STATUS=A"), message("FUNC=CUP")])
def test_acknowledgements_and_requests_are_no_report(said):
    assert read(Frame(said), "HKD", own_question=False) is None


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("128.50", "HKD", 12850),
        ("-0.05", "HKD", 5),
        ("500", "JPY", 500),
        ("1.250", "KWD", 1250),
        ("128", "HKD", None),
        ("1,000.00", "HKD", None),
        ("１２.００", "HKD", None),
        ("1e9", "HKD", None),
    ],
)
def test_amounts(amount, currency, minor):
    report = read(Frame(message("STATUS=A", f"AMT={amount}")), currency, own_question=False)
    assert report is not None
    assert report.fields.get("amount_minor") == minor
    assert problems(report.fields) == []


@given(st.sampled_from([*sorted(FIELDS), "NEWKEY"]), st.sampled_from(["{}", "{}=25121010", " {} ", "X{}"]))
def test_a_card_number_under_any_key_is_masked(name, form):
    report = read(Frame(message("STATUS=A", "TXNID=000345", f"{name}={form.format(PAN)}")), "HKD", own_question=False)
    assert report is not None
    assert report.raw is not None
    assert len(report.raw) == len(message("STATUS=A", "TXNID=000345", f"{name}={form.format(PAN)}"))
    for text in (repr(report), report.raw.decode(), report.key):
        assert PAN not in text
        assert PAN[6:-4] not in text


def test_a_card_number_outside_the_items_is_hidden():
    raw = b'"<START>","STATUS=A",' + PAN.encode() + b',"PAN' + PAN.encode() + b'","<END>"'
    report = read(Frame(raw), "HKD", own_question=False)
    assert report is not None
    assert report.raw == b'"<START>","STATUS=A",' + b"*" * 16 + b',"' + b"*" * 19 + b'","<END>"'
