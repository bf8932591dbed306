"""What build, export, verify, run and train made, as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewfinder.cli.table import count, size, table

if TYPE_CHECKING:
    from viewfinder.measurement import Measurement, Report
    from viewfinder.runtime.report.document import Document
    from viewfinder.verbs.build import BuildResult
    from viewfinder.verbs.export import ExportResult
    from viewfinder.verbs.run import RunResult
    from viewfinder.verbs.train import TrainResult
    from viewfinder.verbs.verify import VerifyResult


def exported(made: ExportResult) -> str:
    """One line per artifact, one per graph with what the exporter counted, and where the golden pictures are."""
    lines = []
    for item in made.artifacts:
        seconds = made.seconds.get(item.folder.name, 0.0)
        lines.append(f"{item.folder}  {size(item.size_bytes)}  {seconds:.1f} s")
        for graph in item.graphs:
            facts = ", ".join(f"{key.replace('_', ' ')}: {_brief(value)}" for key, value in graph.notes.items())
            lines.append(f"  {graph.name}: {size(graph.size_bytes)}{', ' if facts else ''}{facts}")
    return "\n".join([*lines, *([str(made.golden)] if made.golden else [])])


def _brief(value: object) -> str:
    """Write a note in a few words."""
    if isinstance(value, dict):
        return " ".join(f"{name} {number}" for name, number in value.items()) or "none"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    return count(value) if isinstance(value, int) and value >= 10_000 else str(value)


def built(result: BuildResult) -> str:
    """Every artifact by kind of sample, one line per artifact, the verdict, and where the report is."""
    return "\n\n".join([*_kinds(result.document), _summary(result.document), f"report: {result.report}"])


def verified(result: VerifyResult) -> str:
    """Every measurement of every artifact, then by kind of sample, then one line per artifact."""
    parts = [_measurements(section.report) for section in result.document.sections]
    written = [f"report: {result.folder}"] if result.folder else []
    return "\n\n".join([*parts, *_kinds(result.document), _summary(result.document), *written])


def _kinds(document: Document) -> list[str]:
    """A table of gains, motions or exposures, one column each; nothing where all samples are of one kind."""
    from viewfinder.verbs.verification import by_kind

    found = by_kind(document)
    if found is None:
        return []
    rows = [("PyTorch", *found["own"])] if found["own"] else []
    rows += [(row["label"], *(", ".join(filter(None, cell)) for cell in row["cells"])) for row in found["rows"]]
    return [table((found["metric"], *(name for name, _ in found["columns"])), rows)]


def _summary(document: Document) -> str:
    """One line per artifact: the limits that decide, and the verdict."""
    rows = []
    for section in document.sections:
        report = section.report
        deciding = next((one for one in report.measurements if one.minimum is not None), None)
        rows.append(
            (
                report.artifact,
                report.engine or "-",
                str(report.evidence),
                "" if deciding is None else _value(deciding),
                size(report.size_bytes),
                str(report.verdict),
                _why(report),
            )
        )
    header = ("artifact", "engine", "evidence", "against PyTorch, worst", "size", "verdict", "")
    return f"{table(header, rows)}\n\nverdict: {document.verdict}"


def _why(report: Report) -> str:
    """Say why an artifact does not pass."""
    reasons = [one.reason for one in report.measurements if one.reason]
    missed = [f"{one.metric} {_value(one)}, {_limit(one)}" for one in report.measurements if str(one.verdict) == "fail"]
    return "; ".join([*missed, *dict.fromkeys(reasons)])


def _measurements(report: Report) -> str:
    """A table of one artifact's measurements."""
    rows = [(one.metric, _value(one), _limit(one), str(one.verdict), one.worst) for one in report.measurements]
    head = f"{report.artifact} in {report.engine} ({report.evidence}), sha256 {report.artifact_sha256[:12]}"
    if all(one.value is None for one in report.measurements):
        return f"{head}: {_why(report)}"
    return f"{head}\n{table(('metric', 'value', 'limit', 'verdict', 'worst photograph'), rows)}"


def _value(one: Measurement) -> str:
    """Write a value with its unit."""
    if one.value is None:
        return "not run"
    unit = "" if one.unit in {"1", "values"} else f" {one.unit}"
    return f"{one.value:.4g}{unit}"


def _limit(one: Measurement) -> str:
    """Write the bounds of a measurement."""
    bounds = [f">= {one.minimum:g}"] if one.minimum is not None else []
    return " and ".join([*bounds, *([f"<= {one.maximum:g}"] if one.maximum is not None else [])])


def ran(result: RunResult) -> str:
    """One line per photograph."""
    rows = [
        (str(done.target), f"{done.width} x {done.height}", f"{done.seconds:.2f} s, {result.engine}")
        for done in result.done
    ]
    return table(("written", "size", "time"), rows)


def trained(result: TrainResult) -> str:
    """Where the weights are and how good they are on the run's own validation pictures."""
    last = result.progress
    resumed = f", resumed from step {result.resumed_from}" if result.resumed_from else ""
    lines = [
        f"weights: {result.weights}",
        f"record: {result.record}",
        f"{last.step} steps in {last.seconds:.0f} s{resumed}, validation {last.validation_psnr_db:.2f} dB",
    ]
    return "\n".join(lines)
