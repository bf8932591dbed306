"""better, same, worse, incomparable: and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.runtime.gate.made import PHOTOS, measured, numbers, section

from viewfinder.runtime.gate import measured as words
from viewfinder.runtime.gate.bootstrap import Test
from viewfinder.runtime.gate.comparison import Word, changed_files, changes, compare, is_explained

TEST = Test(0.1)


def with_truth(*values):
    """Change the PSNR against the truth."""
    return measured(numbers={**measured().numbers, "psnr_vs_truth_db": numbers(*values)})


@pytest.mark.parametrize(
    ("value", "word"), [(30.0, Word.SAME), (30.05, Word.SAME), (29.7, Word.WORSE), (30.4, Word.BETTER)]
)
def test_the_truth_decides(value, word):
    """A change within the margin is none."""
    answer = compare(measured(), with_truth(value), TEST)
    assert answer.word is word
    assert "psnr_vs_truth_db" in answer.why


def test_without_truth_the_float_output_decides_up_to_60_db():
    """Above 60 dB nothing can be told apart, so nothing is worse."""

    def only(value):
        return measured(numbers={"psnr_vs_float_db": numbers(value)})

    assert compare(only(45.0), only(40.0), TEST).word is Word.WORSE
    assert compare(only(110.0), only(70.0), TEST).word is Word.SAME


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"photographs": {**dict.fromkeys(PHOTOS, "00"), PHOTOS[2]: "11"}}, "the pixels of photo-2 differ"),
        ({"numbers": {"psnr_vs_truth_db": numbers(*[30.0] * 7)}}, "photo-7 is only in the first"),
        ({"numbers": {"psnr_vs_truth_db": numbers(30.0, definition="peak 255")}}, "defined differently"),
        ({"numbers": {"psnr_vs_truth_db": numbers(float("nan"))}}, "no numbers"),
        ({"engine_version": "2.4.0"}, "other versions of the engine litert: 2.3.0, then 2.4.0"),
        ({"evidence": "emulated"}, "measured, then emulated"),
        ({"numbers": {}}, "the second has no"),
    ],
)
def test_what_cannot_be_compared_is_said(changed, why):
    """Other photographs, metrics, engines or ways to measure give no answer but the reason."""
    answer = compare(measured(), measured(**changed), TEST)
    assert answer.word is Word.INCOMPARABLE
    assert why in answer.why
    assert answer.judgement is None


def test_too_few_photographs_are_incomparable():
    """Two photographs that lost differently decide nothing at 95 %."""
    small = {"numbers": {"psnr_vs_truth_db": numbers(30.0, 31.0)}}
    worse = {"numbers": {"psnr_vs_truth_db": numbers(29.8, 30.5)}}
    answer = compare(measured(**small), measured(**worse), TEST)
    assert answer.word is Word.INCOMPARABLE
    assert "photographs like these would decide" in answer.why


def test_what_changed_is_listed():
    """Weights, recipe, sizes and tools explain other files; files alone explain nothing."""
    old = measured()
    retrained = measured(made=replace(old.made, weights_sha256="v" * 64, files={"model.tflite": "e" * 64}))
    assert is_explained(old, retrained)
    assert "other weights" in changes(old, retrained)[0]
    flipped = measured(made=replace(old.made, files={"model.tflite": "e" * 64}))
    assert not is_explained(old, flipped)
    assert changed_files(old, flipped) == ["model.tflite"]
    upgraded = measured(made=replace(old.made, tools={"torch": "3"}))
    assert changes(old, upgraded) == ("torch 2, now 3",)


def test_a_report_becomes_comparable_numbers():
    """Key, engine version and numbers come from the report; the number of photographs is no part of a definition."""
    found = words.of_section(section(fallback_ops=3))
    assert found.key == "hdrnet w tflite@litert w8a8"
    assert found.engine_version == "2.3.0"
    assert found.totals == {"size_bytes": 1000.0, "fallback_ops": 3.0}
    assert found.numbers["psnr_vs_truth_db"].definition == "against the truth: PSNR"
    assert words.Measured.from_dict(found.to_dict()) == found


def test_another_viewfinder_explains_other_files():
    """Its version counts among the tools that made an artifact."""
    old = words.of_section(section(measured_with={"viewfinder": "1"}))
    new = words.of_section(section(measured_with={"viewfinder": "2"}))
    assert is_explained(old, new)
    assert changes(old, new) == ("viewfinder 1, now 2",)
