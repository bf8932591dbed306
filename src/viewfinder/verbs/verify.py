"""``viewfinder verify``: run artifacts on the golden photographs and compare them with PyTorch and with the truth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from viewfinder import artifact, files, golden, models
from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError
from viewfinder.golden import Golden
from viewfinder.runtime import verified
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Document
from viewfinder.runtime.verify import Setup
from viewfinder.target import HOST
from viewfinder.verbs import on_device, on_npu, on_targets
from viewfinder.verbs.verification import (
    EXIT,
    MIN_PSNR,
    NPU_FORMAT,
    VerifyRequest,
    VerifyResult,
    assembled,
    bound,
    task_of,
)

__all__ = [
    "EXIT", "MIN_PSNR", "NPU_FORMAT", "VerifyRequest", "VerifyResult", "artifacts", "assembled", "bound", "deliver",
    "fits", "setup_for", "task_of", "verify",
]  # fmt: skip

Progress = Callable[[str], None]


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


def deliver(document: Document, work: Path, output: Path) -> None:
    """Write report.json, report.html and pictures/ into `output`; other files there are left alone."""
    import shutil

    with files.explained(output):
        output.mkdir(parents=True, exist_ok=True)
    with files.new_folder(output / documents.PICTURES) as partial:
        shutil.copytree(work / documents.PICTURES, partial, dirs_exist_ok=True)
    documents.write(document, output)
