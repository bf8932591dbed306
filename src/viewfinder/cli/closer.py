"""What probe and bisect found, as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewfinder.cli.table import table

if TYPE_CHECKING:
    from viewfinder.measurement import Measurement, Report
    from viewfinder.runtime.report.document import Section
    from viewfinder.verbs.bisect import BisectResult
    from viewfinder.verbs.probe import ProbeResult


def probed(result: ProbeResult) -> str:
    """Every number of every artifact with its limit, what failed with the reason, and the verdict."""
    parts = [_numbers(section.report) for section in result.document.sections]
    written = [f"report: {result.folder}"] if result.folder else []
    return "\n\n".join([*parts, f"verdict: {result.document.verdict}", *written])


def _numbers(report: Report) -> str:
    """A table of one artifact's numbers, and a line for each that fails."""
    head = f"{report.artifact} in {report.engine} ({report.evidence}), sha256 {report.artifact_sha256[:12]}"
    if all(one.value is None for one in report.measurements):
        return f"{head}: {report.measurements[0].reason}"
    rows = [(one.metric, value(one), bounds(one), str(one.verdict), one.worst) for one in report.measurements]
    missed = [
        f"{one.metric}: {value(one)}, {bounds(one)}: {one.limit_reason}"
        for one in report.measurements
        if str(one.verdict) == "fail"
    ]
    return "\n".join([f"{head}\n{table(('metric', 'value', 'limit', 'verdict', 'worst'), rows)}", *missed])


def value(one: Measurement) -> str:
    """Write a value with its unit."""
    if one.value is None:
        return "not run"
    number = f"{one.value:.3f}".rstrip("0").rstrip(".") or "0"
    return number if one.unit == "1" else f"{number} {one.unit}"


def bounds(one: Measurement) -> str:
    """Write the limits of a measurement."""
    found = [f">= {one.minimum:g}"] if one.minimum is not None else []
    return " and ".join([*found, *([f"<= {one.maximum:g}"] if one.maximum is not None else [])])


def bisected(result: BisectResult) -> str:
    """For every pair the table of tensors, and where they part."""
    parts = [_tensors(section) for section in result.document.sections]
    written = [f"report: {result.folder}"] if result.folder else []
    return "\n\n".join([*parts, *written])


def _tensors(section: Section) -> str:
    """A table of one pair's tensors; the one where they part is marked."""
    found, first = section.parting, section.parting["first"]
    rows = []
    for row in found["tensors"]:
        is_first = first is not None and (row["graph"], row["tensor"]) == (first["graph"], first["tensor"])
        op = row["op"] if row["op"].startswith(row["kind"]) else f"{row['kind']} {row['op']}"
        numbers = (f"{row['sqnr_db']:.1f} dB", f"{row['lost_db']:+.1f} dB", f"{row['psnr_db']:.1f} dB")
        rows.append((row["graph"], op, row["short"], *numbers, "<- parts here" if is_first else ""))
    header = ("graph", "operator", "makes", "SQNR", "lost here", "PSNR", "")
    return f"{table(header, rows)}\n\n{found['other']} beside {found['own']}: {found['sentence']}"
