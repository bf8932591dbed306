"""``viewfinder profile``: what an inference costs, in time on this computer, in instructions on an emulated board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import artifact
from viewfinder.artifact import Artifact
from viewfinder.errors import Exit, MissingToolError, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence, Measurement, Report, Verdict
from viewfinder.runtime import verified
from viewfinder.runtime.profile import comparison
from viewfinder.runtime.profile.latency import Schedule
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Document, Section
from viewfinder.target import Target
from viewfinder.verbs import profiling

if TYPE_CHECKING:
    from numpy.typing import NDArray


Progress = Callable[[str], None]
Feeds = Mapping[str, Mapping[str, "NDArray[Any]"]]


@dataclass(frozen=True)
class ProfileRequest:
    """What to profile.

    Attributes:
        subject: an artifact's folder, or a folder with artifacts.
        target: runtime and device; None takes each artifact's own engine on this computer.
        threads: of the engine; emulated boards have one core.
        processes, runs, seconds: on this computer: processes for each graph, least inferences and time in each.
        output: folder for report.json; None writes none.
        command: what the user typed, for the report.
    """

    subject: str
    target: Target | None = None
    threads: int = 1
    processes: int = 3
    runs: int = 50
    seconds: float = 1.0
    output: Path | None = None
    command: str = ""

    def __post_init__(self) -> None:
        """Refuse what nothing can run with."""
        if min(self.threads, self.processes, self.runs) < 1 or not 0 <= self.seconds < float("inf"):
            raise UsageError(
                "threads, processes and runs have to be at least 1, seconds finite and not negative",
                "leave them out for the defaults",
            )
        if self.target is not None and self.target.device.startswith("arm64") and self.threads > 1:
            raise UsageError(
                f"{self.threads} threads on {self.target}: counts are exact for one thread only", "leave --threads out"
            )

    @property
    def schedule(self) -> Schedule:
        """Return how often and how long; a phase may take twice as long as is asked for, and 30 s in any case."""
        return Schedule(self.processes, self.runs, self.seconds, most_s=max(30.0, 2 * self.seconds))


@dataclass(frozen=True)
class ProfileResult:
    """What came out.

    Attributes:
        report: file of the report, or None.
        warnings: sentences on what makes the numbers doubtful.
    """

    document: Document
    report: Path | None = None
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """Return 0 if everything ran, 1 if counts did not repeat, 3 if something could not be run here."""
        reports = [section.report for section in self.document.sections]
        if any(report.evidence is Evidence.NOT_RUN for report in reports):
            return Exit.NOT_VERIFIED
        failed = any(report.verdict is Verdict.FAIL for report in reports)
        return Exit.CHECK_FAILED if failed else Exit.PASS

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, with where it was written."""
        return {**self.document.to_dict(), "report": str(self.report) if self.report else None}


def profile(request: ProfileRequest, progress: Progress | None = None) -> ProfileResult:
    """Profile every graph of every artifact that the request means.

    Raises:
        UsageError: no such artifact or device, or the device is in use.
        BadArtifactError: a damaged artifact.
    """
    say = progress or (lambda _line: None)
    path = Path(request.subject).expanduser()
    found = artifact.find(path) if path.exists() else []
    made = [artifact.load(one) for one in found or ([path] if (path / artifact.MANIFEST).is_file() else [])]
    chosen = [one for one in made if request.target is None or one.format == request.target.format]
    if not chosen:
        has = f"; it has {', '.join(sorted({one.format for one in made}))}" if made else ""
        raise UsageError(
            f"there is no artifact in {path} for {request.target or 'profile'}{has}",
            "name an artifact's folder or a build; `viewfinder build MODEL` makes one",
        )
    sections = []
    for one in chosen:
        say(f"profiling {one.folder.name}")
        sections.append(Section(_report(one, request, say)))
    document = _document(request, chosen[0], tuple(sections))
    warnings = tuple(text for section in sections for text in _doubts(section.report))
    report = None
    if request.output is not None:
        report = documents.write(document, request.output)[0]
    return ProfileResult(document, report, warnings)


def _job(request: ProfileRequest) -> profiling.Job:
    """Return what each artifact is profiled with."""
    return profiling.Job(request.target or Target("", ""), request.threads, request.schedule)


def _report(made: Artifact, request: ProfileRequest, say: Progress) -> Report:
    """Profile one artifact; what cannot run here becomes a not-run with the reason."""
    name, notes = str(request.target or made.format), dict[str, Any]()
    try:
        name, notes, found = profiling.profiled(made, _job(request), say)
        evidence = found[0].evidence
    except (NotVerifiedError, MissingToolError) as error:
        evidence = Evidence.NOT_RUN
        reason = f"{error.message} ({error.hint})" if error.hint else error.message
        found = [Measurement("profile", None, "1", evidence, "what an inference costs", reason=reason)]
    facts = {"measured_at": verified.now(), "measured_with": verified.tools(), "measured_on": verified.host()}
    return Report(
        task=made.task,
        artifact=made.folder.name,
        artifact_sha256=made.sha256,
        format=made.format,
        precision=made.precision,
        engine=name,
        evidence=evidence,
        measurements=tuple(found),
        size_bytes=made.size_bytes,
        notes={"threads": request.threads, "weights": made.weights, **facts, **notes},
    )


def _doubts(report: Report) -> list[str]:
    """Say what makes timings doubtful."""
    drifted = [
        one for one in report.measurements if one.metric.endswith("_drift") and (one.value or 0) > comparison.DRIFT
    ]
    found = [
        f"{report.artifact}: {one.metric.removesuffix('_drift')} became {one.value:.2f} times slower while it ran: "
        "throttling, or another program; its numbers do not count as steady"
        for one in drifted
    ]
    before = dict(report.notes.get("before", {}))
    load = before.get("load_average")
    if load is not None and load > max(len(before.get("cores", [])), 1):
        found.append(f"{report.artifact}: the load average was {load:.1f} before the run; other programs were at work")
    return found


def _document(request: ProfileRequest, first: Artifact, sections: tuple[Section, ...]) -> Document:
    """Put a report together; there is no golden file in it, because nothing is compared."""
    model = {
        "name": first.task,
        "weights": first.weights,
        "weights_sha256": first.weights_sha256,
        "title": "",
        "paper": "",
    }
    return Document(
        command=request.command,
        created=verified.now(),
        model=model,
        golden={"sha256": "", "operator": "", "photographs": [], "tools": {}},
        sections=sections,
        tools=verified.tools(),
        host=verified.host(),
    )
