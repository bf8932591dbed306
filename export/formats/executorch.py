"""ExecuTorch with the XNNPACK delegate, and the list of operators that it did not take."""

from __future__ import annotations

from typing import Any

import torch

from viewfinder.export.lowering.half import HalfInside
from viewfinder.export.request import Conversion

SUFFIX = ".pte"
TOOLS = ("torch", "executorch", "torchao")
PRECISIONS = ("float", "fp16")


def convert(conversion: Conversion) -> dict[str, Any]:
    """Write a ``.pte`` file; its method is ``forward`` with the inputs in the order of the specs."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return delegated(conversion, "xnnpack", XnnpackPartitioner())


def delegated(conversion: Conversion, delegate: str, partitioner: Any) -> dict[str, Any]:
    """Write a ``.pte`` file for a delegate, and say what the delegate took."""
    from executorch.exir import to_edge_transform_and_lower

    graph = conversion.graph
    module = HalfInside(graph.module).eval() if conversion.precision == "fp16" else graph.module
    program = torch.export.export(module, graph.examples, strict=False)
    edge = to_edge_transform_and_lower(program, partitioner=[partitioner])
    notes = {"delegate": delegate, **_delegation(edge.exported_program().graph_module)}
    with conversion.path.open("wb") as stream:
        edge.to_executorch().write_to_file(stream)
    return notes


def _delegation(module: Any) -> dict[str, Any]:
    """Count the delegated parts and name the operators left to the portable kernels."""
    from executorch.devtools.backend_debug import get_delegation_info

    info = get_delegation_info(module)
    left = {
        str(name): int(entry.non_delegated)
        for name, entry in info.delegation_by_operator.items()
        if entry.non_delegated and "getitem" not in str(name)
    }
    return {
        "partitions": int(info.num_delegated_subgraphs),
        "delegated_nodes": int(info.num_delegated_nodes),
        "not_delegated": dict(sorted(left.items())),
    }
