"""Processors that a model can be compiled for, by the names that people know."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from viewfinder.errors import UsageError

SOURCE = "ExecuTorch 1.5.1, backends/qualcomm/serialization/qc_schema.py (BSD-3-Clause, published by Qualcomm)"
"""Where part, number, architecture and memory come from."""


@dataclass(frozen=True)
class Npu:
    """A Snapdragon processor with its Hexagon Tensor Processor (HTP).

    Attributes:
        name: as on the command line.
        title: as it is sold.
        part: Qualcomm's part number.
        soc_model: the number by which Qualcomm's compiler knows it.
        htp_arch: generation of the HTP.
        vtcm_mb: memory on the HTP; what does not fit travels to DRAM and back.
    """

    name: str
    title: str
    part: str
    soc_model: int
    htp_arch: int
    vtcm_mb: int

    @property
    def computes_float_in(self) -> str:
        """Return the precision in which the HTP computes float: v68 has no fp16 units and is emulated in float32."""
        return "fp16" if self.htp_arch > 68 else "float"

    def to_dict(self) -> dict[str, Any]:
        """Return the processor as JSON data."""
        return asdict(self)


_ALL = (
    Npu("snapdragon-888", "Snapdragon 888", "SM8350", 30, 68, 4),
    Npu("snapdragon-8-gen-1", "Snapdragon 8 Gen 1", "SM8450", 36, 69, 8),
    Npu("snapdragon-8-plus-gen-1", "Snapdragon 8+ Gen 1", "SM8475", 42, 69, 8),
    Npu("snapdragon-8-gen-2", "Snapdragon 8 Gen 2", "SM8550", 43, 73, 8),
    Npu("snapdragon-8-gen-3", "Snapdragon 8 Gen 3", "SM8650", 57, 75, 8),
    Npu("snapdragon-8-elite", "Snapdragon 8 Elite", "SM8750", 69, 79, 8),
    Npu("snapdragon-8-gen-5", "Snapdragon 8 Gen 5", "SM8845", 97, 81, 8),
    Npu("snapdragon-8-elite-gen-5", "Snapdragon 8 Elite Gen 5", "SM8850", 87, 81, 8),
    Npu("snapdragon-x-elite", "Snapdragon X Elite", "SC8380XP", 60, 73, 8),
    Npu("sa8255", "SA8255 (automotive)", "SA8255", 52, 73, 8),
    Npu("sa8295", "SA8295 (automotive)", "SA8295", 39, 68, 8),
)
NPUS: Mapping[str, Npu] = MappingProxyType({one.name: one for one in _ALL})

WITH_ESTIMATES = NPUS["sa8255"]
"""Qualcomm's compiler estimates costs for automotive processors only; this one has the HTP of Snapdragon 8 Gen 2."""

_MOST_NEAR = 3
_SIMILAR = 0.5


def npu(name: str) -> Npu:
    """Return a processor by its name here or its part number, in any case of letters.

    Raises:
        UsageError: no processor has this name; the hint lists those that are spelled alike, else all.
    """
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    parts = {one.part.lower(): one for one in _ALL}
    found = NPUS.get(wanted) or parts.get(wanted)
    if found is not None:
        return found
    near = difflib.get_close_matches(wanted, [*NPUS, *parts], _MOST_NEAR, _SIMILAR)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(NPUS)}"
    raise UsageError(f"there is no processor {name!r}", hint, code="no-such-processor")


def of_soc(soc_model: int) -> Npu | None:
    """Return the processor that has a number in Qualcomm's compiler, or None."""
    return next((one for one in _ALL if one.soc_model == soc_model), None)
