"""Where each operator of a graph runs, what it costs, and what fell back: one module per engine that can tell.

A runtime's own profiler says it, in a process of its own and apart from the timings, which a profiler slows down.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from pkgutil import iter_modules
from statistics import median
from typing import Any

from numpy.typing import NDArray

from viewfinder.artifact import GraphFile

RUNS = 20
"""Inferences behind a first one that does not count."""


@dataclass(frozen=True)
class Operator:
    """One operator as the runtime executes it; several of the file may have become one, or one several.

    Attributes:
        name: of its output in the file, or the runtime's own.
        kind: as the runtime calls it.
        where: delegate, execution provider or the runtime's own kernels.
        microseconds: median; None where the runtime has no profiler for it.
        fallback: why it is not where the rest is; "" if it is.
    """

    name: str
    kind: str
    where: str
    microseconds: float | None = None
    fallback: str = ""


def engines() -> list[str]:
    """List the engines that can tell."""
    return sorted(module.name for module in iter_modules(__path__))


def told(engine: str, path: Path, graph: GraphFile, feeds: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Return the operators of a graph in the order of execution, as JSON data, with one thread.

    Args:
        engine: one of `engines`.
        path: file of the graph.
        graph: names of its inputs.
        feeds: one set of inputs.
    """
    found = importlib.import_module(f"{__name__}.{engine}").operators(path, graph, feeds)
    return [asdict(one) for one in found]


def middle(samples: Sequence[float]) -> float:
    """Return the median of an operator's runs without the first, which also allocates."""
    return float(median(samples[1:] or samples))


def node_data(name: str, operators: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return Model Explorer's node data for a graph: a value per node, keyed by the name of an output tensor.

    The format is that of ``node_data_builder.GraphNodeData`` in ``ai-edge-model-explorer`` 0.1.34: microseconds where
    there are any, else 1 for what fell back and 0 for the rest.
    """
    has_cost = any(one["microseconds"] is not None for one in operators)
    results: dict[str, dict[str, float]] = {}
    for one in operators:
        value = one["microseconds"] if has_cost else float(bool(one["fallback"]))
        if value is not None:
            results[one["name"]] = {"value": results.get(one["name"], {"value": 0.0})["value"] + value}
    gradient = [{"stop": 0, "bgColor": "#ffffff"}, {"stop": 1, "bgColor": "#e8590c"}]
    return {"name": f"{name}, {'us' if has_cost else 'fell back'}", "results": results, "gradient": gradient}
