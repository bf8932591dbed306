"""Apple through Core ML: the package, computed by the evaluator of this project."""

from __future__ import annotations

from typing import Any

from viewfinder.artifact import Artifact
from viewfinder.runtime import engines, sampled, verified
from viewfinder.runtime import verify as verifying
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import Bind, Case, Order

NEEDS = (Order("coreml"),)


def takes(made: Artifact) -> bool:
    """Take packages of every precision."""
    return made.format == "coreml"


def sections(case: Case, bind: Bind) -> list[Section]:
    """Compute some rows of every photograph."""

    def opened(made: Artifact, engine: Any, threads: int) -> sampled.SampledRunner:
        """Open the artifact's pipeline for some rows."""
        return sampled.open(made, engine, threads, case.bands)

    notes = {
        "target": case.target.name,
        "rows": f"{case.bands} bands of each photograph, spread evenly from top to bottom",
        "placement": "which unit of a phone computes what is decided there; nothing here says that the ANE does",
        "measured_at": verified.now(),
    }
    engine = engines.for_format(case.made.format)
    setup = verifying.Setup(f"{engine.NAME}@{case.target.name}", engine, opened, case.request.threads, notes=notes)
    truth = sampled.golden_of(case.truth, case.made, case.bands)
    return [bind(Section(verifying.verify(case.made, truth, setup), (), {}))]
