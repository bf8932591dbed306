"""Qualcomm AI Hub: whether its client and an account are here. Its phones are devices, named as the service does."""

from __future__ import annotations

from viewfinder.artifact import Artifact
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import FLOAT, Bind, Case, Order, not_run

NEEDS = (Order("onnx", FLOAT),)
_READY = "the service answers; name one of its phones: viewfinder verify ARTIFACT --target onnx@hosted:NAME"


def takes(made: Artifact) -> bool:
    """Take what hosted phones run in ONNX Runtime."""
    return made.format == "onnx"


def sections(case: Case, _bind: Bind) -> list[Section]:
    """Say what is lacking, or what to ask for; nothing is uploaded."""
    from viewfinder.devices import hosted

    ready = f"it would take {case.target.takes} (ready: {case.made.folder.name})"
    reason = f"not-run: {hosted.problem() or _READY}; {ready}"
    return [not_run(case, f"{case.target.name}-{case.made.precision}", reason)]
