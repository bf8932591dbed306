"""``viewfinder repair``: the cheapest mixed recipe that meets a budget and the probes, searched on real artifacts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder import artifact, files, golden
from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.measurement import Measurement
from viewfinder.runtime import probed, probes
from viewfinder.runtime.repair import Budget, Outcome, Point, layers, quality
from viewfinder.runtime.repair.search import search
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Document, Section
from viewfinder.verbs import siblings
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.repairing import Bench, Materials
from viewfinder.verbs.verification import assembled

Progress = Callable[[str], None]
RECIPE = "recipe.json"
DROP, SIZE = "repair_drop_vs_truth_worst_db", "repair_size_bytes"


@dataclass(frozen=True)
class RepairRequest:
    """What to repair.

    Attributes:
        subject: folder of a float artifact, or of one quantized from it (then its float parent is looked for).
        budget_db: most PSNR against the truth that the worst photograph may lose to float, in dB.
        max_size: most bytes of the artifact, or None.
        golden: golden file; None takes the one beside the artifact.
        photos: at most so many of the golden photographs decide, of every kind in turn.
        calibration_data, samples: as for `viewfinder quantize`.
        output: folder for recipe.json, FORMAT-mixed/ and the report; None takes ``build/TASK/repaired-FORMAT``.
        command: what the user typed, for the report.
    """

    subject: Path
    budget_db: float
    max_size: int | None = None
    golden: Path | None = None
    photos: int = 4
    calibration_data: Path | None = None
    samples: int | None = None
    threads: int = 1
    output: Path | None = None
    command: str = ""

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        if not self.budget_db > 0:
            raise UsageError(f"a budget of {self.budget_db} dB", "give what may be lost, e.g. 0.2dB")
        if self.max_size is not None and self.max_size < 1:
            raise UsageError(f"a size of {self.max_size} bytes", "give at least 1")
        if self.photos < 1 or self.threads < 1:
            raise UsageError("no photographs or no threads", "give at least 1 of each")


@dataclass(frozen=True)
class RepairResult:
    """What came out.

    Attributes:
        outcome: every candidate, and the chosen one.
        made: the artifact that meets the budget; or, if none does, the nearest one.
        recipe: the file with its recipe.
    """

    outcome: Outcome
    made: Artifact
    recipe: Path
    document: Document
    folder: Path

    @property
    def exit_code(self) -> Exit:
        """Return 0 if a recipe meets the budget and the probes, 1 if none does."""
        return verifying.EXIT[self.document.verdict]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, with where recipe and artifact were written."""
        paths = {"folder": str(self.folder), "recipe": str(self.recipe), "artifact": str(self.made.folder)}
        return {**self.document.to_dict(), **paths}


def repair(request: RepairRequest, progress: Progress | None = None) -> RepairResult:
    """Search, write the recipe, the artifact and the report.

    Raises:
        UsageError: no float artifact, a format whose layers cannot be listed, or golden pictures without a truth.
    """
    say = progress or (lambda _line: None)
    parent = _parent(request.subject)
    truth = golden.load(request.golden or golden.find(parent.folder))
    _check(parent, truth)
    fewer = golden.few(truth, request.photos)
    output = request.output or Path("build") / parent.task / f"repaired-{parent.format}"
    setup = verifying.setup_for(parent, None, request.threads)
    reference = probed.Reference(probed.Side(parent, setup))
    with tempfile.TemporaryDirectory(prefix="viewfinder-repair-") as work:
        materials = Materials(parent, fewer, setup, reference, request.calibration_data, request.samples)
        bench = Bench(materials, Path(work))
        budget = Budget(request.budget_db, request.max_size)
        outcome = search(bench.layers, budget, bench, say)
        point = outcome.chosen or outcome.nearest
        recipe = bench.recipe(point.kinds, outcome.losses)
        say(f"writing {output}")
        files.write_text(output / RECIPE, json.dumps(recipe.to_dict(), indent=2, sort_keys=True) + "\n")
        made = bench.written(output, output / RECIPE)
        document = _report(request, made, bench, outcome, Path(work))
        verifying.deliver(document, Path(work), output)
    return RepairResult(outcome, made, output / RECIPE, document, output)


def _parent(subject: Path) -> Artifact:
    """Load the float artifact that is meant."""
    made = artifact.load(subject)
    return made if made.precision == siblings.FLOAT else siblings.float_of(made)


def _check(parent: Artifact, truth: golden.Golden) -> None:
    """Refuse what cannot be searched, before anything is built."""
    from viewfinder.runtime import bisect
    from viewfinder.runtime.verify import check_pair

    if parent.format not in bisect.formats():
        raise UsageError(
            f"the layers of {parent.format} cannot be listed{bisect.WHY.get(parent.format, '')}",
            f"repair takes: {', '.join(bisect.formats())}",
        )
    check_pair(parent, truth)
    quality.require_truth(truth)


def _report(request: RepairRequest, made: Artifact, bench: Bench, outcome: Outcome, work: Path) -> Document:
    """Probe the artifact that was written, and put the report together."""
    pictures = work / documents.PICTURES
    pictures.mkdir(exist_ok=True)
    point = outcome.chosen or outcome.nearest
    if made.size_bytes != point.size_bytes:
        raise BadArtifactError(
            f"{made.folder} has {made.size_bytes} bytes, its candidate had {point.size_bytes}",
            "the quantizer does not give the same file twice; run it again and report it",
        )
    side = probed.Side(made, bench.materials.setup)
    section = probed.probed(side, bench.materials.reference, probed.Order(tuple(probes.names()), pictures))
    report = replace(
        section.report,
        measurements=(*_measurements(request, made, point, section), *section.report.measurements),
        notes={**section.report.notes, "recipe": made.recipe},
    )
    shown = replace(section, report=report, search=_search(request, bench, outcome))
    return assembled(request.command, [shown], made)


def _measurements(request: RepairRequest, made: Artifact, point: Point, section: Section) -> list[Measurement]:
    """Return loss and size with the budget as their limits."""
    evidence, drops = section.report.evidence, point.quality.drops
    worst = max(drops, key=lambda name: drops[name])
    asked = "the budget, set on the command line"
    return [
        Measurement(
            DROP, drops[worst], "dB", evidence, quality.DEFINITION, maximum=request.budget_db, per_sample=drops,
            worst=worst, limit_reason=asked,
        ),
        Measurement(
            SIZE, float(made.size_bytes), "bytes", evidence, "bytes of all graph files", maximum=request.max_size,
            limit_reason=asked if request.max_size else "",
        ),
    ]  # fmt: skip


def _search(request: RepairRequest, bench: Bench, outcome: Outcome) -> dict[str, Any]:
    """Return the search as JSON data, for the page."""
    point = outcome.chosen or outcome.nearest
    budget = Budget(request.budget_db, request.max_size)
    return {
        "budget_db": request.budget_db,
        "max_size": request.max_size,
        "met": outcome.chosen is not None,
        "misses": point.misses(budget),
        "chosen": list(outcome.points).index(point),
        "points": [{**one.to_dict(), "misses": one.misses(budget)} for one in outcome.points],
        "layers": [
            {
                "key": layer.key,
                "name": layer.name,
                "graph": layer.graph,
                "kind": point.kinds[layer.key],
                "weights": layer.weights,
                "macs": layer.macs,
                "losses": dict(outcome.losses.get(layer.key, {})),
            }
            for layer in bench.layers
        ],
        "integer_share": layers.integer_share(bench.layers, point.kinds, "w8a8"),
    }
