"""Paired bootstrap: when a loss counts as worse, and when the photographs cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder.runtime.gate import bootstrap
from viewfinder.runtime.gate.bootstrap import Answer, Test, judge


def named(values):
    """Give every value a photograph."""
    return {f"p{number:02d}": float(value) for number, value in enumerate(values)}


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ([0.0] * 8, Answer.KEPT),
        ([0.3, 0.25, 0.35, 0.3, 0.28, 0.33, 0.31, 0.29], Answer.WORSE),
        ([0.05, 0.02, 0.06, 0.03, 0.04, 0.05, 0.01, 0.04], Answer.KEPT),
        ([-0.3, -0.25, -0.35, -0.3, -0.28, -0.33, -0.31, -0.29], Answer.GAINED),
        ([0.5, -0.4, 0.6, -0.3, 0.4, 0.1, 0.2, -0.2], Answer.TOO_FEW),
        ([0.3], Answer.TOO_FEW),
        ([0.25, 0.3], Answer.TOO_FEW),
        ([0.25, 0.3, 0.35, 0.28], Answer.WORSE),
        ([0.02, -0.01, 0.03, 0.01], Answer.KEPT),
        ([0.02, -0.01, 0.08, 0.01], Answer.KEPT),
        ([0.02, -0.01, 0.11, 0.01], Answer.TOO_FEW),
        ([0.005, -0.005], Answer.KEPT),
    ],
)
def test_the_interval_decides(values, answer):
    """Clear of the margin on one side or the other; across it, or with too few photographs, nothing is decided."""
    judged = judge(named(values), Test(0.1))
    assert judged.answer is answer
    assert (judged.needed > 0) is (answer is Answer.TOO_FEW)
    assert f"{judged.interval.mean:+.3f}" in judged.why


def test_too_few_says_how_many_would_do():
    """With as many photographs of the same kind as it says, the answer is there."""
    values = [0.5, -0.4, 0.6, -0.3, 0.4, 0.1, 0.2, -0.2, 0.3, 0.4]
    judged = judge(named(values), Test(0.02))
    assert judged.answer is Answer.TOO_FEW
    assert str(judged.needed) in judged.why
    more = values * (judged.needed // len(values) + 2)
    assert judge(named(more), Test(0.02)).answer is Answer.WORSE
    assert "fewer than 2 photographs" in judge(named([0.3]), Test(0.1)).why


def test_few_photographs_get_students_interval():
    """Four differences: mean plus and minus t(3) s / 2, and never narrower than their range; it says so."""
    values = [0.1, 0.2, 0.3, 0.2]
    found = bootstrap.interval(named(values), 0.95, 0)
    half = 3.18245 * np.std(values, ddof=1) / 2
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-5)
    skewed = bootstrap.interval(named([0.0, 0.0, 1.0]), 0.8, 0)
    assert (skewed.low, skewed.high) == pytest.approx((min(0, 1 / 3 - 1.8856 / 3), 1.0), abs=1e-4)
    assert "Student" in judge(named(values), Test(0.1)).why
    assert "Student" not in judge(named(values * 3), Test(0.1)).why


def test_the_same_numbers_give_the_same_answer_in_any_order():
    """Seeded, and by name."""
    losses = named(np.random.default_rng(0).normal(0.1, 0.1, 12))
    first, again = (bootstrap.interval(losses, 0.95, 7) for _ in range(2))
    turned = bootstrap.interval(dict(reversed(losses.items())), 0.95, 7)
    assert first == again == turned
    assert bootstrap.interval(losses, 0.95, 8) != first
    assert first.low < first.mean < first.high


@pytest.mark.parametrize("count", [4, 8, 20])
def test_false_alarms_are_as_rare_as_promised(count):
    """When the true loss is the margin itself, "worse" is said in about 2.5 % of the cases, however few photographs."""
    rng = np.random.default_rng(1)
    answers = [judge(named(rng.normal(0.1, 0.05, count)), Test(0.1)).answer for _ in range(300)]
    assert answers.count(Answer.WORSE) <= 0.05 * len(answers)
    assert answers.count(Answer.KEPT) <= 0.05 * len(answers)
    assert Answer.TOO_FEW in answers


@pytest.mark.parametrize(("confidence", "least"), [(0.8, 4), (0.9, 5), (0.95, 6), (0.99, 8)])
def test_the_fewest_photographs_follow_from_the_confidence(confidence, least):
    """Those that a bootstrap works with, by the sign test: 2 / 2^n has to be at most 1 - confidence."""
    assert bootstrap.least(confidence) == least
    assert 2 / 2**least <= 1 - confidence < 2 / 2 ** (least - 1)
