"""Verbs for a team's CI: gate, compare, and the group baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewfinder.cli.options import NoCache, Threads
from viewfinder.cli.table import size, table
from viewfinder.cli.verb import Outcome, progress, typed, verb

if TYPE_CHECKING:
    from viewfinder.runtime.gate.outcome import Case
    from viewfinder.verbs.baseline import AcceptResult
    from viewfinder.verbs.compare import CompareResult
    from viewfinder.verbs.gate import GateResult


def add_to(app: typer.Typer) -> None:
    """Register the verbs and the group."""
    verb(app, "gate")(gate)
    verb(app, "compare")(compare)
    group = typer.Typer(help="Keep the numbers that a gate compares with.", no_args_is_help=True, rich_markup_mode=None)
    verb(group, "accept")(accept)
    app.add_typer(group, name="baseline")


PolicyPath = Annotated[Path, typer.Option("--policy", "-p", metavar="FILE", help="What has to hold: see docs/gate.md.")]
Artifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts", metavar="FOLDER", help="Folder with FORMAT-PRECISION/.", show_default="the policy's, or built"
    ),
]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="Build, even where the policy says where artifacts are.")]
Reports = Annotated[
    list[Path] | None,
    typer.Option("--report", metavar="PATH", help="A report.json of probe or profile to hold too; may be repeated."),
]
BaselinePath = Annotated[
    Path | None, typer.Option("--baseline", metavar="FILE", help="The baseline.", show_default="the policy's")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Write report.html, gate.json, junit.xml, gate.sarif and summary.md.",
        show_default="nowhere",
    ),
]
NoExplain = Annotated[bool, typer.Option("--no-explain", help="Do not look for causes of failures.")]
Schema = Annotated[bool, typer.Option("--print-schema", help="Print the JSON schema of a policy and stop.")]


def gate(
    policy: PolicyPath = Path("gate.yaml"),
    artifacts: Artifacts = None,
    rebuild: Rebuild = False,
    reports: Reports = None,
    baseline: BaselinePath = None,
    output: Output = None,
    threads: Threads = 1,
    no_explain: NoExplain = False,
    no_cache: NoCache = False,
    print_schema: Schema = False,
) -> Outcome:
    """Hold artifacts against a policy, a baseline, PyTorch and the truth."""
    from viewfinder.verbs import gate as verbs

    if print_schema:
        return Outcome(verbs.schema(), json.dumps(verbs.schema(), indent=1))
    request = verbs.GateRequest(
        policy=policy,
        artifacts=artifacts,
        rebuild=rebuild,
        reports=tuple(reports or ()),
        baseline=baseline,
        output=output,
        threads=threads,
        use_cache=not no_cache,
        explain=not no_explain,
        command=typed(),
    )
    gated = verbs.gate(request, progress)
    return Outcome(gated.to_dict(), told(gated), gated.exit_code, gated.outcome.notes)


def told(result: GateResult) -> str:
    """One line per case, then every check that did not pass, with its line of the policy, and what explains it."""
    outcome = result.outcome
    rows = [_row(case) for case in outcome.cases]
    parts = [table(("model", "target", "precision", "size", "checks", "verdict"), rows)]
    parts += [text for text in (_details(case, outcome.policy) for case in outcome.cases) if text]
    parts += [f"gate: {outcome.ruling}"]
    parts += [f"written: {result.folder}"] if result.folder else []
    return "\n\n".join(parts)


def _row(case: Case) -> tuple[str, ...]:
    """Write one case."""
    passed = sum(str(check.ruling) == "pass" for check in case.checks)
    taken = size(case.section.report.size_bytes) if case.section.report.size_bytes else "-"
    return (case.model, case.target, case.precision, taken, f"{passed} of {len(case.checks)}", str(case.ruling))


def _details(case: Case, policy: str) -> str:
    """Write what is to be told of a case, as compilers do: file, line, what."""
    lines = [
        f"{policy}:{check.line}: {check.ruling}: {case.name}: {check.rule}: {check.told}"
        for check in case.checks
        if str(check.ruling) != "pass"
    ]
    return "\n".join([*lines, *(f"  because: {one.told}" for one in case.explanations)])


First = Annotated[Path, typer.Argument(metavar="A", help="report.json, a folder that holds one, or a baseline.")]
Second = Annotated[Path, typer.Argument(metavar="B", help="The same, of later.")]
Margin = Annotated[float, typer.Option("--margin", metavar="DB", help="PSNR that has to move for better or worse.")]
Confidence = Annotated[float, typer.Option("--confidence", metavar="SHARE", help="Of the bootstrap interval.")]


def compare(first: First, second: Second, margin: Margin = 0.1, confidence: Confidence = 0.95) -> Outcome:
    """Say whether B is better, same, worse, or incomparable."""
    from viewfinder.verbs import compare as verbs

    result = verbs.compare(verbs.CompareRequest(first, second, margin, confidence))
    return Outcome(result.to_dict(), _answers(result), result.exit_code)


def _answers(result: CompareResult) -> str:
    """One line per artifact, with what changed."""
    lines = []
    for one in result.answers:
        changed = f"\n  changed: {', '.join(one.changed)}" if one.changed else ""
        lines.append(f"{one.key}: {one.word}: {one.why}{changed}")
    return "\n".join([*lines, f"\nanswer: {result.word}"])


Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why these numbers are good; kept with them.")]


def accept(
    reason: Reason,
    policy: PolicyPath = Path("gate.yaml"),
    artifacts: Artifacts = None,
    rebuild: Rebuild = False,
    reports: Reports = None,
    baseline: BaselinePath = None,
    threads: Threads = 1,
    no_cache: NoCache = False,
) -> Outcome:
    """Measure what a policy names and write it as the new baseline."""
    from viewfinder.verbs import baseline as verbs

    request = verbs.AcceptRequest(
        policy=policy,
        reason=reason,
        artifacts=artifacts,
        rebuild=rebuild,
        reports=tuple(reports or ()),
        baseline=baseline,
        threads=threads,
        use_cache=not no_cache,
        command=typed(),
    )
    accepted = verbs.accept(request, progress)
    return Outcome(accepted.to_dict(), _accepted(accepted), accepted.exit_code, accepted.left_out)


def _accepted(result: AcceptResult) -> str:
    """List the entries that changed, and where they are."""
    lines = [f"changed: {key}" for key in result.changed]
    return "\n".join([*lines, f"{result.unchanged} unchanged", f"baseline: {result.path}"])
