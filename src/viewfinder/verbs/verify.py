"""``viewfinder verify``: run artifacts on the golden photographs and compare them with PyTorch and with the truth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder import artifact, files, golden, models
from viewfinder.artifact import Artifact
from viewfinder.errors import Exit, UsageError
from viewfinder.golden import Golden
from viewfinder.measurement import Verdict
from viewfinder.runtime import verified
from viewfinder.runtime.limits import gated, gates_for
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Document, Section
from viewfinder.runtime.verify import Setup
from viewfinder.target import HOST, Target
from viewfinder.task import Limit, Task
from viewfinder.verbs import on_device

Progress = Callable[[str], None]
EXIT = {Verdict.PASS: Exit.PASS, Verdict.FAIL: Exit.CHECK_FAILED, Verdict.NOT_RUN: Exit.NOT_VERIFIED}
NPU_FORMAT = "qnn"
MIN_PSNR = "psnr_vs_float_worst_db"
"""What ``--min-psnr`` bounds."""


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify.

    Attributes:
        subject: an artifact's folder, a folder with artifacts (a build), or a model, which is exported first.
        engine: None takes the one of each artifact's format.
        target: format, delegate and device in one (`viewfinder.target`), in place of `engine`.
        golden: golden file; None takes the one beside the artifact.
        min_psnr: least PSNR in dB against PyTorch of the worst photograph, in place of the built-in limit.
        limits: further limits, by the names in the report.
        output: folder for report.json, report.html and pictures/; None writes none.
        weights, precision, formats, photos: for a model; the artifacts themselves are not kept.
        command: what the user typed, for the report.
        npus: processors (`viewfinder.presets`, `viewfinder.accelerators`) to verify for, in place of `engine` and
            `target`; of a model, the artifacts that they take are made.
        bands: bands of rows of each photograph that an emulated NPU computes; None takes few.
        max_fallback_ops: operators of an artifact that may run on the CPU beside an NPU.
    """

    subject: str
    engine: str | None = None
    golden: Path | None = None
    threads: int = 1
    min_psnr: float | None = None
    limits: tuple[Limit, ...] = ()
    output: Path | None = None
    weights: str | None = None
    precision: str = "float"
    formats: tuple[str, ...] = ()
    photos: tuple[Path, ...] = ()
    use_cache: bool = True
    command: str = ""
    target: Target | None = None
    npus: tuple[str, ...] = ()
    bands: int | None = None
    max_fallback_ops: int = 0

    def __post_init__(self) -> None:
        """Refuse a number of threads that nothing can run with, and two engines."""
        if self.threads < 1:
            raise UsageError(f"{self.threads} threads", "give at least 1")
        if self.target is not None and self.engine is not None:
            raise UsageError(
                "--engine and --target were both given", "the target names the format already; leave one out"
            )
        if self.npus and (self.target is not None or self.engine is not None):
            raise UsageError("--targets was given beside --engine or --target", "leave the others out")
        if self.bands is not None and self.bands < 1:
            raise UsageError(f"{self.bands} bands", "give at least 1")
        if self.max_fallback_ops < 0:
            raise UsageError(f"{self.max_fallback_ops} operators on the CPU", "give 0 or more")

    @property
    def processors(self) -> tuple[str, ...]:
        """Name the processors whose NPUs are to be compiled for; none where artifacts run as they are."""
        on_npu = self.target is not None and self.target.format == NPU_FORMAT and self.target.device != HOST
        return (self.target.device,) if self.target is not None and on_npu else self.npus

    @property
    def is_model(self) -> bool:
        """Tell a model's name, or a file of the user's own, from the folder of artifacts."""
        is_there = Path(self.subject).expanduser().exists()
        return not is_there or self.subject in models.names() or self.subject.endswith(".py")

    @property
    def wanted(self) -> str | None:
        """Return the engine or the format that the artifacts have to be for; None takes all."""
        return self.engine if self.target is None else self.target.format

    def all_limits(self) -> tuple[Limit, ...]:
        """Return the user's limits, ``--min-psnr`` among them."""
        least = () if self.min_psnr is None else (Limit(MIN_PSNR, minimum=self.min_psnr),)
        return (*self.limits, *least)


@dataclass(frozen=True)
class VerifyResult:
    """What came out.

    Attributes:
        folder: where the report lies, or None.
    """

    document: Document
    folder: Path | None = None

    @property
    def exit_code(self) -> Exit:
        """Return 0 if every limit holds, 1 if one does not, 3 if something could not be verified."""
        return EXIT[self.document.verdict]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, with where it was written."""
        return {**self.document.to_dict(), "folder": str(self.folder) if self.folder else None}


def verify(request: VerifyRequest, progress: Progress | None = None) -> VerifyResult:
    """Verify every artifact that the request names, and write a report if it says where.

    Raises:
        UsageError: no such artifact or model, an engine for another format, an unknown limit.
        BadArtifactError: a damaged artifact or golden file, or two that do not belong together.
    """
    say = progress or (lambda _line: None)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="viewfinder-verify-")))
        if request.processors:
            from viewfinder.verbs import on_npu, on_targets

            if request.is_model or not on_targets.only_snapdragons(request.processors):
                return on_targets.verified_on_targets(request, work, say)
            folders = artifacts(replace(request, engine=None, target=None, formats=("onnx",)), work, say)
            return on_npu.verified_on_npus(request, folders, say)
        folders = artifacts(request, work, say)
        made = [artifact.load(folder) for folder in folders]
        chosen = [one for one in made if fits(one, request.wanted)]
        if not chosen:
            raise UsageError(
                f"{request.subject} has no artifact for the engine {request.wanted}; it has "
                f"{', '.join(sorted({one.format for one in made}))}",
                "leave it out, or export the format that it runs",
            )
        return _verified(request, chosen, work, say)


def artifacts(request: VerifyRequest, work: Path, say: Progress) -> list[Path]:
    """List the artifact folders that the request means; a model is exported below `work`."""
    path = Path(request.subject).expanduser()
    if path.exists() and request.subject not in models.names() and not request.subject.endswith(".py"):
        # A manifest that cannot be read is not found; loading its folder says what is wrong with it.
        found = artifact.find(path) or ([path] if (path / artifact.MANIFEST).is_file() else [])
        if not found:
            raise UsageError(f"there is no artifact in {path}", "name an artifact's folder, a build, or a model")
        return found
    from viewfinder.verbs.export import ExportOptions, export

    formats = request.formats or ((_format_of(request.wanted),) if request.wanted else ())
    options = ExportOptions(
        request.subject,
        formats,
        request.precision,
        work / "export",
        request.weights,
        photos=request.photos,
        write_golden=request.golden is None,
        use_cache=request.use_cache,
    )
    return [one.folder for one in export(options, say).artifacts]


def _format_of(engine: str) -> str:
    """Return the format that an engine runs."""
    from viewfinder.runtime import engines

    return engines.load(engine).FORMAT


def fits(made: Artifact, engine: str | None) -> bool:
    """Tell whether an engine is for the artifact's format."""
    return engine is None or _format_of(engine) == made.format


def setup_for(made: Artifact, engine: str | None, threads: int) -> Setup:
    """Choose the engine (with its toolchain's interpreter, if it has one) and the pipeline's opener."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime import engines, pipelines

    name = engine or engines.for_format(made.format).NAME
    toolchain = engines.toolchain_of(name)
    found = engines.load(name, toolchains.python(toolchain) if toolchain else None)
    return Setup(found.NAME, found, pipelines.open, threads)


def _setup(made: Artifact, request: VerifyRequest) -> Setup:
    """Choose where and in what an artifact runs."""
    if request.target is None or request.target.device == HOST:
        return setup_for(made, request.wanted, request.threads)
    return on_device.setup_on(made, request.target, request.threads)


def _verified(request: VerifyRequest, made: Sequence[Artifact], work: Path, say: Progress) -> VerifyResult:
    """Verify, put the report together and write it."""
    goldens = _goldens(request, made)
    pictures = work / documents.PICTURES if request.output else None
    side = panels.side_for(sum(len(one.photos) for one in goldens.values()))
    sections = []
    with on_device.owned(request.target):
        for one in made:
            say(f"verifying {one.folder.name}")
            setup = _setup(one, request)
            order = verified.Order(setup, request.command, pictures, side, request.use_cache)
            sections.append(bound(verified.verified(one, goldens[one.folder], order), request.all_limits()))
    first = goldens[made[0].folder]
    drawn = verified.photographs(first, pictures, side) if pictures else []
    document = assembled(request.command, sections, first, drawn)
    if request.output is not None:
        deliver(document, work, request.output)
    return VerifyResult(document, request.output)


def _goldens(request: VerifyRequest, made: Sequence[Artifact]) -> dict[Path, Golden]:
    """Load the golden file of each artifact, each file once."""
    paths = {one.folder: request.golden or golden.find(one.folder) for one in made}
    loaded = {path: golden.load(path) for path in dict.fromkeys(paths.values())}
    if len({one.sha256 for one in loaded.values()}) > 1 and request.output is not None:
        raise UsageError(f"{request.subject} holds artifacts of several golden files", "report on one build at a time")
    return {folder: loaded[path] for folder, path in paths.items()}


def task_of(name: str) -> Task | None:
    """Return the shipped task of an artifact, or None for a user's own, whose file an artifact does not name."""
    return models.load(name) if name in models.names() else None


def bound(section: Section, user: tuple[Limit, ...], task: Task | None = None) -> Section:
    """Set the limits: built-in ones, the task's, the user's."""
    report = section.report
    owner = task or task_of(report.task)
    limits = owner.limits if owner else ()
    return replace(section, report=gated(report, gates_for(report.precision, limits, user)))


def assembled(
    command: str,
    sections: Sequence[Section],
    truth: Golden,
    drawn: Sequence[Mapping[str, Any]],
    task: Task | None = None,
) -> Document:
    """Put a report together."""
    owner = task or task_of(truth.task)
    return Document(
        command=command,
        created=verified.now(),
        model={
            "name": truth.task,
            "title": owner.title if owner else "",
            "paper": owner.paper if owner else "",
            "weights": truth.weights,
            "weights_sha256": truth.weights_sha256,
        },
        golden={
            "sha256": truth.sha256,
            "operator": truth.operator,
            "photographs": [photo.name for photo in truth.photos],
            "tools": dict(truth.tools),
        },
        sections=tuple(sections),
        photographs=tuple(drawn),
        tools=verified.tools(),
        host=verified.host(),
    )


def deliver(document: Document, work: Path, output: Path) -> None:
    """Write report.json, report.html and pictures/ into `output`; other files there are left alone."""
    import shutil

    with files.explained(output):
        output.mkdir(parents=True, exist_ok=True)
    with files.new_folder(output / documents.PICTURES) as partial:
        shutil.copytree(work / documents.PICTURES, partial, dirs_exist_ok=True)
    documents.write(document, output)
