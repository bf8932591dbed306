"""The row of an artifact that an engine computes here, on some rows of every photograph, or that falls back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime import sampled, verified
from viewfinder.runtime import verify as verifying
from viewfinder.runtime.engines import Engine
from viewfinder.runtime.htp import figures
from viewfinder.runtime.htp.compiler import FallbackError
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import Bind, Case


def section(case: Case, bind: Bind, engine: Engine, notes: Mapping[str, Any]) -> Section:
    """Compute and compare; without its tools the engine says why it did not run."""

    def opened(made: Artifact, chosen: Any, threads: int) -> sampled.Sampled:
        """Open the artifact's pipeline for some rows."""
        return sampled.open(made, chosen, threads, case.bands)

    said = {
        "target": case.target.name,
        "rows": sampled.meaning(case.made, case.bands),
        "measured_at": verified.now(),
        **notes,
    }
    setup = verifying.Setup(f"{engine.NAME}@{case.target.name}", engine, opened, case.request.threads, notes=said)
    truth = sampled.golden_of(case.truth, case.made, case.bands)
    return bind(Section(verifying.verify(case.made, truth, setup), (), {}))


def fallen(case: Case, name: str, error: FallbackError, count: int) -> Section:
    """Write the row of an artifact that an accelerator does not take whole: `count` operators would fall back."""
    made = case.made
    measured = Measurement(
        figures.FALLBACK, float(count), "ops", Evidence.EMULATED, "operators that would run on the CPU",
        maximum=float(case.request.max_fallback_ops), reason=error.message,
    )  # fmt: skip
    report = Report(
        task=made.task, artifact=name, artifact_sha256=made.sha256, format=made.format, precision=made.precision,
        engine=case.target.name, evidence=Evidence.EMULATED, measurements=(measured,),
        notes={"target": case.target.name, "refused": [str(one) for one in error.refused], "code": error.code},
    )  # fmt: skip
    return Section(report, (), {})
