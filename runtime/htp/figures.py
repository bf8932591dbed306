"""What a compiled artifact says about itself, as measurements: placement, and what the compiler predicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence, Measurement

FALLBACK = "npu_fallback_ops"
OPERATORS = "npu_ops"
PARTITIONS = "npu_partitions"
SECONDS = "npu_compile_and_emulate_s"
ESTIMATE = "npu_estimate_us"
SPILL = "npu_estimate_spill_bytes"
_GRAPHS_MEANING = "one run of each graph, which for a photograph run as often as it has strips or tiles"


def facts(made: Artifact, seconds: float, most: int = 0) -> list[Measurement]:
    """Say what the compiler placed where, and how long all of it took here; `most` operators may be on the CPU."""
    notes = {graph.name: graph.notes for graph in made.graphs}
    operators = {name: float(sum(one.get("operators", {}).values())) for name, one in notes.items()}
    partitions = {name: float(one.get("partitions", 0)) for name, one in notes.items()}
    fallen = {name: float(sum(one.get("not_delegated", {}).values())) for name, one in notes.items()}
    kind = Evidence.EMULATED
    return [
        Measurement(
            FALLBACK,
            sum(fallen.values()),
            "ops",
            kind,
            "operators that would run on the CPU",
            maximum=float(most),
            per_sample=fallen,
        ),
        Measurement(
            OPERATORS, sum(operators.values()), "ops", kind, "operators in the compiler's graphs", per_sample=operators
        ),
        Measurement(
            PARTITIONS,
            max(partitions.values()),
            "1",
            kind,
            "pieces of a graph on the NPU, the most of any graph; between two the data passes through the CPU",
            maximum=1.0 + most,
            per_sample=partitions,
        ),
        Measurement(
            SECONDS,
            seconds,
            "s",
            Evidence.MEASURED,
            "time to compile (unless cached) and to emulate on this computer; no latency of a phone",
        ),
    ]


def costs(found: Mapping[str, Mapping[str, Any]]) -> Iterator[Measurement]:
    """Write the predictions as measurements, each labelled with the processor that it is for."""
    if not found:
        return
    label = next(iter(found.values()))["label"]
    bounds = {name: f"{one['us_low']} to {one['us_high']} us" for name, one in found.items()}
    said = ", ".join(f"{name} {bound}" for name, bound in bounds.items())
    left_out = sum(one["operators_without_cost"] for one in found.values())
    more = f"; {left_out} operators have no cost and are left out" if left_out else ""
    kind = Evidence.COMPILER_ESTIMATE
    text = f"{label}: {_GRAPHS_MEANING}; bounds: {said}{more}"
    times = {name: float(one["us"]) for name, one in found.items()}
    spilled = {name: float(one["spill_bytes"] + one["fill_bytes"]) for name, one in found.items()}
    yield Measurement(ESTIMATE, sum(times.values()), "us", kind, text, per_sample=times)
    meaning = f"{label}: intermediate results to and from DRAM, {_GRAPHS_MEANING}"
    yield Measurement(SPILL, sum(spilled.values()), "bytes", kind, meaning, per_sample=spilled)
