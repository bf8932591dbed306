"""Limits for each kind of photograph or burst alone."""

from __future__ import annotations

import pytest
from tests.runtime.gate.made import HEAD, PHOTOS, only, section

from viewfinder.runtime.gate import checks, policyfile
from viewfinder.runtime.gate.outcome import Ruling

NIGHT = {photo: "exposure=dark" if number < 6 else ["exposure=mid", "gain=4"] for number, photo in enumerate(PHOTOS)}


@pytest.mark.parametrize(
    ("limit", "rule", "values", "ruling"),
    [
        ("{exposure=dark: {worst_drop_db: 0.5}}", "strata.exposure=dark.worst_drop_db", (0.1,) * 8, Ruling.PASS),
        (
            "{exposure=dark: {worst_drop_db: 0.5}}",
            "strata.exposure=dark.worst_drop_db",
            (0.6, *(0.1,) * 7),
            Ruling.FAIL,
        ),
        (
            "{exposure=dark: {worst_drop_db: 0.5}}",
            "strata.exposure=dark.worst_drop_db",
            (*(0.1,) * 7, 0.6),
            Ruling.PASS,
        ),
        ("{gain=4: {worst_drop_db: 0.5}}", "strata.gain=4.worst_drop_db", (*(0.1,) * 7, 0.6), Ruling.FAIL),
        ("{exposure=dark: {drop_db: 0.3}}", "strata.exposure=dark.drop_db", (*(0.4,) * 6, 0, 0), Ruling.FAIL),
        ("{exposure=dark: {drop_db: 0.3}}", "strata.exposure=dark.drop_db", (*(0.1,) * 6, 9, 9), Ruling.PASS),
        ("{motion=large: {drop_db: 0.3}}", "strata.motion=large.drop_db", (0.1,) * 8, Ruling.NOT_RUN),
    ],
)
def test_a_kind_of_photograph_has_its_own_limits(bench, limit, rule, values, ruling):
    """Only the photographs of the kind decide, a sample may be of two kinds, and a kind without any never passes."""
    part = section({"psnr_drop_vs_truth_db": values}, strata=NIGHT)
    check = only(checks.checks(bench(f"strata: {limit}", part)), rule)
    assert check.ruling is ruling
    assert check.line == 8
    assert check.measurement.verdict.value == {Ruling.PASS: "pass", Ruling.FAIL: "fail"}.get(ruling, "not-run")


def test_a_kind_is_held_to_the_float_output_too(bench):
    """Least PSNR of a kind: its mean and its worst photograph, not those of all."""
    values = (*(50.0,) * 5, 38.0, 20.0, 20.0)
    part = section({"psnr_vs_float_db": values}, strata=NIGHT)
    made = checks.checks(bench("strata: {exposure=dark: {psnr_db: 45, worst_psnr_db: 40}}", part))
    assert only(made, "strata.exposure=dark.psnr_db").ruling is Ruling.PASS
    worst = only(made, "strata.exposure=dark.worst_psnr_db")
    assert worst.ruling is Ruling.FAIL
    assert "worst: photo-5" in worst.told


def test_an_unknown_kind_is_told_with_its_line(tmp_path):
    """A misspelt stratum is an error of the policy, not a limit that nothing meets."""
    path = tmp_path / "gate.yaml"
    path.write_text(
        f"{HEAD}      strata:\n        exposure=bright: {{drop_db: 1}}\n        exposure=night: {{drop_db: 1}}\n"
    )
    with pytest.raises(policyfile.BadPolicyError, match=r"gate.yaml:10: .*exposure=night"):
        policyfile.load(path)
