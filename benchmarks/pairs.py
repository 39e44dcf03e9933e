"""Pairs: the thing under test and its limit, turn by turn in one process, so that a noisy machine hits both alike.

Figures are ratios; the median over rounds is quoted, absolute times are printed for the eye only.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio with its goal. `better` is "more" or "less"."""

    name: str
    value: float
    goal: float
    better: str
    about: str

    @property
    def met(self) -> bool:
        return self.value >= self.goal if self.better == "more" else self.value <= self.goal

    def plain(self) -> dict[str, object]:
        members = {"name": self.name, "value": round(self.value, 3), "goal": self.goal, "better": self.better}
        return {**members, "met": self.met, "about": self.about}


def timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def interleaved(
    ours: Callable[[], object], limit: Callable[[], object], rounds: int, turns: int
) -> list[list[list[float]]]:
    """rounds x [ours, limit] x turns seconds, in turn A B A B."""
    measured = []
    for _ in range(rounds):
        pair: list[list[float]] = [[], []]
        for _ in range(turns):
            pair[0].append(timed(ours))
            pair[1].append(timed(limit))
        measured.append(pair)
    return measured


def mean_ratio(measured: list[list[list[float]]]) -> float:
    """Rate of ours over rate of the limit: 1 = as fast, below 1 = slower."""
    return statistics.median(sum(limit) / sum(ours) for ours, limit in measured)


def quantile_ratio(measured: list[list[list[float]]], share: float) -> float:
    """A quantile of ours over the same of the limit: 1 = equal, above 1 = slower."""
    return statistics.median(quantile(ours, share) / quantile(limit, share) for ours, limit in measured)


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]
