"""What Qualcomm's compiler predicts for automotive processors: cycles with bounds, and traffic to and from DRAM.

It is a prediction for one processor, labelled with its name; for phones the compiler makes none, and the emulator's own
time and cycles are those of this computer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from viewfinder.presets import Npu

_HEADLINE = "Performance Estimates"
_ROWS: Mapping[str, str] = {
    "Simulated (Accelerator exec cycles)": "cycles",
    "Simulated (Accelerator exec time us)": "us",
    "Simulated (Accelerator exec time us (lower estimate))": "us_low",
    "Simulated (Accelerator exec time us (upper estimate))": "us_high",
    "Intermediate Fill": "fill_bytes",
    "Intermediate Spill": "spill_bytes",
    "Missing Ops (Number of Ops with no Costs associated)": "operators_without_cost",
}
_EVENT, _VALUE = 6, 2
"""Columns of the compiler's profile."""


@dataclass(frozen=True)
class Estimate:
    """The compiler's prediction for one run of a graph.

    Attributes:
        label: the processor that it is for; it always stands beside the numbers.
        us: microseconds, with `us_low` and `us_high` as the compiler's own bounds.
        fill_bytes, spill_bytes: intermediate results that do not fit on the NPU and travel from and to DRAM.
        operators_without_cost: left out of the sum; above 0, the estimate is too low.
    """

    label: str
    cycles: int
    us: int
    us_low: int
    us_high: int
    fill_bytes: int
    spill_bytes: int
    operators_without_cost: int

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON data."""
        return asdict(self)


def parse(text: str, npu: Npu) -> Estimate | None:
    """Read the profile that the compiler writes (CSV); None if it holds no estimate."""
    found: dict[str, int] = {}
    is_estimate = False
    for row in csv.reader(io.StringIO(text)):
        if len(row) <= _EVENT:
            continue
        is_estimate = is_estimate or row[_EVENT].strip() == _HEADLINE
        name = _ROWS.get(row[_EVENT].strip())
        if is_estimate and name and row[_VALUE].strip().isdigit():
            found.setdefault(name, int(row[_VALUE]))
    if set(found) != set(_ROWS.values()):
        return None
    return Estimate(f"compiler-estimate ({npu.part}, v{npu.htp_arch})", **found)
