"""The mark of a reprint is on top and at the bottom of the paper, whatever slip is between."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.slips import marks, render_text
from agent.slips.model import Align, Captured, Cell, Cut, Feed, Line, Rule, Slip
from agent.slips.template import Templates
from tests.agent.slips_data import SALE

CELL = Line((Cell("x"),))


def marked(slip: Slip, **changes: object) -> Slip:
    facts = {
        "language": "zh",
        "copy_no": 3,
        "original_at": "2026-06-22T13:14:15",
        "printed_at": "2026-06-23T09:00:12+08:00",
        "operator": "李梅",
        "origin": "composed",
    }
    return marks.reprint(slip, **{**facts, **changes})


def bars(slip: Slip) -> list[int]:
    """Where the black bars stand."""
    return [
        place
        for place, row in enumerate(slip.rows)
        if isinstance(row, Line) and row.cells and row.cells[0].invert and "DUPLICATE" in row.cells[0].text
    ]


rows = st.lists(
    st.sampled_from([CELL, Rule(), Feed(2), Cut(), Cut(partial=False), Captured(b"\x1b@x\x1dVB\0", "x")]), max_size=12
)


@given(rows, st.sampled_from([32, 48]), st.sampled_from(["zh", "en"]))
def test_first_and_last_whatever_is_between(between: list, columns: int, language: str) -> None:
    slip = marked(Slip("t", columns, tuple(between)), language=language)
    first, last = bars(slip)
    assert first == 0
    assert [type(row) for row in slip.rows[last + 1 :]] == [Line, Feed, Cut]
    assert sum(isinstance(row, Cut) for row in slip.rows) == 1  # nobody tears the mark off
    kept = [row for row in between if not isinstance(row, Cut)]
    while kept and isinstance(kept[-1], Rule | Feed):
        kept.pop()
    assert [row for row in slip.rows if isinstance(row, Captured)] == [r for r in kept if isinstance(r, Captured)]
    text = render_text.text(slip).strip().splitlines()
    assert "DUPLICATE" in text[0]
    assert "DUPLICATE" in text[-2]


def test_says_which_copy_when_and_who() -> None:
    text = render_text.text(marked(Templates(None).slip("sale", "zh", 32, SALE)))
    for said in ("重打印 / DUPLICATE", "第 3 次补打", "2026-06-22 13:14:15", "2026-06-23 09:00:12", "李梅"):
        assert said in text
    assert text.count("由日志重组，非终端原始签购单") == 1


def test_says_where_it_comes_from() -> None:
    """The slip says so itself, or the mark does; a template that leaves it off gains nothing."""
    bare = Slip("t", 32, (CELL, Cut()))
    assert "由日志重组，非终端原始签购单" in render_text.text(marked(bare))
    assert "按终端原始打印数据补打" in render_text.text(marked(bare, origin="raw"))
    assert "Composed from the journal" in render_text.text(marked(bare, language="en"))


def test_an_override_cannot_take_it_off(tmp_path: Path) -> None:
    path = tmp_path / "zh" / "sale.slip"
    path.parent.mkdir()
    path.write_text(
        "=\n{{notice}}{{transaction_type}}{{amount_minor}}{{terminal_time}}{{terminal_id}}{{trace_no}}"
        "{{card_masked|card}}\n=\n=\n"
    )
    slip = Templates(tmp_path).slip("sale", "zh", 32, SALE)
    assert isinstance(slip.rows[0], Cut)  # the override is used
    assert len(bars(marked(slip))) == 2
    assert bars(slip) == []


def test_unknown_times_are_left_off() -> None:
    text = render_text.text(marked(Slip("t", 32, (CELL,)), original_at="", operator="\x1b@"))
    assert "原始时间" not in text
    assert "操作员" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("columns", "times"), [(32, 1), (48, 2)])
def test_bar_is_as_wide_as_the_paper_allows(columns: int, times: int) -> None:
    cell = marked(Slip("t", columns, ())).rows[0].cells[0]
    assert (cell.width, cell.height, cell.invert, cell.align) == (times, 2, True, Align.CENTER)


def test_cut_kind_is_kept() -> None:
    assert marked(Slip("t", 32, (CELL, Cut(partial=False)))).rows[-1] == Cut(partial=False)
    assert marked(Slip("t", 32, (CELL,))).rows[-1] == Cut()
