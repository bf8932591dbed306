"""Arm's Ethos-U: integer TFLite artifacts in tent form, compiled by Vela (`viewfinder.verbs.on_ethos`)."""

from __future__ import annotations

from viewfinder.artifact import Artifact
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import on_ethos
from viewfinder.verbs.adapters import INTEGERS, Bind, Case, Order

_PRECISIONS = ("w8a8", "w8a16")
NEEDS = (Order("tflite", "w8a8", INTEGERS, on_ethos.recipe),)
"""Of HDRNet, w8a16 throughout is slower and loses more to the truth than w8a8 with 16 bits where they count."""


def takes(made: Artifact) -> bool:
    """Take integers only."""
    return made.format == "tflite" and made.precision in _PRECISIONS


def sections(case: Case, bind: Bind) -> list[Section]:
    """Compile and compare."""
    from viewfinder.devices import toolchains

    python = toolchains.python(on_ethos.TOOLCHAIN)
    return [on_ethos.section(on_ethos.Case(case.made, case.target, case.truth, python, case.request), bind)]
