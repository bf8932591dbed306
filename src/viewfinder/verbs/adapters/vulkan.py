"""Android's GPUs through ExecuTorch: compiled and placed. Nothing here runs it, so no row of it ever passes."""

from __future__ import annotations

from dataclasses import replace

from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.htp import figures
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import FLOAT, NPU, Bind, Case, Order, not_run

FORMAT = "vulkan"
NEEDS = (Order(FORMAT, FLOAT, NPU),)
_WHY = "not-run: compiled only; the runtime in executorch's wheel has no Vulkan"


def takes(made: Artifact) -> bool:
    """Take programs for Vulkan."""
    return made.format == FORMAT


def sections(case: Case, bind: Bind) -> list[Section]:
    """Say what the delegate took."""
    notes = {graph.name: graph.notes for graph in case.made.graphs}
    kind, most = Evidence.COMPILER_ESTIMATE, case.request.max_fallback_ops
    fallen = {name: float(sum(one.get("not_delegated", {}).values())) for name, one in notes.items()}
    taken = {name: float(one.get("delegated_nodes", 0)) for name, one in notes.items()}
    pieces = {name: float(one.get("partitions", 0)) for name, one in notes.items()}
    names = "; ".join(f"{name}: {', '.join(one['not_delegated'])}" for name, one in notes.items() if fallen[name])
    facts = (
        Measurement(
            figures.FALLBACK, sum(fallen.values()), "ops", kind, "operators that would run on the CPU",
            maximum=float(most), per_sample=fallen, reason=names,
        ),
        Measurement(figures.OPERATORS, sum(taken.values()), "ops", kind, "operators for the GPU", per_sample=taken),
        Measurement(
            figures.PARTITIONS, max(pieces.values()), "1", kind, "pieces of a graph on the GPU, the most of any graph",
            maximum=1.0 + most, per_sample=pieces,
        ),
    )  # fmt: skip
    empty = bind(not_run(case, case.made.folder.name, _WHY))
    report = replace(empty.report, measurements=(*empty.report.measurements, *facts), size_bytes=case.made.size_bytes)
    return [replace(empty, report=report)]
