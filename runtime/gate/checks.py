"""Turn limits into checks of one case: against the float network, the truth, the baseline; size, operators, probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from viewfinder import strata
from viewfinder.measurement import Evidence, Measurement, Verdict
from viewfinder.recipe import CalibrationSet
from viewfinder.runtime.gate import differences
from viewfinder.runtime.gate.bootstrap import Answer, Judgement, Test, judge
from viewfinder.runtime.gate.measured import PROBE, VS_FLOAT, Measured
from viewfinder.runtime.gate.outcome import Check, Ruling
from viewfinder.runtime.gate.policy import Limits
from viewfinder.runtime.gate.policyfile import PolicyFile
from viewfinder.runtime.quantities import DROP, FINITE
from viewfinder.runtime.report.document import Section

WORST_FLOAT, WORST_DROP = "psnr_vs_float_worst_db", "psnr_drop_vs_truth_worst_db"
COVERAGE = "calibration_coverage"


@dataclass(frozen=True)
class Bench:
    """One case on the bench.

    Attributes:
        gate: number of the gate in the policy.
        section: what verify measured.
        others: further measurements of the same artifact: probes, instruction counts.
        now: the numbers in comparable form.
        before: the same of the baseline, None if it has none; then `no_baseline` says why.
        is_calibrated: whether activation ranges were measured on a calibration set; `calibration` is what the manifest
            says of it.
    """

    file: PolicyFile
    gate: int
    limits: Limits
    section: Section
    now: Measured
    others: tuple[Measurement, ...] = ()
    before: Measured | None = None
    no_baseline: str = ""
    is_calibrated: bool = False
    calibration: CalibrationSet | None = None

    def line(self, *keys: str) -> int:
        """Return the line of a limit."""
        return self.file.line_of_limit(self.gate, *keys)

    def test(self, margin: float) -> Test:
        """Return how a margin is decided."""
        return Test(margin, self.file.policy.confidence, self.file.policy.seed)

    def found(self, metric: str) -> Measurement | None:
        """Return a measurement by its name."""
        everything = (*self.section.report.measurements, *self.others)
        return next((one for one in everything if one.metric == metric), None)


def checks(bench: Bench) -> list[Check]:
    """Check everything that the limits name, and that no value is NaN."""
    made = [
        *_finite(bench),
        *_against_float(bench),
        *_against_truth(bench),
        *_strata(bench),
        *differences.against_baseline(bench),
        *_metrics(bench),
        *_probes(bench),
        *differences.size(bench),
        *differences.instructions(bench),
        *_fallback(bench),
        *_calibration(bench),
    ]
    return list(made)


def limited(bench: Bench, rule: str, one: Measurement, keys: tuple[str, ...]) -> Check:
    """Check a measurement against the limits that it carries."""
    rulings = {Verdict.PASS: Ruling.PASS, Verdict.FAIL: Ruling.FAIL, Verdict.NOT_RUN: Ruling.NOT_RUN}
    ruling = rulings.get(one.verdict, Ruling.NOT_CHECKED)
    return Check(rule, ruling, sentence(one), one, bench.line(*keys))


def sentence(one: Measurement) -> str:
    """Say value, limit and worst photograph of a measurement."""
    if one.value is None:
        return f"{one.metric} was not measured: {one.reason or 'no reason is known'}"
    unit = "" if one.unit in {"1", "values"} else f" {one.unit}"
    value = f"{one.value:.0f}" if float(one.value).is_integer() else f"{one.value:.4g}"
    bounds = [f"at least {one.minimum:.15g}{unit}"] if one.minimum is not None else []
    bounds += [f"at most {one.maximum:.15g}{unit}"] if one.maximum is not None else []
    limit = f", the limit is {' and '.join(bounds)}" if bounds else ""
    worst = f" (worst: {one.worst})" if one.worst else ""
    return f"{one.metric} is {value}{unit}{worst}{limit}"


def absent(metric: str, reason: str) -> Measurement:
    """Stand for a measurement that is not there."""
    return Measurement(metric, None, "1", Evidence.NOT_RUN, reason=reason)


def judged(bench: Bench, rule: str, one: Measurement, judgement: Judgement, keys: tuple[str, ...]) -> Check:
    """Check what an interval has decided; a measurement that is undecided carries no value, so that it never passes."""
    rulings = {
        Answer.WORSE: Ruling.FAIL,
        Answer.KEPT: Ruling.PASS,
        Answer.GAINED: Ruling.GAIN,
        Answer.TOO_FEW: Ruling.TOO_FEW,
    }
    ruling = rulings[judgement.answer]
    if ruling is Ruling.TOO_FEW:
        one = replace(one, value=None, evidence=Evidence.NOT_RUN, reason=f"{ruling.value}: {judgement.why}")
    told = judgement.why if ruling is not Ruling.FAIL else f"{judgement.why} (worst: {one.worst})"
    return Check(rule, ruling, told, one, bench.line(*keys), judgement.interval)


def _finite(bench: Bench) -> Iterator[Check]:
    """No picture may hold NaN or infinity, whatever the policy says."""
    one = bench.found(FINITE)
    if one is None:
        reasons = [other.reason for other in bench.section.report.measurements if other.reason]
        one = absent(FINITE, reasons[0] if reasons else "nothing was measured")
    yield limited(bench, "artifact.finite", replace(one, maximum=0, limit_reason="a picture has no NaN"), ())


def _against_float(bench: Bench) -> Iterator[Check]:
    """Least PSNR against the float output."""
    limits = bench.limits.against_float
    if limits is None:
        return
    for key, metric, least in (
        ("psnr_db", VS_FLOAT, limits.psnr_db),
        ("worst_psnr_db", WORST_FLOAT, limits.worst_psnr_db),
    ):
        if least is not None:
            one = bench.found(metric) or absent(metric, "no photograph gave a number")
            bound = replace(one, minimum=least, maximum=None, limit_reason="set by the policy")
            yield limited(bench, f"against_float.{key}", bound, ("against_float", key))


def _against_truth(bench: Bench) -> Iterator[Check]:
    """Most PSNR lost against the truth: on average by the interval, on the worst photograph by its number."""
    limits = bench.limits.against_truth
    if limits is None:
        return
    if limits.drop_db is not None:
        keys, rule = ("against_truth", "drop_db"), "against_truth.drop_db"
        one = bench.found(DROP)
        if one is None or not one.per_sample:
            yield limited(bench, rule, absent(DROP, one.reason if one else "the golden file has no truth"), keys)
        else:
            bound = replace(one, minimum=None, maximum=limits.drop_db, limit_reason="set by the policy")
            yield judged(bench, rule, bound, judge(one.per_sample, bench.test(limits.drop_db)), keys)
    if limits.worst_drop_db is not None:
        one = bench.found(WORST_DROP) or absent(WORST_DROP, "the golden file has no truth")
        bound = replace(one, minimum=None, maximum=limits.worst_drop_db, limit_reason="set by the policy")
        yield limited(bench, "against_truth.worst_drop_db", bound, ("against_truth", "worst_drop_db"))


def _strata(bench: Bench) -> Iterator[Check]:
    """The limits of each kind of photograph, on the photographs of that kind alone."""
    of_photo = dict(bench.section.report.notes.get("strata", {}))
    for name, limits in (bench.limits.strata or {}).items():
        members = {photo for photo in of_photo if name in strata.named(of_photo, photo)}
        for key, bound in limits.model_dump(exclude_none=True).items():
            metric = DROP if key.endswith("drop_db") else VS_FLOAT
            keys, rule = ("strata", name, key), f"strata.{name}.{key}"
            whole = bench.found(metric)
            values = {photo: value for photo, value in (whole.per_sample if whole else {}).items() if photo in members}
            if whole is None or not values:
                why = "no photograph of this kind gave a number" if members else "no photograph is of this kind"
                yield limited(bench, rule, absent(f"{metric} of {name}", why), keys)
                continue
            one = _of_stratum(whole, name, values, key)
            if key == "drop_db":
                bounded = replace(one, maximum=bound, limit_reason="set by the policy")
                yield judged(bench, rule, bounded, judge(values, bench.test(bound)), keys)
            else:
                limit = {"maximum" if metric == DROP else "minimum": bound, "limit_reason": "set by the policy"}
                yield limited(bench, rule, replace(one, **limit), keys)


def _of_stratum(whole: Measurement, name: str, values: Mapping[str, float], key: str) -> Measurement:
    """Return a measurement of the photographs of one kind: their mean, or the worst of them."""
    least_is_worst = whole.metric != DROP
    worst = (min if least_is_worst else max)(values, key=lambda photo: values[photo])
    value = values[worst] if key.startswith("worst") else sum(values.values()) / len(values)
    definition = f"{whole.definition}; the {len(values)} of {name} alone"
    return replace(
        whole,
        metric=f"{whole.metric} of {name}",
        value=value,
        definition=definition,
        minimum=None,
        maximum=None,
        per_sample=dict(values),
        per_stratum={},
        worst=worst,
    )


def _metrics(bench: Bench) -> Iterator[Check]:
    """Bounds on measurements by name."""
    for name, bounds in (bench.limits.metrics or {}).items():
        one = bench.found(name) or absent(name, "this artifact has no measurement of that name")
        bound = replace(one, minimum=bounds.min, maximum=bounds.max, limit_reason="set by the policy")
        yield limited(bench, f"metrics.{name}", bound, ("metrics", name))


def _probes(bench: Bench) -> Iterator[Check]:
    """Every probe has to keep its own limits, unless the policy sets another on it."""
    if bench.limits.probes != "required":
        return
    found = [one for one in bench.others if one.metric.startswith(PROBE)]
    if not found:
        missing = absent(f"{PROBE}all", "no probe of this artifact was run")
        yield limited(bench, "probes", missing, ("probes",))
    for one in found:
        if one.metric not in (bench.limits.metrics or {}) and one.verdict is not Verdict.INFO:
            yield limited(bench, f"probes.{one.metric}", one, ("probes",))


def _fallback(bench: Bench) -> Iterator[Check]:
    """Operators that the delegate left to the CPU."""
    if bench.limits.fallback is None:
        return
    most, count = bench.limits.fallback.max_ops, bench.section.report.notes.get("fallback_ops")
    keys = ("fallback", "max_ops")
    if not isinstance(count, int):
        told = f"not checked: {bench.now.format} artifacts name no operators that a delegate left to the CPU"
        info = Measurement("fallback_ops", None, "1", Evidence.NOT_RUN, reason=told)
        yield Check("fallback.max_ops", Ruling.NOT_CHECKED, told, info, bench.line(*keys))
        return
    definition = "operators in the file that no delegate took"
    one = Measurement("fallback_ops", count, "1", Evidence.COMPILER_ESTIMATE, definition, maximum=most)
    yield limited(bench, "fallback.max_ops", one, keys)


def _calibration(bench: Bench) -> Iterator[Check]:
    """Least coverage of the strata by the calibration set, naming those without a sample."""
    if bench.limits.calibration is None or not bench.is_calibrated:
        return
    given, keys = bench.calibration, ("calibration", "min_coverage")
    if given is None or not given.strata:
        missing = absent(COVERAGE, "the manifest's recipe says nothing of the strata of its calibration set")
        yield limited(bench, "calibration.min_coverage", missing, keys)
        return
    definition = f"share of the strata {', '.join(given.strata)} that have samples among {given.samples}"
    least = bench.limits.calibration.min_coverage
    one = Measurement(COVERAGE, given.coverage, "1", Evidence.MEASURED, definition, minimum=least)
    check = limited(bench, "calibration.min_coverage", one, keys)
    if given.missing:
        told = f"the calibration set {given.name!r} has no samples of {', '.join(given.missing)}: {check.told}"
        check = replace(check, told=told)
    yield check
