"""The steps of a build that run in processes of their own; each is called by its name (see `viewfinder.jobs`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from viewfinder import artifact, golden, models
from viewfinder.artifact import Artifact
from viewfinder.runtime import verified
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.export import ExportOptions, export, write_golden

if TYPE_CHECKING:
    from viewfinder.verbs.build import BuildRequest

EXPORT, GOLDEN = "export", "golden pictures"


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

    request = ExportRequest(options.formats[0], options.precision, options.weights)
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
