"""Rockchip's NPUs: ONNX artifacts in tent form, built by rknn-toolkit2: float in half precision, w8a8 as it is.

The toolkit takes the integers, scales and float layers of a quantized ONNX file over; it does not quantize again.

The compiled file is not executed: the simulator computes the graph that was built, so what the compiler could not write
into the file shows nowhere in the numbers. It prints errors, says 0 and goes on; the errors are a result here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.engines import Engine
from viewfinder.runtime.report.document import Section
from viewfinder.runtime.rknn import simulator
from viewfinder.verbs.adapters import FLOAT, NPU, Bind, Case, Order, _computed, _placed, not_run

_W8A8 = "w8a8"
NEEDS = (Order("onnx", FLOAT, NPU), Order("onnx", _W8A8, NPU))
ERRORS = "rknn_compiler_errors"
_NARROWER = "the strips are too wide for it: export with --form tent --width 640"
_BY = "rknn-toolkit2's simulator, which computes the graph that was built and not the compiled file"


def takes(made: Artifact) -> bool:
    """Take float, which the NPU computes in half precision, and 8 bits; activations of 16 bits it does not have."""
    return made.format == "onnx" and made.precision in {FLOAT, _W8A8}


def sections(case: Case, bind: Bind) -> list[Section]:
    """Build, compute, count what the NPU takes and what the compiler complained about."""
    from viewfinder.devices import toolchains

    precision = "fp16" if case.made.precision == FLOAT else case.made.precision
    name, python = f"rknn-{precision}-{case.target.config}", toolchains.python("rknn")
    if python is None:
        return [not_run(case, name, f"not-run: {simulator.MISSING}")]
    with tempfile.TemporaryDirectory(prefix="viewfinder-rknn-") as work:
        engine = simulator.Simulator(python, case.target.config, Path(work))

        def labelled(section: Section) -> Section:
            """Name the row; float is held to the limits of fp16."""
            return bind(replace(section, report=replace(section.report, artifact=name, precision=precision)))

        done = _computed.section(case, labelled, cast("Engine", engine), {"computed_by": _BY})
        if done.report.evidence is Evidence.NOT_RUN:
            return [done]
        facts = [*done.report.measurements, *_facts(case, engine)]
        size = sum(engine.compiled(graph.name).stat().st_size for graph in case.made.graphs)
    return [replace(done, report=replace(done.report, measurements=tuple(facts), size_bytes=size))]


def explained(errors: Sequence[str], pipeline: str) -> str:
    """Join the compiler's errors, each once; of strips that are too wide for its registers, say what helps."""
    is_wide = pipeline == "bilateral_grid" and any("bit width of field value exceeds" in one for one in errors)
    return "; ".join([*dict.fromkeys(errors), *([_NARROWER] if is_wide else [])])


def _facts(case: Case, engine: simulator.Simulator) -> list[Measurement]:
    """Say what the compiler took, and what it could not write."""
    built = engine.built()
    taken = {
        name: _placed.Taken(one.on_npu, sum(one.on_cpu.values()), None, ", ".join(one.on_cpu))
        for name, one in built.items()
    }
    errors = {name: float(len(one.errors)) for name, one in built.items()}
    found = Measurement(
        ERRORS, sum(errors.values()), "1", Evidence.COMPILER_ESTIMATE, "kinds of errors of the compiler, which goes on",
        maximum=0.0, per_sample=errors,
        reason=explained([text for one in built.values() for text in one.errors], case.made.pipeline),
    )  # fmt: skip
    return [*_placed.facts(taken, Evidence.COMPILER_ESTIMATE, case.request.max_fallback_ops), found]
