"""Turn a converter's failure into a sentence that names the operator, the format and the way out."""

from __future__ import annotations

import re
from typing import Any

from viewfinder import files
from viewfinder.errors import UsageError
from viewfinder.export.request import Graph

# What each converter says about an operator that it does not know; the group is the operator.
_SAYINGS = (
    r"Lowering not found: (?:torch\._ops\.)?aten\.(\w+)",
    r"Operator (?:torch\._ops\.)?aten\.(\w+?)(?:\.\w+)? is not in Core ATen",
    r"Unsupported fx node (\w+)",
    r"convert function for op '(\w+)' not implemented",
    r"No (?:ONNX|decompositions?) .*?for.*?aten[.:]+(\w+)",
    r"aten[.:]+(\w+)",
    r'"(\w+)" op must be',
    r"'(tfl\.\w+)' op failed",
)

_WAYS_OUT = {
    "grid_sampler_3d": "slice a bilateral grid through the pipeline 'bilateral_grid', whose lowering is exact; "
    "ONNX alone has a 5-D GridSample",
    "unfold": "write the window as shifted slices that are added up",
    "im2col": "write the window as shifted slices that are added up",
}


class UnsupportedOperatorError(UsageError):
    """A format cannot hold an operator of the network."""

    code = "unsupported-operator"


def explain(graph: Graph, file_format: str, error: Exception, chatter: str) -> UsageError:
    """Return the error to raise; the converter's own words go to a log file that the hint names."""
    log = files.cache_folder("logs", f"{file_format}-{graph.name}.txt")
    files.write_text(log, f"{chatter}\n{type(error).__name__}: {error}\n")
    operator = _operator(graph, str(error))
    if not operator:
        first = next(iter(str(error).strip().splitlines()), "")
        return UsageError(
            f"{file_format} could not convert the graph {graph.name!r}: {type(error).__name__}: {first[:300]}",
            f"the converter's own words are in {log}",
            code="conversion-failed",
        )
    way_out = _WAYS_OUT.get(operator, "replace it in the network's forward(), or export to another format")
    return UnsupportedOperatorError(
        f"{file_format} cannot hold the operator {operator!r} of the graph {graph.name!r}",
        f"{way_out}; the converter's own words are in {log}",
    )


def _operator(graph: Graph, message: str) -> str:
    """Find the operator that a message is about, preferring names that the network really has."""
    used = _operators(graph)
    named: list[str] = [match for saying in _SAYINGS for match in re.findall(saying, message)]
    for name in named:
        if name in used:
            return name
    if "resample" in named and "grid_sampler_3d" in used:
        return "grid_sampler_3d"
    for name in used:
        if re.search(rf"\b{name}\b", message):
            return name
    return named[0] if named else ""


def _operators(graph: Graph) -> list[str]:
    """List the ATen operators of the network; empty if it cannot even be traced."""
    import torch

    try:
        program: Any = torch.export.export(graph.module, graph.examples)
        targets = [node.target for node in program.run_decompositions().graph.nodes if node.op == "call_function"]
        return sorted({str(getattr(target, "__name__", target)).split(".")[0] for target in targets})
    except Exception:  # noqa: BLE001 - any failure here only makes the sentence less precise
        return []
