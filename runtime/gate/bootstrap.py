"""Decide "worse" from pairs: the same photographs before and after, and a bootstrap interval of the mean difference.

The interval is Efron's percentile interval of the mean (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13) over whole photographs, seeded, so that the same numbers always give the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

RESAMPLES = 10_000
STILL = 0.1
"""Share of the margin within which every single photograph has to stay for "the same" to need no statistics."""


class Answer(StrEnum):
    """What the pairs say about a loss of more than a margin."""

    WORSE = "worse"
    KEPT = "kept"
    GAINED = "gained"
    """Better by more than the margin."""
    TOO_FEW = "too-few"


@dataclass(frozen=True)
class Interval:
    """The mean of paired differences, with its two-sided interval."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Judgement:
    """An answer with what it rests on.

    Attributes:
        needed: photographs that would decide, as far as these tell; 0 if they do.
        why: the answer in words.
    """

    answer: Answer
    interval: Interval
    needed: int
    why: str


@dataclass(frozen=True)
class Test:
    """How to decide: the margin in the unit of the differences, two-sided confidence, seed of the resampling."""

    margin: float
    confidence: float = 0.95
    seed: int = 20_261_122

    __test__ = False  # no test class of pytest's


def least(confidence: float) -> int:
    """Return the fewest pairs that can show anything at this confidence without assuming a distribution.

    Even if all n go the same way, chance does that in 2 of 2^n cases (sign test), which has to be rarer than
    1 - confidence.
    """
    return math.ceil(math.log2(2 / (1 - confidence)))


def interval(differences: Mapping[str, float], confidence: float, seed: int) -> Interval:
    """Return mean and interval of the differences by photograph; their order does not matter."""
    values = np.array([differences[name] for name in sorted(differences)], np.float64)
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    means = values[draws].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def judge(losses: Mapping[str, float], test: Test) -> Judgement:
    """Decide whether the mean loss is above the margin; `losses` is by photograph, above 0 is worse."""
    found = interval(losses, test.confidence, test.seed)
    enough = least(test.confidence)
    said = f"{found.mean:+.3f} dB, {test.confidence:.0%} interval {found.low:+.3f} to {found.high:+.3f} dB"
    said += f" over {found.count} photograph{'s' if found.count != 1 else ''}"
    if max(map(abs, losses.values())) <= STILL * test.margin:
        why = f"no photograph moved by more than {STILL * test.margin:.3g} dB ({said})"
        return Judgement(Answer.KEPT, found, 0, why)
    if found.high < -test.margin:
        return Judgement(Answer.GAINED, found, 0, f"a gain: loss {said}, beyond {-test.margin:g} dB")
    if found.count < enough:
        all_lose = min(losses.values()) > test.margin
        more = f"; all {found.count} lose more than {test.margin:g} dB" if all_lose else ""
        why = f"fewer than {enough} photographs decide nothing at {test.confidence:.0%}: loss {said}{more}"
        return Judgement(Answer.TOO_FEW, found, enough, why)
    if found.low > test.margin:
        return Judgement(Answer.WORSE, found, 0, f"loss {said}, above the limit of {test.margin:g} dB")
    if found.high <= test.margin:
        return Judgement(Answer.KEPT, found, 0, f"loss {said}, within {test.margin:g} dB")
    needed = _needed(found, test.margin, enough)
    about = f"about {needed}" if needed < 10_000 else "more than 10000"
    return Judgement(
        Answer.TOO_FEW,
        found,
        needed,
        f"the interval holds the limit of {test.margin:g} dB: loss {said}; {about} photographs like these would decide",
    )


def _needed(found: Interval, margin: float, enough: int) -> int:
    """Estimate how many photographs bring the interval clear of the margin: its width shrinks with the root."""
    away = abs(found.mean - margin)
    half = (found.high - found.low) / 2
    if away <= half / 100:
        return 10_000
    return max(enough, found.count + 1, math.ceil(found.count * (half / away) ** 2))
