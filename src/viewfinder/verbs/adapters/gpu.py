"""Android's GPUs: float TFLite artifacts in tent form, LiteRT's GPU accelerator, a software Vulkan driver.

A graph can be "fully accelerated" and wrong: LiteRT goes on when the driver refuses a generated shader. So the numbers
decide, and the driver's complaints are told beside them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime import graphs
from viewfinder.runtime.engines import Engine
from viewfinder.runtime.gpu import litert, log
from viewfinder.runtime.htp import figures
from viewfinder.runtime.htp.compiler import FallbackError
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import FLOAT, NPU, Bind, Case, Order, _computed, not_run

NEEDS = (Order("tflite", FLOAT, NPU),)
ERRORS = "gpu_shader_errors"
_EVIDENCE = "the shaders of LiteRT's GPU accelerator, executed by a software Vulkan driver; no graphics chip of a phone"


def takes(made: Artifact) -> bool:
    """Take TFLite of every precision: integers are computed in float there, or wrongly."""
    return made.format == "tflite"


def sections(case: Case, bind: Bind) -> list[Section]:
    """Verify in fp32 and in fp16, which is what phones compute in unless an app asks for more."""
    return [_section(case, bind, precision) for precision in litert.PRECISIONS]


def _section(case: Case, bind: Bind, precision: str) -> Section:
    """Compile and execute every graph; what would fall back is a result."""
    from viewfinder.devices.toolchains import vulkan

    name, driver = f"gpu-{case.made.precision}-{precision}", vulkan.environment()
    if driver is None:
        return not_run(case, name, litert.MISSING)
    with tempfile.TemporaryDirectory(prefix="viewfinder-gpu-") as work:
        engine = litert.LitertGpu(driver, precision, Path(work), case.request.max_fallback_ops)

        def labelled(section: Section) -> Section:
            """Name the row; float in fp16 is held to the limits of fp16."""
            computed = litert.FP16 if (case.made.precision, precision) == (FLOAT, litert.FP16) else None
            report = replace(section.report, artifact=name, precision=computed or case.made.precision)
            return bind(replace(section, report=report))

        try:
            done = _computed.section(case, labelled, cast("Engine", engine), {"computed_by": _EVIDENCE})
        except FallbackError as error:
            return _computed.fallen(case, name, error, sum(one.on_cpu for one in _said(engine).values()))
        if done.report.evidence is Evidence.NOT_RUN:
            return done
        said = _said(engine)
    facts = _facts(case, said)
    notes = {**done.report.notes, "driver": next((one.driver for one in said.values() if one.driver), "")}
    report = replace(done.report, measurements=(*done.report.measurements, *facts), notes=notes)
    return replace(done, report=report)


def _facts(case: Case, said: dict[str, log.Said]) -> Iterable[Measurement]:
    """Say what the accelerator took, and what the driver complained about."""
    kind, most = Evidence.EMULATED, case.request.max_fallback_ops
    fallen = {name: float(one.on_cpu) for name, one in said.items()}
    counts = {graph.name: float(sum(_operators(case.made, graph.file))) for graph in case.made.graphs}
    errors = {name: float(len(one.errors)) for name, one in said.items()}
    yield Measurement(
        figures.FALLBACK, sum(fallen.values()), "ops", kind, "operators that would run on the CPU", maximum=float(most),
        per_sample=fallen,
    )  # fmt: skip
    placed = {name: count - fallen[name] for name, count in counts.items()}
    yield Measurement(figures.OPERATORS, sum(placed.values()), "ops", kind, "operators on the GPU", per_sample=placed)
    yield Measurement(
        ERRORS, sum(errors.values()), "1", kind, "kinds of errors of the driver about generated shaders", maximum=0.0,
        per_sample=errors, reason="; ".join(text for one in said.values() for text in one.errors),
    )  # fmt: skip


def _operators(made: Artifact, file: str) -> Iterable[int]:
    """Count a file's operators by kind."""
    return graphs.read(made.folder / file).operators.values()


def _said(engine: litert.LitertGpu) -> dict[str, log.Said]:
    """Read the logs of the graphs that were opened."""
    return {name: log.read(path.read_text(errors="replace")) for name, path in engine.said.items()}
