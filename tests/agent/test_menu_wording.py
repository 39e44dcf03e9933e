"""The menu's decisions without a screen: wording, columns, advice, what a job state means, when to search."""

from __future__ import annotations

import copy
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.menu import jobs
from agent.menu.advice import advise, deaf_terminals
from agent.menu.cells import columns, cut, fit, one_line, printable, wrap
from agent.menu.header import header, notices, printer, printers, sending, terminals, unprinted
from agent.menu.lists import papers
from agent.menu.report import facts
from agent.menu.sales import details, headings, last_four, marks, row, when
from agent.menu.search import Search
from agent.menu.times import moment, short, zone_of
from agent.menu.vocabulary import OUTCOMES, REASONS, TYPES, Tone, type_word
from agent.words import Words
from tests.fakes.desk_data import closed_days, sale, sales, status

ZH, EN = Words("zh"), Words("en")
NOW = datetime(2024, 5, 6, 13, 21)
anything = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)


# ---- columns
@given(anything, st.integers(2, 80), st.booleans())
def test_fitted_text_takes_exactly_its_columns(text, width, right):
    assert columns(fit(text, width, right=right)) == width


@given(anything, st.integers(2, 80))
def test_cut_text_is_never_wider(text, width):
    assert columns(cut(text, width)) <= width


@given(anything, st.integers(4, 60))
def test_wrapped_text_keeps_every_sign_and_the_width(text, width):
    lines = wrap(text, width)
    assert all(columns(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(anything)
def test_nothing_printable_can_command_a_terminal(text):
    shown = printable(text)
    assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in shown if sign != "\n")
    assert "\n" not in one_line(text)


def test_an_escape_sequence_from_a_slip_becomes_dots():
    assert printable("a\x1b[2Jb\u202ec\x9bd") == "a.[2Jb.c.d"


def test_chinese_is_two_columns_wide():
    assert columns("￥1,234.50（消费）") == 2 + 8 + 8
    assert fit("消费", 6) == "消费  "
    assert fit("￥8.80", 8, right=True) == "  ￥8.80"
    assert cut("预授权完成撤销", 10) == "预授权完.."


# ---- a transaction in a list
@pytest.mark.parametrize("words", [ZH, EN], ids=["zh", "en"])
def test_rows_and_headings_share_their_columns(words):
    rows = [row(one, words).text for one in sales()]
    assert {columns(text) for text in [*rows, headings(words)]} == {78}
    line = row(sales()[0], words).text
    assert line.startswith("05-06 13:14  ")
    assert "￥128.50  8888  000345  " in line


@pytest.mark.parametrize("words", [ZH, EN], ids=["zh", "en"])
def test_every_type_fits_its_column_whole(words):
    for name in TYPES:
        assert (
            type_word(name, words) in row(sale(1, "10:00:00", 1, "8888", "000001", transaction_type=name), words).text
        )


def test_marks_say_what_is_odd():
    assert marks(sale(1, "10:00:00", 1, "", ""), ZH) == ("", Tone.PLAIN)  # the terminal's own paper: no news
    assert marks(sale(1, "10:00:00", 1, "", "", printed="yes"), ZH) == ("已打印", Tone.PLAIN)
    assert marks(sale(1, "10:00:00", 1, "", "", printed="no"), ZH) == ("未打印", Tone.WARN)
    assert marks(sale(1, "10:00:00", 1, "", "", printed=["?"]), EN) == ("", Tone.PLAIN)
    assert marks(sale(1, "10:00:00", 1, "", "", reprints=2, printed="yes"), ZH) == ("已打印 补打 2", Tone.PLAIN)
    assert marks(sale(1, "10:00:00", 1, "", "", outcome="unknown"), ZH) == ("结果未知", Tone.BAD)
    assert marks({}, EN) == ("Result unknown", Tone.BAD)


def test_what_the_desk_does_not_say_is_left_out():
    bare = row({"seq": 7}, EN)
    assert (bare.seq, bare.text.split()) == (7, ["Unknown", "Result", "unknown"])
    assert row({}, EN).seq == 0


@pytest.mark.parametrize(
    ("terminal_time", "at", "shown"),
    [
        ("2024-05-06T13:14:15", "", "05-06 13:14"),
        ("--05-06T13:14", "2024-05-07T00:00:00Z", "05-06 13:14"),
        ("T13:14:15", "2024-05-07T09:00:00+08:00", "05-07 13:14"),
        ("T13:14", "", "13:14"),
        ("", "2024-05-07T09:01:00+08:00", "05-07 09:01"),
        ("yesterday", "", ""),
    ],
)
def test_time_as_far_as_it_is_known(terminal_time, at, shown):
    assert when({"terminal_time": terminal_time, "at": at}) == shown


def test_times_of_the_desk():
    assert moment("2024-05-06T13:20:31+08:00") == datetime(2024, 5, 6, 13, 20, 31)
    zone = zone_of(status())
    assert short("2024-05-06T20:20:31.250Z", zone) == "05-07 04:20"  # the shop's clock, whatever the machine's zone
    assert zone_of({}) is None
    assert zone_of(None) is None
    assert moment(None) is None
    assert moment("soon") is None


def test_last_four_only_when_they_are_digits():
    assert last_four({"card_masked": "622202******8888"}) == "8888"
    assert last_four({"card_masked": "******"}) == ""
    assert last_four({}) == ""


def test_details_never_claim_a_paper_and_an_unknown_result_is_no_slip():
    said = [text for text, _ in details(sales()[3], ZH)]
    assert said == ["退货  ￥50.00", "交易成功", "已打印", "已补打 2 次"]
    assert "终端是否已打印：未知" in [text for text, _ in details(sales()[1], ZH)]
    unknown = [text for text, _ in details(sales()[2], ZH)]
    assert "只能打印状态说明，不是签购单" in unknown
    assert "已打印" not in unknown


# ---- no slip
def test_one_approved_payment_is_compared_then_printed_and_not_charged_again():
    advice = advise("128.50", [sales()[0]], status(), EN)
    assert advice.title == "One payment fits, and it went through"
    assert advice.tone is Tone.GOOD
    assert "Compare" in advice.steps[0]
    assert "do not charge again. Open it" in advice.steps[1]


def test_of_several_payments_nobody_is_told_which_one_went_through():
    same = [sale(seq, "10:00:00", 12850, "622202******8888", "000001") for seq in range(1, 4)]
    advice = advise("128.50", same, status(), EN)
    assert advice.title == "3 payments fit: which one is it?"
    assert advice.tone is Tone.WARN
    assert advise("128.50", same, status(), EN, more=True).title == "3+ payments fit: which one is it?"


def test_not_found_never_means_charge_again():
    advice = advise("999", [], status(), EN)
    assert advice.title == "Not found. Do not charge again yet"


def test_not_found_names_the_terminal_that_was_not_heard():
    lost = status()
    lost["terminals"][0]["state"] = "lost"
    assert "pos1" in advise("999", [], lost, EN).steps[0]
    assert deaf_terminals(lost) == ["pos1"]
    assert deaf_terminals(status()) == []
    waiting = {"terminals": [{"name": "pos1", "state": "waiting"}]}  # it calls when it has something: that is normal
    assert deaf_terminals(waiting) == []
    assert terminals(waiting, EN) == ("Terminal pos1: ready", Tone.GOOD)


def test_unknown_means_ask_not_charge():
    advice = advise("11500", [sales()[2]], status(), ZH)
    assert advice.title == "结果未知，不要再次收款"
    assert len(advice.steps) == 4


def test_declined_is_the_only_one_that_may_be_tried_again():
    titles = {
        name: advise("1", found, status(), EN)
        for name, found in {
            "approved": [sales()[0]],
            "declined": [sales()[5]],
            "unknown": [sales()[2]],
            "none": [],
            "mixed": [sales()[0], sales()[5]],
            "strange": [{**sales()[0], "outcome": "perhaps"}],
            "unseen": None,
        }.items()
    }
    free = {name for name, advice in titles.items() if any("try again or" in step for step in advice.steps)}
    assert free == {"declined"}
    assert titles["strange"].tone is Tone.BAD


def test_without_an_answer_nobody_is_told_it_was_not_found():
    assert advise("128.50", None, None, EN).title == "Nobody can look now: the keeper does not answer"
    assert advise("", sales(), status(), EN).tone is Tone.PLAIN


@pytest.mark.parametrize("words", [ZH, EN], ids=["zh", "en"])
def test_advice_fits_the_screen(words):
    lost = status()
    lost["terminals"][0]["state"] = "lost"
    for found in (None, [], [sales()[0]], [sales()[2]], [sales()[5]], sales()):
        advice = advise("1", found, lost, words)
        assert len(advice.steps) <= 5
        assert all(columns(line) <= 78 for line in (advice.title, *advice.steps))


# ---- jobs
STATES = [
    "queued",
    "sending",
    "sent",
    "printed",
    "held",
    "unknown",
    "failed_before",
    "unconfirmed",
    "cancelled",
    "printed_by_operator",
]


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_word_and_a_next_step(state):
    here = jobs.meaning({"state": state})
    assert here is jobs.MEANINGS[state]
    assert ZH(here.say) != here.say
    assert ZH(here.do) != here.do


def test_only_moving_states_are_looked_at_again():
    moving = {state for state in STATES if jobs.meaning({"state": state}).moving}
    assert moving == {"queued", "sending", "sent", "held", "failed_before"}


def test_the_person_is_asked_where_nobody_else_can_know():
    asked = {state for state in STATES if jobs.CAME in jobs.meaning({"state": state}).actions}
    assert asked == {"unknown", "unconfirmed"}


def test_a_state_of_a_newer_keeper_is_unknown_not_fine():
    here = jobs.meaning({"state": "teleported"})
    assert here.tone is Tone.BAD
    assert jobs.meaning({}).tone is Tone.BAD


def test_a_slip_that_stopped_inside_the_printer_is_not_sent_again():
    before = jobs.meaning({"state": "held", "history": [{"state": "queued"}, {"state": "held"}]})
    assert before.actions == (jobs.RESUME, jobs.CANCEL)
    inside = {"state": "held", "history": [{"state": "sending"}, {"state": "held"}]}
    assert jobs.meaning(inside).actions == (jobs.CAME, jobs.NOT_CAME)
    assert [text for text, _ in jobs.road(inside, ZH)] == ["排队", "正在发送", "暂停"]
    anew = {"state": "held", "history": [{"state": "sending"}, {"state": "failed_before"}, {"state": "held"}]}
    assert jobs.meaning(anew).actions == (jobs.RESUME, jobs.CANCEL)


def history(*states):
    return {"state": states[-1], "history": [{"state": state} for state in states]}


@pytest.mark.parametrize(
    ("states", "road"),
    [
        (["queued"], ["排队"]),
        (["queued", "sending"], ["排队", "正在发送"]),
        (["queued", "sending", "sent", "unconfirmed"], ["排队", "正在发送", "已发送，未确认"]),
        (["queued", "sending", "sent", "printed"], ["排队", "正在发送", "已发送", "已打印"]),
        (["queued", "sending", "unknown"], ["排队", "正在发送", "未知"]),
        (["queued", "cancelled"], ["排队", "已取消"]),
    ],
)
def test_the_road_shows_only_what_happened(states, road):
    said = [text for text, _ in jobs.road(history(*states), ZH)]
    assert said == road


def test_reason_of_the_keeper_in_words_or_as_it_came():
    assert jobs.reason({"why": {"what": "Reason: {why}", "values": {"why": "x"}}}, ZH) == "原因：x"
    assert jobs.reason({"why": "paper\x1bout"}, ZH) == "paper.out"
    assert jobs.reason({}, ZH) == ""


def test_queue_rows_fit_and_count_what_waits():
    queue = [{"state": state, "purpose": "reprint", "copy_no": 2, "title": "签购单 000345"} for state in STATES]
    assert {columns(jobs.row(job, words)[0]) for job in queue for words in (ZH, EN)} == {78}
    assert jobs.attention(queue) == 4  # held, unknown, failed_before, unconfirmed
    assert jobs.name(queue[0], ZH) == "签购单 000345"
    assert jobs.name({"purpose": "test", "printer": "front"}, ZH) == "测试页   front"


@pytest.mark.parametrize("words", [ZH, EN], ids=["zh", "en"])
def test_states_fit_their_column(words):
    assert all(columns(words(one.say)) <= 18 for one in jobs.MEANINGS.values())


# ---- header
def test_header_of_a_healthy_shop():
    said = header(status(), NOW, ZH)
    assert (said.shop, said.day, said.clock) == ("晨光便利店 一号店", "营业日 2024-05-06", "13:20")
    assert [text for text, _ in said.states] == ["终端 pos1：已连接", "打印机：正常", "未上传 3"]


def test_header_without_a_keeper_knows_nothing_but_the_time():
    said = header(None, NOW, EN, "Corner shop")
    assert (said.shop, said.day, said.clock) == ("Corner shop", "", "13:21")
    assert said.states == (("The keeper does not answer", Tone.BAD),)


def test_a_doubtful_clock_is_said():
    assert header({**status(), "clock": "doubtful"}, NOW, EN).clock == "13:20 clock doubtful"


def test_an_empty_status_is_all_unknown():
    said = header({}, NOW, EN)
    assert said.day == "Day unknown"
    assert [text for text, _ in said.states] == ["No terminal", "No printer", "Sending: unknown"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"online": "yes", "paper": "yes"}, "Printer: ready"),
        ({"online": "yes", "paper": "unknown"}, "Printer: unknown"),
        ({}, "Printer: unknown"),
        ({"online": "no", "paper": "yes"}, "Printer: off or offline"),
        ({"online": "yes", "paper": "no"}, "Printer: out of paper"),
        ({"online": "yes", "paper": "yes", "cover_closed": "no"}, "Printer: cover open"),
        ({"online": "yes", "paper": "yes", "fault": "yes"}, "Printer: fault"),
        ({"online": "yes", "paper": "yes", "paper_low": "yes"}, "Printer: paper runs low"),
    ],
)
def test_a_printer_in_words(said, shown):
    assert printer({"name": "front", "status": said}, EN)[0] == shown


def test_held_jobs_are_told_when_the_printer_is_well():
    assert printer({"status": {"online": "yes", "paper": "yes"}, "held": 2}, EN)[0] == "Printer: 2 on hold"


def test_the_worst_of_several_speaks():
    two = status()
    two["terminals"].append({"name": "pos2", "state": "lost"})
    two["printers"].append({"name": "back", "status": {"paper": "no"}})
    assert terminals(two, EN) == ("Terminal pos2: lost", Tone.BAD)
    assert printers(two, EN) == ("Printer: out of paper", Tone.BAD)


@pytest.mark.parametrize(
    ("sync", "said"),
    [
        ({"state": "ok", "unsent": 0}, ("All sent", Tone.GOOD)),
        ({"state": "ok", "unsent": 2}, ("Unsent 2", Tone.PLAIN)),
        ({"state": "waiting", "unsent": 2}, ("Unsent 2", Tone.WARN)),
        ({"state": "trouble", "unsent": 2}, ("Unsent 2, trouble", Tone.BAD)),
        ({"state": "off", "unsent": 9}, ("Sending: off", Tone.QUIET)),
        ({"state": "ok"}, ("Sending: unknown", Tone.WARN)),
    ],
)
def test_sending_in_words(sync, said):
    assert sending({"sync": sync}, EN) == said


def test_notices_are_at_most_two_alarms_or_that_the_keeper_is_down():
    alarm = {"code": "x", "what": "{count} transactions, list no. {number} at {time}", "values": {"count": 1}}
    assert notices(status(), None, EN) == []
    broken = notices({**status(), "alarms": [alarm]}, None, EN)[0][0]
    assert broken.startswith("{count} transactions")  # places without values are shown as they are, not crashed on
    good = {"what": "{count} with unknown result", "hint": "slipkeeper doctor", "values": {"count": 3}}
    assert notices({**status(), "alarms": [good] * 3}, None, ZH) == [
        ("3 笔结果未知: 请运行 slipkeeper doctor", Tone.BAD),
        ("另有 2 条：请看 5 状态", Tone.WARN),
    ]
    down = notices(None, ("the keeper is not running", "slipkeeper run keeper"), EN)
    assert len(down) == 3
    assert "slipkeeper run keeper" in down[1][0]


def test_unprinted_counts_only_what_was_said():
    assert unprinted(status()) == 2
    assert unprinted({}) == 0
    assert unprinted(None) == 0


# ---- status page, lists of days
def told(one, words=EN):
    return "\n".join(f"{fact.label}: {fact.value}" for fact in facts(one, words))


def test_the_status_page_tells_everything():
    said = told(status())
    for part in (
        "Slips not printed: 2", "Terminal pos1: connected", "list no. 13 at 05-07 04:00", "Sale ￥12,345.50 (6)",
        "Refund ￥50.00 (1)", "1 with unknown result", "paper low unknown", "tells paper and cover", "1289 entries, 2.3 MB",
        "waits for the network", "Clock: ok", "Version: 0.1.0",
    ):  # fmt: skip
        assert part in said


def test_the_trouble_of_sending_is_told_with_its_values():
    troubled = status()
    troubled["sync"]["last_error"] = {"what": "{count} payments", "hint": "slipkeeper doctor", "values": {"count": 3}}
    assert "3 笔: 请运行 slipkeeper doctor" in told(troubled, ZH)
    troubled["sync"]["last_error"] = "plain"
    assert "plain" in told(troubled, ZH)


def test_the_clock_in_words():
    assert "Clock: not set by the network" in told({**status(), "clock": "unsynced"})
    assert "Clock: unknown" in told({**status(), "clock": "new word"})


def test_an_empty_status_page_says_unknown_everywhere():
    said = told({})
    assert "Slips not printed: unknown" in said
    assert "Journal: unknown entries, unknown" in said
    assert "Clock: unknown" in said
    assert "none" in said


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=3
    )
)
def test_no_single_strange_value_breaks_the_page(value):
    for name in ("version", "clock", "unprinted", "now", "shop"):
        strange = {**status(), name: value}
        told(strange)
        header(strange, NOW, ZH)


def test_lists_of_days_start_with_today():
    found = papers(status(), closed_days(), [{"seq": 2, "at": "2024-05-05T22:01:02+08:00", "batch_no": "000011"}], ZH)
    assert found[0].path == "/v1/days/today/print"
    assert found[0].text.startswith("今天")
    assert "第 11 号 补结" in found[2].text
    assert found[-1].seq == 2
    assert "￥9,850.00" in found[1].text
    assert all(columns(paper.text) <= 76 for paper in found)
    assert papers(None, [], [], ZH)[0].text.split()[2:] == ["?", "笔"]


# ---- search box
def test_the_keeper_is_asked_when_the_fingers_rest():
    box = Search(pause_s=0.15)
    box.typed("1", 10.0)
    assert box.question(10.1) is None
    box.typed("12", 10.1)
    assert box.question(10.2) is None
    assert box.question(10.25) == "12"
    assert not box.settled
    assert box.answer() is True
    assert box.settled
    assert box.question(11.0) is None


def test_one_question_at_a_time_and_old_answers_do_not_count():
    box = Search(pause_s=0.15)
    box.typed("1", 0.0)
    assert box.question(1.0) == "1"
    box.typed("12", 1.1)
    assert box.question(2.0) is None  # one is under way
    assert box.answer() is False  # it belongs to an older text
    assert box.question(2.0) == "12"
    assert box.answer() is True


def test_after_a_failure_the_same_text_is_asked_again():
    box = Search()
    box.typed("8888", 0.0)
    assert box.question(1.0) == "8888"
    box.failed()
    assert not box.settled
    assert box.question(1.0) == "8888"


@given(st.lists(st.tuples(st.sampled_from("tqaf"), st.text("0123456789", max_size=3)), max_size=40))
def test_settled_only_when_the_shown_answer_fits_the_box(steps):
    box, at, shown = Search(), 0.0, None
    for step, text in steps:
        at += 0.1
        if step == "t":
            box.typed(text, at)
        elif step == "q":
            box.question(at)
        elif step == "a" and box.asking is not None:
            asked = box.asking
            if box.answer():
                shown = asked
        elif step == "f" and box.asking is not None:
            box.failed()
        if box.settled:
            assert shown == box.text


def test_tables_are_whole():
    assert len(REASONS) == 4
    assert set(OUTCOMES) == {"approved", "declined", "unknown"}
    assert copy.copy(TYPES)["sale"] == "Sale"
