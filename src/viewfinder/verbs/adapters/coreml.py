"""Apple through Core ML: the package, computed by the evaluator of this project."""

from __future__ import annotations

from viewfinder.artifact import Artifact
from viewfinder.runtime import engines
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import Bind, Case, Order, _computed

NEEDS = (Order("coreml"),)
_PLACEMENT = "which unit of a phone computes what is decided there; nothing here says that the ANE does"


def takes(made: Artifact) -> bool:
    """Take packages of every precision."""
    return made.format == "coreml"


def sections(case: Case, bind: Bind) -> list[Section]:
    """Compute some rows of every photograph."""
    return [_computed.section(case, bind, engines.for_format(case.made.format), {"placement": _PLACEMENT})]
