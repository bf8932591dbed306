"""The 5-D `grid_sample` network in ONNX: what a benchmark of the strip model compares with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viewfinder.errors import UsageError
from viewfinder.export import weights
from viewfinder.export.request import Conversion, Graph
from viewfinder.task import Task, TensorSpec


def export_grid_sample(task: Task, path: Path, height: int, width: int, weights_name: str | None = None) -> Path:
    """Write guide, 5-D GridSample and colour matrices of a whole ``height x width`` picture as one ONNX file.

    Its inputs are ``grid [1, bins * 12, cells, cells]`` and ``image [1, 3, height, width]``, its output ``enhanced``.

    Raises:
        UsageError: the task's network has no bilateral grid.
    """
    import onnx
    import torch

    from viewfinder.export.formats import onnx as writer
    from viewfinder.export.lowering.gridsample import FrameGridSample
    from viewfinder.export.lowering.sizes import MATRIX_VALUES
    from viewfinder.export.quiet import quiet

    network: Any = weights.load(task, weights.locate(task, weights_name)[1])
    if not hasattr(network, "guide") or not hasattr(network, "shape"):
        raise UsageError(f"{task.name} has no bilateral grid to sample", "name hdrnet or hdrnet-luma")
    grid = TensorSpec(
        "grid", (1, network.shape.bins * MATRIX_VALUES, network.shape.cells, network.shape.cells), value_range=None
    )
    image = TensorSpec("image", (1, 3, height, width))
    enhanced = TensorSpec("enhanced", (1, 3, height, width), value_range=None)
    examples = (torch.rand(grid.shape), torch.rand(image.shape))
    graph = Graph("gridsample", FrameGridSample(network.guide).eval(), examples, (grid, image), (enhanced,))
    with quiet():
        model = writer.translate(Conversion(graph, path), writer.GRID_SAMPLE_OPSET)
    onnx.save(model, str(path))
    return path
