"""ONNX Runtime's profiler: every node of the optimised graph with its execution provider and its time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.runtime.profile.operators import RUNS, Operator, middle

_ENDING = "_kernel_time"
_WANTED = "CPUExecutionProvider"


def operators(path: Path, _graph: GraphFile, feeds: Mapping[str, NDArray[Any]]) -> list[Operator]:
    """See `viewfinder.runtime.profile.operators.told`."""
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="viewfinder-operators-") as work:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
        options.enable_profiling, options.profile_file_prefix = True, str(Path(work) / "profile")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=[_WANTED])
        for _ in range(RUNS + 1):
            session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return _read(events, _outputs(path))


def _outputs(path: Path) -> dict[str, str]:
    """Return the first output of every node of the file, by its own name, and by the node's or what stands for it."""
    import onnx

    nodes = onnx.load(str(path), load_external_data=False).graph.node
    names = [node.name or f"{node.op_type}_{at}" for at, node in enumerate(nodes)]
    both = {name: node.output[0] for name, node in zip(names, nodes, strict=True)}
    return both | {name: node.output[0] for node in nodes for name in node.output}


def _read(events: list[dict[str, Any]], outputs: Mapping[str, str]) -> list[Operator]:
    """Collect the runs of each node; nodes that the optimiser made keep its name for them."""
    samples: dict[str, list[float]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_ENDING):
            name = event["name"].removesuffix(_ENDING)
            samples.setdefault(name, []).append(float(event["dur"]))
            facts[name] = event["args"]
    found = []
    for name, args in facts.items():
        provider = args.get("provider", "")
        why = "" if provider == _WANTED else f"{_WANTED} does not run {args['op_name']}"
        own = outputs.get(name) or outputs.get(name.removesuffix("_nchwc")) or name
        found.append(Operator(own, args["op_name"], provider, middle(samples[name]), why))
    return found
