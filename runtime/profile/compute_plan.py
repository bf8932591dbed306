"""Core ML's own plan of a package: where it means to compute each operation, as coremltools' MLComputePlan tells it.

It is an estimate of the compiler for the machine that it was asked on, and was not observed while anything ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from viewfinder.measurement import Evidence, Measurement

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "MLNeuralEngineComputeDevice": "neural_engine",
        "MLGPUComputeDevice": "gpu",
        "MLCPUComputeDevice": "cpu",
    }
)
"""Names of the classes in coremltools 9.0."""


def measurements(graph: str, plan: Any) -> list[Measurement]:
    """Count operations by compute unit; nothing if there is no plan, or it is none. It comes from another machine."""
    rows = [_row(one) for one in plan] if isinstance(plan, list) else []
    known = [row for row in rows if row is not None]
    if not known or len(known) < len(rows):
        return []
    found = []
    for unit in UNITS.values():
        names = {f"{at}: {op}": cost for at, (op, where, cost) in enumerate(known) if where == unit}
        text = (
            f"operations that Core ML prefers to compute on the {unit.replace('_', ' ')}, with their share of the cost"
        )
        found.append(
            Measurement(
                f"{graph}_ops_{unit}",
                float(len(names)),
                "operations",
                Evidence.COMPILER_ESTIMATE,
                text,
                per_sample=names,
            )
        )
    off = sum(cost for _, where, cost in known if where != UNITS["MLNeuralEngineComputeDevice"])
    text = "share of the estimated cost that is not computed on the neural engine"
    return [*found, Measurement(f"{graph}_cost_off_neural_engine", off, "1", Evidence.COMPILER_ESTIMATE, text)]


def _row(one: Any) -> tuple[str, str, float] | None:
    """Read an operation, its unit and its share of the cost; None if it is none."""
    if not isinstance(one, dict) or one.get("unit") not in tuple(UNITS):
        return None
    cost = one.get("cost")
    share = float(cost) if isinstance(cost, int | float) and 0 <= cost <= 1 else 0.0
    return str(one.get("op"))[:100], UNITS[one["unit"]], share
