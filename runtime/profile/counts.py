"""Instructions and memory traffic of one inference, as an emulated board counts them.

A count is exact and has no noise, but it is no time: it knows neither clock nor pipeline stalls. It serves to compare
two artifacts, two recipes or two versions on the same board, and to see which kernels run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from viewfinder.errors import NotVerifiedError
from viewfinder.measurement import Evidence, Measurement

RUNS = 5
"""Inferences that count, behind a first one that does not: it packs weights and fills caches."""
LINE_BYTES = 64
CLASSES: Mapping[str, str] = {
    "load_store": "loads and stores",
    "branch": "branches and calls",
    "integer": "integer arithmetic",
    "simd_fp": "vector and floating-point arithmetic, all kinds",
    "fmla_fp32": "of these: fused multiply-add of float32 vectors (FMLA, FMLS)",
    "fmla_fp16": "of these: fused multiply-add of float16 vectors",
    "dot_int8": "of these: int8 dot products (SDOT, UDOT, USDOT)",
    "mmla_int8": "of these: int8 matrix products (SMMLA, UMMLA, USMMLA)",
    "bfmmla": "of these: bfloat16 matrix products (BFMMLA)",
    "mlal_int": "of these: integer multiply-accumulate (SMLAL, SMULL, MLA and kin)",
}
"""Classes that are always reported; sve, sme and other only where they occur."""
_SELDOM = {"sve": "scalable vectors (SVE)", "sme": "matrix extension (SME)", "other": "none of the other classes"}
MOST_SPREAD_PERCENT = 0.5
MOST_SPREAD_INSTRUCTIONS = 5000
_SPREAD_REASON = (
    "within a process the inferences of ONNX Runtime differ by up to 0.3 % (LiteRT: 0.03 %), and in small graphs the "
    "Python around the call by 5000 instructions; more means that something else ran in between"
)
_MOST_FOREIGN = 1e-3
"""Memory accesses of other threads, as a share of ours, in the middle inference: more would be a pool of workers."""


@dataclass(frozen=True)
class Counts:
    """What one inference executed, for each of the runs that count.

    Attributes:
        runs: field to count, as the plug-in writes it (``devices/userland/counting.c``).
    """

    runs: tuple[Mapping[str, int], ...]

    def middle(self, name: str) -> int:
        """Return the median of a field; with an even number of runs the lower one."""
        values = sorted(run.get(name, 0) for run in self.runs)
        return values[(len(values) - 1) // 2]

    @property
    def spread_percent(self) -> float:
        """Return how far the runs' instructions lie apart, in percent of their median."""
        values = [run["instructions"] for run in self.runs]
        return 100.0 * (max(values) - min(values)) / max(self.middle("instructions"), 1)


def read(path: Path, runs: int) -> Counts:
    """Read what the plug-in wrote for a first inference and `runs` more.

    Raises:
        NotVerifiedError: it wrote something else, or other threads took part.
    """
    again = "repeat the command; `viewfinder devices setup arm64` makes the plug-in anew after `remove arm64`"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = [{key: int(value) for key, value in line.items()} for line in lines if line["mark"] % 2]
        wanted = [2 * number + 1 for number in range(runs + 1)]
        complete = [one["mark"] for one in found] == wanted and all(one["instructions"] > 0 for one in found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotVerifiedError(f"the counts cannot be read: {error!r}", again) from error
    if not complete:
        raise NotVerifiedError(f"{len(found)} inferences were counted, not {runs + 1}", again)
    counted = Counts(tuple(found[1:]))
    if counted.middle("foreign_accesses") > _MOST_FOREIGN * max(counted.middle("l1_accesses"), 1):
        raise NotVerifiedError(
            "other threads took part in the inference, and only one is counted",
            "use a runtime and an artifact that run with one thread",
        )
    return counted


def measurements(graph: str, counts: Counts, caches: Sequence[tuple[int, int]]) -> list[Measurement]:
    """Turn the counts of a graph into measurements; their names begin with the graph's.

    `caches` are (kilobytes, ways) of the simulated data caches, from the first level on.
    """
    how = f"of one inference with one thread, median of {len(counts.runs)} behind a first one that is dropped"
    found = [_one(counts, f"{graph}_instructions", "instructions", f"executed A64 instructions {how}", "instructions")]
    spread = Measurement(
        f"{graph}_instructions_spread_percent",
        counts.spread_percent,
        "%",
        Evidence.EMULATED,
        "largest less smallest number of instructions of the inferences that count, in percent of their median",
        maximum=max(MOST_SPREAD_PERCENT, 100.0 * MOST_SPREAD_INSTRUCTIONS / max(counts.middle("instructions"), 1)),
        limit_reason=_SPREAD_REASON,
    )
    found.append(spread)
    classes = {**CLASSES, **{name: text for name, text in _SELDOM.items() if counts.middle(name)}}
    for name, text in classes.items():
        found.append(_one(counts, f"{graph}_{name}_instructions", name, f"{text}, {how}", "instructions"))
    hierarchy = ", ".join(f"L{level} {size} KB {ways}-way" for level, (size, ways) in enumerate(caches, 1))
    where = (
        f"{how}; simulated data caches: {hierarchy}, 64 byte lines, write-back, least recently used, virtual addresses"
    )
    for level in range(1, len(caches) + 1):
        text = f"data cache misses of level {level} {where}"
        found.append(_one(counts, f"{graph}_l{level}_misses", f"l{level}_misses", text, "misses"))
    found.append(_dram(graph, counts, where))
    return found


def _one(counts: Counts, metric: str, name: str, definition: str, unit: str) -> Measurement:
    """Report one field, with every run's value."""
    samples = {f"run {place}": float(run.get(name, 0)) for place, run in enumerate(counts.runs, 2)}
    return Measurement(metric, float(counts.middle(name)), unit, Evidence.EMULATED, definition, per_sample=samples)


def _dram(graph: str, counts: Counts, where: str) -> Measurement:
    """Report what passes between the last cache and the memory."""
    samples = {
        f"run {place}": float(LINE_BYTES * (run["dram_lines_read"] + run["dram_lines_written"]))
        for place, run in enumerate(counts.runs, 2)
    }
    value = sorted(samples.values())[(len(samples) - 1) // 2]
    text = f"bytes read from and written to memory beyond the last cache {where}"
    return Measurement(f"{graph}_dram_bytes", value, "bytes", Evidence.EMULATED, text, per_sample=samples)
