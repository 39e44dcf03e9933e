"""What every terminal driver must keep, whatever it speaks: one suite, a few `Case`s per driver.

A new driver joins in five lines of its own test file:

    from tests.drivers.contract_suite import Case, Check, pairs
    CASES = (Case("sale", driver, Mode.ECR, ((Side.TERMINAL, FRAME),), ({"amount_minor": 100},), confirmed=ACK),)

    @pytest.mark.parametrize(("case", "check"), pairs(CASES))
    def test_contract(case: Case, check: Check) -> None:
        check(case)

`test_contract_suite.py` holds deliberately wrong drivers: each must be caught, or the suite is worth nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.contract import Conversation, Mode, Report, Side, TerminalDriver
from agent.fields import Kind, problems

Out = Mapping[Side, bytes]
NOTHING: Final[Out] = {}
EXAMPLES: Final = settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True, slots=True)
class Case:
    """What a device sends and what must come of it.

    `feed`: bytes per side, in order. `expected`: for each report a subset of its fields; the name "kind" in it is the
    report's kind (default transaction). `early` leaves before anything is confirmed (status answers, passed bytes);
    `confirmed` because every report was confirmed, `abandoned` because every report was abandoned. `framed`: bytes
    outside a frame mean nothing (a printer stream is not framed: whatever comes is paper). `results_from`: the side whose
    frames a proxy holds; bytes of the other side pass. `secrets`: card numbers in
    `feed` that may come out nowhere. `memory_bytes`: what a line may hold after any garbage.
    """

    name: str
    driver: TerminalDriver
    mode: Mode
    feed: tuple[tuple[Side, bytes], ...]
    expected: tuple[Mapping[str, object], ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    early: Out = field(default_factory=dict)
    confirmed: Out = field(default_factory=dict)
    abandoned: Out = field(default_factory=dict)
    framed: bool = True
    results_from: Side = Side.TERMINAL
    secrets: tuple[str, ...] = ()
    memory_bytes: int = 256 * 1024

    @property
    def results_to(self) -> Side:
        return Side.TILL if self.results_from is Side.TERMINAL else Side.TERMINAL


Check = Callable[[Case], None]


class Run:
    """One conversation, everything it said so far, and every byte it handed out."""

    def __init__(self, case: Case) -> None:
        self.talk: Conversation = case.driver.converse(case.mode, case.settings)
        self.reports: list[Report] = []
        self.out = {side: bytearray() for side in Side}

    def say(self, data: bytes, side: Side = Side.TERMINAL) -> None:
        self._heard(self.talk.receive(data, side))

    def feed(self, pieces: Iterable[tuple[Side, bytes]]) -> None:
        for side, data in pieces:
            self.say(data, side)

    def silence(self) -> None:
        """As long as the conversation waits for silence, but not for ever."""
        for _ in range(5):
            quiet_s = self.talk.quiet_s
            if quiet_s is None:
                return
            self._heard(self.talk.wake(quiet_s))

    def hang_up(self) -> None:
        self._heard(self.talk.wake(math.inf))

    def answer(self, *, store_works: bool = True, start: int = 0) -> None:
        """Confirms or abandons every report from `start` on."""
        for report in self.reports[start:]:
            (self.talk.confirm if store_works else self.talk.abandon)(report)
            self.fetch()

    def fetch(self) -> None:
        for side in Side:
            self.out[side] += self.talk.outgoing(side)

    def _heard(self, reports: list[Report]) -> None:
        self.reports += reports
        self.fetch()

    def check_out(self, *parts: Out) -> None:
        for side in Side:
            want = b"".join(part.get(side, b"") for part in parts)
            got = bytes(self.out[side])
            assert got == want, f"to the {side} went {got.hex(' ')!r}, not {want.hex(' ')!r}"


def whole(case: Case) -> None:
    """All at once: the reports, and nothing leaves but what may before they are confirmed."""
    run = Run(case)
    run.feed(case.feed)
    run.silence()
    _as_expected(run.reports, case)
    run.check_out(case.early)
    run.answer()
    run.check_out(case.early, case.confirmed)


def byte_by_byte(case: Case) -> None:
    run = Run(case)
    run.feed((side, data[place : place + 1]) for side, data in case.feed for place in range(len(data)))
    run.silence()
    _as_expected(run.reports, case)
    run.answer()
    run.check_out(case.early, case.confirmed)


def random_cuts(case: Case) -> None:
    longest = max(len(data) for _, data in case.feed)

    @EXAMPLES
    @given(st.lists(st.integers(1, longest), max_size=12), st.booleans())
    def cut(cuts: list[int], answer_at_once: bool) -> None:
        run = Run(case)
        for side, data in case.feed:
            for piece in _pieces(data, cuts):
                heard = len(run.reports)
                run.say(piece, side)
                if answer_at_once:
                    run.answer(start=heard)
        heard = len(run.reports)
        run.silence()
        run.answer(start=heard if answer_at_once else 0)
        _as_expected(run.reports, case)
        for side in Side:
            want = case.early.get(side, b"") + case.confirmed.get(side, b"")
            got = bytes(run.out[side])
            # Answering at once may mix acknowledgements with what leaves by itself, a proxy's order may never change.
            if case.mode is not Mode.PROXY:
                want, got = bytes(sorted(want)), bytes(sorted(got))
            assert got == want, f"cuts {cuts} change what goes to the {side}"

    cut()


def noise_before(case: Case) -> None:
    @EXAMPLES
    @given(st.binary(min_size=1, max_size=80), st.sampled_from(["glued", "apart", "pause"]))
    def noisy(noise: bytes, how: str) -> None:
        run = Run(case)
        before = noise
        if how != "glued":
            run.say(noise, case.results_from)
            before = b""
        if how == "pause":
            run.silence()
        heard = len(run.reports)
        for side, data in case.feed:
            run.say(before + data if side is case.results_from else data, side)
            before = b"" if side is case.results_from else before
        run.silence()
        _as_expected(run.reports[heard:], case)
        run.answer()
        if case.mode is Mode.PROXY:
            to = case.results_to
            want = noise + case.early.get(to, b"") + case.confirmed.get(to, b"")
            assert bytes(run.out[to]) == want, f"noise does not reach the {to} as it came"

    noisy()


def cut_off(case: Case) -> None:
    """A last message without its end is no report and is not acknowledged; a proxy still passes every byte."""
    *before, (side, last) = case.feed
    assert side is case.results_from, "the feed must end with a result"
    for end in sorted({*range(max(1, len(last) - 20), len(last)), *range(1, len(last), max(1, len(last) // 20))}):
        run = Run(case)
        run.feed(before)
        heard = len(run.reports)
        run.answer()
        acknowledged = bytes(run.out[side])
        run.say(last[:end], side)
        run.silence()
        run.hang_up()
        assert len(run.reports) < len(case.expected), f"{end} of {len(last)} bytes made a report"
        assert len(run.reports) == heard, "hanging up made a report"
        extra = bytes(run.out[side])[len(acknowledged) :]
        assert extra in case.early.get(side, b""), f"half a message was answered with {extra.hex()}"
        if case.mode is Mode.PROXY:
            came = b"".join(data for where, data in before if where is side) + last[:end]
            assert bytes(run.out[case.results_to]) == came, "bytes of half a message were lost"


def resent(case: Case) -> None:
    """The same said again has the same keys: the journal recognises it, and it is acknowledged again."""
    run = Run(case)
    for _ in range(2):
        heard = len(run.reports)
        run.feed(case.feed)
        run.silence()
        run.answer(start=heard)
    half = len(run.reports) // 2
    names = [(report.kind, report.key) for report in run.reports]
    assert half == len(case.expected), f"{len(names)} reports of a message said twice"
    assert names[:half] == names[half:], "a resend has another key"
    assert len(set(names[:half])) == half, "different reports share a key"
    run.check_out(*_twice(case))
    fresh = Run(case)
    fresh.feed(case.feed)
    fresh.silence()
    assert [(report.kind, report.key) for report in fresh.reports] == names[:half], "keys depend on what came before"


def failing_store(case: Case) -> None:
    """Nothing recorded, nothing acknowledged; a proxy lets the sale go. The resend may be confirmed then."""
    run = Run(case)
    run.feed(case.feed)
    run.silence()
    run.answer(store_works=False)
    run.check_out(case.early, case.abandoned)
    for report in run.reports:
        run.talk.confirm(report)  # too late: it was abandoned
    run.fetch()
    run.check_out(case.early, case.abandoned)
    heard = len(run.reports)
    run.feed(case.feed)
    run.silence()
    run.answer(start=heard)
    run.check_out(case.early, case.abandoned, case.early, case.confirmed)


def nothing_before_confirm(case: Case) -> None:
    """Neither time, nor a stranger's report, nor the peer's hanging up makes an acknowledgement come out."""
    run = Run(case)
    run.feed(case.feed)
    run.silence()
    for kind in Kind:
        run.talk.confirm(Report(kind, "a report of somebody else", {}))
        run.talk.abandon(Report(kind, "a report of somebody else", {}))
    run.talk.wake(3600.0)
    run.hang_up()
    run.check_out(case.early)


def handed_out_once(case: Case) -> None:
    run = Run(case)
    run.feed(case.feed)
    run.silence()
    run.answer()
    for side in Side:
        assert run.talk.outgoing(side) == b"", "bytes were handed out twice"
    for report in run.reports:
        run.talk.confirm(report)
    run.fetch()
    run.check_out(case.early, case.confirmed)


def arbitrary_bytes(case: Case) -> None:
    """Whatever comes, from wherever, in any order with silence: no exception, well-formed reports."""
    known = [data for _, data in case.feed]
    steps = st.lists(
        st.tuples(
            st.sampled_from([*Side, None]),
            st.binary(max_size=200) | st.sampled_from(known).map(_spoil),
            st.integers(0, 2),
        ),
        max_size=12,
    )

    @EXAMPLES
    @given(steps)
    def anything(script: list[tuple[Side | None, bytes, int]]) -> None:
        run = Run(case)
        for side, data, answer in script:
            heard = len(run.reports)
            if side is None:
                run.silence()
            else:
                run.say(data, side)
            if answer:
                run.answer(store_works=answer == 1, start=heard)
        run.hang_up()
        for report in run.reports:
            _well_formed(report)

    anything()


def bounded_memory(case: Case) -> None:
    """Twice as much garbage as may be held, parts of real messages among it, leaves less behind."""
    dice = random.Random(case.name)
    known = b"".join(data for _, data in case.feed)

    def blast(run: Run, chunks: int) -> None:
        for _ in range(chunks):
            start = dice.randrange(len(known))
            data = dice.choice((dice.randbytes(4096), known[start:] * (1 + 4096 // len(known)), b"\x00" * 4096))
            for side in Side:
                heard = run.talk.receive(data, side)
                for report in heard:
                    run.talk.confirm(report)
                for where in Side:
                    run.talk.outgoing(where)

    run = Run(case)
    blast(run, 16)
    tracemalloc.start()
    try:
        blast(run, 2 + case.memory_bytes // 4096)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < case.memory_bytes, f"{held} bytes are held after garbage"


def well_formed(case: Case) -> None:
    run = Run(case)
    run.feed(case.feed)
    run.silence()
    assert run.reports or not case.expected
    for report in run.reports:
        _well_formed(report)


def no_secrets(case: Case) -> None:
    """Card numbers leave the driver nowhere: not in fields, raw bytes, key or repr."""
    fed = b"".join(data for _, data in case.feed)
    run = Run(case)
    run.feed(case.feed)
    run.silence()
    for secret in case.secrets:
        assert secret.encode() in fed.replace(b" ", b""), f"the case does not hold the secret it names: {case.name}"
        for report in run.reports:
            raw = (report.raw or b"").decode("latin-1")
            texts = (json.dumps(dict(report.fields), ensure_ascii=False), repr(report), repr(run.talk), report.key, raw)
            for text in texts:
                assert secret not in text.replace(" ", "").replace("-", ""), "a card number left the driver"
                assert secret[6:-4] not in text, "the middle of a card number left the driver"


def questions_pass_at_once(case: Case) -> None:
    """A proxy never delays the one who asks, not by a byte, not while it holds a result."""
    run = Run(case)
    asked = bytearray()
    for side, data in (*case.feed, (case.results_to, b"\x06\x15more")):
        for place in range(len(data)):
            run.say(data[place : place + 1], side)
            asked += data[place : place + 1] if side is case.results_to else b""
            assert bytes(run.out[case.results_from]) == bytes(asked), f"bytes from the {case.results_to} wait or change"


CHECKS: Final[tuple[Check, ...]] = (
    whole,
    byte_by_byte,
    random_cuts,
    resent,
    failing_store,
    nothing_before_confirm,
    handed_out_once,
    arbitrary_bytes,
    bounded_memory,
    well_formed,
)
FRAMED: Final[tuple[Check, ...]] = (noise_before, cut_off)


def checks(case: Case) -> tuple[Check, ...]:
    """Those that mean something for this case."""
    return (
        *CHECKS,
        *(FRAMED if case.framed and case.expected else ()),
        *((questions_pass_at_once,) if case.mode is Mode.PROXY else ()),
        *((no_secrets,) if case.secrets else ()),
    )


def pairs(cases: Iterable[Case]) -> list[Any]:
    """For pytest.mark.parametrize(("case", "check"), …)."""
    return [pytest.param(case, check, id=f"{case.name}-{check.__name__}") for case in cases for check in checks(case)]


def _twice(case: Case) -> tuple[Out, ...]:
    return case.early, case.confirmed, case.early, case.confirmed


def _as_expected(reports: list[Report], case: Case) -> None:
    assert len(reports) == len(case.expected), f"{len(reports)} reports instead of {len(case.expected)}"
    for report, expected in zip(reports, case.expected, strict=True):
        got = {"kind": report.kind, **report.fields}
        want = {"kind": Kind.TRANSACTION, **expected}
        wrong = {name: got.get(name) for name, value in want.items() if got.get(name) != value}
        assert not wrong, f"wrong in the report: {wrong}, expected { {name: want[name] for name in wrong} }"


def _well_formed(report: Report) -> None:
    assert isinstance(report.kind, Kind)
    assert report.key
    assert report.key == report.key.strip()
    assert problems(report.fields) == []
    json.dumps(dict(report.fields), ensure_ascii=False).encode()  # no lone surrogates, nothing JSON cannot say
    if "raw_sha256" in report.fields:
        assert report.raw is not None, "a digest of nothing"
        assert report.fields["raw_sha256"] == hashlib.sha256(report.raw).hexdigest()


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut into the lengths `cuts`, then the rest."""
    pieces, start = [], 0
    for cut in cuts:
        pieces.append(data[start : start + cut])
        start += cut
    return [piece for piece in (*pieces, data[start:]) if piece]


def _spoil(data: bytes) -> bytes:
    """A message with its middle byte wrong."""
    middle = len(data) // 2
    return data[:middle] + bytes((data[middle] ^ 0x55,)) + data[middle + 1 :] if data else data
