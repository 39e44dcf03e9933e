"""Templates: what they may say, how values get in, and that no value can do more than be read."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.fields import BY_NAME, TransactionType
from agent.slips import formats, render_text, wording
from agent.slips.layout import lay_out, width
from agent.slips.model import Align, Cut, Feed, Line, QrCode, Rule, Slip
from agent.slips.template import NAMES, Templates
from agent.slips.views import VIEWS
from tests.agent.slips_data import DAY, SALE

PACKAGED = Path(formats.__file__).parent / "templates"
PAN = "4111111111111111"
HOSTILE = '^^^"|{code:x}{{seq}}=-~_`\\\x1b@\x1d\x00\n\u202e\u009b'


def override(tmp_path: Path, text: str, name: str = "sale", language: str = "zh") -> Templates:
    path = tmp_path / language / f"{name}.slip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return Templates(tmp_path)


# what every sale slip must show, on as few lines as can be
MUST = "{{notice}}\n{{transaction_type|word}} {{amount_minor|money}} {{terminal_time|moment}}\n{{terminal_id}} {{trace_no}}\n{{card_masked|card}}\n"


def rows(tmp_path: Path, text: str, **data: object) -> list:
    slip = override(tmp_path, MUST + text).slip("sale", "zh", 32, {**SALE, **data})
    assert slip.template == f"sale@{hashlib.sha256((MUST + text).encode()).hexdigest()}"
    return list(slip.rows[4:])


def said(slip: Slip) -> str:
    return render_text.text(slip)


# -- the language ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("a", [("a", Align.CENTER)]),
        ("|a", [("a", Align.LEFT)]),
        ("| a", [("a", Align.RIGHT)]),
        ("a|", [("a", Align.RIGHT)]),
        ("a |", [("a", Align.LEFT)]),
        ("|a|", [("a", Align.CENTER)]),
        ("a | b", [("a", Align.LEFT), ("b", Align.RIGHT)]),
        ("a |b", [("a", Align.LEFT), ("b", Align.LEFT)]),
        ("a| b", [("a", Align.RIGHT), ("b", Align.RIGHT)]),
        ("|a |b| c|", [("a", Align.LEFT), ("b", Align.CENTER), ("c", Align.RIGHT)]),
        (r"a\|b \{ \} \^ \\", [(r"a|b { } ^ \ ".strip(), Align.CENTER)]),
        (r"\---", [("---", Align.CENTER)]),
    ],
)
def test_cells_cling_to_bars_as_in_receiptline(tmp_path: Path, text: str, cells: list) -> None:
    [line] = rows(tmp_path, text)
    assert [(cell.text, cell.align) for cell in line.cells] == cells


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("^a", (2, 1, False)),
        ("^^a", (1, 2, False)),
        ("^^^a", (2, 2, False)),
        ("^^^^a", (3, 3, False)),
        ("^^^^^^^^^^a", (6, 6, False)),
        ('"a"', (1, 1, True)),
    ],
)
def test_looks(tmp_path: Path, text: str, look: tuple) -> None:
    [line] = rows(tmp_path, text)
    cell = line.cells[0]
    assert (cell.width, cell.height, cell.bold) == look
    assert cell.text == "a"


def test_other_rows(tmp_path: Path) -> None:
    made = rows(tmp_path, "---\n\n`a | _b\n{comment:x; y}\n{code:{{trace_no}}!;option:qrcode 6}\n===\n")
    assert made[0] == Rule()
    assert made[1] == Feed()
    assert [(cell.invert, cell.underline) for cell in made[2].cells] == [(True, False), (False, True)]
    assert made[3:] == [QrCode("000345!", 6), Cut()]


def test_widths_hold_until_the_next(tmp_path: Path) -> None:
    made = rows(tmp_path, "{width:6 * 9}\na | b | c\nd\n{width:auto}\ne | f")
    assert [[cell.columns for cell in line.cells] for line in made] == [[7, None, 9], [None], [None, None]]


def test_blocks(tmp_path: Path) -> None:
    text = "{{#if wide}}\nwide\n{{else}}\nnarrow\n{{/if}}\n{{#if tip_minor}}\ntip\n{{/if}}"
    assert [line.cells[0].text for line in rows(tmp_path, text)] == ["narrow"]
    assert [line.cells[0].text for line in rows(tmp_path, text, tip_minor=1)] == ["narrow", "tip"]


def test_a_line_of_unknown_values_is_left_out(tmp_path: Path) -> None:
    assert rows(tmp_path, "tip {{tip_minor|money}} | {{total_minor|money}}") == []
    [line] = rows(tmp_path, "tip {{tip_minor|money}} | {{total_minor|money}}", total_minor=5)
    assert [cell.text for cell in line.cells] == ["tip", "￥0.05"]


def test_no_two_rules_with_nothing_between(tmp_path: Path) -> None:
    assert rows(tmp_path, "-\n{{tip_minor}}\n-\n") == [Rule()]


def test_a_row_borrows_nothing_from_around_it() -> None:
    slip = Templates(None).slip("details", "zh", 48, {"transactions": [{"outcome": "approved"}], "trace_no": "999999"})
    assert "999999" not in said(slip)


# -- safety ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", sorted({*BY_NAME, "shop", "seq"} - {"outcome", "text"}))
def test_no_value_is_ever_markup(field: str) -> None:
    templates = Templates(None)
    kept = wording.sentence("composed", "zh")
    plain, hostile = (templates.slip("sale", "zh", 48, {**SALE, field: value}) for value in ("x", HOSTILE))
    assert [type(row) for row in hostile.rows] == [type(row) for row in plain.rows] or field == "card_masked"
    assert kept in said(hostile)
    looks = [[(cell.width, cell.bold) for cell in row.cells] for row in hostile.rows if isinstance(row, Line)]
    assert looks == [[(cell.width, cell.bold) for cell in row.cells] for row in plain.rows if isinstance(row, Line)]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_number_never_gets_on_paper(name: str) -> None:
    """Whatever field it hides in, whatever the template does with it."""
    templates = Templates(None)
    transaction = dict.fromkeys(BY_NAME, f"x {PAN} y") | {"outcome": "approved", "card_masked": PAN}
    data = dict.fromkeys([*VIEWS[name].schema, *BY_NAME, "printer"], f"no. {PAN}")
    lists = {key: [transaction] for key in ("transactions", "unknown", "unprinted", "totals", "terminals", "clock")}
    for columns in (32, 48):
        for outcome in ("approved", "unknown"):
            slip = templates.slip(name, "zh", columns, {**data, **lists, "outcome": outcome})
            squeezed = "".join((said(slip) + slip.title).split())
            assert PAN not in squeezed
            assert PAN[:12] not in squeezed


def test_a_template_cannot_unmask_a_card(tmp_path: Path) -> None:
    """The packaged slip comes instead; and were it used, the field itself would be masked."""
    templates = override(tmp_path, MUST + "{{card_masked}} {{card_masked|text}}\n")
    assert templates.slip("sale", "zh", 32, SALE).template == Templates(None).slip("sale", "zh", 32, SALE).template
    context = formats.Context("card_masked", {}, "zh", "")
    assert formats.text("6222020000000005", context) == "622202******0005"
    assert formats.last4("6222020000000005", context) == "0005"
    assert formats.last4("622202**********", context) == ""


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([PAN, HOSTILE, "CNY", "2026-06-22T"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*BY_NAME, "currency", "count", "ours", "theirs"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_values_make_a_slip(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    fields = data.draw(st.dictionaries(st.sampled_from([*VIEWS[name].schema, *BY_NAME]), json_values, max_size=12))
    base = data.draw(st.sampled_from([{}, SALE, DAY]))
    columns = data.draw(st.sampled_from([32, 48]))
    slip = Templates(None).slip(name, data.draw(st.sampled_from(["zh", "en"])), columns, {**base, **fields})
    for line in lay_out(slip):
        assert line.columns <= columns
    for text in (said(slip), slip.title):
        assert PAN not in text
        categories = {unicodedata.category(sign) for sign in text.replace("\n", "")}
        assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp", "Mn", "Me"}
    assert all(width(line) <= columns for line in said(slip).splitlines())
    assert Slip.from_json(slip.to_json()) == slip


# -- what is said ------------------------------------------------------------------------------------------------------


def test_what_is_not_approved_is_no_slip() -> None:
    templates = Templates(None)
    for outcome in ("unknown", "declined", "nonsense"):
        slip = templates.slip("sale", "zh", 32, {**SALE, "outcome": outcome})
        assert "状态说明（非签购单）" in said(slip)
        assert "签购单\n" not in said(slip).replace("非签购单）\n", "")
    without = {name: value for name, value in SALE.items() if name != "outcome"}
    assert templates.slip("sale", "zh", 32, without).template.startswith("status_note@")
    assert templates.slip("sale", "zh", 32, SALE).template.startswith("sale@")


def test_no_signature_line_on_a_reprint() -> None:
    templates = Templates(None)
    assert "持卡人签名" in said(templates.slip("sale", "zh", 32, {**SALE, "signature": True}))
    for data in (SALE, {**SALE, "signature": True, "reprint": True}, {**SALE, "signature": "yes"}):
        assert "持卡人签名" not in said(templates.slip("sale", "zh", 32, data))


@pytest.mark.parametrize("kind", TransactionType)
def test_every_type_has_words(kind: str) -> None:
    for language in ("zh", "en"):
        slip = Templates(None).slip("sale", language, 32, {**SALE, "transaction_type": kind})
        assert wording.word("transaction_type", kind, language) in said(slip)
        assert width(wording.word("transaction_type", kind, language, short=True)) <= 4
        assert width(wording.word("transaction_type", kind, language)) <= 14  # its column on the lists
    assert ("-￥" in said(slip)) == (kind in {"void", "refund", "completion_void", "reversal"})


@pytest.mark.parametrize(
    ("name", "value", "scope", "shown"),
    [
        ("money", 123456, {"currency": "CNY"}, "￥1,234.56"),
        ("money", 500, {"currency": "JPY"}, "￥500"),
        ("money", 500, {}, "￥5.00"),  # of the home currency
        ("money", "12", {}, "12"),
        ("money", None, {}, ""),
        ("money", True, {}, "True"),
        ("flow", 100, {"transaction_type": "refund"}, "-￥1.00"),
        ("amount", 123456, {}, "1,234.56"),
        ("amount", 8000, {"currency": "HKD"}, "HK$80.00"),
        ("signed", 5, {}, "+￥0.05"),
        ("signed", -5, {}, "-￥0.05"),
        ("date", "2026-06-22T13:14:15", {}, "2026-06-22"),
        ("date", "--06-22", {}, "06-22"),
        ("time", "2026-06-22T13:14:15.250+08:00", {}, "13:14:15"),
        ("minute", "T13:14:15", {}, "13:14"),
        ("moment", "2026-06-22T05:14:15Z", {}, "2026-06-22 05:14:15 UTC"),
        ("moment", "2026-06-22T13:14:15+08:00", {}, "2026-06-22 13:14:15"),
        ("moment", "yesterday", {}, "yesterday"),
        ("weekday", "2026-06-22", {}, "2026-06-22 周一"),
        ("weekday", "2026-02-30", {}, "2026-02-30"),
        ("head", "9f86d081884c7d659a2f", {}, "9f86 d081 884c 7d65"),
        ("text", "x" * 5000, {}, "x" * 599 + "…"),
    ],
)
def test_formats(name: str, value: object, scope: dict, shown: str) -> None:
    assert formats.FORMATS[name](value, formats.Context("amount_minor", scope, "zh", "CNY")) == shown


def test_an_absurd_number_is_no_text() -> None:
    for name in formats.FORMATS:
        formats.FORMATS[name](10**5000, formats.Context("amount_minor", {}, "zh", "CNY"))


def test_day_list_shows_all_that_is_wrong() -> None:
    shown = said(Templates(None).slip("day_list", "zh", 48, DAY))
    for expected in (
        "结果不明 1 笔",
        "未打印 1 笔",
        "监听中断",
        "时钟存疑",
        "未上传 12 条",
        "+￥45.00",
        "未收到",
        "第 12 号",
    ):
        assert expected in shown
    assert "异常" not in shown


def test_totals_of_terminals_that_say_only_debit_and_credit() -> None:
    totals = [
        {"group": "domestic", "transaction_type": kind, "count": 1, "amount_minor": 5} for kind in ("debit", "credit")
    ]
    shown = said(
        Templates(None).slip("settlement", "zh", 32, {"terminal_id": "1", "currency": "CNY", "totals": totals})
    )
    assert "借记" in shown
    assert "贷记" in shown


def test_the_seal_names_the_day_and_the_whole_head() -> None:
    [seal] = [row for row in Templates(None).slip("day_list", "en", 32, DAY).rows if isinstance(row, QrCode)]
    assert seal.data == f"slipkeeper/day/1 2026-06-22 12 187 {DAY['head']}"


def test_unknown_template() -> None:
    with pytest.raises(UsageError, match="there is no slip template nothing"):
        Templates(None).slip("nothing", "zh", 32, {})


# -- lint --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(PACKAGED.glob("*/*.slip")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_packaged_templates_are_clean(path: Path) -> None:
    assert [str(problem) for problem in Templates(None).lint(path.read_text(), path.stem)] == []


def test_packaged_templates_are_complete() -> None:
    names = {(path.parent.name, path.stem) for path in PACKAGED.glob("*/*.slip")}
    assert names == {(language, name) for language in ("zh", "en") for name in NAMES if name != "interim"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{{amont_minor|money}}", "unknown field amont_minor (did you mean amount_minor?)"),
        ("{{amount_minor|mony}}", "unknown format mony (did you mean money?)"),
        ("{{card_masked}}", "a card number, and only it, is shown by the formats card and last4"),
        ("{{rrn|last4}}", "a card number, and only it, is shown by the formats card and last4"),
        ("{{rrn|word}}", "rrn has no words"),
        ("{{totals}}", "totals is rows: {{#each totals}}"),
        ("{{#each shop}}\n{{/each}}", "shop is one value, not rows"),
        ("{{#if qqqq}}\n{{/if}}", "unknown field qqqq"),
        ("{{#if shop}}", "{{#if shop}} is never closed"),
        ("{{/if}}", "{{/if}} closes nothing"),
        ("{{else}}", "{{else}} closes nothing"),
        ("{{#each qqqq}}", "unknown field qqqq"),
        ("{{ shop", "{ stands alone: a sign of its own is written \\{"),
        ("text {{#if shop}}", "{ stands alone: a sign of its own is written \\{"),
        ("{width:30 10}", "41 columns on a paper of 32"),
        ("{width:x}", "a width is auto, or columns and * for the rest: {width:6 * 9}"),
        ("{width:4 *}\na | b | c", "3 cells, but 2 widths"),
        ("{image:xx}", "unknown property image:xx"),
        ("{code:x;option:ean}", "a code is {code:…;option:qrcode 4}, 3 to 8 dots a module"),
        ("{option:qrcode}", "an option needs a code"),
        ("a ^b", "^ stands before the text of its cell"),
        ("^^^" + "宽" * 9, "36 columns on a paper of 32"),
        ("x" * 33, "33 columns on a paper of 32"),
        ("a" * 20 + " | " + "b" * 13, "34 columns on a paper of 32"),
        ("{{#if wide}}\n" + "x" * 49 + "\n{{/if}}", "49 columns on a paper of 48"),
    ],
)
def test_lint_finds(line: str, problem: str) -> None:
    found = [str(one) for one in Templates(None).lint(f"ok\n{line}\n")]
    assert any(one.endswith(f": {problem}") for one in found), found
    assert all(one.startswith(("line 2", "line 3")) for one in found)


def test_lint_passes_what_fits() -> None:
    fine = "{{#if wide}}\n" + "x" * 48 + "\n{{/if}}\n" + "字" * 40 + "\n{{shop}} | {{day|date}}\n"
    assert Templates(None).lint(fine) == []


def test_lint_wants_what_a_slip_must_show() -> None:
    found = [str(problem) for problem in Templates(None).lint("{{shop}}", "sale")]
    assert "line 1: the field notice is missing: this slip must show it" in found
    assert len(found) == len(VIEWS["sale"].mandatory)


def test_override_with_mistakes_is_reported_and_not_used(tmp_path: Path) -> None:
    templates = override(tmp_path, "just this")
    (tmp_path / "zh" / "sail.slip").write_text("")
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "sale.slip").write_bytes(b"\xff\xfe\xfa")
    assert wording.sentence("composed", "zh") in said(templates.slip("sale", "zh", 32, SALE))
    assert said(templates.slip("sale", "en", 32, SALE)) == said(Templates(None).slip("sale", "en", 32, SALE))
    told = [f"{path.parent.name}/{path.name} {problem}" for path, problem in templates.problems()]
    assert any(one.startswith("zh/sale.slip line 1: the field notice") for one in told)
    assert any(one.startswith("zh/sail.slip line 1: no slip has this name") for one in told)
    assert any(one.startswith("en/sale.slip line 1: cannot be read as UTF-8") for one in told)


def test_no_override_directory(tmp_path: Path) -> None:
    assert Templates(tmp_path / "absent").problems() == []
    assert Templates(None).problems() == []


tokens = st.sampled_from(
    [
        "{{#if shop}}",
        "{{#each totals}}",
        "{{/if}}",
        "{{/each}}",
        "{{else}}",
        "{width:4 *}",
        "{code:x}",
        "-",
        "=",
        "a | b",
        "^^",
        "{{",
        "}}",
        "|",
        "\\",
        "{{x|y}}",
        "~",
        '"',
        "\t",
        "字",
    ]
)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.one_of(tokens, st.text(max_size=8), st.just("\n")), max_size=60))
def test_any_template_is_linted(parts: list[str]) -> None:
    text = "".join(parts)
    for name in ("", "day_list"):
        for problem in Templates(None).lint(text, name):
            assert str(problem).startswith("line ")


def test_a_template_cannot_dig_without_end() -> None:
    found = Templates(None).lint("{{#if shop}}\n" * 3000)
    assert any("too deep" in str(problem) for problem in found)
    assert "at most" in str(Templates(None).lint("x" * 70_000)[0])
