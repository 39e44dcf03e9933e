"""The menu as its user works it: keys and taps against a fake desk on a real Unix socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from agent.desk_client import Desk
from agent.menu.app import MenuApp
from agent.menu.cells import columns
from agent.menu.doors import DOORS
from agent.menu.screens.main import MainScreen
from agent.menu.widgets import Choices, Tile
from agent.words import Words
from tests.fakes.desk import Facts, FakeDesk
from tests.fakes.desk_data import sale

POLL_S = 0.15


class Cashier:
    """Somebody at the till: presses keys and reads the screen."""

    def __init__(self, pilot: Pilot[None], desk: FakeDesk) -> None:
        self.pilot = pilot
        self.app = pilot.app
        self.desk = desk

    @property
    def screen(self) -> list[str]:
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.screen)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def sees(self, *parts: str, timeout_s: float = 15.0) -> None:
        """Waits until all of `parts` stand on the screen."""
        end = time.monotonic() + timeout_s
        while missing := [part for part in parts if part not in self.text]:
            assert time.monotonic() < end, f"{missing} not on the screen:\n{self.text}"
            await self.pilot.pause(0.03)

    async def until(self, condition: Callable[[], object], timeout_s: float = 15.0) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, self.text
            await self.pilot.pause(0.03)

    def posted(self, path: str) -> list[Any]:
        return [body for method, asked, body in self.desk.facts.asked if (method, asked) == ("POST", path)]


Work = Callable[[Cashier], Awaitable[None]]


@pytest.fixture
def at_the_till(tmp_path: Path) -> Callable[..., None]:
    def run(
        work: Work,
        *,
        facts: Facts | None = None,
        language: str = "zh",
        up: bool = True,
        size: tuple[int, int] = (80, 24),
    ) -> None:
        path = tmp_path / "d"

        async def play() -> None:
            desk = FakeDesk(path, facts)
            if up:
                desk.start()
            app = MenuApp(Desk(path, 20.0), Words(language), "li", lambda: datetime(2024, 5, 6, 13, 21), poll_s=POLL_S)
            try:
                async with app.run_test(size=size) as pilot:
                    await work(Cashier(pilot, desk))
            finally:
                desk.stop()

        asyncio.run(play())

    return run


# ---- the first screen
def test_the_first_screen_has_nine_keys_and_what_is_urgent(at_the_till):
    async def work(cashier):
        await cashier.sees(
            "晨光便利店 一号店", "营业日 2024-05-06   13:20", "终端 pos1：已连接", "打印机：正常", "未打印签购单 2"
        )
        await cashier.sees(
            "1  重打印上一笔", "2  重打印任意一笔", "3  打印当日明细", "4  打印结算单", "5  状态", "6  打印队列",
            "7  立即上传", "8  无小票怎么办", "9  English", "0 退出菜单",
        )  # fmt: skip

    at_the_till(work)


def test_nine_switches_the_language_and_back(at_the_till):
    async def work(cashier):
        await cashier.press("9")
        await cashier.sees("Reprint last", "Settlement list", "9  中文", "Terminal pos1: connected")
        await cashier.press("9")
        await cashier.sees("重打印上一笔")

    at_the_till(work)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_word_on_the_first_screen_is_cut_off(at_the_till, language):
    async def work(cashier):
        await cashier.sees("pos1", "*  ")
        for tile in cashier.app.screen.query(Tile):
            if tile.display:
                assert all(columns(line) <= tile.content_size.width for line in tile.render().plain.splitlines())

    at_the_till(work, language=language)


def test_arrows_walk_and_enter_and_touch_open(at_the_till):
    async def work(cashier):
        await cashier.sees("重打印上一笔")
        await cashier.press("down", "right", "enter")  # 1 -> 4 -> 5
        await cashier.sees("链头 9a77c1d2e4b85f60")
        await cashier.press("escape")
        await cashier.pilot.click("#key4")
        await cashier.sees("结算单：选择哪一天？")
        await cashier.pilot.click("KeyTile")  # the first key at the bottom is Back
        await cashier.sees("重打印上一笔")
        await cashier.pilot.click("#unprinted")
        await cashier.sees("未打印签购单", "签购单 000345", "暂停")

    at_the_till(work)


def test_leaving_is_asked_and_enter_is_no_yes(at_the_till):
    async def work(cashier):
        await cashier.press("0")
        await cashier.sees("要退出菜单吗？")
        await cashier.press("enter", "escape")
        await cashier.sees("重打印上一笔")
        assert cashier.app.is_running
        await cashier.press("0", "y")
        await cashier.until(lambda: not cashier.app.is_running)

    at_the_till(work)


def test_every_screen_opens_fits_and_goes_back(at_the_till):
    async def work(cashier):
        await cashier.sees("pos1")
        for name in sorted(set(DOORS) - {"preview", "job"}):
            cashier.app.screen.action_open(name)
            await cashier.until(lambda: not isinstance(cashier.app.screen, MainScreen))
            await cashier.pilot.pause(0.05)
            assert all(columns(line.rstrip()) <= 80 for line in cashier.screen)
            await cashier.press("escape")
            await cashier.until(lambda: isinstance(cashier.app.screen, MainScreen))

    at_the_till(work, language="en")  # the longer sentences


# ---- reprints
def test_the_last_slip_is_two_keys_away(at_the_till):
    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("重打印 / DUPLICATE", "[外卡组织:CUP]", "622202******8888", "已补打 0 次")
        await cashier.press("enter")
        await cashier.sees("排队  >  正在发送  >  已发送，未确认", "完整打印出来了吗？", "Y 是，完整")
        assert cashier.posted("/v1/reprints") == [{"seq": 1288, "reason": "打印机卡纸", "operator": "li"}]
        await cashier.press("y")
        await cashier.sees("已打印（人工确认）")
        assert cashier.posted("/v1/jobs/job1") == [{"action": "came_out", "operator": "li"}]
        await cashier.press("enter")
        await cashier.sees("重打印上一笔")

    at_the_till(work)


def test_the_reason_is_chosen_by_number_or_by_touch(at_the_till):
    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("已补打 0 次", "[外卡组织:CUP]")
        await cashier.press("4")
        await cashier.pilot.click(".reason")  # the first: the customer lost it
        await cashier.press("p")
        await cashier.sees("完整打印出来了吗？")
        assert cashier.posted("/v1/reprints")[0]["reason"] == "顾客遗失"

    at_the_till(work)


def test_pressing_enter_twice_prints_once(at_the_till):
    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("[外卡组织:CUP]")
        cashier.desk.facts.may_answer.clear()
        await cashier.press("enter", "enter", "p", "escape")
        assert "[外卡组织:CUP]" in cashier.text  # Esc does not walk away from an answer under way
        cashier.desk.facts.may_answer.set()
        await cashier.sees("完整打印出来了吗？")
        await cashier.press("enter", "p")
        await cashier.sees("完整打印出来了吗？")
        assert len(cashier.posted("/v1/reprints")) == 1

    at_the_till(work)


def test_nothing_prints_that_was_not_on_the_screen(at_the_till):
    async def work(cashier):
        cashier.desk.facts.refuse["GET /v1/slips/1288"] = (409, {"what": "{count} payments", "values": {"count": 7}})
        await cashier.press("1")
        await cashier.sees("7 笔")
        await cashier.press("enter")
        await cashier.pilot.pause(0.1)
        assert cashier.posted("/v1/reprints") == []

    at_the_till(work)


def test_a_sale_made_meanwhile_is_not_printed_instead(at_the_till):
    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("[外卡组织:CUP]")
        cashier.desk.facts.sales.insert(0, sale(1300, "13:20:00", 100, "622202******0005", "000346"))
        await cashier.press("enter")
        await cashier.sees("完整打印出来了吗？")
        assert cashier.posted("/v1/reprints")[0]["seq"] == 1288

    at_the_till(work)


def test_an_answer_that_never_comes_locks_printing_and_shows_the_queue(at_the_till):
    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("[外卡组织:CUP]")
        cashier.app.desk.timeout_s = 0.1
        cashier.desk.facts.delay_s = 0.4
        await cashier.press("enter")
        await cashier.sees("是否已执行未知", "6 打印队列")
        cashier.app.desk.timeout_s = 20.0
        cashier.desk.facts.delay_s = 0.0
        await cashier.press("enter", "p")
        await cashier.press("6")
        await cashier.sees("打印队列", "签购单 000345")
        assert len(cashier.posted("/v1/reprints")) == 1

    at_the_till(work)


def test_a_refusal_is_shown_in_the_words_of_the_keeper(at_the_till):
    async def work(cashier):
        cashier.desk.facts.refuse["POST /v1/reprints"] = (
            403,
            {"what": "{count} with unknown result", "hint": "slipkeeper doctor", "values": {"count": 4}},
        )
        await cashier.press("1")
        await cashier.sees("[外卡组织:CUP]")
        await cashier.press("enter")
        await cashier.sees("4 笔结果未知: 请运行 slipkeeper doctor")
        cashier.desk.facts.refuse.clear()
        await cashier.press("enter")
        await cashier.sees("完整打印出来了吗？")

    at_the_till(work)


def test_any_slip_is_found_while_typing(at_the_till):
    async def work(cashier):
        await cashier.press("2")
        await cashier.sees("000338")  # everything while the box is empty
        await cashier.press(*"128.50")
        await cashier.until(lambda: "000345" in cashier.text and "000338" not in cashier.text)
        assert "￥128.50  8888  000345  未打印" in cashier.text
        await cashier.press("down", "enter")
        await cashier.sees("状态说明（非签购单）", "已拒绝")
        await cashier.press("escape")
        await cashier.until(lambda: cashier.app.screen.query_one(Input).value == "128.50")

    at_the_till(work)


def test_typing_asks_once_the_fingers_rest(at_the_till):
    async def work(cashier):
        await cashier.press("2")
        await cashier.sees("000338")
        await cashier.press(*"8888")
        await cashier.until(lambda: "000338" not in cashier.text)
        asked = [target for _, target, _ in cashier.desk.facts.asked if "text=" in target]
        assert asked[-1].startswith("/v1/transactions?text=8888")
        assert len(asked) < 4

    at_the_till(work)


def test_a_slow_keeper_never_blocks_the_keys(at_the_till):
    async def work(cashier):
        await cashier.press("2")
        await cashier.sees("000338")
        cashier.desk.facts.may_answer.clear()
        search = cashier.app.screen.search
        await cashier.press("8")
        await cashier.until(lambda: search.asking == "8")
        await cashier.press("8", "8", "8", "enter")
        assert cashier.app.screen.query_one(Input).value == "8888"
        assert search.asking == "8"  # the keys were quicker than the keeper, and Enter opened nothing old
        assert "交易类型" in cashier.text
        cashier.desk.facts.may_answer.set()
        await cashier.until(lambda: "000339" in cashier.text and "000338" not in cashier.text)

    at_the_till(work)


def test_a_long_list_grows_when_its_end_is_reached(at_the_till):
    facts = Facts()
    facts.sales = [
        sale(2000 - index, "10:00:00", 100 + index, "622202******8888", f"{index:06}") for index in range(120)
    ]

    async def work(cashier):
        await cashier.press("3")
        await cashier.sees("000000")
        assert cashier.app.screen.query_one(Choices).option_count == 50
        facts.sales.insert(0, sale(2001, "10:01:00", 1, "622202******8888", "900000"))  # shifts every page by one
        await cashier.press("end")
        await cashier.until(lambda: cashier.app.screen.query_one(Choices).option_count == 99)
        await cashier.press("end")
        await cashier.until(lambda: cashier.app.screen.query_one(Choices).option_count == 120)

    at_the_till(work, facts=facts)


def test_details_of_today_are_listed_and_printed(at_the_till):
    async def work(cashier):
        await cashier.sees("pos1")
        await cashier.press("3")
        await cashier.sees("000345")
        assert any("day=2024-05-06" in target for _, target, _ in cashier.desk.facts.asked)
        await cashier.press("p")
        await cashier.sees("已发送，未确认")
        assert cashier.posted("/v1/details/today/print") == [{"operator": "li"}]

    at_the_till(work)


def test_slips_nobody_saw_stand_on_top_until_somebody_says_what_came_of_them(at_the_till):
    async def work(cashier):
        await cashier.sees("未打印签购单 2")
        await cashier.press("asterisk")
        await cashier.sees("签购单 000345", "签购单 000342")
        assert "结算清单" not in cashier.text  # a list is nobody's slip
        await cashier.press("down", "enter")
        await cashier.sees("未知", "完整打印出来了吗？", "Y 是，完整")
        await cashier.press("y")
        await cashier.sees("已打印（人工确认）")
        await cashier.press("escape")
        await cashier.until(lambda: "000342" not in cashier.text)
        await cashier.press("escape")
        await cashier.sees("未打印签购单 1")

    at_the_till(work)


def test_what_did_not_come_out_is_followed_as_the_further_copy(at_the_till):
    async def work(cashier):
        await cashier.press("asterisk")
        await cashier.sees("签购单 000342")
        await cashier.press("down", "enter")
        await cashier.sees("Y 是，完整", "签购单 000342")
        await cashier.press("n")
        await cashier.sees("排队  >  正在发送  >  已发送，未确认")
        assert cashier.posted("/v1/jobs/old2") == [{"action": "did_not_come_out", "operator": "li"}]

    at_the_till(work)


# ---- jobs
@pytest.mark.parametrize(
    ("road", "why", "shown", "key", "action"),
    [
        (("queued", "held"), "缺纸", ("暂停", "原因：缺纸", "R 现在打印", "C 取消打印"), "r", "resume"),
        (("queued", "sending", "held"), "", ("中途停下", "Y 是，完整"), "y", "came_out"),
        (("queued", "held"), "", ("暂停", "装纸"), "c", "cancel"),
        (("queued", "sending", "unknown"), "", ("未知", "完整打印出来了吗？"), "n", "did_not_come_out"),
        (("queued", "failed_before"), "", ("未打印", "R 现在打印"), "r", "resume"),
    ],
)
def test_what_to_do_when_it_did_not_just_print(at_the_till, road, why, shown, key, action):
    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("[外卡组织:CUP]")
        await cashier.press("enter")
        await cashier.sees(*shown)
        await cashier.press("y" if key in "rc" else "r")  # a key that is not offered does nothing
        await cashier.press(key)
        await cashier.until(lambda: cashier.posted("/v1/jobs/job1"))
        assert cashier.posted("/v1/jobs/job1") == [{"action": action, "operator": "li"}]

    at_the_till(work, facts=Facts(road=road, why=why))


def test_a_printer_that_proves_it_asks_nothing(at_the_till):
    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("[外卡组织:CUP]")
        await cashier.press("enter")
        await cashier.sees("已发送  >  已打印")
        assert "Y 是，完整" not in cashier.text

    at_the_till(work, facts=Facts(road=("queued", "sending", "sent", "printed")))


def test_the_queue_opens_a_job_and_shows_what_became_of_it(at_the_till):
    async def work(cashier):
        Desk(cashier.desk.socket_path).post("/v1/reprints", {"seq": 1288})
        await cashier.press("6")
        await cashier.sees("签购单 000345", "有 4 张等您处理")
        await cashier.press("down", "down", "down", "enter")  # behind the three that are open
        await cashier.sees("Y 是，完整")
        await cashier.press("y", "escape")
        await cashier.sees("已打印（人工确认）", "有 3 张等您处理")

    at_the_till(work, facts=Facts(road=("unconfirmed",)))


# ---- lists of days, closing
def test_any_day_prints_and_an_unreadable_settlement_does_not(at_the_till):
    async def work(cashier):
        await cashier.sees("pos1")
        for steps, path in ((1, "/v1/days/2024-05-05/print"), (4, "/v1/reprints")):
            await cashier.press("4")
            await cashier.sees("未日结", "第 12 号", "终端自己的结算单，批次 000011")
            await cashier.press(*["down"] * steps, "enter")
            if path == "/v1/reprints":
                await cashier.sees("there is no 2")  # the fake has no such slip: nothing shown, nothing printed
                await cashier.press("enter", "escape", "escape")
                assert cashier.posted(path) == []
                continue
            await cashier.sees("[第 0012 号]")
            await cashier.press("p")
            await cashier.sees("已发送，未确认")
            assert cashier.posted(path) == [{"operator": "li"}]
            await cashier.press("escape", "escape")

    at_the_till(work)


def test_closing_the_day_takes_a_clear_yes(at_the_till):
    async def work(cashier):
        await cashier.press("4")
        await cashier.sees("第 12 号")
        await cashier.press("c")
        await cashier.sees("现在日结吗？")
        await cashier.press("enter", "n")
        await cashier.sees("第 12 号")
        assert cashier.posted("/v1/days/close") == []
        await cashier.press("c", "y")
        await cashier.sees("第 13 号")
        assert len(cashier.posted("/v1/days/close")) == 1

    at_the_till(work)


# ---- status, sending, no slip
def test_send_now_shows_the_backlog_going_down(at_the_till):
    async def work(cashier):
        await cashier.sees("未上传 3")
        await cashier.press("7")
        await cashier.sees("已全部上传")
        assert cashier.posted("/v1/sync/now") == [{"operator": "li"}]

    at_the_till(work)


def test_status_follows_the_keeper(at_the_till):
    async def work(cashier):
        await cashier.press("5")
        await cashier.sees("打印机：正常", "纸将尽 未知", "8 笔，第 13 号结算单将于 05-07 04:00 生成")
        cashier.desk.facts.status["printers"][0]["status"]["paper"] = "no"
        await cashier.sees("打印机：缺纸")

    at_the_till(work)


def test_no_slip_guides_by_what_is_known(at_the_till):
    async def work(cashier):
        await cashier.press("8")
        await cashier.sees("没有小票？先查这笔付款是否成功")
        await cashier.press(*"8.80")
        await cashier.sees("有一笔符合，付款已成功")
        await cashier.press("enter")
        await cashier.sees("622848******1234")
        await cashier.press("escape", "ctrl+u", *"999")
        await cashier.sees("没有找到，先不要再次收款")
        await cashier.press("ctrl+u", *"11500")
        await cashier.sees("结果未知，不要再次收款")

    at_the_till(work)


# ---- the keeper comes and goes
def test_without_a_keeper_the_menu_says_so_and_recovers_by_itself(at_the_till):
    async def work(cashier):
        await cashier.sees("记录服务没有运行", "slipkeeper run keeper")
        await cashier.press("2")
        await cashier.sees("记录服务没有运行")
        cashier.desk.start()
        await cashier.sees("终端 pos1：已连接", "000345")
        assert "记录服务没有运行" not in cashier.text

    at_the_till(work, up=False)


def test_a_keeper_that_dies_is_noticed_on_every_screen(at_the_till):
    async def work(cashier):
        await cashier.press("5")
        await cashier.sees("链头")
        cashier.desk.stop()
        await cashier.sees("记录服务没有运行", "请运行 slipkeeper run keeper")
        await cashier.press("escape")
        await cashier.sees("现在的付款可能没有记录", "上传：未知", "晨光便利店 一号店")
        assert "已连接" not in cashier.text
        await cashier.press("8")
        await cashier.sees("现在查不到：记录服务没有应答")

    at_the_till(work)


def test_a_preview_opened_too_early_fills_itself(at_the_till):
    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("记录服务没有运行")
        cashier.desk.start()
        await cashier.sees("[外卡组织:CUP]")

    at_the_till(work, up=False)


def test_a_status_that_is_nonsense_is_no_keeper(at_the_till):
    async def work(cashier):
        cashier.desk.facts.refuse["GET /v1/status"] = (200, ["what"])
        await cashier.sees("无法读懂记录服务的应答")

    at_the_till(work)


def test_a_slip_cannot_command_the_terminal(at_the_till):
    facts = Facts()
    facts.sales[0]["merchant_name"] = "坏\x1b[2J[red]店[/red]"

    async def work(cashier):
        await cashier.press("1")
        await cashier.sees("坏.[2J[red]店[/red]")

    at_the_till(work, facts=facts)


def test_a_bigger_screen_is_used(at_the_till):
    async def work(cashier):
        await cashier.press("2")
        await cashier.sees("000338")
        assert len(cashier.screen) == 40
        assert max(columns(line.rstrip()) for line in cashier.screen) <= 120

    at_the_till(work, size=(120, 40))
