"""Apple through Core AI: the model of Apple's converter, computed by the interpreter of coreai-core on Linux."""

from __future__ import annotations

from viewfinder.artifact import Artifact
from viewfinder.runtime import engines
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import Bind, Case, Order, _computed

NAME = "coreai"
NEEDS = (Order(NAME, "fp16"),)
_PLACEMENT = "the interpreter computes on the CPU of this computer; it is not the Neural Engine"


def takes(made: Artifact) -> bool:
    """Take models of every precision."""
    return made.format == NAME


def sections(case: Case, bind: Bind) -> list[Section]:
    """Compute some rows of every photograph; without the toolchain the row says ``not-run``."""
    from viewfinder.devices import toolchains

    engine = engines.load(NAME, toolchains.python(engines.toolchain_of(NAME)))
    return [_computed.section(case, bind, engine, {"placement": _PLACEMENT})]
