"""Every kind of limit: kept, missed, undecided, and said in words with the line of the policy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.runtime.gate.made import PHOTOS, measured, numbers, only, section

from viewfinder.measurement import Evidence, Measurement
from viewfinder.recipe import CalibrationSet
from viewfinder.runtime.gate import checks
from viewfinder.runtime.gate.outcome import Ruling, joined


def test_nan_fails_without_being_asked_for(bench):
    """Whatever the policy limits, a NaN in a picture is a failure."""
    broken = section()
    nan = replace(broken.report.measurements[0], value=3.0)
    broken = replace(broken, report=replace(broken.report, measurements=(nan, *broken.report.measurements[1:])))
    assert only(checks.checks(bench("size: {max_bytes: 9999}", broken)), "artifact.finite").ruling is Ruling.FAIL
    assert only(checks.checks(bench("size: {max_bytes: 9999}")), "artifact.finite").ruling is Ruling.PASS


@pytest.mark.parametrize(
    ("limit", "rule", "values", "ruling"),
    [
        ("against_float: {psnr_db: 39}", "against_float.psnr_db", {}, Ruling.PASS),
        ("against_float: {psnr_db: 41}", "against_float.psnr_db", {}, Ruling.FAIL),
        (
            "against_float: {worst_psnr_db: 39}",
            "against_float.worst_psnr_db",
            {"psnr_vs_float_db": (38.0, *[50.0] * 7)},
            Ruling.FAIL,
        ),
        ("against_truth: {drop_db: 0.3}", "against_truth.drop_db", {}, Ruling.PASS),
        ("against_truth: {drop_db: 0.3}", "against_truth.drop_db", {"psnr_drop_vs_truth_db": 0.4}, Ruling.FAIL),
        ("against_truth: {drop_db: 0.3}", "against_truth.drop_db", {"psnr_drop_vs_truth_db": -0.4}, Ruling.GAIN),
        (
            "against_truth: {drop_db: 0.3}",
            "against_truth.drop_db",
            {"psnr_drop_vs_truth_db": (0.1, 0.6) * 4},
            Ruling.TOO_FEW,
        ),
        (
            "against_truth: {worst_drop_db: 0.5}",
            "against_truth.worst_drop_db",
            {"psnr_drop_vs_truth_db": (0.1, 0.6) * 4},
            Ruling.FAIL,
        ),
        ("metrics: {psnr_vs_truth_db: {min: 31}}", "metrics.psnr_vs_truth_db", {}, Ruling.FAIL),
        ("metrics: {psnr_vs_truth_db: {min: 29, max: 31}}", "metrics.psnr_vs_truth_db", {}, Ruling.PASS),
        ("metrics: {no_such_thing: {max: 1}}", "metrics.no_such_thing", {}, Ruling.NOT_RUN),
        ("size: {max_bytes: 999}", "size.max_bytes", {}, Ruling.FAIL),
        ("size: {max_bytes: 1000}", "size.max_bytes", {}, Ruling.PASS),
    ],
)
def test_limits_on_what_was_measured(bench, limit, rule, values, ruling):
    """Each limit decides as it says, names its line, and tells its numbers."""
    check = only(checks.checks(bench(limit, section(values))), rule)
    assert check.ruling is ruling
    assert check.line == 8
    verdicts = {Ruling.PASS: "pass", Ruling.GAIN: "pass", Ruling.FAIL: "fail"}
    assert check.measurement.verdict.value == verdicts.get(ruling, "not-run")


def test_a_golden_file_without_truth_is_not_run(bench):
    """A limit on the truth never passes where there is none."""
    part = section()
    rest = tuple(one for one in part.report.measurements if "drop" not in one.metric)
    part = replace(part, report=replace(part.report, measurements=rest))
    made = checks.checks(bench("against_truth: {drop_db: 0.3, worst_drop_db: 1}", part))
    assert [check.ruling for check in made[1:]] == [Ruling.NOT_RUN] * 2
    assert joined(check.ruling for check in made) is Ruling.NOT_RUN


def lost(value):
    """Make a baseline that was better against the truth."""
    return measured(numbers={**measured().numbers, "psnr_vs_truth_db": numbers(30.0 + value)})


@pytest.mark.parametrize(
    ("gains", "value", "ruling", "words"),
    [
        ("report", 0.0, Ruling.PASS, "no photograph moved"),
        ("report", 0.3, Ruling.FAIL, "above the limit of 0.1 dB"),
        ("report", -0.3, Ruling.GAIN, "unexplained gain"),
        ("fail", -0.3, Ruling.FAIL, "unexplained gain"),
        ("ignore", -0.3, Ruling.PASS, "a gain"),
    ],
)
def test_the_baseline_binds_on_both_sides(bench, gains, value, ruling, words):
    """A loss fails; a gain that nothing explains is told, or fails where the policy says so."""
    limit = f"against_baseline: {{drop_vs_truth_db: 0.1, gains: {gains}}}"
    check = only(checks.checks(bench(limit, before=lost(value))), "against_baseline.drop_vs_truth_db")
    assert check.ruling is ruling
    assert words in check.told
    assert check.measurement.verdict.value == ("fail" if ruling is Ruling.FAIL else "pass")


def test_a_gain_by_other_weights_is_explained(bench):
    """Retrained weights may be better; that is reported, even where unexplained gains fail."""
    limit = "against_baseline: {drop_vs_truth_db: 0.1, gains: fail}"
    before = replace(lost(-0.3), made=replace(measured().made, weights_sha256="v" * 64))
    check = only(checks.checks(bench(limit, before=before)), "against_baseline.drop_vs_truth_db")
    assert check.ruling is Ruling.GAIN
    assert "other weights" in check.told
    assert "baseline accept" in check.told


def test_without_an_entry_nothing_passes(bench):
    """Each comparison is not run, and says how to write the baseline."""
    limit = "against_baseline: {drop_vs_truth_db: 0.1, worst_drop_db: 1}"
    made = checks.checks(bench(limit, no_baseline="write it with accept"))
    rulings = {check.rule: check.ruling for check in made if check.rule.startswith("against_baseline")}
    assert set(rulings.values()) == {Ruling.NOT_RUN}
    assert len(rulings) == 3
    assert all("accept" in check.told for check in made[1:])


def test_another_engine_version_is_incomparable_unless_the_policy_allows_it(bench, tmp_path):
    """Numbers of two engines are not compared in silence."""
    limit = "against_baseline: {drop_vs_truth_db: 0.1}"
    before = measured(engine_version="2.2.0")
    strict = only(checks.checks(bench(limit, before=before)), "against_baseline.drop_vs_truth_db")
    assert strict.ruling is Ruling.INCOMPARABLE
    assert "2.2.0, then 2.3.0" in strict.told
    loose = bench(f"{limit}\nengine_versions: any", before=before)
    assert only(checks.checks(loose), "against_baseline.drop_vs_truth_db").ruling is Ruling.PASS


@pytest.mark.parametrize(
    ("rule", "changes", "ruling", "words"),
    [
        ("fail", {}, Ruling.PASS, "byte by byte"),
        ("fail", {"files": {"model.tflite": "e" * 64}}, Ruling.FAIL, "model.tflite (eeeeeeeeeeee is now ffffffffffff)"),
        ("report", {"files": {"model.tflite": "e" * 64}}, Ruling.GAIN, "damaged"),
        ("fail", {"files": {"model.tflite": "e" * 64}, "recipe": "other"}, Ruling.PASS, "recipe"),
    ],
)
def test_files_that_change_without_a_reason_are_found(bench, rule, changes, ruling, words):
    """Other bytes from the same weights, recipe and tools are no accident."""
    before = measured(made=replace(measured().made, **changes))
    limit = f"against_baseline: {{worst_drop_db: 1, bytes: {rule}}}"
    check = only(checks.checks(bench(limit, before=before)), "against_baseline.bytes")
    assert check.ruling is ruling
    assert words in check.told


def test_the_worst_photograph_is_named(bench):
    """One photograph that lost is found among those that did not."""
    values = [30.0] * 8
    values[5] = 31.0
    before = measured(numbers={"psnr_vs_truth_db": numbers(*values)})
    check = only(
        checks.checks(bench("against_baseline: {worst_drop_db: 0.9}", before=before)), "against_baseline.worst_drop_db"
    )
    assert check.ruling is Ruling.FAIL
    assert PHOTOS[5] in check.told


COUNT = Measurement("instructions_total", 1100.0, "1", Evidence.EMULATED)


@pytest.mark.parametrize(
    ("limit", "rule", "ruling"),
    [
        ("size: {max_growth_percent: 24}", "size.max_growth_percent", Ruling.FAIL),
        ("size: {max_growth_percent: 26}", "size.max_growth_percent", Ruling.PASS),
        ("instructions: {max_count: 1099}", "instructions.max_count.instructions_total", Ruling.FAIL),
        (
            "instructions: {max_growth_percent: 9}",
            "instructions.max_growth_percent.instructions_total",
            Ruling.FAIL,
        ),
        (
            "instructions: {max_growth_percent: 11}",
            "instructions.max_growth_percent.instructions_total",
            Ruling.PASS,
        ),
    ],
)
def test_growth_is_measured_from_the_baseline(bench, limit, rule, ruling):
    """Size and instruction counts may grow by so many percent."""
    before = measured(totals={"size_bytes": 800.0, "instructions_total": 1000.0})
    check = only(checks.checks(bench(limit, before=before, others=(COUNT,))), rule)
    assert check.ruling is ruling


def test_what_an_artifact_does_not_have_is_said_not_to_be_checked(bench):
    """No device result, no delegate: told, neither passed nor failed."""
    made = checks.checks(bench("instructions: {max_count: 1}\n      fallback: {max_ops: 0}"))
    assert {check.ruling for check in made if check.rule.startswith(("instr", "fall"))} == {Ruling.NOT_CHECKED}


@pytest.mark.parametrize(("count", "ruling"), [(0, Ruling.PASS), (2, Ruling.FAIL)])
def test_operators_left_to_the_cpu_are_counted(bench, count, ruling):
    """As the exporter found them."""
    made = checks.checks(bench("fallback: {max_ops: 0}", section(fallback_ops=count)))
    assert only(made, "fallback.max_ops").ruling is ruling


def test_probes_have_to_keep_their_own_limits(bench):
    """Each probe is a check; required and not run is no pass; the policy may set another limit."""
    probe = Measurement("probe_ramp_levels", 16.0, "1", Evidence.MEASURED, minimum=100)
    assert only(checks.checks(bench("probes: required")), "probes").ruling is Ruling.NOT_RUN
    made = checks.checks(bench("probes: required", others=(probe,)))
    assert only(made, "probes.probe_ramp_levels").ruling is Ruling.FAIL
    eased = bench("probes: required\n      metrics: {probe_ramp_levels: {min: 10}}", others=(probe,))
    assert only(checks.checks(eased), "metrics.probe_ramp_levels").ruling is Ruling.PASS
    assert not [check for check in checks.checks(eased) if check.rule.startswith("probes")]


@pytest.mark.parametrize(
    ("strata", "ruling"),
    [({"exposure=dark": 0, "exposure=mid": 4}, Ruling.FAIL), ({"exposure=dark": 1, "exposure=mid": 4}, Ruling.PASS)],
)
def test_strata_without_calibration_pictures_are_named(bench, strata, ruling):
    """A set without dark frames fails, and the message says so."""
    given = CalibrationSet("mine", "00", 4, strata)
    made = checks.checks(bench("calibration: {min_coverage: 1}", is_calibrated=True, calibration=given))
    check = only(made, "calibration.min_coverage")
    assert check.ruling is ruling
    assert ("'mine' has no samples of exposure=dark" in check.told) is (ruling is Ruling.FAIL)


def test_a_calibrated_artifact_without_a_record_is_not_run(bench):
    """Nothing on record is no pass; what was not calibrated is not asked."""
    made = checks.checks(bench("calibration: {min_coverage: 1}", is_calibrated=True))
    assert only(made, "calibration.min_coverage").ruling is Ruling.NOT_RUN
    assert len(checks.checks(bench("calibration: {min_coverage: 1}"))) == 1
