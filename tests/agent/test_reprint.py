"""What is printed again: the terminal's own paper, a composed one that says so, or a status note. Always marked."""

from __future__ import annotations

from typing import Any

import pytest

from agent import reprint
from agent.contract import Level
from agent.errors import Refused, UsageError
from agent.print_jobs import State, request
from agent.slips import render_text
from agent.slips.model import Captured, Slip
from agent.slips.template import Templates
from drivers.printers.escpos import EscPos
from tests.fakes.printer import Bench

PRINTER = EscPos(32, "gb18030", Level.STATUS)
MARK = reprint.Mark(2, "2026-06-23T10:00:05+08:00", "0007")
TEXT = "POS签购单\n商户名称：测试百货\n终端编号：00000001\n凭证号：000345\n金额：RMB 128.50"
RAW = b"\x1b@\x1c&" + TEXT.encode("gb18030").replace(b"\n", b"\r\n") + b"\n\x1bp\x00\x19\xfa\x1dV\x00"
SALE: dict[str, Any] = {
    "transaction_type": "sale", "outcome": "approved", "amount_minor": 12850, "currency": "CNY", "trace_no": "000345",
    "terminal_id": "00000001", "card_masked": "622202******1234", "terminal_time": "2026-06-22T20:15:00",
    "batch_no": "000012", "seq": 17, "at": "2026-06-22T12:15:01.000Z", "day": "2026-06-22", "source": "counter",
}  # fmt: skip
SETTLEMENT: dict[str, Any] = {
    "kind": "settlement", "terminal_id": "00000001", "batch_no": "000012", "currency": "CNY", "seq": 30,
    "terminal_time": "2026-06-22T23:00:00", "at": "2026-06-22T15:00:01.000Z",
    "totals": [{"group": "domestic", "transaction_type": "sale", "count": 3, "amount_minor": 30000}],
    "verdict": {"domestic": "balanced"},
}  # fmt: skip


def make(
    subject: dict[str, Any], raw: bytes | None = None, language: str = "zh", mark: reprint.Mark | None = MARK
) -> Slip:
    return reprint.slip(
        subject, raw, templates=Templates(), language=language, columns=32, shop="测试百货", mark=mark,
        understand=PRINTER.understand,
    )  # fmt: skip


def said(slip: Slip) -> str:
    """As it stands on paper, through the printer's bytes."""
    data = PRINTER.encode(slip)
    return render_text.text(Slip("", 32, PRINTER.understand(data)))


def test_the_terminals_own_paper_between_our_marks() -> None:
    slip = make({**SALE, "text": TEXT}, RAW)
    [captured] = [row for row in slip.rows if isinstance(row, Captured)]
    assert captured == Captured(RAW, TEXT)
    assert slip.template == "captured"
    paper = said(slip)
    lines = [line.strip() for line in paper.splitlines() if line.strip()]
    assert "重打印 / DUPLICATE" in lines[0]
    assert "重打印 / DUPLICATE" in " ".join(lines[-2:])
    assert "第 2 次补打" in paper
    assert "2026-06-22 20:15:00" in paper
    assert "2026-06-23 10:00:05" in paper
    assert "0007" in paper
    assert "按终端原始打印数据补打" in paper
    for line in TEXT.splitlines():
        assert line in lines
    assert b"\x1bp" not in PRINTER.encode(slip), "no drawer opens for a copy"
    assert PRINTER.encode(slip).count(b"\x1dV") == 1


def test_composed_when_there_is_no_paper_and_it_says_so() -> None:
    for subject, raw in ((SALE, None), ({**SALE, "text": "APPROVED"}, b"\x02\x00\x10frame\x03L")):
        slip = make(subject, raw)
        assert slip.template.startswith("sale@")
        paper = said(slip)
        assert "由日志重组，非终端原始签购单" in paper
        assert "第 2 次补打" in paper
        assert "￥128.50" in paper
        assert "622202******1234" in paper
        assert b"frame" not in PRINTER.encode(slip)


def test_a_protocols_frame_never_reaches_a_printer_even_where_it_brought_print_lines() -> None:
    frame = b"\x10\x02\x06\xd3" + b"MERCHANT COPY\x07\x05AMOUNT 128.50\x10\x03zz"
    slip = make({**SALE, "text": "MERCHANT COPY\nAMOUNT 128.50\nAPPROVED"}, frame)
    assert not [row for row in slip.rows if isinstance(row, Captured)]
    paper = said(slip)
    assert "MERCHANT COPY\nAMOUNT 128.50\nAPPROVED" in paper
    assert "按终端原始打印数据补打" in paper


@pytest.mark.parametrize("outcome", ["unknown", "declined", None])
@pytest.mark.parametrize("raw", [None, RAW])
def test_nothing_like_a_slip_for_what_nobody_knows_to_be_paid(outcome: str | None, raw: bytes | None) -> None:
    subject = {**SALE, "outcome": outcome, "text": TEXT}
    if outcome is None:
        del subject["outcome"]
    slip = make(subject, raw)
    assert slip.template.startswith("status_note@")
    paper = said(slip)
    assert "状态说明（非签购单）" in paper
    assert "POS签购单" not in paper
    assert "第 2 次补打" in paper
    assert "STATUS NOTE (NOT A SALES SLIP)" in said(make(subject, raw, "en"))


def test_the_terminals_settlement_slip_likewise() -> None:
    text = "结算单\n终端编号：00000001\n批次号：000012"
    raw = text.encode("gb18030") + b"\n"
    own = make({**SETTLEMENT, "text": text}, raw)
    assert Captured(raw, text) in own.rows
    composed = make(SETTLEMENT)
    assert composed.template.startswith("settlement@")
    assert "由日志重组，非终端原始结算单" in said(composed)
    assert own.title.split(" · ")[0] == composed.title.split(" · ")[0]


def test_what_no_parser_read_is_printed_as_it_came() -> None:
    slip = make({"kind": "slip", "seq": 9, "at": "2026-06-22T15:00:01.000Z"}, b"\x1dv0\x00\x01\x00\x02\x00ab")
    assert [row for row in slip.rows if isinstance(row, Captured)]
    assert slip.title.startswith("slip")


def test_a_slip_too_long_for_its_line_is_still_the_terminals() -> None:
    slip = make({**SALE, "cut": ["text"]}, RAW)
    assert Captured(RAW, "") in slip.rows


def test_nothing_to_print_is_said() -> None:
    with pytest.raises(Refused, match="entry 9"):
        make({"kind": "notice", "seq": 9, "at": ""})


def test_without_a_mark_it_is_the_bare_slip_for_a_screen() -> None:
    slip = make({**SALE, "text": TEXT}, RAW, mark=None)
    assert "DUPLICATE" not in said(slip)


def test_a_list_that_did_not_come_out_can_be_marked_too() -> None:
    list_ = Templates().slip("settlement", "zh", 32, {**SETTLEMENT, "shop": "测试百货"})
    paper = said(reprint.marked(list_, MARK, "zh", "2026-06-22T23:00:00"))
    assert "第 2 次补打" in paper


def test_a_reprint_needs_a_reason() -> None:
    reprint.allow(SALE, 0, operator="0007", reason="the customer lost it")
    with pytest.raises(UsageError, match="reason"):
        reprint.allow(SALE, 0, operator="0007", reason="  ")


# -- which copy it is --------------------------------------------------------------------------------------------------


def row(copy_no: int, *states: State) -> dict[str, Any]:
    """A job's row as the index gives it."""
    return {
        "id": f"j{copy_no}", "seq": copy_no, "at": "2026-06-22T12:00:00.000Z", "purpose": "reprint", "title": "",
        "printer": "counter", "copy_no": copy_no, "template": "captured", "sha256": "0" * 64,
        "history": [{"state": state.value, "at": "2026-06-22T12:00:00.000Z"} for state in states],
    }  # fmt: skip


S = State


@pytest.mark.parametrize(
    ("earlier", "next_", "printed"),
    [
        ([], 1, 0),
        ([[S.SENDING, S.SENT, S.PRINTED]], 2, 1),
        ([[S.SENDING, S.SENT, S.UNCONFIRMED]], 2, 1),
        ([[S.SENDING, S.UNKNOWN, S.PRINTED_BY_OPERATOR]], 2, 1),
        ([[]], 2, 0),  # still queued: its number is on its slip already
        ([[S.CANCELLED]], 1, 0),
        ([[S.SENDING, S.FAILED_BEFORE, S.CANCELLED]], 1, 0),
        ([[S.HELD, S.CANCELLED]], 1, 0),  # too old, called off, never started
        ([[S.SENDING, S.UNKNOWN]], 2, 0),
        ([[S.SENDING, S.UNKNOWN, S.CANCELLED]], 2, 0),  # "it did not come out": half a "copy 1" may lie in the bin
        ([[S.SENDING, S.SENT, S.PRINTED], [S.CANCELLED]], 2, 1),
        ([[S.SENDING, S.SENT, S.PRINTED], [S.SENDING, S.UNKNOWN, S.CANCELLED], [S.SENDING, S.SENT]], 4, 1),
    ],
)
def test_no_two_papers_carry_the_same_number_and_doubts_do_not_count(
    earlier: list[list[State]], next_: int, printed: int
) -> None:
    rows = [row(number, *states) for number, states in enumerate(earlier, 1)]
    assert reprint.next_copy(rows) == next_
    assert reprint.copies(rows) == printed


def test_the_whole_way_to_paper() -> None:
    bench = Bench()
    slip = make({**SALE, "text": TEXT}, RAW)
    job = bench.queue.add(
        request("j1", slip, purpose="reprint", printer="counter", of_seq=17, copy_no=2, reason="lost")
    )
    assert bench.run(lambda: bench.job(job.id).state is State.UNCONFIRMED)
    assert bench.paper.endswith(b"\x1dVB\x00")
    [piece] = bench.model.pieces
    assert "凭证号：000345".encode("gb18030") in piece
    assert bench.job(job.id).of_seq == 17
