"""``viewfinder bisect``: two artifacts of one network side by side; names the first tensor and operator that part."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder import artifact, golden, presets
from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError
from viewfinder.golden import Golden
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime import engines
from viewfinder.runtime.bisect import parting
from viewfinder.runtime.bisect.parting import Order, Parting
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Section
from viewfinder.runtime.verify import check_pair
from viewfinder.verbs import siblings
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.looked import Looked
from viewfinder.verbs.verification import assembled

Progress = Callable[[str], None]
LEAST, LOSS = "tensor_sqnr_least_db", "tensor_sqnr_greatest_loss_db"
ON_TARGET = "onnx"
"""Format that NPUs are compiled for from."""
ON_TARGET_HOW = "qnn"
HOW = {
    "onnx": "every inner value is made an output, so that ONNX Runtime fuses nothing; sums may be ordered otherwise "
    "than in the artifact as it ships",
    "tflite": "LiteRT's built-in kernels without XNNPACK, which keeps no inner values; sums may be ordered otherwise "
    "than in the artifact as it ships",
    "coreml": "the reference evaluator, which rounds every result to the type that the program declares; Apple's "
    "runtime may keep other precisions inside",
    "qnn": "float's side is the same file in ONNX Runtime on the CPU; on the NPU's side every inner value is made an "
    "output of what Qualcomm's emulator executes, so that nothing is fused across them",
}


@dataclass(frozen=True)
class BisectRequest:
    """What to compare.

    Attributes:
        own: folder of the float artifact; or, with `other` None, a folder with artifacts, of which `from_precision` and
            `to_precision` choose.
        other: folder of the artifact to look at.
        artifact_format: of the artifacts to choose; None takes every format that has both.
        limit_db: tensors below it have parted.
        photos: at most so many of the golden photographs are run, of every kind in turn.
        golden: golden file; None takes the one beside the float artifact.
        output: folder for report.json, report.html and pictures/; None writes none.
        command: what the user typed, for the report.
        target: a processor (`viewfinder.presets`): `own`, in ONNX and of any precision, is run on its emulated NPU and
            compared with ONNX Runtime on the CPU. Then there is no `other`.
    """

    own: Path
    other: Path | None = None
    from_precision: str = "float"
    to_precision: str | None = None
    artifact_format: str | None = None
    limit_db: float = parting.LIMIT_DB
    photos: int = 4
    golden: Path | None = None
    output: Path | None = None
    command: str = ""
    target: str | None = None

    def __post_init__(self) -> None:
        """Refuse a number of photographs that shows nothing, and two things to compare with."""
        if self.photos < 1:
            raise UsageError(f"{self.photos} photographs", "give at least 1")
        if self.target is not None and (self.other is not None or self.to_precision is not None):
            raise UsageError(
                "a target was given beside a second artifact",
                "on a target, an artifact is compared with itself on the CPU; leave the other out",
            )


@dataclass(frozen=True)
class BisectResult(Looked):
    """Where each pair parts."""

    partings: tuple[Parting, ...]


def bisect(request: BisectRequest, progress: Progress | None = None) -> BisectResult:
    """Compare artifacts tensor by tensor on the golden photographs, and write a report if the request says where.

    Raises:
        UsageError: nothing to compare, two formats, or one that cannot be recorded.
        BadArtifactError: a damaged file, or artifacts of two networks.
    """
    say = progress or (lambda _line: None)
    pairs = _pairs(request)
    for own, other in pairs:
        parting.check(own, other)
    truth = golden.load(request.golden or golden.find(pairs[0][0].folder))
    check_pair(pairs[0][0], truth)
    fewer = golden.few(truth, request.photos)
    with tempfile.TemporaryDirectory(prefix="viewfinder-bisect-") as work:
        pictures = Path(work) / documents.PICTURES
        pictures.mkdir()
        found, sections = [], []
        for own, other in pairs:
            say(f"comparing {other.folder.name} with {own.folder.name}")
            engine = engines.for_format(own.format)
            engines.require(engine)
            order = Order(
                own, other, engine, request.limit_db, pictures / other.folder.name if request.output else None
            )
            order = order if request.target is None else _on_target(order, request.target, say)
            one = parting.part(order, fewer, say)
            found.append(one)
            sections.append(_section(request, own, other, one, fewer))
        document = assembled(request.command, sections, pairs[0][0])
        document = replace(document, golden={**document.golden, "sha256": truth.sha256})
        if request.output is not None:
            _flatten(pictures)
            verifying.deliver(document, Path(work), request.output)
    return BisectResult(tuple(found), document=document, folder=request.output)


def _on_target(order: Order, name: str, say: Progress) -> Order:
    """Let the NPU of a processor compute the other side.

    Raises:
        UsageError: no such processor.
        MissingToolError: its toolchain is not installed.
        FallbackError: some operators would run on the CPU.
    """
    from viewfinder.runtime.htp.recording import OnNpu, Place
    from viewfinder.verbs.compile import interpreter

    npu, made = presets.npu(name), order.other
    say(f"compiling {made.folder.name} for {npu.name} with its inner values as outputs")
    place = Place(interpreter(), npu)
    return replace(order, recorders={graph.name: OnNpu(made.path(graph), graph, place) for graph in made.graphs})


def _pairs(request: BisectRequest) -> list[tuple[Artifact, Artifact]]:
    """Load the artifacts to compare."""
    if request.target is not None:
        whole = artifact.load(request.own)
        if whole.format != ON_TARGET:
            raise UsageError(f"{request.own} is {whole.format}", f"on a target, {ON_TARGET} artifacts are bisected")
        return [(whole, whole)]
    if request.other is not None:
        return [(artifact.load(request.own), artifact.load(request.other))]
    if request.to_precision is None:
        raise UsageError("there is nothing to compare with", "name a second artifact, or a precision with --to")
    made = siblings.artifacts_in(str(request.own))
    formats = [request.artifact_format] if request.artifact_format else sorted({one.format for one in made})
    table = {(one.format, one.precision): one for one in made}
    keys = [((kind, request.from_precision), (kind, request.to_precision)) for kind in formats]
    pairs = [(table[own], table[other]) for own, other in keys if own in table and other in table]
    usable = [pair for pair in pairs if pair[0].format in HOW]
    if not usable:
        listed = ", ".join(sorted(f"{one.format}-{one.precision}" for one in made))
        raise UsageError(
            f"{request.own} has no pair of {request.from_precision} and {request.to_precision} in "
            f"{request.artifact_format or ' or '.join(sorted(HOW))}",
            f"it has: {listed}",
        )
    return usable


def _section(request: BisectRequest, own: Artifact, other: Artifact, found: Parting, truth: Golden) -> Section:
    """Put one comparison into the report."""
    engine, (name, kind) = engines.for_format(other.format), _where(request, other)
    ratios = {f"{one.graph}: {parting.titled(one.other)}": one.sums.sqnr_db for one in found.compared}
    losses = {f"{one.graph}: {parting.titled(one.other)}": one.lost_db for one in found.compared}
    worst, greatest = min(ratios, key=lambda key: ratios[key]), max(losses, key=lambda key: losses[key])
    why = f"below {request.limit_db:g} dB the error of a tensor is more than a tenth of it, at 20 dB"
    measured = (
        Measurement(
            LEAST, ratios[worst], "dB", kind, f"{parting.DEFINITION}; the least of all tensors",
            minimum=request.limit_db, per_sample=ratios, worst=worst, limit_reason=why,
        ),
        Measurement(
            LOSS, losses[greatest], "dB", kind,
            f"least ratio among an operator's inputs, less that of its output; {parting.DEFINITION}",
            per_sample=losses, worst=greatest,
        ),
    )  # fmt: skip
    report = Report(
        task=other.task,
        artifact=other.folder.name,
        artifact_sha256=other.sha256,
        format=other.format,
        precision=other.precision,
        engine=name,
        evidence=kind,
        measurements=measured,
        size_bytes=other.size_bytes,
        notes={
            "compared_with": {"artifact": own.folder.name, "sha256": own.sha256, "engine": engine.NAME},
            "photographs": [photo.name for photo in truth.photos],
            "recorded": HOW[other.format if request.target is None else ON_TARGET_HOW],
        },
    )
    return Section(report, parting=_shown(own, other, found, report.notes["recorded"]))


def _where(request: BisectRequest, other: Artifact) -> tuple[str, Evidence]:
    """Return what computes the artifact that is looked at, and what its numbers are."""
    if request.target is not None:
        return f"{ON_TARGET_HOW}@{presets.npu(request.target).name}", Evidence.EMULATED
    engine = engines.for_format(other.format)
    return engine.NAME, engine.EVIDENCE


def _shown(own: Artifact, other: Artifact, found: Parting, how: str) -> dict[str, Any]:
    """Return what the page shows, as JSON data."""
    return {
        "own": own.folder.name,
        "other": other.folder.name,
        "limit_db": found.limit_db,
        "brief": found.brief,
        "sentence": found.sentence,
        "how": how,
        "first": found.first.to_dict() if found.first else None,
        "greatest": found.greatest.to_dict(),
        "tensors": [one.to_dict() for one in found.compared],
        "unmatched": list(found.unmatched),
        "crops": [_renamed(crop, other.folder.name) for crop in found.crops],
    }


def _renamed(crop: Any, folder: str) -> dict[str, Any]:
    """Name the files of a crop as they lie in the report's one folder of pictures."""
    files = {kind: f"{folder}.{crop[kind]}" for kind in ("float", "artifact", "difference")}
    return {**crop, **files}


def _flatten(pictures: Path) -> None:
    """Move the pictures of each artifact's folder up, the folder's name before theirs."""
    for file in sorted(pictures.glob("*/*.*")):
        file.replace(pictures / f"{file.parent.name}.{file.name}")
    for folder in [one for one in pictures.iterdir() if one.is_dir()]:
        folder.rmdir()
