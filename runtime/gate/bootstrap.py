"""Decide "worse" from pairs: the same photographs before and after, and a bootstrap interval of the mean difference.

The interval is the expanded percentile interval of the mean over whole photographs (Hesterberg, What Teachers Should
Know About the Bootstrap, The American Statistician 69(4), 2015): plain percentiles are too narrow for few photographs,
so they are taken where Student's t would have them. It is seeded: the same numbers always give the same answer. Fewer
photographs than a bootstrap can work with get Student's own interval, no narrower than their range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

RESAMPLES = 10_000
FEWEST = 2
"""Below this nothing is decided: one difference says nothing about its own spread."""
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
    from scipy.special import ndtr, stdtrit

    values = np.array([differences[name] for name in sorted(differences)], np.float64)
    count, mean = len(values), float(values.mean())
    if count < FEWEST:
        return Interval(mean, mean, mean, count)
    student = float(stdtrit(count - 1, (1 + confidence) / 2))
    if count < least(confidence):
        half = student * float(values.std(ddof=1)) / math.sqrt(count)
        return Interval(mean, min(mean - half, float(values.min())), max(mean + half, float(values.max())), count)
    tail = float(ndtr(-student * math.sqrt(count / (count - 1))))
    draws = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    low, high = np.quantile(values[draws].mean(axis=1), [tail, 1 - tail])
    return Interval(mean, float(low), float(high), count)


def judge(losses: Mapping[str, float], test: Test) -> Judgement:
    """Decide whether the mean loss is above the margin; `losses` is by photograph, above 0 is worse."""
    found = interval(losses, test.confidence, test.seed)
    said = f"{found.mean:+.3f} dB, {test.confidence:.0%} interval {found.low:+.3f} to {found.high:+.3f} dB"
    said += f" over {found.count} photograph{'s' if found.count != 1 else ''}"
    said += " (Student's t)" if FEWEST <= found.count < least(test.confidence) else ""
    if max(map(abs, losses.values())) <= STILL * test.margin:
        why = f"no photograph moved by more than {STILL * test.margin:.3g} dB ({said})"
        return Judgement(Answer.KEPT, found, 0, why)
    if found.high < -test.margin:
        return Judgement(Answer.GAINED, found, 0, f"a gain: loss {said}, beyond {-test.margin:g} dB")
    if found.count < FEWEST:
        return Judgement(Answer.TOO_FEW, found, FEWEST, f"fewer than {FEWEST} photographs decide nothing: loss {said}")
    if found.low > test.margin:
        return Judgement(Answer.WORSE, found, 0, f"loss {said}, above the limit of {test.margin:g} dB")
    if found.high <= test.margin:
        return Judgement(Answer.KEPT, found, 0, f"loss {said}, within {test.margin:g} dB")
    needed = _needed(found, test.margin)
    about = f"about {needed}" if needed < 10_000 else "more than 10000"
    return Judgement(
        Answer.TOO_FEW,
        found,
        needed,
        f"the interval holds the limit of {test.margin:g} dB: loss {said}; {about} photographs like these would decide",
    )


def _needed(found: Interval, margin: float) -> int:
    """Estimate how many photographs bring the interval clear of the margin: its width shrinks with the root."""
    away = abs(found.mean - margin)
    half = (found.high - found.low) / 2
    if away <= half / 100:
        return 10_000
    return max(FEWEST, found.count + 1, math.ceil(found.count * (half / away) ** 2))
