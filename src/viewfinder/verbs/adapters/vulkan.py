"""Android's GPUs through ExecuTorch: compiled and placed. Nothing here runs it, so no row of it ever passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import FLOAT, NPU, Bind, Case, Order, _placed, not_run

FORMAT = "vulkan"
NEEDS = (Order(FORMAT, FLOAT, NPU),)
_WHY = "not-run: compiled only; the runtime in executorch's wheel has no Vulkan"


def takes(made: Artifact) -> bool:
    """Take programs for Vulkan."""
    return made.format == FORMAT


def sections(case: Case, bind: Bind) -> list[Section]:
    """Say what the delegate took."""
    taken = {graph.name: _taken(graph.notes) for graph in case.made.graphs}
    facts = _placed.facts(taken, Evidence.COMPILER_ESTIMATE, case.request.max_fallback_ops, "GPU")
    empty = bind(not_run(case, case.made.folder.name, _WHY))
    report = replace(empty.report, measurements=(*empty.report.measurements, *facts), size_bytes=case.made.size_bytes)
    return [replace(empty, report=report)]


def _taken(notes: Mapping[str, Any]) -> _placed.Taken:
    """Read what the exporter noted about a graph."""
    left = notes.get("not_delegated", {})
    return _placed.Taken(
        notes.get("delegated_nodes", 0), sum(left.values()), notes.get("partitions", 0), ", ".join(left)
    )
