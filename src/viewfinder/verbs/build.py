"""``viewfinder build``: export, golden pictures, verification and report in one folder, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewfinder import artifact, files, golden, jobs, models, photos
from viewfinder.errors import Exit, UsageError, ViewfinderError
from viewfinder.jobs import Ended, Job
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime import verified
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Document, Section
from viewfinder.task import Task
from viewfinder.verbs import building
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.building import EXPORT, FORMATS, GOLDEN, PRECISIONS, BuildRequest
from viewfinder.verbs.export import ExportOptions

__all__ = ["FORMATS", "PRECISIONS", "BuildRequest", "BuildResult", "build"]

Progress = Callable[[str], None]
KIND, SCHEMA_VERSION = "viewfinder-build", 1
_CACHE = "cache"
_JOBS = "viewfinder.verbs.building"


@dataclass(frozen=True)
class BuildResult:
    """What was built, and how long each step took in seconds."""

    folder: Path
    document: Document
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> Exit:
        """Return 0 if every limit holds, 1 if one does not, 3 if something could not be made or verified."""
        return verifying.EXIT[self.document.verdict]

    @property
    def report(self) -> Path:
        """Where the page lies."""
        return self.folder / documents.HTML_NAME

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {
            "folder": str(self.folder),
            "report": str(self.report),
            "verdict": self.document.verdict.value,
            "artifacts": [
                {
                    "name": one.report.artifact,
                    "verdict": one.report.verdict.value,
                    "evidence": one.report.evidence.value,
                }
                for one in self.document.sections
            ],
            "seconds": {name: round(seconds, 2) for name, seconds in self.seconds.items()},
        }


def build(request: BuildRequest, progress: Progress | None = None) -> BuildResult:
    """Build a model into one folder: ``export/``, ``pictures/``, ``report.html``, ``report.json``, ``manifest.json``.

    What cannot be exported or verified stands in the report as ``not-run`` with its reason; the rest goes on.

    Raises:
        UsageError: no such model, weights, photographs or format, or a folder that is no build's.
    """
    say = progress or (lambda _line: None)
    from viewfinder.export import exporter

    task = models.load(request.model)
    task.weights_file(request.weights)
    photos.find(request.photos)
    exporter.require_form(task, request.form)
    output = request.output or Path("build") / task.name
    _check_output(output)
    names = _artifact_names(request)
    with files.new_folder(output) as folder:
        ended = _run(request, names, folder, say)
        document = _report(request, task, folder, ended)
        documents.write(document, folder)
        _write_manifest(document, folder)
    seconds = {name: one.seconds for name, one in ended.items()}
    return BuildResult(output, document, seconds)


def _check_output(output: Path) -> None:
    """Refuse to replace a folder that is not an earlier build."""
    if not output.exists() or (output.is_dir() and _holds_only_exports(output)):
        return
    try:
        kind = json.loads((output / artifact.MANIFEST).read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError):
        kind = None
    if kind != KIND:
        raise UsageError(f"{output} exists and is no build of viewfinder", "name a new or empty folder with -o")


def _holds_only_exports(output: Path) -> bool:
    """Tell whether a folder is empty, or has nothing but the ``export/`` that `viewfinder export` wrote."""
    inside = {path.name for path in output.iterdir()}
    folders = {path.name for path in (output / EXPORT).iterdir() if path.is_dir()} if inside == {EXPORT} else set()
    return not inside or (bool(folders) and folders <= {path.name for path in artifact.find(output / EXPORT)})


def _artifact_names(request: BuildRequest) -> dict[str, tuple[str, str]]:
    """Map the name of each artifact to its format and precision, and refuse those that nothing has."""
    from viewfinder.export import exporter
    from viewfinder.export.request import ExportRequest

    known = exporter.format_names()
    wrong = [name for name in request.formats if name not in known]
    if wrong or not request.formats or not request.precisions:
        raise UsageError(
            f"there is no export format {', '.join(wrong) or '(none given)'}", f"known: {', '.join(known)}"
        )
    pairs = [(one, precision) for one in request.formats for precision in request.precisions]
    requests = [ExportRequest(*pair) for pair in pairs]
    return {f"{one.format}-{one.precision}": (one.format, one.precision) for one in requests}


def _options(request: BuildRequest, folder: Path, **changes: Any) -> ExportOptions:
    """Make the options of one export."""
    shared = {
        "weights": request.weights, "form": request.form, "photos": request.photos, "use_cache": request.use_cache,
    }  # fmt: skip
    return ExportOptions(request.model, output=folder / EXPORT, **shared | changes)


def _run(request: BuildRequest, names: Mapping[str, tuple[str, str]], folder: Path, say: Progress) -> dict[str, Ended]:
    """Export, make the golden pictures and verify, side by side in processes; what is cached is only fetched."""
    (folder / documents.PICTURES).mkdir()
    path = folder / EXPORT / golden.FILE
    exports = {
        name: _options(request, folder, formats=(one,), precision=precision, write_golden=False)
        for name, (one, precision) in names.items()
    }

    def tell(one: Ended) -> None:
        """Say how a job ended; without golden pictures nothing can go on."""
        say(f"{one.name}: {one.error.message if one.error else f'{one.seconds:.1f} s'}")
        if one.name == GOLDEN and one.error is not None:
            raise one.error

    arguments = {"exports": exports, "options": _options(request, folder), "path": path}
    fetched = jobs.run([Job(_CACHE, f"{_JOBS}:fetch_job", arguments)], tell, 1) if request.use_cache else {}
    here = list(fetched[_CACHE].value or ()) if fetched else []
    plan = (
        []
        if GOLDEN in here
        else [Job(GOLDEN, f"{_JOBS}:golden_job", {"options": _options(request, folder), "path": path})]
    )
    plan += [
        Job(f"export {name}", f"{_JOBS}:export_job", {"options": options})
        for name, options in exports.items()
        if name not in here
    ]
    ended = {**fetched, **jobs.run(plan, tell, request.jobs)}
    return {**ended, **_verify_all(request, names, folder, ended, tell)}


def _verify_all(
    request: BuildRequest,
    names: Mapping[str, tuple[str, str]],
    folder: Path,
    ended: Mapping[str, Ended],
    tell: Callable[[Ended], None],
) -> dict[str, Ended]:
    """Verify what was exported: from the cache here, the rest side by side in processes."""
    truth = golden.load(folder / EXPORT / golden.FILE)
    results: dict[str, Ended] = {}
    plan = []
    for name in names:
        job, before = f"verify {name}", ended.get(f"export {name}")
        if before is not None and before.error is not None:
            results[job] = Ended(job, error=before.error)
            continue
        made = artifact.load(folder / EXPORT / name)
        section = verified.stored(
            made, truth, building.order_for(request, folder, made, len(names) * len(truth.photos))
        )
        if section is not None:
            results[job] = Ended(job, section)
            tell(results[job])
        else:
            arguments = {"request": request, "folder": folder, "name": name, "pairs_per_photo": len(names)}
            plan.append(Job(job, f"{_JOBS}:verify_job", arguments))
    return {**results, **jobs.run(plan, tell, request.jobs)}


def _report(request: BuildRequest, task: Task, folder: Path, ended: Mapping[str, Ended]) -> Document:
    """Put the report together from what the jobs brought."""
    truth = golden.load(folder / EXPORT / golden.FILE)
    names = _artifact_names(request)
    limits = verifying.VerifyRequest("", min_psnr=request.min_psnr).all_limits()
    sections = []
    for name, pair in names.items():
        one = ended[f"verify {name}"]
        section = one.value if one.error is None else _not_made(task, name, pair, one.error)
        sections.append(verifying.bound(section, limits, task) if one.error is None else section)
    side = panels.side_for(len(names) * len(truth.photos))
    drawn = verified.photographs(truth, folder / documents.PICTURES, side)
    return verifying.assembled(request.command, sections, truth, drawn, task)


def _not_made(task: Task, name: str, pair: tuple[str, str], error: ViewfinderError) -> Section:
    """Stand for an artifact that could not be exported, or whose verification broke off."""
    reason = f"{error.message} ({error.hint.splitlines()[-1]})" if error.hint else error.message
    missing = Measurement(verifying.MIN_PSNR, None, "dB", Evidence.NOT_RUN, reason=reason)
    return Section(Report(task.name, name, "", *pair, engine="", evidence=Evidence.NOT_RUN, measurements=(missing,)))


def _write_manifest(document: Document, folder: Path) -> None:
    """Write ``manifest.json``: what was built, with what, and the hash of every file."""
    listed = sorted(path for path in folder.rglob("*") if path.is_file())
    data = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "command": document.command,
        "created": document.created,
        "verdict": document.verdict.value,
        "model": dict(document.model),
        "golden": dict(document.golden),
        "artifacts": [
            {"name": one.report.artifact, "sha256": one.report.artifact_sha256, "verdict": one.report.verdict.value}
            for one in document.sections
        ],
        "tools": dict(document.tools),
        "host": dict(document.host),
        "files": {
            path.relative_to(folder).as_posix(): {"sha256": files.sha256(path), "size_bytes": path.stat().st_size}
            for path in listed
        },
    }
    files.write_text(folder / artifact.MANIFEST, json.dumps(data, indent=1, sort_keys=True) + "\n")
