"""``viewfinder overflow``: feed artifacts values that half precision cannot hold; say whether and how they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from viewfinder import files, golden
from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime import overflow as looking
from viewfinder.runtime.bisect import feeds
from viewfinder.runtime.overflow import Found
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import siblings
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.looked import Looked
from viewfinder.verbs.verification import assembled

Progress = Callable[[str], None]
METRIC = "overflow_sqnr_db"


@dataclass(frozen=True)
class OverflowRequest:
    """What to look at.

    Attributes:
        subject: an artifact's folder (one that `compile` made is run on the emulated NPU), or a folder with some.
        against: folder of the float artifact to compare with; None takes the parent, or one beside the artifact.
        golden: golden file; None takes the one beside the artifact. Its first photograph is run.
        min_sqnr_db: least ratio of signal to error.
        output: folder for report.json and report.html; None writes none.
        command: what the user typed, for the report.
    """

    subject: str
    against: Path | None = None
    golden: Path | None = None
    min_sqnr_db: float = looking.LIMIT_DB
    output: Path | None = None
    command: str = ""


@dataclass(frozen=True)
class OverflowResult(Looked):
    """What each graph made of enlarged values, by artifact."""

    found: dict[str, tuple[Found, ...]]


def overflow(request: OverflowRequest, progress: Progress | None = None) -> OverflowResult:
    """Run every graph of every artifact on enlarged pictures, and compare with float.

    Raises:
        UsageError: no such artifact, or no float artifact to compare with.
        BadArtifactError: a damaged artifact or golden file.
        MissingToolError: an engine cannot run here.
    """
    say = progress or (lambda _line: None)
    made = siblings.artifacts_in(request.subject)
    chosen = [one for one in made if len(made) == 1 or one.precision != siblings.FLOAT]
    found, sections = {}, []
    for one in chosen:
        own = siblings.float_of(one, request.against)
        say(f"enlarging what {one.folder.name} is fed with; {own.folder.name} is float")
        evidence, results = _looked(request, one, own)
        found[one.folder.name] = results
        sections.append(_section(request, one, own, (evidence, results)))
    document = assembled(request.command, sections, chosen[0])
    if request.output is not None:
        with files.explained(request.output):
            request.output.mkdir(parents=True, exist_ok=True)
        documents.write(document, request.output)
    return OverflowResult(found, document=document, folder=request.output)


def _looked(request: OverflowRequest, made: Artifact, own: Artifact) -> tuple[Evidence, tuple[Found, ...]]:
    """Run both artifacts graph by graph."""
    from viewfinder.runtime import engines

    truth = golden.load(request.golden or golden.find(made.folder))
    sides = [verifying.setup_for(one, None, 1) for one in (own, made)]
    own_engine, other_engine = (cast("engines.Engine", side.engine) for side in sides)
    for engine in (own_engine, other_engine):
        engines.require(engine)
    # Both are fed alike, with what the looked-at artifact's own pipeline gives on a photograph as it is.
    fed = feeds.captured(own, own_engine, truth.photos[0].feed)
    by_name = {graph.name: graph for graph in own.graphs}
    results = []
    for graph in made.graphs:
        values = looking.enlarged(graph, looking.brightest(graph, fed[graph.name]))
        expected = own_engine.open(own.path(by_name[graph.name]), by_name[graph.name], 1)(values)
        other = other_engine.open(made.path(graph), graph, 1)(values)
        results.append(looking.compared(graph.name, expected, other))
    return other_engine.EVIDENCE, tuple(results)


def _section(
    request: OverflowRequest, made: Artifact, own: Artifact, looked: tuple[Evidence, tuple[Found, ...]]
) -> Section:
    """Put one artifact into the report."""
    evidence, found = looked
    worst = min(found, key=lambda one: one.sqnr_db)
    measured = Measurement(
        METRIC, worst.sqnr_db, "dB", evidence, looking.DEFINITION, minimum=request.min_sqnr_db,
        per_sample={one.graph: one.sqnr_db for one in found}, worst=worst.graph,
        reason="; ".join(str(one) for one in found if one.signature != looking.SOUND),
        limit_reason="below 20 dB the error is more than a tenth of the signal",
    )  # fmt: skip
    report = Report(
        task=made.task, artifact=made.folder.name, artifact_sha256=made.sha256, format=made.format,
        precision=made.precision, engine=made.format, evidence=evidence, measurements=(measured,),
        size_bytes=made.size_bytes,
        notes={
            "signature": {one.graph: one.signature for one in found},
            "scale": looking.SCALE,
            "compared_with": {"artifact": own.folder.name, "sha256": own.sha256},
        },
    )  # fmt: skip
    return Section(report, (), {})
