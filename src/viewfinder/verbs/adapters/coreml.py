"""Apple through Core ML: the package, computed by the evaluator of this project; hints about the Neural Engine."""

from __future__ import annotations

from viewfinder.artifact import Artifact
from viewfinder.runtime import engines
from viewfinder.runtime.coreml import ane
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import Bind, Case, Order, _computed

NEEDS = (Order("coreml"), Order("coreml", "fp16"))
"""The Neural Engine computes fp16."""
_PLACEMENT = "which unit of a phone computes what is decided there; nothing here says that the ANE does"


def takes(made: Artifact) -> bool:
    """Take packages of every precision."""
    return made.format == "coreml"


def sections(case: Case, bind: Bind) -> list[Section]:
    """Compute some rows of every photograph; say what the Neural Engine cannot take."""
    hints = {graph.name: ane.read(case.made.path(graph)).to_dict() for graph in case.made.graphs}
    notes = {"placement": _PLACEMENT, "ane_hints": hints}
    return [_computed.section(case, bind, engines.for_format(case.made.format), notes)]
