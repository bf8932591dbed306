"""Verify on NPUs: compile an ONNX artifact, execute the compiled binary in the emulator, compare, say what it costs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder import files, golden, presets
from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError, CheckFailedError, UsageError
from viewfinder.golden import Golden
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.presets import Npu
from viewfinder.runtime import sampled, verified
from viewfinder.runtime import verify as verifying
from viewfinder.runtime.htp import figures
from viewfinder.runtime.htp.compiler import FallbackError
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import compile as compiling
from viewfinder.verbs.siblings import artifacts_in
from viewfinder.verbs.verification import VerifyRequest, VerifyResult, assembled, bound

Progress = Callable[[str], None]
Bind = Callable[[Section], Section]
"""Sets the limits of quality."""


@dataclass(frozen=True)
class _Pair:
    """One artifact on one processor.

    Attributes:
        made: in ONNX, or compiled already.
    """

    made: Artifact
    npu: Npu


def verified_on_npus(request: VerifyRequest, folders: Sequence[Path], say: Progress) -> VerifyResult:
    """Verify the artifacts in `folders` on NPUs, put the report together and write it.

    It has no pictures, because only some rows are computed.

    Raises:
        UsageError: no such processor, or no artifact for it.
        BadArtifactError: an artifact was compiled for another processor.
    """
    done = sections(request, folders, lambda section: bound(section, request.all_limits()), say)
    document = assembled(request.command, [section for section, _ in done], done[0][1])
    if request.output is not None:
        with files.explained(request.output):
            request.output.mkdir(parents=True, exist_ok=True)
        documents.write(document, request.output)
    return VerifyResult(document, request.output)


def sections(
    request: VerifyRequest, folders: Sequence[Path], bind: Bind, say: Progress
) -> list[tuple[Section, Golden]]:
    """Verify every artifact on every processor that the request names.

    Returns:
        The section and the golden file of each pair.

    Raises:
        UsageError: no such processor, or no artifact for it.
        BadArtifactError: an artifact was compiled for another processor.
    """
    from viewfinder.devices import toolchains

    npus = [presets.npu(name) for name in dict.fromkeys(request.processors)]
    pairs = _pairs(request.subject, [one for folder in folders for one in artifacts_in(str(folder))], npus)
    python = toolchains.python(compiling.FORMAT)
    goldens: dict[Path, Golden] = {}
    done = []
    for pair in pairs:
        path = request.golden or golden.find(pair.made.folder)
        truth = goldens[path] = goldens.get(path) or golden.load(path)
        verifying.check_pair(pair.made, truth)
        say(f"verifying {pair.made.folder.name} on {pair.npu.name}")
        reason = _unusable(python)
        if python is None or reason is not None:
            section = bind(_not_run(pair, truth, reason or ""))
        else:
            section = _section(_Case(pair, truth, python, request), bind)
        done.append((section, truth))
    return done


def _unusable(python: Path | None) -> str | None:
    """Say why nothing can be compiled and emulated here; None where an addition was."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime import engines

    if python is None:
        return f"the toolchain {compiling.FORMAT} is not installed; {toolchains.remedy(compiling.FORMAT)}"
    return engines.load(compiling.FORMAT, python).probe()


def _pairs(subject: str, found: Sequence[Artifact], npus: Sequence[Npu]) -> list[_Pair]:
    """Pair artifacts with processors; a folder's ONNX artifacts are compiled, what is compiled has its processor.

    Raises:
        BadArtifactError: a single compiled artifact is for none of the processors.
        UsageError: there is nothing to verify.
    """
    if len(found) == 1 and found[0].format == compiling.FORMAT:
        own = str(found[0].recipe.get("target", ""))
        fitting = [npu for npu in npus if npu.name == own]
        if not fitting:
            raise BadArtifactError(
                f"{found[0].folder} was compiled for {own or 'an unknown processor'}, "
                f"not for {', '.join(npu.name for npu in npus)}",
                "a binary runs on the processor that it was compiled for; compile the ONNX artifact for this one",
                code="other-processor",
            )
        return [_Pair(found[0], npu) for npu in fitting]
    return [_Pair(one, npu) for one in compiling.sources_in(found, subject) for npu in npus]


@dataclass(frozen=True)
class _Case:
    """A pair with what it is verified with."""

    pair: _Pair
    truth: Golden
    python: Path
    request: VerifyRequest


def _section(case: _Case, bind: Bind) -> Section:
    """Compile, execute, compare; a refusal of the compiler is a result too."""
    import time

    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="viewfinder-npu-") as work:
        try:
            made = _compiled(case, Path(work))
        except CheckFailedError as error:
            return _refused(case.pair, error, case.request.max_fallback_ops)
        section = bind(_executed(made, case))
    facts = figures.facts(made, time.perf_counter() - start, case.request.max_fallback_ops)
    costs = figures.costs(_estimates(case.pair, made, case.python))
    report = replace(section.report, measurements=(*section.report.measurements, *facts, *costs))
    return replace(section, report=report)


def _compiled(case: _Case, work: Path) -> Artifact:
    """Return the compiled artifact; its folder is named as the verb `compile` names it."""
    pair = case.pair
    if pair.made.format == compiling.FORMAT:
        return pair.made
    order = compiling.Order(pair.made, pair.npu, case.python, case.request.use_cache, case.request.max_fallback_ops)
    return compiling.compiled(order, work / compiling.name_of(pair.made, pair.npu))


def _executed(made: Artifact, case: _Case) -> Section:
    """Execute the binary on some rows of every photograph."""
    from viewfinder.runtime import engines

    pair, count = case.pair, sampled.count_of(made, case.request.bands)

    def opened(one: Artifact, engine: Any, threads: int) -> sampled.Sampled:
        """Open the artifact's pipeline for some rows."""
        return sampled.open(one, engine, threads, count)

    notes = {
        "target": pair.npu.name,
        "processor": pair.npu.to_dict(),
        "rows": sampled.meaning(made, count),
        "measured_at": verified.now(),
        "measured_on": verified.host(),
    }
    engine = engines.load(compiling.FORMAT, case.python)
    setup = verifying.Setup(f"{compiling.FORMAT}@{pair.npu.name}", engine, opened, notes=notes)
    report = verifying.verify(made, sampled.golden_of(case.truth, made, count), setup)
    parts = tuple(
        {"name": graph.name, "file": graph.file, "sha256": graph.sha256, "size_bytes": graph.size_bytes}
        for graph in made.graphs
    )
    return Section(report, parts, {})


def _estimates(pair: _Pair, made: Artifact, python: Path) -> dict[str, dict[str, Any]]:
    """Return the compiler's predictions by graph; {} for a compiled artifact without its source."""
    own = {graph.name: dict(graph.notes["estimate"]) for graph in made.graphs if "estimate" in graph.notes}
    if own or pair.made.format == compiling.FORMAT:
        return own
    try:
        return compiling.estimates(pair.made, python)
    except CheckFailedError:  # the one processor that predictions are made for refuses what this one takes
        return {}


def _refused(pair: _Pair, error: CheckFailedError, most: int) -> Section:
    """Report an artifact that the compiler does not take whole."""
    count = float(len(error.refused)) if isinstance(error, FallbackError) else None
    refused = [str(one) for one in error.refused] if isinstance(error, FallbackError) else [error.message]
    text = "operators that would run on the CPU"
    if count is None:
        # No operator is named, but nothing runs either: the graph as a whole is what the NPU does not take.
        count, text = 1.0, "graphs that the compiler refuses"
    measured = Measurement(
        figures.FALLBACK, count, "ops", Evidence.EMULATED, text, maximum=float(most), reason=error.message
    )
    return Section(_report(pair, Evidence.EMULATED, (measured,), {"refused": refused, "code": error.code}), (), {})


def _not_run(pair: _Pair, truth: Golden, reason: str) -> Section:
    """Report an artifact that could not be verified here."""
    setup = verifying.Setup(f"{compiling.FORMAT}@{pair.npu.name}", _Absent(reason), _never)
    found = verifying.verify(pair.made, truth, setup)
    report = _report(pair, Evidence.NOT_RUN, found.measurements, dict(found.notes))
    return Section(report, (), {})


def _report(pair: _Pair, kind: Evidence, found: Sequence[Measurement], notes: dict[str, Any]) -> Report:
    """Make a report of an artifact that was not executed."""
    made = pair.made
    return Report(
        task=made.task,
        artifact=compiling.name_of(made, pair.npu) if made.format != compiling.FORMAT else made.folder.name,
        artifact_sha256=made.sha256,
        format=compiling.FORMAT,
        precision=compiling.precision_of(made, pair.npu),
        engine=f"{compiling.FORMAT}@{pair.npu.name}",
        evidence=kind,
        measurements=tuple(found),
        size_bytes=0,
        notes={**notes, "target": pair.npu.name, "processor": pair.npu.to_dict()},
    )


@dataclass
class _Absent:
    """Stands for an engine that cannot run here."""

    reason: str
    EVIDENCE: Evidence = Evidence.NOT_RUN

    def probe(self) -> str:
        """Say why."""
        return self.reason


def _never(_artifact: Artifact, _engine: Any, _threads: int) -> sampled.Sampled:
    """Stand for an opener that is never called."""
    raise UsageError("nothing can be opened", "viewfinder doctor")
