"""What NPUs made of artifacts, as one table; and the verbs that compile for them and look at what they do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewfinder.cli.options import MaxFallback, NoCache
from viewfinder.cli.table import size, table
from viewfinder.cli.verb import Outcome, progress, typed, verb

if TYPE_CHECKING:
    from viewfinder.measurement import Measurement, Report
    from viewfinder.verbs.compile import CompileResult
    from viewfinder.verbs.verify import VerifyResult

_COSTS = 4
"""Definitions of costs that stand below the table."""
_HEADER = (
    "artifact", "evidence", "against PyTorch, worst", "lost to the truth", "ops on the NPU", "on the CPU", "pieces",
    "signature", "size", "cost", "verdict",
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    verb(app, "compile")(compile_for)
    verb(app, "placement")(placement)
    verb(app, "overflow")(overflow)


CompileSubject = Annotated[
    str,
    typer.Argument(metavar="ARTIFACT", help="An ONNX artifact's folder, or a folder with some.", show_default=False),
]
Processors = Annotated[
    list[str], typer.Option("--target", metavar="NAME", help="A processor, as snapdragon-8-elite; may be repeated.")
]
CompileOutput = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.", show_default="beside the artifact"),
]


def compile_for(
    subject: CompileSubject,
    targets: Processors,
    output: CompileOutput = None,
    max_fallback_ops: MaxFallback = 0,
    no_cache: NoCache = False,
) -> Outcome:
    """Compile ONNX artifacts for Snapdragon's NPUs."""
    from viewfinder.verbs import compile as verbs

    request = verbs.CompileRequest(subject, tuple(targets), output, not no_cache, max_fallback_ops)
    made = verbs.compile(request, progress)
    return Outcome(made.to_dict(), compiled(made))


Before = Annotated[
    Path, typer.Argument(metavar="OLD", help="A compiled artifact's folder, or a build with some.", show_default=False)
]
After = Annotated[Path, typer.Argument(metavar="NEW", help="The same of the build to judge.", show_default=False)]


def placement(before: Before, after: After) -> Outcome:
    """Compare where two builds place operators; more on the CPU fails."""
    from viewfinder.verbs import placement as verbs

    result = verbs.placement(before, after)
    rows = [
        (
            one.artifact, one.graph,
            ", ".join(f"{kind} {npu:+d} NPU {cpu:+d} CPU" for kind, (npu, cpu) in one.moved.items()) or "nothing",
            f"{sum(one.before.on_cpu.values())} to {sum(one.after.on_cpu.values())}",
            f"{one.before.partitions} to {one.after.partitions}",
            "worse" if one.is_worse else "-",
        )
        for one in result.changes
    ]  # fmt: skip
    parts = [table(("artifact", "graph", "moved", "on the CPU", "pieces", "verdict"), rows)]
    parts += [f"only in {before}: {name}" for name in result.only_before]
    parts += [f"only in {after}: {name}" for name in result.only_after]
    return Outcome(result.to_dict(), "\n".join(parts), result.exit_code)


OverflowSubject = Annotated[
    str,
    typer.Argument(
        metavar="ARTIFACT",
        help="An artifact's folder, as `compile` made it, say, or a folder with artifacts.",
        show_default=False,
    ),
]
Against = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="ARTIFACT", help="Float artifact to compare with.", show_default="the parent, or beside it"
    ),
]
GoldenFile = Annotated[
    Path | None,
    typer.Option("--golden", metavar="FILE", help="Golden pictures.", show_default="golden.npz beside ARTIFACT"),
]
LeastRatio = Annotated[float, typer.Option("--min-sqnr", metavar="DB", help="Least ratio of signal to error.")]
OverflowFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Where to write the report.", show_default="nowhere"),
]


def overflow(
    subject: OverflowSubject,
    against: Against = None,
    golden: GoldenFile = None,
    min_sqnr: LeastRatio = 20.0,
    output: OverflowFolder = None,
) -> Outcome:
    """Feed values that half precision cannot hold, and name how it fails."""
    from viewfinder.verbs import overflow as verbs

    request = verbs.OverflowRequest(subject, against, golden, min_sqnr, output, typed())
    result = verbs.overflow(request, progress)
    rows = [
        (name, one.graph, one.signature, f"{one.sqnr_db:.1f} dB", f"{one.largest:.4g}", f"{one.expected:.4g}")
        for name, found in result.found.items()
        for one in found
    ]
    shown = table(("artifact", "graph", "signature", "signal to error", "largest value", "float's"), rows)
    return Outcome(result.to_dict(), f"{shown}\n\nverdict: {result.document.verdict}", result.exit_code)


def compiled(result: CompileResult) -> str:
    """One line per artifact, one per graph."""
    lines = []
    for made in result.artifacts:
        lines.append(f"{made.folder}  {size(made.size_bytes)}")
        for graph in made.graphs:
            operators = sum(graph.notes["operators"].values())
            fallen = sum(graph.notes["not_delegated"].values())
            placed = f"{operators} operators on the NPU, {fallen} on the CPU"
            lines.append(f"  {graph.name}: {size(graph.size_bytes)}, {placed}")
    return "\n".join(lines)


def verified(result: VerifyResult) -> str:
    """One row per artifact and processor, what went wrong with the reasons, and the verdict."""
    reports = [section.report for section in result.document.sections]
    parts = [table(_HEADER, [_row(report) for report in reports])]
    parts += [f"{_name(report)}: {reason}" for report in reports for reason in _reasons(report)]
    said = {one.definition for report in reports for one in report.measurements if one.metric == "npu_estimate_us"}
    parts += [f"cost: {text}" for text in sorted(said)][:_COSTS]
    rows = {report.notes["rows"] for report in reports if "rows" in report.notes}
    parts += [f"rows: {text}" for text in sorted(rows)]
    by = {report.notes["computed_by"] for report in reports if "computed_by" in report.notes}
    parts += [f"computed by: {text}" for text in sorted(by)]
    parts += [f"{report.artifact}, Neural Engine: {text}" for report in reports for text in hints(report)]
    written = [f"report: {result.folder}"] if result.folder else []
    return "\n\n".join([*parts, f"verdict: {result.document.verdict}", *written])


def hints(report: Report) -> list[str]:
    """Say what static rules think of the Neural Engine and each graph, by generation; one line where they agree."""
    lines = []
    for graph, hint in report.notes.get("ane_hints", {}).items():
        said: dict[str, list[str]] = {}
        for generation, found in hint["generations"].items():
            why = "; ".join(f"{', '.join(kinds)}: {reason}" for reason, kinds in found["blocked"].items())
            text = f"{found['eligible']} of {hint['operations']} operations eligible" + (
                f", blocked {why}" if why else ""
            )
            said.setdefault(text, []).append(generation)
        lines += [f"{graph} ({' and '.join(names)}): {text} (hint: {hint['source']})" for text, names in said.items()]
    return lines


def _name(report: Report) -> str:
    """Name the artifact; the name of a compiled one says the processor."""
    return report.artifact


def _row(report: Report) -> tuple[str, ...]:
    """Write one report as a row."""
    found = {one.metric: one for one in report.measurements}
    return (
        _name(report),
        str(report.evidence),
        _number(found.get("psnr_vs_float_worst_db"), "dB", 1),
        _number(found.get("psnr_drop_vs_truth_db"), "dB", 3),
        _number(found.get("npu_ops")),
        _number(found.get("npu_fallback_ops")),
        _number(found.get("npu_partitions")),
        signature(report),
        size(report.size_bytes) if report.size_bytes else "-",
        _cost(found.get("npu_estimate_us")),
        str(report.verdict),
    )


def _number(one: Measurement | None, unit: str = "", digits: int = 0) -> str:
    """Write a value, or a dash."""
    if one is None or one.value is None:
        return "-"
    return f"{one.value:.{digits}f}{f' {unit}' if unit else ''}"


def _cost(one: Measurement | None) -> str:
    """Write the compiler's prediction with its label, which is what its definition begins with."""
    if one is None or one.value is None:
        return "-"
    return f"{one.value / 1000:.2f} ms, {one.definition.partition(':')[0]}"


def signature(report: Report) -> str:
    """Say in a word how an artifact fails: not-run, fallback, refused, nonfinite, inexact, or - if it does not."""
    failed = {one.metric for one in report.measurements if str(one.verdict) == "fail"}
    if str(report.evidence) == "not-run":
        return "not-run"
    if "npu_fallback_ops" in failed:
        return "refused" if report.notes.get("code") == "npu-refused" else "fallback"
    if "values_not_finite" in failed:
        return "nonfinite"
    return "inexact" if failed else "-"


def _reasons(report: Report) -> list[str]:
    """List why an artifact does not pass, each reason once."""
    said = [one.reason for one in report.measurements if one.reason]
    missed = [
        f"{one.metric} is {one.value:.4g}, not {'at least' if one.minimum is not None else 'at most'} "
        f"{one.minimum if one.minimum is not None else one.maximum:g}"
        for one in report.measurements
        if str(one.verdict) == "fail" and one.value is not None and not one.reason
    ]
    return list(dict.fromkeys([*said, *missed]))
