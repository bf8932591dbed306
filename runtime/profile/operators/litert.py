"""LiteRT: which operators XNNPACK took. Its Python interpreter has no profiler, so there is no cost per operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.runtime.profile.operators import Operator

_DELEGATE, _OWN = "XNNPACK", "LiteRT's own kernels"


def operators(path: Path, _graph: GraphFile, _feeds: Mapping[str, NDArray[Any]]) -> list[Operator]:
    """See `viewfinder.runtime.profile.operators.told`; nothing is run."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    nodes = interpreter._get_ops_details()  # noqa: SLF001 there is no public way to the execution plan
    own = [node for node in nodes if node["op_name"] != "DELEGATE"]
    taken = _taken(own, [node for node in nodes if node["op_name"] == "DELEGATE"])
    tensors = {one["index"]: one for one in interpreter.get_tensor_details()}
    found = []
    for node in own:
        is_taken = node["index"] in taken
        types = {tensors[at]["dtype"].__name__ for at in [*node["inputs"], *node["outputs"]] if at in tensors}
        why = "" if is_taken else f"{_DELEGATE} did not take it and gives no reason; its tensors are {_and(types)}"
        outputs = [tensors[at]["name"] for at in node["outputs"] if at in tensors]
        name = outputs[0] if outputs else f"operator {node['index']}"
        found.append(Operator(name, node["op_name"], _DELEGATE if is_taken else _OWN, None, why))
    return found


def _and(names: set[str]) -> str:
    """Join sorted names."""
    return " and ".join(sorted(names)) or "of no known type"


def _taken(own: Sequence[Mapping[str, Any]], delegates: Sequence[Mapping[str, Any]]) -> set[int]:
    """Walk back from each delegate's outputs to its inputs: what lies between is inside it."""
    makers = {int(tensor): node for node in own for tensor in node["outputs"]}
    taken: set[int] = set()
    for delegate in delegates:
        outside = {int(tensor) for tensor in delegate["inputs"]}
        waiting = [int(tensor) for tensor in delegate["outputs"]]
        while waiting:
            node = makers.get(waiting.pop())
            if node is not None and node["index"] not in taken:
                taken.add(node["index"])
                waiting += [int(tensor) for tensor in node["inputs"] if int(tensor) not in outside]
    return taken
