"""Look whether photographs drive any tensor of a float ONNX graph out of what half precision holds.

Every tensor is looked at, not the output alone: a chip that saturates (measured on an emulated Qualcomm HTP: 0 % NaN at
-66 dB) and one that overflows to infinity both ruin the picture, and only the second shows in a search for NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.quantize.job import Feeds

LARGEST = 65504.0
"""The largest finite number of float16."""
SMALLEST_NORMAL = 2.0**-14
"""Below it, float16 loses bits; below 6e-8, everything."""
NEAR = 0.25
"""Share of `LARGEST` from which on a tensor is reported as near: two stops, as much as an exposure may differ."""


@dataclass(frozen=True)
class TensorRange:
    """What a tensor took on over all pictures.

    Attributes:
        graph, tensor: where.
        operator, type: name and type of what computes it; ``input`` and ``constant`` for what nothing computes.
        largest: largest absolute value; infinite if the float graph itself gives NaN or infinity.
        lost: share of the values that are not 0 but smaller than float16 holds with all its bits.
    """

    graph: str
    tensor: str
    operator: str
    type: str
    largest: float
    lost: float

    @property
    def share(self) -> float:
        """Return how much of the range of float16 is used, 1 is all."""
        return self.largest / LARGEST

    @property
    def verdict(self) -> str:
        """Return ``overflow`` (saturates or turns infinite), ``near`` or ``fits``."""
        return "overflow" if not self.share <= 1 else "near" if self.share > NEAR else "fits"

    def to_dict(self) -> dict[str, Any]:
        """Return the range as JSON data."""
        return {**asdict(self), "share": self.share, "verdict": self.verdict}


def audit(path: Path, graph: str, feeds: Iterable[Feeds]) -> list[TensorRange]:
    """Run a float ONNX graph on feeds and look at every tensor, the constants included.

    Returns:
        In the order of computation: inputs and constants first.
    """
    import onnx
    import onnxruntime as ort
    from onnx import numpy_helper

    model = onnx.load(str(path))
    makers = {name: (node.name, node.op_type) for node in model.graph.node for name in node.output if name}
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in makers if name not in known)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # Fused operators would hide the tensors between them.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    seen: dict[str, _Seen] = {}
    for item in model.graph.initializer:
        seen.setdefault(item.name, _Seen()).add(numpy_helper.to_array(item))
    for feed in feeds:
        computed: Mapping[str, Any] = dict(zip(names, session.run(names, dict(feed)), strict=True))
        for name, array in {**feed, **computed}.items():
            seen.setdefault(name, _Seen()).add(array)
    constants = {item.name for item in model.graph.initializer}
    found = []
    for name, one in seen.items():
        maker = makers.get(name, ("", "constant" if name in constants else "input"))
        if one.count:
            found.append(TensorRange(graph, name, *maker, one.largest, one.lost / one.count))
    return found


class _Seen:
    """What was seen of a tensor so far."""

    def __init__(self) -> None:
        """Start empty."""
        self.largest, self.lost, self.count = 0.0, 0, 0

    def add(self, array: NDArray[Any]) -> None:
        """Look at more values; integers are shapes and indices, and do not count."""
        if array.dtype.kind != "f" or not array.size:
            return
        size = np.abs(array.astype(np.float64))
        self.largest = max(self.largest, float(np.where(np.isfinite(size), size, np.inf).max()))
        self.lost += int(np.count_nonzero((size > 0) & (size < SMALLEST_NORMAL)))
        self.count += array.size
