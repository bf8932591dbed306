"""What a build is asked for, and its steps that run in processes of their own, called by name (`viewfinder.jobs`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from viewfinder import artifact, golden, models
from viewfinder.artifact import Artifact
from viewfinder.runtime import verified
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.export import ExportOptions, export, write_golden

EXPORT, GOLDEN = "export", "golden pictures"
FORMATS = ("onnx", "tflite", "coreml", "executorch")
PRECISIONS = ("float", "fp16")


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Attributes:
        model: a shipped name or ``path/to/file.py:TASK``.
        precisions: each in every format that has it.
        form: of the graphs, as in `ExportOptions`; "auto" takes what is best.
        output: the build's folder; None takes ``build/MODEL``. An earlier build in it is replaced.
        photos: photographs to verify on; empty takes those of the package.
        min_psnr: as in `verify.VerifyRequest`.
        jobs: processes side by side; None takes the cores.
        command: what the user typed, for report and manifest.
    """

    model: str
    weights: str | None = None
    formats: tuple[str, ...] = FORMATS
    precisions: tuple[str, ...] = PRECISIONS
    form: str = "auto"
    output: Path | None = None
    photos: tuple[Path, ...] = ()
    threads: int = 1
    min_psnr: float | None = None
    use_cache: bool = True
    jobs: int | None = None
    command: str = ""


def fetch_job(exports: Mapping[str, ExportOptions], options: ExportOptions, path: Path) -> list[str]:
    """Fetch the artifacts that the cache holds, in one process; if that is all of them, the golden pictures too.

    Returns:
        The names of what is there now.
    """
    fetched = [name for name, one in exports.items() if is_cached(one)]
    for name in fetched:
        export(exports[name])
    if len(fetched) < len(exports):
        return fetched
    write_golden(options, path)
    return [*fetched, GOLDEN]


def is_cached(options: ExportOptions) -> bool:
    """Tell whether the cache holds the one artifact of `options`."""
    from viewfinder.export import exporter
    from viewfinder.export.request import ExportRequest

    request = ExportRequest(options.formats[0], options.precision, options.weights, form=options.form)
    return exporter.is_cached(models.load(options.model), request)


def golden_job(options: ExportOptions, path: Path) -> None:
    """Write the golden pictures, in a process of its own."""
    write_golden(options, path)


def export_job(options: ExportOptions) -> None:
    """Export one artifact, in a process of its own."""
    export(options)


def verify_job(request: BuildRequest, folder: Path, name: str, pairs_per_photo: int) -> Section:
    """Verify one artifact, in a process of its own; limits are not set yet."""
    truth = golden.load(folder / EXPORT / golden.FILE)
    made = artifact.load(folder / EXPORT / name)
    return verified.verified(made, truth, order_for(request, folder, made, pairs_per_photo * len(truth.photos)))


def order_for(request: BuildRequest, folder: Path, made: Artifact, pairs: int) -> verified.Order:
    """Say how one artifact is verified; `pairs` of artifact and photograph share the page."""
    return verified.Order(
        setup=verifying.setup_for(made, None, request.threads),
        command=request.command,
        pictures=folder / documents.PICTURES,
        side=panels.side_for(pairs),
        use_cache=request.use_cache,
    )
