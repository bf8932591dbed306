"""Run the charts of `viewfinder.runtime.probes` through an artifact and through float, and measure what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder.artifact import Artifact
from viewfinder.errors import CheckFailedError, MissingToolError, NotVerifiedError
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime import given, pipelines, probes
from viewfinder.runtime.probes import Borders, Found, Picture, Probe, Seen, _light, metric
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Section
from viewfinder.runtime.verify import Runner, Setup

VERSION = 1
"""Raise it when a chart or a number could change."""
HEIGHT, WIDTH = 256, 512
"""Of the charts: several strips and tiles, and two columns for every 8-bit code of a ramp."""
LARGEST = 2048
"""A chart for seams grows up to this until a border lies in it."""
FINITE = "probe_values_not_finite"
FINITE_DEFINITION = "charts on which the artifact gives NaN or infinite values"


@dataclass(frozen=True)
class Side:
    """An artifact and how it is run."""

    artifact: Artifact
    setup: Setup


@dataclass
class Reference:
    """What float makes of the charts, computed once for all artifacts that are compared with it."""

    side: Side
    _outputs: dict[tuple[str, int, int], Picture] = field(default_factory=dict)
    _runner: Runner | None = None

    def output(self, name: str, chart: Picture) -> Picture:
        """Return float's output of the chart `name`, in display light."""
        key = (name, *chart.shape[:2])
        if key not in self._outputs:
            if self._runner is None:
                self._runner = _opened(self.side)
            self._outputs[key] = _run(self.side.artifact, self._runner, chart)
        return self._outputs[key]


@dataclass(frozen=True)
class Order:
    """What to look at, and where the pictures go (None draws none)."""

    names: tuple[str, ...]
    pictures: Path | None = None


def probed(side: Side, reference: Reference, order: Order) -> Section:
    """Run every probe of `order` on an artifact; its limits are set from what float gives.

    Returns:
        The section; with measurements that are ``not-run`` and the reason when an engine cannot run here.

    Raises:
        CheckFailedError: float itself gives NaN, so that there is nothing to compare with.
    """
    reason = side.setup.engine.probe() or reference.side.setup.engine.probe()
    rows: list[_Row] = []
    if reason is None:
        try:
            runner = _opened(side)
            rows = [_row(name, side, runner, reference, order.pictures) for name in order.names]
        except (NotVerifiedError, MissingToolError) as error:
            reason = error.message
    evidence = side.setup.engine.EVIDENCE if reason is None else Evidence.NOT_RUN
    measured = _collect(rows, evidence) if reason is None else _not_run(order.names, reason)
    made = side.artifact
    report = Report(
        task=made.task,
        artifact=made.folder.name,
        artifact_sha256=made.sha256,
        format=made.format,
        precision=made.precision,
        engine=side.setup.engine_name,
        evidence=evidence,
        measurements=tuple(measured),
        size_bytes=made.size_bytes,
        notes=_notes(side, reference),
    )
    parts = [{key: value for key, value in one.to_dict().items() if key in _FILE} for one in made.graphs]
    return Section(report, tuple(parts), probes=tuple(row.shown for row in rows))


_FILE = ("name", "file", "sha256", "size_bytes")


def _opened(side: Side) -> Runner:
    """Open an artifact's pipeline."""
    return side.setup.open_runner(side.artifact, side.setup.engine, side.setup.threads)


def _run(artifact: Artifact, runner: Runner, chart: Picture) -> Picture:
    """Run a chart through an artifact; both are in display light. A network that merges bursts gets it as one."""
    if given.takes_bursts(artifact):
        return np.asarray(runner.enhance(given.of_chart(artifact, chart)), np.float32)
    output = runner.enhance(np.ascontiguousarray(_light.as_input(artifact, chart)))
    return np.asarray(_light.as_seen(artifact, output), np.float32)


def _notes(side: Side, reference: Reference) -> dict[str, Any]:
    """Say with what the numbers were obtained."""
    against = reference.side
    return {
        "probes_version": VERSION,
        "threads": side.setup.threads,
        "weights": side.artifact.weights,
        "weights_sha256": side.artifact.weights_sha256,
        "compared_with": {
            "artifact": against.artifact.folder.name,
            "sha256": against.artifact.sha256,
            "engine": against.setup.engine_name,
            "evidence": against.setup.engine.EVIDENCE.value,
        },
        **side.setup.notes,
    }


@dataclass(frozen=True)
class _Row:
    """What one probe found; `shown` is for the page. Without `found`, the artifact gave NaN on its chart."""

    name: str
    found: Mapping[str, Found] | None
    shown: Mapping[str, Any]


def _row(name: str, side: Side, runner: Runner, reference: Reference, pictures: Path | None) -> _Row:
    """Run one probe."""
    probe = probes.load(name)
    chart, borders = _chart(probe, side.artifact)
    own = reference.output(name, chart)
    shown: dict[str, Any] = {
        "name": name,
        "title": probe.TITLE,
        "looks_for": probe.LOOKS_FOR,
        "size": [chart.shape[1], chart.shape[0]],
        "metrics": {metric(name, key): quantity.title for key, quantity in probe.QUANTITIES.items()},
    }
    try:
        output = _run(side.artifact, runner, chart)
    except CheckFailedError as error:
        if error.code != "not-finite":
            raise
        return _Row(name, None, shown)
    if probe.PROFILE:
        shown["profile"] = {"float": _profile(own), "artifact": _profile(output)}
    if pictures is not None:
        stem = f"{side.artifact.folder.name}.{side.setup.engine_name}.probe-{name}"
        shown["pictures"] = panels.draw_chart(chart, own, output, pictures, stem)
    return _Row(name, probe.measure(Seen(chart, own, output, borders)), shown)


def _chart(probe: Probe, artifact: Artifact) -> tuple[Picture, Borders]:
    """Draw the chart; where borders matter, as large as it takes for the artifact to compute it in several pieces."""
    height, width = HEIGHT, WIDTH
    while True:
        borders = Borders(*pipelines.borders(artifact, height, width))
        if not probe.BORDERS or (borders.rows and borders.columns) or height >= LARGEST:
            return probe.chart(height, width), borders
        height, width = 2 * height, min(LARGEST, 2 * width)


def _profile(picture: Picture) -> list[int]:
    """Return the middle row's green in 8-bit display codes, for the curve on the page."""
    row = picture[picture.shape[0] // 2, :, 1]
    return [int(code) for code in np.rint(row.clip(0, 1) * probes.CODES)]


def _collect(rows: Sequence[_Row], evidence: Evidence) -> list[Measurement]:
    """Turn what the probes found into measurements with limits."""
    lost = {row.name: float(row.found is None) for row in rows}
    why = "a picture has no NaN and no infinity"
    count = sum(lost.values())
    measured = [
        Measurement(FINITE, count, "charts", evidence, FINITE_DEFINITION, maximum=0, per_sample=lost, limit_reason=why)
    ]
    for row in rows:
        blank = _blank(row.name, "the artifact gives NaN or infinite values on this chart")
        measured += blank if row.found is None else [_filled(one, row, evidence) for one in blank]
    return measured


def _filled(blank: Measurement, row: _Row, evidence: Evidence) -> Measurement:
    """Fill a measurement in."""
    key = blank.metric.removeprefix(metric(row.name, ""))
    found = (row.found or {})[key]
    samples = dict(found.per_sample)
    worst = (min if found.minimum is not None else max)(samples, key=lambda one: samples[one]) if samples else ""
    reasons = [found.said, blank.limit_reason] if found.said else [blank.limit_reason]
    return replace(
        blank,
        value=found.value,
        evidence=evidence,
        minimum=found.minimum,
        maximum=found.maximum,
        per_sample=samples,
        worst=worst,
        reason="",
        limit_reason="; ".join(reasons),
    )


def _blank(name: str, reason: str) -> list[Measurement]:
    """List what a probe measures, without values."""
    probe = probes.load(name)
    place = f"; chart {name}, in display light (sRGB), whole chart unless said otherwise"
    return [
        Measurement(
            metric(name, key),
            None,
            one.unit,
            Evidence.NOT_RUN,
            one.definition + place,
            reason=reason,
            limit_reason=one.limit_reason,
        )
        for key, one in probe.QUANTITIES.items()
    ]


def _not_run(names: Sequence[str], reason: str) -> list[Measurement]:
    """List what could not be measured."""
    return [one for name in names for one in _blank(name, reason)]
