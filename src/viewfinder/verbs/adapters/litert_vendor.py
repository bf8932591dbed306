"""MediaTek, Google Tensor and Samsung through LiteRT's plug-ins: tried with one addition, then compiled and placed.

A plug-in needs its vendor's own libraries, which come with a package that downloads them from the vendor. Where they
are, the row has what the compiler took; nothing here runs it, so no row of these ever passes.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from viewfinder.accelerators import Accelerator
from viewfinder.artifact import Artifact
from viewfinder.errors import ViewfinderError
from viewfinder.measurement import Evidence
from viewfinder.runtime import tiny
from viewfinder.runtime.litert_aot import compiler, sdk
from viewfinder.runtime.litert_aot.compiler import Plugin
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import Bind, Case, Order, _placed, not_run

NEEDS = (Order("tflite", "w8a8"),)
_MAKERS = {"mediatek": "MediaTek", "google-tensor": "Google", "samsung": "Samsung"}
_COMPILED = "not-run: compiled only; there is no emulator of this NPU"


def takes(made: Artifact) -> bool:
    """Take integers."""
    return (made.format, made.precision) == ("tflite", "w8a8")


def problem(target: Accelerator, work: Path) -> str | None:
    """Return None when the vendor's plug-in compiles one addition, else what is lacking; `work` is an empty folder."""
    try:
        compiler.compile_graph(tiny.write(work), work / "npu.tflite", _plugin(target), sdk.libraries(target.module))
    except ViewfinderError as error:
        return f"{target.needs}: {error.message}"
    return None


def _plugin(target: Accelerator) -> Plugin:
    """Name the chip as LiteRT does."""
    return Plugin(_MAKERS[target.name], target.name.replace("-", "_"), target.config)


def sections(case: Case, bind: Bind) -> list[Section]:
    """Say what is lacking, or what the compiler took."""
    target = case.target
    plugin, libraries = _plugin(target), sdk.libraries(target.module)
    with tempfile.TemporaryDirectory(prefix="viewfinder-vendor-") as work:
        reason = problem(target, Path(work))
        if reason is not None:
            ready = f"it would take {target.takes} (ready: {case.made.folder.name})"
            return [not_run(case, target.name, f"not-run: {reason}; {ready}")]
        taken, size = dict[str, _placed.Taken](), 0
        for graph in case.made.graphs:
            compiled = Path(work) / graph.file
            npu, total, pieces = compiler.compile_graph(case.made.path(graph), compiled, plugin, libraries)
            taken[graph.name] = _placed.Taken(npu, total - npu, pieces)
            size += compiled.stat().st_size
    empty = bind(not_run(case, f"{target.name}-{case.made.precision}", _COMPILED))
    facts = _placed.facts(taken, Evidence.COMPILER_ESTIMATE, case.request.max_fallback_ops)
    return [
        replace(empty, report=replace(empty.report, measurements=(*empty.report.measurements, *facts), size_bytes=size))
    ]
