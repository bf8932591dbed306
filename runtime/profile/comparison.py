"""Compare two profiles of an artifact: better, same, worse, or incomparable, and why; never a ratio of unlike things.

Counts are exact: only the board, the emulator and the runtime have to be the same. Timings are compared only when they
were taken in the same way on the same machine in the same state, and only beyond the noise that each of the two shows
by itself, between its own processes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime.gate.comparison import Compared, Word
from viewfinder.runtime.profile import contention, noise

COUNT_MARGIN = 0.005
"""Counts repeat to a thousandth; five times that is a change."""
LEAST_NOISE, MOST_NOISE = 0.03, 0.25
"""Of timings: below the first no noise floor is believed, above the second nothing can be said."""
DRIFT = 1.10
"""A process whose end was more than a tenth slower than its beginning was throttled or disturbed."""
_SAME_COUNTS = ("device", "target", "emulator", "processor", "plugin_sha256", "wheels")
_SAME_TIMES = ("device", "target", "threads", "processor", "system", "wheels", "governor")
_SAME_STATE = ("protocol", "processor", "system", "cores", "governor")
_TIME, _COUNT, _SUSTAINED = "_warm_p50_ms", "_instructions", "_sustained_p50_ms"
_TOLD = ("_waited_share", "_others_cores")


def is_profile(report: Report) -> bool:
    """Tell a profile from a verification."""
    return any(
        one.metric == "profile" or one.metric.endswith((_TIME, _COUNT, _SUSTAINED)) for one in report.measurements
    )


def compare(key: str, old: Report, new: Report) -> Compared:
    """Compare all graphs of an artifact together: their instructions, or their warm medians."""
    changed = () if old.artifact_sha256 == new.artifact_sha256 else ("the artifact",)
    if Evidence.NOT_RUN in (old.evidence, new.evidence):
        return Compared(key, Word.INCOMPARABLE, "one of the two was not run", changed)
    if old.evidence != new.evidence:
        why = f"the numbers were obtained differently: {old.evidence}, then {new.evidence}"
        return Compared(key, Word.INCOMPARABLE, why, changed)
    judged = _counts if new.evidence is Evidence.EMULATED else _times
    word, why = judged(old, new)
    return Compared(key, word, why, changed)


def _counts(old: Report, new: Report) -> tuple[Word, str]:
    """Judge the executed instructions."""
    if different := _different(old.notes, new.notes, _SAME_COUNTS):
        return Word.INCOMPARABLE, different
    before, after = ({one.metric: one.value or 0.0 for one in _main(report, _COUNT)} for report in (old, new))
    if set(before) != set(after) or not before:
        return Word.INCOMPARABLE, "the two have other graphs"
    total = sum(after.values()) / max(sum(before.values()), 1.0) - 1
    return _word(total, COUNT_MARGIN), f"instructions {total:+.2%}; the margin is {COUNT_MARGIN:.1%}"


def _times(old: Report, new: Report) -> tuple[Word, str]:
    """Judge the warm medians."""
    if any(one.metric.endswith(_SUSTAINED) for report in (old, new) for one in report.measurements):
        return Word.INCOMPARABLE, "a sustained run has no A/A runs: its noise is not known"
    own = ("runtime",) if old.engine == new.engine else ()  # two engines may be compared, two versions of one are not
    different = _different(old.notes, new.notes, (*_SAME_TIMES, *own))
    states = [dict(report.notes.get(when) or {}) for report in (old, new) for when in ("before", "after")]
    for state in states[1:]:
        different = different or _different(states[0], state, _SAME_STATE)
    different = different or next(filter(None, (_disturbed(report) for report in (old, new))), "")
    before, after = ({one.metric: one for one in _main(report, _TIME)} for report in (old, new))
    if different or set(before) != set(after) or not before:
        return Word.INCOMPARABLE, different or "the two have other graphs"
    floors = (noise.floor(noise.by_process(one.per_sample)) for one in (*before.values(), *after.values()))
    least = max(LEAST_NOISE, *floors)
    if math.isinf(least):
        return Word.INCOMPARABLE, "there are no A/A runs: one of the two was taken in a single process"
    if least > MOST_NOISE:
        return Word.INCOMPARABLE, f"A/A runs of one and the same artifact differ by {least:.0%}"
    total = _sum(after) / max(_sum(before), 1e-9) - 1
    return _word(total, least), f"warm medians {total:+.1%}; the noise floor of A/A runs is {least:.1%}"


def _main(report: Report, ending: str) -> Iterator[Measurement]:
    """Yield the number of each graph; classes of instructions are parts of it and have every run's value too."""
    graphs = {one.metric.removesuffix("_instructions_spread_percent") for one in report.measurements}
    for one in report.measurements:
        if one.metric.endswith(ending) and (ending != _COUNT or one.metric.removesuffix(ending) in graphs):
            yield one


def _word(change: float, margin: float) -> Word:
    """Put a relative change into a word."""
    return Word.WORSE if change > margin else Word.BETTER if change < -margin else Word.SAME


def _sum(found: Mapping[str, Measurement]) -> float:
    """Add the values."""
    return sum(one.value or 0.0 for one in found.values())


def _different(old: Mapping[str, Any], new: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Name the first of `keys` whose value is not the same."""
    for key in keys:
        before, after = (json.loads(json.dumps(one.get(key))) for one in (old, new))
        if before != after:
            return f"{key.replace('_sha256', '')} differs: {before}, then {after}"
    return ""


def _disturbed(report: Report) -> str:
    """Say why a report's timings do not count as steady, or return ""."""
    return next(iter(doubts(report)), "")


def doubts(report: Report) -> list[str]:
    """Say what makes a report's timings no measure of the artifact: throttling, and other programs."""
    found = [
        f"{one.metric.removesuffix('_drift')} became {one.value:.2f} times slower while it ran: throttling, or other "
        "programs"
        for one in report.measurements
        if one.metric.endswith("_drift") and (one.value or 0.0) > DRIFT
    ]
    if throttled := report.notes.get("throttled"):
        found.append(f"the device was throttled: {throttled}")
    told = {
        ending: [one.value or 0.0 for one in report.measurements if one.metric.endswith(ending)] for ending in _TOLD
    }
    waited, others = (max(values, default=0.0) for values in told.values())
    if waited > contention.MOST_WAITED:
        found.append(f"other programs were at work: {waited:.0%} of the time was spent waiting for a core")
    if others > contention.MOST_OTHERS:
        found.append(f"other programs were at work: they kept {others:.1f} cores busy meanwhile")
    if not any(told.values()):
        found += _load(dict(report.notes.get("before") or {}))
    return found


def _load(state: Mapping[str, Any]) -> list[str]:
    """Judge the load of the last minute, where the system tells nothing better."""
    load, cores = state.get("load_average"), state.get("cores")
    if isinstance(load, int | float) and isinstance(cores, list) and load > max(len(cores), 1):
        return [f"other programs were at work: the load average was {load:.1f} before the run"]
    return []
