"""Get the PyTorch network behind a float artifact, for formats and ways that quantize the network itself (PT2E)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from viewfinder import models
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import UsageError


def networks(parent: Artifact, model: str, own_weights: str | None) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Cut the PyTorch network again, as it was cut for an artifact; return modules and example inputs by graph.

    Args:
        parent: the float artifact.
        model: its name or file.
        own_weights: name or file of its weights; None takes those that the artifact names.

    Raises:
        UsageError: the network is not known, or has other weights or tensors than the artifact.
    """
    from viewfinder.export import exporter, weights
    from viewfinder.export.request import ExportRequest

    task = models.load(model)
    known = parent.weights if parent.weights in task.weights else None
    _, path = weights.locate(task, own_weights or known)
    again = "export the model again, or name its file with --model and --weights"
    if weights.digest(task, path) != parent.weights_sha256:
        raise UsageError(f"{parent.folder} was made with other weights than {task.name} has now", again)
    sizes = parent.parameters
    options = ExportRequest(
        parent.format,
        layout=str(parent.recipe.get("layout", "nchw")),
        form=str(sizes.get("form", "auto")),
        width=sizes["tile"][1] if "tile" in sizes else sizes.get("width"),
        strip_rows=sizes["tile"][0] if "tile" in sizes else sizes.get("strip_rows"),
    )
    cut = exporter.pipeline_module(task.pipeline).cut(task, weights.load(task, path), options)
    if [_shape_of(graph) for graph in cut.graphs] != [_shape_of(graph) for graph in parent.graphs]:
        raise UsageError(f"{parent.folder} was cut otherwise than this viewfinder cuts {task.name}", again)
    return {graph.name: (graph.module, graph.examples) for graph in cut.graphs}


def check_same(parent: Artifact, graph: GraphFile, network: Any, feeds: Sequence[Any]) -> None:
    """Refuse a network that no longer computes what its float artifact does: the graphs would not fit together."""
    from viewfinder.quantize.executorch import agrees
    from viewfinder.runtime import engines

    if not feeds:
        return
    loaded = engines.for_format(parent.format).open(parent.path(graph), graph, 1)
    if not agrees(network, feeds[0], loaded(feeds[0])[graph.outputs[0].name]):
        raise UsageError(
            f"the graph {graph.name} of {parent.folder} computes otherwise than the network that this viewfinder cuts",
            "export the model again",
        )


def _shape_of(graph: Any) -> tuple[Any, ...]:
    """Return what two cuts of a graph must share: names, shapes and layouts, whatever is said about them."""
    return (graph.name, *((spec.name, spec.shape, spec.layout) for spec in (*graph.inputs, *graph.outputs)))


def converter(
    parent: Artifact, networks: dict[str, tuple[Any, tuple[Any, ...]]], *, is_rounded: bool
) -> Callable[[str, Any, Path], Any]:
    """Return what writes a module in place of a graph of `parent`, in its format: a PT2E graph or a float network."""
    from viewfinder.export import exporter
    from viewfinder.export.request import Conversion, Graph

    writer = exporter.format_module(parent.format)
    metadata = {**parent.metadata, "task": parent.task, "weights": parent.weights}
    graphs = {graph.name: graph for graph in parent.graphs}

    def convert(name: str, module: Any, path: Path) -> Any:
        """Write a module as the file of a graph; return what the format says of it."""
        graph = Graph(name, module, networks[name][1], graphs[name].inputs, graphs[name].outputs)
        return writer.convert(Conversion(graph, path, "float", {**metadata, "graph": name}, is_rounded=is_rounded))

    return convert
