"""Checks against the committed baseline: quality by paired intervals, sizes and counts by growth, files by hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from viewfinder.measurement import Evidence, Measurement, Verdict
from viewfinder.runtime.gate.bootstrap import Answer, judge
from viewfinder.runtime.gate.comparison import changed_files, changes, is_explained, losses, obstacle
from viewfinder.runtime.gate.measured import INSTRUCTIONS, SIZE, VS_FLOAT, VS_TRUTH, Measured
from viewfinder.runtime.gate.outcome import Check, Ruling

if TYPE_CHECKING:
    from viewfinder.runtime.gate.checks import Bench

QUALITY = {"drop_vs_truth_db": VS_TRUTH, "drop_vs_float_db": VS_FLOAT}
ACCEPT = 'accept a new baseline with `viewfinder baseline accept --reason "..."` if this is meant'
SECTION = "against_baseline"


@dataclass(frozen=True)
class Grown:
    """A number that may grow by some percent."""

    metric: str
    unit: str
    rule: str
    keys: tuple[str, ...]


def against_baseline(bench: Bench) -> Iterator[Check]:
    """Quality against the baseline, in both directions, and files that changed without a reason."""
    limits = bench.limits.against_baseline
    if limits is None:
        return
    for key, metric in QUALITY.items():
        margin: float | None = getattr(limits, key)
        if margin is not None:
            yield _quality(bench, key, metric, margin)
    if limits.worst_drop_db is not None:
        yield _worst(bench, limits.worst_drop_db)
    if limits.bytes != "ignore":
        name, why = "files_changed_unexplained", bench.no_baseline
        yield _bytes(bench, bench.before, limits.bytes) if bench.before else _blocked(bench, "bytes", name, why)


def _obstacle(bench: Bench, metric: str) -> str:
    """Say why the case cannot be compared with its baseline, or return ""."""
    if bench.before is None:
        return bench.no_baseline
    same = bench.file.policy.engine_versions == "same"
    return obstacle(bench.before, bench.now, metric, same_engine_version=same)


def _blocked(bench: Bench, key: str, name: str, why: str) -> Check:
    """Make the check of what cannot be compared."""
    ruling = Ruling.NOT_RUN if bench.before is None else Ruling.INCOMPARABLE
    told = why if bench.before is None else f"incomparable with the baseline: {why}; {ACCEPT}"
    one = Measurement(name, None, "dB", Evidence.NOT_RUN, reason=told)
    return Check(f"{SECTION}.{key}", ruling, told, one, bench.line(SECTION, key))


def _quality(bench: Bench, key: str, metric: str, margin: float) -> Check:
    """Decide one mean loss by its interval; a gain is reported, and fails where the policy says so."""
    name, rule, line = (
        f"{metric.removesuffix('_db')}_lost_since_baseline_db",
        f"{SECTION}.{key}",
        bench.line(SECTION, key),
    )
    why = _obstacle(bench, metric)
    if why or bench.before is None:
        return _blocked(bench, key, name, why)
    lost = losses(bench.before, bench.now, metric)
    judgement = judge(lost, bench.test(margin))
    one = replace(_lost(name, lost, metric, bench), maximum=margin, value=judgement.interval.mean)
    if judgement.answer is Answer.TOO_FEW:
        undecided = replace(one, value=None, evidence=Evidence.NOT_RUN, reason=f"too-few: {judgement.why}")
        return Check(rule, Ruling.TOO_FEW, judgement.why, undecided, line, judgement.interval)
    if judgement.answer is Answer.GAINED:
        return _gain(bench, bench.before, Check(rule, Ruling.GAIN, judgement.why, one, line, judgement.interval))
    if judgement.answer is Answer.WORSE:
        told = f"{judgement.why}; worst: {one.worst}, {lost[one.worst]:+.3f} dB{_since(bench, bench.before)}"
        return Check(rule, Ruling.FAIL, told, one, line, judgement.interval)
    return Check(rule, Ruling.PASS, judgement.why, one, line, judgement.interval)


def _since(bench: Bench, before: Measured) -> str:
    """Say what changed since the baseline, for the end of a sentence."""
    if not is_explained(before, bench.now):
        return "; nothing on record has changed since"
    return f"; changed since the baseline: {', '.join(changes(before, bench.now))}"


def _gain(bench: Bench, before: Measured, check: Check) -> Check:
    """Report a gain; one that nothing recorded explains is suspicious, and fails where the policy says so."""
    limits = bench.limits.against_baseline
    rule = limits.gains if limits else "report"
    if rule == "ignore":
        return replace(check, ruling=Ruling.PASS)
    if is_explained(before, bench.now):
        return replace(check, told=f"{check.told}{_since(bench, before)}; {ACCEPT}")
    told = (
        f"unexplained gain: {check.told}, though weights, recipe, sizes, tools and photographs are the same; look for "
        "a changed metric, or a truth that leaked into the input"
    )
    if rule == "fail":
        margin = check.measurement.maximum or 0.0
        bound = replace(check.measurement, minimum=-margin, reason=told)
        return replace(check, ruling=Ruling.FAIL, told=told, measurement=bound)
    return replace(check, told=told)


def _lost(name: str, lost: Mapping[str, float], metric: str, bench: Bench) -> Measurement:
    """Make the measurement of a loss since the baseline."""
    worst = max(sorted(lost), key=lambda photo: lost[photo])
    definition = f"{metric} in the baseline less that of now, mean of {len(lost)} photographs; above 0 is worse"
    evidence = bench.section.report.evidence
    return Measurement(name, lost[worst], "dB", evidence, definition, per_sample=dict(lost), worst=worst)


def _worst(bench: Bench, most: float) -> Check:
    """Bound the loss of the worst photograph, against the truth where both have one."""
    before = bench.before
    has_truth = VS_TRUTH in bench.now.numbers and (before is None or VS_TRUTH in before.numbers)
    metric = VS_TRUTH if has_truth else VS_FLOAT
    name = f"{metric.removesuffix('_db')}_lost_since_baseline_worst_db"
    why = _obstacle(bench, metric)
    if why or before is None:
        return _blocked(bench, "worst_drop_db", name, why)
    one = replace(_lost(name, losses(before, bench.now, metric), metric, bench), maximum=most)
    told = f"{one.worst} lost {one.value:+.3f} dB ({metric}) since the baseline, the limit is {most:g} dB"
    ruling = Ruling.FAIL if one.verdict is Verdict.FAIL else Ruling.PASS
    told += _since(bench, before) if ruling is Ruling.FAIL else ""
    return Check(f"{SECTION}.worst_drop_db", ruling, told, one, bench.line(SECTION, "worst_drop_db"))


def _bytes(bench: Bench, before: Measured, rule: str) -> Check:
    """Find files that differ though everything that they were made from is the same."""
    changed, explained = changed_files(before, bench.now), is_explained(before, bench.now)
    unexplained = [] if explained else changed
    if unexplained:
        hashes = (before.made.files, bench.now.made.files)
        pairs = [" is now ".join(f"{one.get(name, 'absent')[:12]}" for one in hashes) for name in unexplained]
        listed = ", ".join(f"{name} ({pair})" for name, pair in zip(unexplained, pairs, strict=True))
        told = (
            f"the hash of {listed} is not the baseline's, though the recorded weights, recipe, sizes and tools are the "
            "same: damaged, edited, or made by a changed exporter"
        )
    elif changed:
        told = f"other files than the baseline's, as {', '.join(changes(before, bench.now))} explain"
    else:
        told = "the files are the baseline's, byte by byte"
    ruling = Ruling.PASS if not unexplained else Ruling.FAIL if rule == "fail" else Ruling.GAIN
    most = 0 if rule == "fail" else None
    definition = "files whose hash is not the baseline's although everything they were made from is the same"
    one = Measurement(
        "files_changed_unexplained", len(unexplained), "1", Evidence.MEASURED, definition, maximum=most,
        reason=told if unexplained else "",
    )  # fmt: skip
    return Check(f"{SECTION}.bytes", ruling, told, one, bench.line(SECTION, "bytes"))


def size(bench: Bench) -> Iterator[Check]:
    """Bound the bytes of all files, and their growth over the baseline."""
    limits = bench.limits.size
    if limits is None:
        return
    now = bench.section.report.size_bytes
    if limits.max_bytes is not None:
        one = Measurement(SIZE, now, "bytes", Evidence.MEASURED, "all graph files together", maximum=limits.max_bytes)
        yield _bounded(bench, "size.max_bytes", one, ("size", "max_bytes"))
    if limits.max_growth_percent is not None:
        grown = Grown(SIZE, "bytes", "size.max_growth_percent", ("size", "max_growth_percent"))
        yield _growth(bench, grown, now, limits.max_growth_percent)


def instructions(bench: Bench) -> Iterator[Check]:
    """Bound instruction counts of a device run, where there is one."""
    limits = bench.limits.instructions
    if limits is None:
        return
    found = [one for one in bench.others if one.metric.startswith(INSTRUCTIONS) and one.value is not None]
    if not found:
        told = "not checked: no result of a device was given (--report)"
        info = Measurement(INSTRUCTIONS, None, "1", Evidence.NOT_RUN, reason=told)
        yield Check("instructions", Ruling.NOT_CHECKED, told, info, bench.line("instructions"))
    for one in found:
        if limits.max_count is not None:
            bound = replace(one, maximum=limits.max_count, limit_reason="set by the policy")
            yield _bounded(bench, f"instructions.max_count.{one.metric}", bound, ("instructions", "max_count"))
        if limits.max_growth_percent is not None and one.value is not None:
            keys = ("instructions", "max_growth_percent")
            grown = Grown(one.metric, one.unit, f"instructions.max_growth_percent.{one.metric}", keys)
            yield _growth(bench, grown, one.value, limits.max_growth_percent)


def _bounded(bench: Bench, rule: str, one: Measurement, keys: tuple[str, ...]) -> Check:
    """Check a number against its maximum."""
    ruling = Ruling.FAIL if one.verdict is Verdict.FAIL else Ruling.PASS
    told = f"{one.metric} is {one.value:,.0f}, the limit is {one.maximum:,.0f}"
    return Check(rule, ruling, told, one, bench.line(*keys))


def _growth(bench: Bench, grown: Grown, now: float, most: float) -> Check:
    """Check how much a number grew since the baseline."""
    name, line = f"{grown.metric}_growth_percent", bench.line(*grown.keys)
    before = bench.before.totals.get(grown.metric) if bench.before else None
    if not before:
        told = bench.no_baseline or f"the baseline has no {grown.metric}"
        missing = Measurement(name, None, "%", Evidence.NOT_RUN, reason=told)
        return Check(grown.rule, Ruling.NOT_RUN, told, missing, line)
    percent = 100 * (now / before - 1)
    one = Measurement(
        name, percent, "%", Evidence.MEASURED, f"growth of {grown.metric} over the baseline", maximum=most
    )
    told = f"{grown.metric} grew by {percent:+.2f} % ({before:,.0f}, now {now:,.0f}), the limit is {most:g} %"
    ruling = Ruling.FAIL if one.verdict is Verdict.FAIL else Ruling.PASS
    return Check(grown.rule, ruling, told, one, line)
