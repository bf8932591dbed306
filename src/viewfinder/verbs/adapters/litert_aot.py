"""Snapdragon through LiteRT's compiler: the NPU's binary out of the ``.tflite`` that ships, on Qualcomm's emulator.

Without Qualcomm's SDK for LiteRT nothing is compiled. Asked for (``--unofficial``), the plug-in is given the libraries
of onnxruntime-qnn, which it was not made for; every row then says `unofficial`.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import cast

from viewfinder import presets
from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence
from viewfinder.runtime.engines import Engine
from viewfinder.runtime.htp.compiler import FallbackError
from viewfinder.runtime.litert_aot import sdk
from viewfinder.runtime.litert_aot.engine import LitertAot
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import FLOAT, NPU, Bind, Case, Order, _computed, _placed, not_run

NEEDS = (Order("tflite", FLOAT, NPU), Order("tflite", "w8a8", NPU))
_EVIDENCE = "the NPU's binary out of the compiled .tflite, in Qualcomm's emulator"


def takes(made: Artifact) -> bool:
    """Take TFLite."""
    return made.format == "tflite"


def sections(case: Case, bind: Bind) -> list[Section]:
    """Compile, cut out, execute, compare."""
    from viewfinder.devices import toolchains

    python = toolchains.python(LitertAot.TOOLCHAIN)
    with tempfile.TemporaryDirectory(prefix="viewfinder-aot-") as work:
        found = sdk.unofficial(python, Path(work)) if case.request.unofficial else sdk.official()
        label = f"{sdk.UNOFFICIAL}-" if case.request.unofficial else ""
        name = f"{label}litert-aot-{case.made.precision}-{case.target.config}"
        if isinstance(found, str):
            return [
                not_run(case, name, f"not-run: {found}; it would take {case.target.takes} ({case.made.folder.name})")
            ]
        engine = LitertAot(presets.npu(case.target.config), found, python, Path(work))
        return [_section(case, bind, engine, name)]


def _section(case: Case, bind: Bind, engine: LitertAot, name: str) -> Section:
    """Make one row."""
    label = engine.sdk.label if isinstance(engine.sdk, sdk.Sdk) else ""
    by = f"{_EVIDENCE}; {label}: compiled with libraries that LiteRT was not made for" if label else _EVIDENCE

    def labelled(section: Section) -> Section:
        """Name the row; the NPU computes float in fp16."""
        precision = engine.npu.computes_float_in if case.made.precision == FLOAT else case.made.precision
        return bind(replace(section, report=replace(section.report, artifact=name, precision=precision)))

    try:
        done = _computed.section(
            case, labelled, cast("Engine", engine), {"computed_by": by, "sdk": label or "official"}
        )
    except FallbackError as error:
        return _computed.fallen(case, name, error, sum(total - npu for npu, total, _, _ in engine.made.values()))
    if done.report.evidence is Evidence.NOT_RUN:
        return done
    size = sum(size for *_, size in engine.made.values())
    taken = {name: _placed.Taken(npu, total - npu, pieces) for name, (npu, total, pieces, _) in engine.made.items()}
    facts = _placed.facts(taken, Evidence.EMULATED, case.request.max_fallback_ops)
    measurements = (*done.report.measurements, *facts)
    return replace(done, report=replace(done.report, measurements=measurements, size_bytes=size))
