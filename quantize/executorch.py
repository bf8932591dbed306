"""ExecuTorch: a ``.pte`` cannot be quantized again, so the float network is, by PT2E (`viewfinder.quantize.pt2e`).

PyTorch is imported here because PT2E works on PyTorch's own graph and no file format holds that.
"""

from __future__ import annotations

from typing import Any

from viewfinder.quantize import pt2e, round_trip
from viewfinder.quantize.job import Feeds, GraphJob, abilities

TOOLS = pt2e.TOOLS
ABILITIES = abilities(
    "int8",
    "int8",
    "XNNPACK computes int8 weights with int8 activations (w8a8); for half precision, `viewfinder export` it with fp16",
    weights_alone=False,
)


def quantize(job: GraphJob) -> dict[str, Any]:
    """Write the quantized program; return what happened, for the manifest.

    Raises:
        UsageError: no network, weights without activations in 8 bits, or an operator that cannot be lowered.
        CheckFailedError: a scale or a zero point of the graph is not in the program.
    """
    made = pt2e.quantized(job)
    notes = lowered(job, made.module)
    carried = round_trip.checked(job.name, job.target, pt2e.scales(made.module))
    return {**made.notes, **notes, "round_trip": carried}


def agrees(network: tuple[Any, tuple[Any, ...]], feed: Feeds, expected: Any) -> bool:
    """Tell whether a network computes on a feed what its float artifact does, to a thousandth of the largest value."""
    import numpy as np
    import torch

    with torch.no_grad():
        result = network[0](*(torch.from_numpy(array.copy()) for array in feed.values())).numpy()
    return bool(result.shape == expected.shape and np.abs(result - expected).max() <= 1e-3 * np.abs(expected).max())


def lowered(job: GraphJob, converted: Any) -> dict[str, Any]:
    """Lower to XNNPACK and write the program."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.devtools.backend_debug import get_delegation_info
    from executorch.exir import to_edge_transform_and_lower

    assert job.network is not None
    program = torch.export.export(converted, job.network[1], strict=False)
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    info = get_delegation_info(edge.exported_program().graph_module)
    with job.target.open("wb") as stream:
        edge.to_executorch().write_to_file(stream)
    left = {
        str(name): int(entry.non_delegated)
        for name, entry in info.delegation_by_operator.items()
        if entry.non_delegated and "getitem" not in str(name)
    }
    return {
        "delegate": "xnnpack",
        "partitions": int(info.num_delegated_subgraphs),
        "delegated_nodes": int(info.num_delegated_nodes),
        "not_delegated": dict(sorted(left.items())),
    }
