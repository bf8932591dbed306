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
        ([0.3, 0.3, 0.3], Answer.TOO_FEW),
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
    assert "at 95%" in judge(named([0.3] * 3), Test(0.1)).why
    assert "all 3 lose more than 0.1 dB" in judge(named([0.3] * 3), Test(0.1)).why


def test_the_same_numbers_give_the_same_answer_in_any_order():
    """Seeded, and by name."""
    losses = named(np.random.default_rng(0).normal(0.1, 0.1, 12))
    first, again = (bootstrap.interval(losses, 0.95, 7) for _ in range(2))
    turned = bootstrap.interval(dict(reversed(losses.items())), 0.95, 7)
    assert first == again == turned
    assert bootstrap.interval(losses, 0.95, 8) != first
    assert first.low < first.mean < first.high


def test_false_alarms_are_as_rare_as_promised():
    """When the true loss is the margin itself, "worse" is said in about 2.5 % of the cases, not in many."""
    rng = np.random.default_rng(1)
    answers = [judge(named(rng.normal(0.1, 0.05, 20)), Test(0.1)).answer for _ in range(300)]
    assert answers.count(Answer.WORSE) <= 0.06 * len(answers)
    assert answers.count(Answer.KEPT) <= 0.06 * len(answers)
    assert Answer.TOO_FEW in answers


@pytest.mark.parametrize(("confidence", "least"), [(0.8, 4), (0.9, 5), (0.95, 6), (0.99, 8)])
def test_the_fewest_photographs_follow_from_the_confidence(confidence, least):
    """By the sign test: 2 / 2^n has to be at most 1 - confidence."""
    assert bootstrap.least(confidence) == least
    assert 2 / 2**least <= 1 - confidence < 2 / 2 ** (least - 1)
