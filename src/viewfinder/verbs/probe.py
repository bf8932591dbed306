"""``viewfinder probe``: synthetic charts through an artifact and through float; banding, hue, ringing, seams, noise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError
from viewfinder.measurement import Measurement
from viewfinder.runtime import probed, probes, verified
from viewfinder.runtime.probed import Order, Reference, Side
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Section
from viewfinder.task import Limit
from viewfinder.verbs import siblings
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.looked import Looked

Progress = Callable[[str], None]


def names() -> list[str]:
    """List the probes."""
    return probes.names()


@dataclass(frozen=True)
class ProbeRequest:
    """What to probe.

    Attributes:
        subject: an artifact's folder, or a folder with artifacts (a build).
        against: folder of the float artifact to compare with; None takes the parent, or one beside the artifact.
        engine: None takes the one of each artifact's format.
        probes: names of probes; empty takes all.
        limits: bounds in place of the built-in ones, by the names in the report.
        output: folder for report.json, report.html and pictures/; None writes none.
        command: what the user typed, for the report.
    """

    subject: str
    against: Path | None = None
    engine: str | None = None
    threads: int = 1
    probes: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    output: Path | None = None
    command: str = ""

    def __post_init__(self) -> None:
        """Refuse a number of threads that nothing can run with."""
        if self.threads < 1:
            raise UsageError(f"{self.threads} threads", "give at least 1")


@dataclass(frozen=True)
class ProbeResult(Looked):
    """What the charts showed."""


def probe(request: ProbeRequest, progress: Progress | None = None) -> ProbeResult:
    """Run the charts through every artifact that the request names, and write a report if it says where.

    Raises:
        UsageError: no such artifact, probe, engine or limit, or no float artifact to compare with.
        BadArtifactError: a damaged artifact, or a float artifact of another task.
    """
    say = progress or (lambda _line: None)
    chosen_probes = request.probes or tuple(names())
    for name in chosen_probes:
        probes.load(name)
    made = siblings.artifacts_in(request.subject)
    chosen = [one for one in made if verifying.fits(one, request.engine)]
    if not chosen:
        raise UsageError(f"{request.subject} has no artifact for the engine {request.engine}", "leave --engine out")
    # Found before anything runs: a build whose last artifact has no float would otherwise waste minutes.
    floats = [siblings.float_of(one, request.against) for one in chosen]
    with tempfile.TemporaryDirectory(prefix="viewfinder-probe-") as work:
        pictures = Path(work) / documents.PICTURES
        order = Order(chosen_probes, pictures if request.output else None)
        sections = _sections(request, chosen, floats, order, say)
        document = verifying.assembled(request.command, sections, chosen[0])
        if request.output is not None:
            pictures.mkdir(exist_ok=True)
            verifying.deliver(document, Path(work), request.output)
    return ProbeResult(document=document, folder=request.output)


def _sections(
    request: ProbeRequest, chosen: Sequence[Artifact], floats: Sequence[Artifact], order: Order, say: Progress
) -> list[Section]:
    """Probe one artifact after the other; what float makes of the charts is computed once."""
    references: dict[str, Reference] = {}
    sections = []
    for made, own in zip(chosen, floats, strict=True):
        say(f"probing {made.folder.name} against {own.folder.name}")
        if own.sha256 not in references:
            references[own.sha256] = Reference(Side(own, verifying.setup_for(own, None, request.threads)))
        setup = verifying.setup_for(made, request.engine, request.threads)
        facts = {"measured_at": verified.now(), "measured_by": request.command}
        side = Side(made, replace(setup, notes={**setup.notes, **facts}))
        section = probed.probed(side, references[own.sha256], order)
        sections.append(_bound(section, request.limits))
    return sections


def _bound(section: Section, limits: Sequence[Limit]) -> Section:
    """Set the user's limits in place of the built-in ones.

    Raises:
        UsageError: a limit on a name that the report does not have.
    """
    numbers: dict[str, Measurement] = {one.metric: one for one in section.report.measurements}
    for limit in limits:
        if limit.metric not in numbers:
            raise UsageError(
                f"no chosen probe measures {limit.metric!r} to set a limit on", f"known are: {', '.join(numbers)}"
            )
        numbers[limit.metric] = replace(
            numbers[limit.metric],
            minimum=limit.minimum,
            maximum=limit.maximum,
            limit_reason="set on the command line",
        )
    return replace(section, report=replace(section.report, measurements=tuple(numbers.values())))
