"""Negative control: deliberately wrong drivers, each of which the contract suite must catch by the check named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from agent.contract import Mode, Report, Side, TerminalDriver
from agent.fields import Kind
from tests.drivers.contract_suite import (
    Case,
    Check,
    arbitrary_bytes,
    bounded_memory,
    byte_by_byte,
    checks,
    cut_off,
    failing_store,
    handed_out_once,
    no_secrets,
    noise_before,
    nothing_before_confirm,
    pairs,
    questions_pass_at_once,
    random_cuts,
    resent,
    well_formed,
    whole,
)

PAN = "4012888888881881"  # published test number
MESSAGE = b"[" + PAN.encode() + b" 000345 12850]"
ACK = b"\x06"


class Honest:
    """A toy terminal says `[card trace amount]` and wants 06; between a till and it, messages are held."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.buffer = bytearray()
        self.held: list[list[object]] = []  # [report or None, bytes, may go]
        self.acks = bytearray()
        self.to_terminal = bytearray()

    @property
    def quiet_s(self) -> float | None:
        return 0.5 if self.buffer else None

    def receive(self, data: bytes, side: Side = Side.TERMINAL) -> list[Report]:
        if side is Side.TILL:
            self.to_terminal += data
            return []
        self.buffer += data
        return self.take()

    def take(self) -> list[Report]:
        reports = []
        while self.buffer:
            if self.buffer[:1] != b"[":
                self.let_go(1)
                continue
            end = self.buffer.find(b"]")
            if end < 0 and len(self.buffer) < 100:
                break
            raw = bytes(self.buffer[: end + 1])
            words = raw[1:-1].split()
            if not (len(words) == 3 and all(word.isdigit() for word in words) and len(raw) < 40):
                self.let_go(1)
                continue
            del self.buffer[: len(raw)]
            report = self.report(*(word.decode() for word in words))
            self.held.append([report, raw, False])
            reports.append(report)
        return reports

    def report(self, card: str, trace: str, amount: str) -> Report:
        masked = card[:6] + "*" * (len(card) - 10) + card[-4:] if len(card) > 10 else "*" * len(card)
        fields = {"card_masked": masked, "trace_no": trace, "amount_minor": int(amount) % 10**9, "currency": "CNY"}
        return Report(Kind.TRANSACTION, trace, fields, f"[{masked} {trace} {amount}]".encode())

    def let_go(self, count: int) -> None:
        self.held.append([None, bytes(self.buffer[:count]), True])
        del self.buffer[:count]

    def wake(self, elapsed_s: float) -> list[Report]:
        reports = []
        while self.buffer:
            self.let_go(1)
            reports += self.take()
        return reports

    def answer(self, report: Report) -> bool:
        for item in self.held:
            if item[0] == report and not item[2]:
                item[2] = True
                return True
        return False

    def confirm(self, report: Report) -> None:
        if self.answer(report) and self.mode is Mode.ECR:
            self.acks += ACK

    def abandon(self, report: Report) -> None:
        self.answer(report)

    def outgoing(self, side: Side = Side.TERMINAL) -> bytes:
        if side is Side.TERMINAL:
            data = bytes(self.to_terminal + self.acks) if self.mode is not Mode.TAP else b""
            self.to_terminal.clear()
            self.acks.clear()
            return data
        going = b""
        while self.held and self.held[0][2]:
            going += self.held.pop(0)[1]
        return going if self.mode is Mode.PROXY else b""


class AcksEarly(Honest):
    def receive(self, data, side=Side.TERMINAL):
        reports = super().receive(data, side)
        self.acks += ACK * len(reports)
        return reports

    def confirm(self, report):
        self.answer(report)


class AcksWhenThePeerHangsUp(Honest):
    def wake(self, elapsed_s):
        if elapsed_s > 60:
            for item in self.held:
                self.confirm(item[0])
        return super().wake(elapsed_s)


class NeverAcks(Honest):
    def confirm(self, report):
        self.answer(report)


class AcksAnything(Honest):
    def confirm(self, report):
        self.acks += ACK


class AcksWhatWasNotRecorded(Honest):
    def abandon(self, report):
        self.confirm(report)


class AcksHalfAMessage(Honest):
    def receive(self, data, side=Side.TERMINAL):
        reports = super().receive(data, side)
        if self.buffer and not reports and len(self.buffer) > 10:
            self.acks += ACK
        return reports


class KeepsTheCard(Honest):
    def report(self, card, trace, amount):
        good = super().report(card, trace, amount)
        return Report(good.kind, good.key, good.fields, f"[{card} {trace} {amount}]".encode())


class NeedsWholeMessages(Honest):
    def receive(self, data, side=Side.TERMINAL):
        self.buffer.clear()
        return super().receive(data, side)


class LosesNoise(Honest):
    def let_go(self, count):
        del self.buffer[:count]


class NoiseSticks(Honest):
    def let_go(self, count):
        super().let_go(len(self.buffer))


class Raises(Honest):
    def receive(self, data, side=Side.TERMINAL):
        data.decode("ascii")
        return super().receive(data, side)


class HandsOutTwice(Honest):
    sent = b""

    def outgoing(self, side=Side.TERMINAL):
        data = super().outgoing(side)
        if side is Side.TERMINAL:
            data, self.sent = data or self.sent, data
        return data


class Hoards(Honest):
    def receive(self, data, side=Side.TERMINAL):
        self.diary = getattr(self, "diary", b"") + data
        return super().receive(data, side)


class Counts(Honest):
    number = 0

    def report(self, card, trace, amount):
        self.number += 1
        good = super().report(card, trace, amount)
        return Report(good.kind, f"{trace}:{self.number}", good.fields, good.raw)


class Misspells(Honest):
    def report(self, card, trace, amount):
        good = super().report(card, trace, amount)
        return Report(good.kind, good.key, {**good.fields, "ammount": 1}, good.raw)


class PassesBeforeItIsRecorded(Honest):
    def take(self):
        reports = super().take()
        for item in self.held:
            item[2] = True
        return reports


class BlocksTheSale(Honest):
    def abandon(self, report):
        pass


class DelaysTheTill(Honest):
    def outgoing(self, side=Side.TERMINAL):
        return super().outgoing(side) if side is Side.TILL or self.held else b""


def case(kind: type[Honest], mode: Mode) -> Case:
    def converse(where: Mode, settings: Mapping[str, object]) -> Honest:
        return kind(where)

    terminal = (Side.TERMINAL, MESSAGE)
    expected = ({"amount_minor": 12850, "card_masked": "401288******1881"},)
    driver = TerminalDriver("toy", "a toy", frozenset(Mode), converse)
    if mode is Mode.PROXY:
        passed = {Side.TILL: MESSAGE}
        feed = ((Side.TILL, b"please"), terminal)
        early = {Side.TERMINAL: b"please"}
        sale = Case("proxy", driver, mode, feed, expected, early=early, confirmed=passed, abandoned=passed)
    else:
        sale = Case(mode.value, driver, mode, (terminal,), expected, confirmed={Side.TERMINAL: ACK})
    return replace(sale, secrets=(PAN,), memory_bytes=48 * 1024)


@pytest.mark.parametrize(("good", "check"), pairs([case(Honest, Mode.ECR), case(Honest, Mode.PROXY)]))
def test_an_honest_driver_passes(good: Case, check: Check):
    check(good)


@pytest.mark.parametrize(
    ("wrong", "mode", "caught_by"),
    [
        (AcksEarly, Mode.ECR, {whole, nothing_before_confirm, failing_store}),
        (AcksWhenThePeerHangsUp, Mode.ECR, {nothing_before_confirm}),
        (NeverAcks, Mode.ECR, {whole}),
        (AcksAnything, Mode.ECR, {nothing_before_confirm, failing_store}),
        (AcksWhatWasNotRecorded, Mode.ECR, {failing_store}),
        (AcksHalfAMessage, Mode.ECR, {cut_off}),
        (KeepsTheCard, Mode.ECR, {no_secrets}),
        (NeedsWholeMessages, Mode.ECR, {byte_by_byte, random_cuts}),
        (LosesNoise, Mode.PROXY, {noise_before, cut_off}),
        (NoiseSticks, Mode.ECR, {noise_before}),
        (Raises, Mode.ECR, {arbitrary_bytes}),
        (HandsOutTwice, Mode.ECR, {handed_out_once}),
        (Hoards, Mode.ECR, {bounded_memory}),
        (Counts, Mode.ECR, {resent}),
        (Misspells, Mode.ECR, {well_formed}),
        (PassesBeforeItIsRecorded, Mode.PROXY, {whole, nothing_before_confirm}),
        (BlocksTheSale, Mode.PROXY, {failing_store}),
        (DelaysTheTill, Mode.PROXY, {questions_pass_at_once}),
    ],
)
def test_a_wrong_driver_is_caught(wrong: type[Honest], mode: Mode, caught_by: set[Check]):
    bad = case(wrong, mode)
    assert caught_by <= set(checks(bad))
    for check in caught_by:
        with pytest.raises((AssertionError, UnicodeDecodeError)):
            check(bad)
