"""Run an artifact on the golden photographs and measure it against the PyTorch float output and against the truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from viewfinder import strata
from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError, CheckFailedError, MissingToolError, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime.metrics import METRICS, Comparison, psnr_db
from viewfinder.runtime.quantities import DROP, FINITE, OF_FLOAT, SHARE, Quantity, quantities
from viewfinder.task import BURST, NOISY

if TYPE_CHECKING:
    from viewfinder.golden import Golden, GoldenPhoto

VERSION = 5
"""Raise it when a number could change: stored verifications of another version are measured again."""

Picture = NDArray[np.float32]


class Engine(Protocol):
    """What verify needs of a module in ``runtime/engines``."""

    EVIDENCE: Evidence

    def probe(self) -> str | None:
        """Return why the engine cannot run here, or None."""


class Runner(Protocol):
    """What verify needs of a pipeline that is open."""

    def enhance(self, given: Any) -> Picture:
        """Take ``[H, W, 3]`` in 0..1, or a burst, to ``[H, W, 3]`` in 0..1, clipped and not rounded to 8 bit."""


Opener = Callable[[Artifact, Any, int], Runner]
Watcher = Callable[["GoldenPhoto", Comparison, Comparison | None], None]


@dataclass(frozen=True)
class Setup:
    """How to run the artifact.

    Attributes:
        engine_name: as on the command line, for the report.
        engine: the engine's module.
        open_runner: opens the artifact's pipeline: ``(artifact, engine, threads)``.
        notes: what else the report should say (versions, command, time).
    """

    engine_name: str
    engine: Engine
    open_runner: Opener
    threads: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)


def check_pair(artifact: Artifact, golden: Golden) -> None:
    """Refuse a golden file of another task or of other weights.

    Raises:
        BadArtifactError: they do not belong together.
        UsageError: the golden file has no photographs.
    """
    again = "export again to get both, or name the right file with --golden"
    if golden.task != artifact.task:
        raise BadArtifactError(f"{artifact.folder} is {artifact.task}, but the golden file is of {golden.task}", again)
    if golden.weights_sha256 != artifact.weights_sha256:
        raise BadArtifactError(
            f"{artifact.folder} has the weights {artifact.weights_sha256[:12] or 'none'}, but the golden file was made "
            f"with {golden.weights_sha256[:12] or 'none'}",
            again,
        )
    if not golden.photos:
        raise UsageError("the golden file has no photographs", "export again with --photos")


def verify(artifact: Artifact, golden: Golden, setup: Setup, watch: Watcher | None = None) -> Report:
    """Measure an artifact on every golden photograph; no limit is set yet (`limits.gated` does that).

    `watch` is shown each photograph with the comparison of artifact (test) and PyTorch float (reference), and with that
    of artifact and truth where there is one.

    Returns:
        The report; with measurements that are ``not-run`` and the reason when the engine cannot run the artifact.

    Raises:
        BadArtifactError: artifact and golden file do not belong together.
    """
    check_pair(artifact, golden)
    reason = setup.engine.probe()
    rows: list[_Row] = []
    if reason is None:
        try:
            runner = setup.open_runner(artifact, setup.engine, setup.threads)
            is_noisy = artifact.pipeline == BURST or artifact.parameters.get("samples") == NOISY
            rows = [_measure(runner, photo, watch, is_noisy=is_noisy) for photo in golden.photos]
        except (NotVerifiedError, MissingToolError) as error:
            reason = error.message
    measured = (
        _not_run(golden, reason) if reason is not None else _collect(rows, setup.engine.EVIDENCE, strata_of(golden))
    )
    return Report(
        task=artifact.task,
        artifact=artifact.folder.name,
        artifact_sha256=artifact.sha256,
        format=artifact.format,
        precision=artifact.precision,
        engine=setup.engine_name,
        evidence=Evidence.NOT_RUN if reason is not None else setup.engine.EVIDENCE,
        measurements=tuple(measured),
        size_bytes=artifact.size_bytes,
        notes=_notes(artifact, golden, setup),
    )


def _notes(artifact: Artifact, golden: Golden, setup: Setup) -> dict[str, Any]:
    """Say with what the numbers were obtained."""
    return {
        "verifier_version": VERSION,
        "golden_sha256": golden.sha256,
        "photographs": [photo.name for photo in golden.photos],
        "strata": strata_of(golden),
        "strata_definitions": dict(strata.DEFINITIONS),
        "threads": setup.threads,
        "weights": artifact.weights,
        "weights_sha256": artifact.weights_sha256,
        **_origin(artifact, golden),
        **setup.notes,
    }


def _origin(artifact: Artifact, golden: Golden) -> dict[str, Any]:
    """Say what artifact and numbers were made from, so that two reports can tell whether they may be compared."""
    delegated = [graph.notes["not_delegated"] for graph in artifact.graphs if "not_delegated" in graph.notes]
    left = {"fallback_ops": sum(sum(one.values()) for one in delegated)} if delegated else {}
    return {
        "pixels_sha256": {photo.name: _of_pixels(photo.source) for photo in golden.photos},
        "recipe_sha256": _short_hash(json.dumps(dict(artifact.recipe), sort_keys=True).encode()),
        "parameters_sha256": _short_hash(json.dumps(dict(artifact.parameters), sort_keys=True).encode()),
        "made_with": dict(artifact.tools),
        **left,
    }


def _of_pixels(pixels: NDArray[Any]) -> str:
    """Hash the pixels of a photograph, with their type and size."""
    return _short_hash(f"{pixels.dtype.str} {pixels.shape} ".encode() + np.ascontiguousarray(pixels).tobytes())


def _short_hash(data: bytes) -> str:
    """Hash to 16 hexadecimal digits: enough to see that something is not the same, short enough for a page."""
    return hashlib.sha256(data).hexdigest()[:16]


def strata_of(golden: Golden) -> dict[str, str | list[str]]:
    """Map every golden photograph to its stratum, every synthetic sample to its several."""
    return {photo.name: list(photo.strata) or strata.of(photo.pixels) for photo in golden.photos}


@dataclass(frozen=True)
class _Row:
    """The numbers of one photograph; `not_finite` above 0 leaves the others out."""

    photo: str
    not_finite: int = 0
    values: Mapping[str, float] = field(default_factory=dict)


def _measure(runner: Runner, photo: GoldenPhoto, watch: Watcher | None, *, is_noisy: bool) -> _Row:
    """Run one photograph and compute every metric; a pipeline may stop at a NaN, with the code ``not-finite``."""
    try:
        output = runner.enhance(photo.feed)
    except CheckFailedError as error:
        if error.code != "not-finite":
            raise
        return _Row(photo.name, not_finite=1)
    not_finite = int(np.count_nonzero(~np.isfinite(output)))
    if not_finite:
        return _Row(photo.name, not_finite)
    pair = Comparison(output, photo.expected)
    values = {metric.called("float"): metric.aggregate(pair) for metric in METRICS.values()}
    other = None
    if photo.truth is not None:
        truth = np.asarray(photo.truth, np.float32)
        other = Comparison(output, truth)
        values |= {metric.called("truth"): metric.aggregate(other) for metric in METRICS.values()}
        own = psnr_db(photo.expected, truth)
        values |= {OF_FLOAT: own, DROP: own - values[METRICS["psnr"].called("truth")]}
        if is_noisy:
            colours = METRICS["delta_e_2000_p99"]
            left = colours.aggregate(Comparison(photo.expected, truth))
            values[SHARE] = values[colours.called("float")] / max(left, 1.0)
    if watch is not None:
        watch(photo, pair, other)
    return _Row(photo.name, 0, values)


def _collect(rows: Sequence[_Row], evidence: Evidence, kinds: strata.Strata) -> list[Measurement]:
    """Join the numbers of all photographs: the mean and the worst of each quantity, and the means of the strata."""
    counts = {row.photo: float(row.not_finite) for row in rows}
    what = "NaN and infinite values in the output, sum over all photographs; 1 where the pipeline stopped at the first"
    found = [Measurement(FINITE, sum(counts.values()), "values", evidence, what, per_sample=counts)]
    for quantity in quantities().values():
        samples = {row.photo: row.values[quantity.name] for row in rows if quantity.name in row.values}
        if samples:
            shared = {"per_sample": samples, "per_stratum": strata.means(samples, kinds)}
            found += _mean_and_worst(quantity, evidence, shared)
    return found


def _mean_and_worst(quantity: Quantity, evidence: Evidence, shared: Mapping[str, Any]) -> list[Measurement]:
    """Make two measurements of one quantity; `shared` holds the numbers per sample and per stratum."""
    samples = shared["per_sample"]
    worst = (min if quantity.higher_is_better else max)(samples, key=lambda photo: samples[photo])
    count = f"{len(samples)} photograph{'s' if len(samples) > 1 else ''}"

    def one(name: str, value: float, of: str) -> Measurement:
        """Fill in what both share."""
        text = f"{quantity.definition}; {of} {count}"
        return Measurement(name, value, quantity.unit, evidence, text, worst=worst, **shared)

    return [
        one(quantity.name, float(np.mean(list(samples.values()))), "mean of"),
        one(quantity.worst_name, samples[worst], "worst of"),
    ]


def _not_run(golden: Golden, reason: str) -> list[Measurement]:
    """List what could not be measured, each with the reason."""
    has_truth = any(photo.truth is not None for photo in golden.photos)
    return [
        Measurement(name, None, quantity.unit, Evidence.NOT_RUN, quantity.definition, reason=reason)
        for quantity in quantities().values()
        for name in (quantity.name, quantity.worst_name)
        if has_truth or "_vs_truth" not in name
    ]
