"""Verify on Arm's Ethos-U: compile integer TFLite artifacts with Vela, name what stays on the CPU, compare."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder.accelerators import Accelerator
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import BadArtifactError, CheckFailedError, NotVerifiedError
from viewfinder.golden import Golden
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.quantize.defaults import LAST_OF_KERNELS
from viewfinder.recipe import Recipe, Rule
from viewfinder.runtime import engines, sampled, verified
from viewfinder.runtime import verify as verifying
from viewfinder.runtime.ethos import compiler, trying
from viewfinder.runtime.ethos.compiler import Compiled
from viewfinder.runtime.htp import figures
from viewfinder.runtime.htp.compiler import FallbackError
from viewfinder.runtime.report.document import Section
from viewfinder.task import BURST
from viewfinder.verbs.verification import VerifyRequest

TOOLCHAIN = "vela"
FORMAT = "ethosu"
REFERENCE_MODEL = "tosa"
_TOSA = "Arm's TOSA reference model, the TFLite file that Vela was given"
_LITERT = "LiteRT, the TFLite file that Vela was given"
Bind = Callable[[Section], Section]
SRAM, DRAM, CYCLES = "npu_estimate_sram_bytes", "npu_estimate_dram_bytes", "npu_estimate_cycles"
_LAYERS = 12
"""Costly layers that a report keeps."""
_WHY = "an NPU of integers takes nothing else; what it costs is what verify measures"
_GRID = (
    "the grid holds gains and offsets of all pixels of a cell: with 8 bits of it, the worst photograph had 42.2 dB "
    "against float, with 16 bits 51.5 dB"
)
_STRIP = (
    "guide, slicing and colour matrices work on the picture's own values: with 8 bits the worst photograph had 31.6 dB "
    "against float"
)


_LIGHT = (
    "light has few codes in its shadows, and kernels, weights and curves are computed for every pixel of it; w8a8 "
    "leaves them in float elsewhere"
)
_ONES = (
    "the quantizer gives a transposed convolution's weights a scale for each input, LiteRT wants one for each output; "
    "these are ones and zeros, which one scale holds"
)
_PICTURE = "the last operator makes the picture: 8 bits of it would be the picture's levels, also in its shadows"
_NOISY = "these layers look at noise, which is larger than a step of 8 bits"


def recipe(precision: str, pipeline: str = "") -> Recipe:
    """Return the recipe that leaves nothing in float, with activations of 8 (``w8a8``) or 16 bits (``w8a16``).

    In ``w8a8``, what is left in float elsewhere gets 16 bits: the grid and the strips of ``bilateral_grid``, all but
    the convolutions that look at the frames of ``burst``, what makes the picture of ``tiles``. Ethos-U computes both
    kinds, in one graph too.
    """
    bits = "int16" if precision == "w8a16" else "int8"
    rules = {"bilateral_grid": _bilateral_grid, BURST: _burst, "tiles": _tiles}.get(pipeline)
    if precision != "w8a8" or rules is None:
        return Recipe(precision, (Rule(weights="int8", activations=bits, reason=_WHY),), "npu")
    return Recipe(precision, rules(), "npu")


def _bilateral_grid() -> tuple[Rule, ...]:
    """Return the rules of HDRNet's ``w8a8``."""
    whole = "coefficients"
    return (
        Rule(whole, weights="int8", activations="int8", reason=_WHY, rounding="compensated"),
        Rule(
            whole, match="predict", onwards=True, weights="int8", activations="int16", reason=_GRID,
            rounding="compensated",
        ),
        Rule("strip", weights="int8", activations="int16", reason=_STRIP),
    )  # fmt: skip


def _burst() -> tuple[Rule, ...]:
    """Return the rules of burst networks' ``w8a8``."""
    wide = Rule(weights="int8", activations="int16", reason=_LIGHT)
    return (
        wide,
        Rule(match="encode|decode", onwards=True, weights="int8", activations="int8", reason=_NOISY),
        replace(wide, match=LAST_OF_KERNELS, onwards=True),
        replace(wide, match="Unphased", granularity="tensor", reason=_ONES),
    )


def _tiles() -> tuple[Rule, ...]:
    """Return the rules of ``w8a8`` of networks from picture to picture."""
    return (
        Rule(weights="int8", activations="int8", reason=_WHY, rounding="compensated"),
        Rule(match=r"^serving_default_\w+_output(:\d+)?$", weights="int8", activations="int16", reason=_PICTURE),
    )


@dataclass(frozen=True)
class Case:
    """One artifact on one configuration of the NPU.

    Attributes:
        python: interpreter of the toolchain ``vela``; None where it is not installed.
    """

    made: Artifact
    npu: Accelerator
    truth: Golden
    python: Path | None
    request: VerifyRequest


@dataclass
class _InIntegers:
    """LiteRT, as the reference of what an NPU computes in integers."""

    NAME: str = "litert"
    EVIDENCE: Evidence = Evidence.REFERENCE

    def probe(self) -> str | None:
        """Ask LiteRT."""
        return engines.load(self.NAME).probe()

    def __getattr__(self, key: str) -> Any:
        """Read everything else from the engine."""
        return getattr(engines.load("litert"), key)


def section(case: Case, bind: Bind) -> Section:
    """Compile, compare; what stays on the CPU is a result too."""
    if case.python is None:
        from viewfinder.devices import toolchains

        return not_run(case, f"the toolchain {TOOLCHAIN} is not installed; {toolchains.remedy(TOOLCHAIN)}")
    reason = trying.vela(case.python)
    if reason is not None:
        return not_run(case, reason)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="viewfinder-ethos-") as work:
        try:
            found = {graph.name: _compiled(case, graph, Path(work)) for graph in case.made.graphs}
            sizes = sum(file.stat().st_size for file in Path(work).glob("*.tflite"))
        except NotVerifiedError as error:
            return not_run(case, error.message)
        except CheckFailedError as error:
            return _refused(case, error)
    done = bind(_compared(case))
    facts = (*_facts(found, case.request.max_fallback_ops, time.perf_counter() - start), *_costs(found, case.npu))
    layers = {name: list(one.layers[:_LAYERS]) for name, one in found.items()}
    dropped = {name: dict(one.dropped) for name, one in found.items()}
    notes = {**done.report.notes, "layers": layers, "conversions_left_to_the_caller": dropped}
    report = replace(
        done.report, measurements=(*done.report.measurements, *facts), notes=notes, size_bytes=sizes,
        artifact=name_of(case), format=FORMAT,
    )  # fmt: skip
    return replace(done, report=report)


def name_of(case: Case) -> str:
    """Name what was compiled."""
    return f"{FORMAT}-{case.made.precision}-{case.npu.name}"


def _compiled(case: Case, graph: GraphFile, work: Path) -> Compiled:
    """Compile one graph."""
    python = case.python or Path()
    target = work / f"{graph.name}.tflite"
    return compiler.compile_graph(python, case.made.path(graph), target, case.npu.config, case.request.max_fallback_ops)


def _compared(case: Case) -> Section:
    """Compute the integers on some rows of every photograph: in Arm's reference model, else in LiteRT."""
    from viewfinder.devices import toolchains

    python = toolchains.python(REFERENCE_MODEL)
    if python is None:
        return _by(case, _InIntegers(), f"{_LITERT}; {toolchains.remedy(REFERENCE_MODEL)} brings Arm's reference model")
    done = _by(case, engines.load(REFERENCE_MODEL, python), _TOSA)
    if done.report.evidence is not Evidence.NOT_RUN:
        return done
    reason = next((one.reason for one in done.report.measurements if one.reason), "no reason given")
    try:
        return _by(case, _InIntegers(), f"{_LITERT}; Arm's reference model did not: {reason}")
    except BadArtifactError as error:
        raise NotVerifiedError(
            f"Arm's reference model: {reason}; LiteRT: {error.message}", "look at it with `viewfinder inspect`"
        ) from error


def _by(case: Case, engine: verifying.Engine, said: str) -> Section:
    """Compute with an engine."""
    count = sampled.count_of(case.made, case.request.bands)

    def opened(one: Artifact, engine: Any, threads: int) -> sampled.Sampled:
        """Open the artifact's pipeline for some rows."""
        return sampled.open(one, engine, threads, count)

    notes = {
        "target": case.npu.name,
        "rows": sampled.meaning(case.made, count),
        "computed_by": f"{said}; what Vela made is not executed",
        "measured_at": verified.now(),
        "measured_on": verified.host(),
    }
    setup = verifying.Setup(f"{TOOLCHAIN}@{case.npu.name}", engine, opened, notes=notes)
    report = verifying.verify(case.made, sampled.golden_of(case.truth, case.made, count), setup)
    return Section(report, (), {})


def _facts(found: dict[str, Compiled], most: int, seconds: float) -> list[Measurement]:
    """Say what Vela placed where."""
    kind = Evidence.COMPILER_ESTIMATE
    fallen = {name: float(len(one.fallen)) for name, one in found.items()}
    operators = {name: float(sum(one.operators.values())) for name, one in found.items()}
    pieces = {name: float(one.partitions) for name, one in found.items()}
    reason = "; ".join(str(refused) for one in found.values() for refused in one.fallen)
    return [
        Measurement(
            figures.FALLBACK, sum(fallen.values()), "ops", kind, "operators that would run on the CPU",
            maximum=float(most), per_sample=fallen, reason=reason,
        ),
        Measurement(
            figures.OPERATORS, sum(operators.values()), "ops", kind, "operators in Vela's graphs", per_sample=operators
        ),
        Measurement(
            figures.PARTITIONS, max(pieces.values()), "1", kind, "pieces of a graph on the NPU, the most of any graph",
            maximum=1.0 + most, per_sample=pieces,
        ),
        Measurement(
            figures.SECONDS, seconds, "s", Evidence.MEASURED, "time to compile and to compute the integers here"
        ),
    ]  # fmt: skip


def _costs(found: dict[str, Compiled], npu: Accelerator) -> list[Measurement]:
    """Write Vela's predictions as measurements, each labelled with what they are for."""
    label = f"compiler-estimate ({npu.config}, Vela's default memory)"
    kind, once = Evidence.COMPILER_ESTIMATE, "one run of each graph; operators on the CPU are left out"

    def one(name: str, key: str, unit: str, meaning: str, join: Callable[[Sequence[float]], float]) -> Measurement:
        """Write one fact of every graph."""
        values = {graph: float(done.facts[key]) for graph, done in found.items()}
        return Measurement(name, join(list(values.values())), unit, kind, f"{label}: {meaning}", per_sample=values)

    return [
        one(figures.ESTIMATE, "us", "us", f"time at Vela's default clock, {once}", sum),
        one(CYCLES, "cycles", "cycles", once, sum),
        one(SRAM, "sram_bytes", "bytes", "working memory on chip, the most of any graph", max),
        one(DRAM, "dram_bytes", "bytes", "memory off chip, the most of any graph", max),
        one(figures.SPILL, "dram_traffic_bytes", "bytes", f"to and from DRAM, {once}", sum),
    ]


def _refused(case: Case, error: CheckFailedError) -> Section:
    """Report an artifact that Vela does not take whole."""
    refused = [str(one) for one in error.refused] if isinstance(error, FallbackError) else [error.message]
    text = "operators that would run on the CPU"
    measured = Measurement(
        figures.FALLBACK, float(len(refused)), "ops", Evidence.COMPILER_ESTIMATE, text,
        maximum=float(case.request.max_fallback_ops), reason=error.message,
    )  # fmt: skip
    return Section(
        _report(case, Evidence.COMPILER_ESTIMATE, (measured,), {"refused": refused, "code": error.code}), (), {}
    )


def not_run(case: Case, reason: str) -> Section:
    """Report an artifact that could not be verified here."""
    measured = Measurement("psnr_vs_float_worst_db", None, "dB", Evidence.NOT_RUN, reason=reason)
    return Section(_report(case, Evidence.NOT_RUN, (measured,), {}), (), {})


def _report(case: Case, kind: Evidence, found: Sequence[Measurement], notes: dict[str, Any]) -> Report:
    """Make a report of an artifact that was not computed."""
    made = case.made
    return Report(
        task=made.task, artifact=name_of(case), artifact_sha256=made.sha256, format=FORMAT, precision=made.precision,
        engine=f"{TOOLCHAIN}@{case.npu.name}", evidence=kind, measurements=tuple(found), size_bytes=0,
        notes={**notes, "target": case.npu.name},
    )  # fmt: skip
