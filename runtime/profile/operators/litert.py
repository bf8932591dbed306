"""LiteRT: what XNNPACK runs inside, by its own names, and which operators of the file stayed with LiteRT's kernels.

The Python interpreter knows which operators XNNPACK took and has no profiler; the C library has one. Where that cannot
be asked, the operators of the file are told without a cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.runtime.engines._quiet import quietly
from viewfinder.runtime.profile import litert_c
from viewfinder.runtime.profile.litert_c import Event
from viewfinder.runtime.profile.operators import RUNS, Operator, middle

_DELEGATE, _OWN = "XNNPACK", "LiteRT's own kernels"


def operators(path: Path, graph: GraphFile, feeds: Mapping[str, NDArray[Any]]) -> list[Operator]:
    """See `viewfinder.runtime.profile.operators.told`."""
    with quietly():
        found = placed(path)
        runs = [] if litert_c.problem() else litert_c.events(path, graph, feeds, RUNS + 1)
    return executed(runs, found) if runs and runs[-1] else [found[index] for index in sorted(found)]


def executed(runs: Sequence[Sequence[Event]], found: Mapping[int, Operator]) -> list[Operator]:
    """Return what one inference executed, in its order; `found` are the operators of the file by their number."""
    told = []
    for at, event in enumerate(runs[-1]):
        cost = middle([run[at].microseconds for run in runs if len(run) == len(runs[-1])])
        if event.type == litert_c.OWN and event.index in found:
            own = found[event.index]
            told.append(Operator(own.name, own.kind, _OWN, cost, own.fallback or _untold(own)))
        else:
            told.append(Operator(f"{event.name} #{at}", event.name, _DELEGATE, cost))
    return told


def _untold(own: Operator) -> str:
    """Say that the two libraries of the wheel differ about an operator."""
    return f"{_DELEGATE} took {own.name} in the interpreter, and not here"


def placed(path: Path) -> dict[int, Operator]:
    """Return the operators of a file by their number: which XNNPACK took, and which not; nothing is run."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    nodes = interpreter._get_ops_details()  # noqa: SLF001 there is no public way to the execution plan
    own = [node for node in nodes if node["op_name"] != "DELEGATE"]
    taken = _taken(own, [node for node in nodes if node["op_name"] == "DELEGATE"])
    tensors = {one["index"]: one for one in interpreter.get_tensor_details()}
    found = {}
    for node in own:
        is_taken = node["index"] in taken
        types = {tensors[at]["dtype"].__name__ for at in [*node["inputs"], *node["outputs"]] if at in tensors}
        why = "" if is_taken else f"{_DELEGATE} did not take it and gives no reason; its tensors are {_and(types)}"
        outputs = [tensors[at]["name"] for at in node["outputs"] if at in tensors]
        name = outputs[0] if outputs else f"operator {node['index']}"
        found[node["index"]] = Operator(name, node["op_name"], _DELEGATE if is_taken else _OWN, None, why)
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
