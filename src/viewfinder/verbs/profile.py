"""``viewfinder profile``: what an inference costs, in time on this computer, in instructions on an emulated board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import artifact
from viewfinder.artifact import Artifact
from viewfinder.errors import Exit, MissingToolError, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence, Measurement, Report, Verdict
from viewfinder.runtime import verified
from viewfinder.runtime.gate.comparison import Compared
from viewfinder.runtime.profile import comparison
from viewfinder.runtime.profile.latency import Schedule
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Document, Section
from viewfinder.target import HOST, Target
from viewfinder.verbs import profiling
from viewfinder.verbs.compare import ENDS

if TYPE_CHECKING:
    from numpy.typing import NDArray


Progress = Callable[[str], None]
MOST_SUSTAINED_S = 86_400.0
Feeds = Mapping[str, Mapping[str, "NDArray[Any]"]]


@dataclass(frozen=True)
class ProfileRequest:
    """What to profile.

    Attributes:
        subject: an artifact's folder, or a folder with artifacts.
        target: runtime and device; None takes each artifact's own engine on this computer.
        threads: of the engine; emulated boards have one core.
        processes, runs, seconds: on this computer: processes for each graph, least inferences and time in each.
        sustain_s: run each graph without pauses for so long instead; 0 for not.
        against: another artifact, timed in turn with the subject and compared with it.
        output: folder for report.json; None writes none.
        command: what the user typed, for the report.
    """

    subject: str
    target: Target | None = None
    threads: int = 1
    processes: int = 4
    runs: int = 50
    seconds: float = 1.0
    output: Path | None = None
    command: str = ""
    sustain_s: float = 0.0
    against: Path | None = None
    operators: bool = False

    def __post_init__(self) -> None:
        """Refuse what nothing can run with."""
        if not 0 <= self.sustain_s <= MOST_SUSTAINED_S:
            raise UsageError(f"a sustained run of {self.sustain_s} s", f"give at most {MOST_SUSTAINED_S / 3600:g} h")
        if self.operators and (self.against or not self._tells_operators):
            raise UsageError(
                "operators are looked at on this computer and on phones behind adb, one artifact at a time",
                "leave --operators out",
            )
        if self.against and (self.sustain_s or (self.target is not None and self.target.device != HOST)):
            raise UsageError(
                "two artifacts are timed in turn on this computer only, and not sustained",
                "profile both with -o, then viewfinder compare",
            )
        if min(self.threads, self.processes, self.runs) < 1 or not 0 <= self.seconds < float("inf"):
            raise UsageError(
                "threads, processes and runs have to be at least 1, seconds finite and not negative",
                "leave them out for the defaults",
            )
        is_emulated = self.target is not None and self.target.device.startswith("arm64")
        if is_emulated and self.sustain_s:
            raise UsageError(f"{self.target} does not tire: it is emulated, and has no time", "leave --sustain out")
        if is_emulated and self.threads > 1:
            raise UsageError(
                f"{self.threads} threads on {self.target}: counts are exact for one thread only", "leave --threads out"
            )

    @property
    def _tells_operators(self) -> bool:
        """Tell the devices whose runtimes have a profiler that is asked."""
        return self.target is None or self.target.device.partition(":")[0] in {HOST, "android"}

    @property
    def schedule(self) -> Schedule:
        """Return how often and how long; a phase may take twice as long as is asked for, and 30 s in any case."""
        most_s = max(30.0, 2 * self.seconds)
        return Schedule(self.processes, self.runs, self.seconds, most_s=most_s, sustain_s=self.sustain_s)


@dataclass(frozen=True)
class ProfileResult:
    """What came out.

    Attributes:
        report: file of the report, or None.
        warnings: sentences on what makes the numbers doubtful.
        compared: the subject with the artifact that it was timed in turn with, if it was.
    """

    document: Document
    report: Path | None = None
    warnings: tuple[str, ...] = ()
    compared: Compared | None = None

    @property
    def exit_code(self) -> Exit:
        """Return 0 if everything ran, 1 if counts did not repeat or it got worse, 3 if something could not be run."""
        if self.compared is not None:
            return ENDS[self.compared.word]
        reports = [section.report for section in self.document.sections]
        if any(report.evidence is Evidence.NOT_RUN for report in reports):
            return Exit.NOT_VERIFIED
        failed = any(report.verdict is Verdict.FAIL for report in reports)
        return Exit.CHECK_FAILED if failed else Exit.PASS

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, with where it was written."""
        more = {"compared": asdict(self.compared)} if self.compared else {}
        return {**self.document.to_dict(), "report": str(self.report) if self.report else None, **more}


def profile(request: ProfileRequest, progress: Progress | None = None) -> ProfileResult:
    """Profile every graph of every artifact that the request means.

    Raises:
        UsageError: no such artifact or device, or the device is in use.
        BadArtifactError: a damaged artifact.
    """
    say = progress or (lambda _line: None)
    path = Path(request.subject).expanduser()
    chosen = chosen_artifacts(path, request.target)
    if request.against is not None:
        return _in_turn(request, chosen, say)
    sections = []
    for one in chosen:
        say(f"profiling {one.folder.name}")
        sections.append(Section(_with_operators(one, request, profiled(one, request, say), say)))
    return _result(request, chosen[0], tuple(sections))


def _with_operators(made: Artifact, request: ProfileRequest, report: Report, say: Progress) -> Report:
    """Add the operators of an artifact to its report, if they are asked for; why not, if they cannot be told."""
    if not request.operators or report.evidence is Evidence.NOT_RUN:
        return report
    from viewfinder.verbs import placing

    say(f"looking at the operators of {made.folder.name}")
    where = request.target if request.target is not None and request.target.device != HOST else None
    try:
        told = placing.placed_on(made, where) if where else placing.placed(made, profiling.host_engine(made)[0])
        more: dict[str, Any] = {"operators": told}
    except NotVerifiedError as error:
        more = {"operators_not_told": error.message}
    found = replace(report, notes={**report.notes, **more})
    if request.output is not None:
        placing.write(found, request.output)
    return found


def chosen_artifacts(path: Path, target: Target | None) -> list[Artifact]:
    """Load the artifacts in a folder that a target runs; all of them without one.

    Raises:
        UsageError: there is none.
        BadArtifactError: a damaged artifact.
    """
    found = artifact.find(path) if path.exists() else []
    made = [artifact.load(one) for one in found or ([path] if (path / artifact.MANIFEST).is_file() else [])]
    chosen = [one for one in made if target is None or one.format == target.format]
    if not chosen:
        has = f"; it has {', '.join(sorted({one.format for one in made}))}" if made else ""
        raise UsageError(
            f"there is no artifact in {path} for {target or 'profile'}{has}",
            "name an artifact's folder or a build; `viewfinder build MODEL` makes one",
        )
    return chosen


def _in_turn(request: ProfileRequest, chosen: list[Artifact], say: Progress) -> ProfileResult:
    """Time two artifacts in turn (A B A B), and compare the subject with the other."""
    others = chosen_artifacts(request.against or Path(), request.target)
    if len(chosen) != 1 or len(others) != 1:
        raise UsageError(
            f"{len(chosen)} artifacts against {len(others)}: two are timed in turn", "name one artifact's folder each"
        )
    pair = [others[0], chosen[0]]
    say(f"profiling {pair[1].folder.name} in turn with {pair[0].folder.name}")
    found = profiling.timed_in_turn(pair, _job(request), say)
    reports = [_report(made, request, one) for made, one in zip(pair, found, strict=True)]
    key = f"{pair[1].task} {pair[1].folder.name} against {pair[0].folder.name}"
    compared = comparison.compare(key, *reports)
    return replace(_result(request, pair[1], tuple(map(Section, reports))), compared=compared)


def _result(request: ProfileRequest, first: Artifact, sections: tuple[Section, ...]) -> ProfileResult:
    """Put the report together and write it."""
    document = documented(request, first, sections)
    warnings = tuple(
        f"{section.report.artifact}: {text}; its numbers do not count as steady"
        for section in sections
        if section.report.evidence is Evidence.MEASURED
        for text in comparison.doubts(section.report)
    )
    written = documents.write(document, request.output)[0] if request.output is not None else None
    return ProfileResult(document, written, warnings)


def _job(request: ProfileRequest) -> profiling.Job:
    """Return what each artifact is profiled with."""
    return profiling.Job(request.target or Target("", ""), request.threads, request.schedule)


def profiled(made: Artifact, request: ProfileRequest, say: Progress) -> Report:
    """Profile one artifact; what cannot run here becomes a not-run with the reason, and the error's code in the notes.

    Raises:
        UsageError: no such device, or it is in use.
        DeviceError: it answered garbage, or not in time.
    """
    try:
        return _report(made, request, profiling.profiled(made, _job(request), say))
    except (NotVerifiedError, MissingToolError) as error:
        reason = f"{error.message} ({error.hint})" if error.hint else error.message
        gone = Measurement("profile", None, "1", Evidence.NOT_RUN, "what an inference costs", reason=reason)
        return _report(made, request, (str(request.target or made.format), {"failure": error.code}, [gone]))


def _report(made: Artifact, request: ProfileRequest, found: profiling.Profiled) -> Report:
    """Put the numbers of one artifact together."""
    name, notes, measurements = found
    facts = {"measured_at": verified.now(), "measured_with": verified.tools(), "measured_on": verified.host()}
    return Report(
        task=made.task,
        artifact=made.folder.name,
        artifact_sha256=made.sha256,
        format=made.format,
        precision=made.precision,
        engine=name,
        evidence=measurements[0].evidence,
        measurements=tuple(measurements),
        size_bytes=made.size_bytes,
        notes={"threads": request.threads, "weights": made.weights, **facts, **notes},
    )


def documented(request: ProfileRequest, first: Artifact, sections: tuple[Section, ...]) -> Document:
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
