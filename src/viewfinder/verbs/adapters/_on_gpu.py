"""The rows of an artifact on a phone's GPU: the numbers, what the GPU took, and what the driver complained about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol, cast

from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.engines import Engine
from viewfinder.runtime.gpu import log
from viewfinder.runtime.gpu.litert import FP16
from viewfinder.runtime.htp.compiler import FallbackError
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import FLOAT, Bind, Case, _computed, _placed

ERRORS = "gpu_shader_errors"


class GpuEngine(Protocol):
    """An engine that computes on a GPU.

    Attributes:
        precision: that it computes in.
    """

    @property
    def precision(self) -> str:
        """Tell the precision that it computes in."""

    def placed(self, made: Artifact) -> dict[str, log.Said]:
        """Say by graph what was taken."""


def section(case: Case, bind: Bind, engine: GpuEngine, name: str, by: str) -> Section:
    """Compile and execute every graph; what would fall back is a result.

    Args:
        case: the artifact and the target.
        bind: sets limits.
        engine: computes.
        name: of the row.
        by: what computes, in words.
    """

    def labelled(section: Section) -> Section:
        """Name the row; float in fp16 is held to the limits of fp16."""
        computed = FP16 if (case.made.precision, engine.precision) == (FLOAT, FP16) else None
        report = replace(section.report, artifact=name, precision=computed or case.made.precision)
        return bind(replace(section, report=report))

    try:
        done = _computed.section(case, labelled, cast("Engine", engine), {"computed_by": by})
    except FallbackError as error:
        return _computed.fallen(case, name, error, sum(one.on_cpu for one in engine.placed(case.made).values()))
    if done.report.evidence is Evidence.NOT_RUN:
        return done
    said = engine.placed(case.made)
    notes = {**done.report.notes, "driver": next((one.driver for one in said.values() if one.driver), "")}
    report = replace(done.report, measurements=(*done.report.measurements, *_facts(case, said)), notes=notes)
    return replace(done, report=report)


def _facts(case: Case, said: Mapping[str, log.Said]) -> Iterable[Measurement]:
    """Say what the accelerator took, and what the driver complained about."""
    taken = {name: _placed.Taken(one.on_gpu, one.on_cpu) for name, one in said.items()}
    yield from _placed.facts(taken, Evidence.EMULATED, case.request.max_fallback_ops, "GPU")
    errors = {name: float(len(one.errors)) for name, one in said.items()}
    yield Measurement(
        ERRORS, sum(errors.values()), "1", Evidence.EMULATED, "kinds of errors of the driver about generated shaders",
        maximum=0.0, per_sample=errors, reason="; ".join(text for one in said.values() for text in one.errors),
    )  # fmt: skip
