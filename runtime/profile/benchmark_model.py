"""Read what Google's ``benchmark_model`` prints; the binary is the user's, this computer never sees it run.

The form is that of public logs of TensorFlow Lite 2.4 to LiteRT 2: a line ``count=... first=... avg=...`` for the
warm-up and a second one for the runs, in microseconds, newer ones with ``p5= median= p95=``; then a line ``Inference
timings in us:`` with Init and First inference, and a memory footprint in MB. Large numbers are as ``2.95034e+06``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from viewfinder.errors import NotVerifiedError
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.profile.latency import Schedule

_NUMBER = r"(\d{1,12}(?:\.\d{1,12})?(?:e[+-]?\d{1,2})?)"
_RUNS = re.compile(rf"count={_NUMBER} first={_NUMBER}.*? min={_NUMBER} max={_NUMBER} avg={_NUMBER}(?: std={_NUMBER})?")
_MIDDLE = re.compile(rf"median={_NUMBER} p95={_NUMBER}")
_SUMMARY = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}, Warmup \(avg\): {_NUMBER}, "
    rf"Inference \(avg\): {_NUMBER}"
)
_MEMORY = re.compile(rf"[Mm]emory footprint[^\n]*\(MB\)[^\n]*: init={_NUMBER} overall={_NUMBER}")


def arguments(graph: str, threads: int, schedule: Schedule) -> list[str]:
    """Return the words behind the program's name; `graph` is the file's name on the phone."""
    return [
        f"--graph={graph}",
        f"--num_threads={threads}",
        f"--num_runs={schedule.runs}",
        f"--min_secs={schedule.seconds:g}",
        f"--max_secs={schedule.most_s:g}",
        f"--warmup_runs={schedule.warm_up_runs}",
        f"--warmup_min_secs={schedule.warm_up_s:g}",
    ]


def measurements(graph: str, output: str, how: str) -> list[Measurement]:
    """Turn its output into measurements; `how` says where and with what threads.

    Raises:
        NotVerifiedError: it is not what the program prints when it has measured.
    """
    runs, summary = list(_RUNS.finditer(output)), _SUMMARY.search(output)
    if not runs or summary is None:
        last = [line for line in output.splitlines() if line.strip()][-1:]
        raise NotVerifiedError(
            f"benchmark_model printed no timings of {graph}: {last[0][:200] if last else 'nothing'}",
            "run it by hand on the phone; a file that it does not load is named there",
        )
    last_run = runs[-1]
    count, _, least, most, mean = (float(last_run[at]) for at in range(1, 6))
    load, first = float(summary[1]), float(summary[2])
    own = f"by benchmark_model, {how}"
    warm = f"of {count:.0f} warm inferences {own}"
    numbers: list[tuple[str, float, str]] = [
        ("warm_avg_ms", mean, f"mean {warm}"),
        ("warm_min_ms", least, f"least {warm}"),
        ("warm_max_ms", most, f"most {warm}"),
        ("load_ms", load, f"loading and preparing the file, {own}"),
        ("first_ms", first, f"the first inference behind the load, {own}"),
        *_middle(output[last_run.start() :].partition("\n")[0], warm),
    ]
    found = [
        Measurement(f"{graph}_{name}", value / 1e3, "ms", Evidence.MEASURED, text) for name, value, text in numbers
    ]
    if memory := _MEMORY.search(output):
        text = f"growth of the process over its start, {own}; the tool calls it approximate"
        found.append(
            Measurement(f"{graph}_memory_growth_bytes", float(memory[2]) * 2**20, "bytes", Evidence.MEASURED, text)
        )
    return found


def _middle(line: str, warm: str) -> Sequence[tuple[str, float, str]]:
    """Return the percentiles that newer versions print in the line of the runs."""
    found = _MIDDLE.search(line)
    if found is None:
        return []
    return [
        ("warm_p50_ms", float(found[1]), f"percentile 50 {warm}"),
        ("warm_p95_ms", float(found[2]), f"percentile 95 {warm}"),
    ]
