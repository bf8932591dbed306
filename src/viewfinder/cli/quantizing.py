"""Verbs about fewer bits: quantize and audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewfinder.cli.options import NoCache, Photos, Subject, Weights
from viewfinder.cli.table import size, table
from viewfinder.cli.verb import Outcome, progress, verb

if TYPE_CHECKING:
    from viewfinder.artifact import GraphFile
    from viewfinder.verbs.audit import AuditResult
    from viewfinder.verbs.quantize import QuantizeResult

ROWS = 12
"""Tensors that an audit shows to people; ``--json`` has all."""


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    verb(app, "quantize")(quantize)
    verb(app, "audit")(audit)


Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="fp16, w8, w8a8, w8a16 or mixed, or what AI Edge Quantizer calls them.",
        show_default="the recipe's, or w8a8; of denoisers w8",
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe", metavar="FILE", help="Rules as JSON, or AI Edge Quantizer's.", show_default="the pipeline's own"
    ),
]
Target = Annotated[str | None, typer.Option("--target", metavar="NAME", help="Kernels that ONNX is for: cpu or npu.")]
Formats = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="NAME", help="onnx, tflite, coreml or executorch; may be repeated."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Holds FORMAT-PRECISION/.", show_default="beside the float"),
]
CalibrationData = Annotated[
    Path | None,
    typer.Option(
        "--calibration-data",
        metavar="PATH",
        help="Photographs, or bursts, on which the ranges are measured; photographs become bursts where needed.",
        show_default="scikit-image's, at three exposures",
    ),
]
Samples = Annotated[
    int, typer.Option("--num-calibration-samples", metavar="N", min=1, help="Most of them that are taken.")
]
MinCoverage = Annotated[
    float,
    typer.Option(
        "--min-coverage",
        metavar="SHARE",
        min=0,
        max=1,
        help="Least share of strata (exposure; of bursts, gain and motion too) that is there.",
    ),
]
OwnModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="FILE:TASK",
        help="A network that is not shipped: for ExecuTorch, --pt2e, and w8 of denoisers.",
    ),
]

ThroughPT2E = Annotated[
    bool,
    typer.Option("--pt2e", help="Quantize PyTorch's graph, one for every format, not the file (ExecuTorch always)."),
]
Steps = Annotated[
    int,
    typer.Option("--qat", metavar="STEPS", min=0, help="Train the weights to be rounded, by so many steps (PT2E)."),
]


def quantize(
    subject: Subject,
    precision: Precision = None,
    recipe: RecipeFile = None,
    target: Target = None,
    formats: Formats = None,
    output: Output = None,
    calibration_data: CalibrationData = None,
    samples: Samples = 24,
    min_coverage: MinCoverage = 1.0,
    model: OwnModel = None,
    weights: Weights = None,
    pt2e: ThroughPT2E = False,
    qat: Steps = 0,
    no_cache: NoCache = False,
) -> Outcome:
    """Make float artifacts smaller: fp16, 8-bit weights, 8-bit or 16-bit activations."""
    from viewfinder.verbs import quantize as verbs

    request = verbs.QuantizeRequest(
        subject=subject,
        precision=precision,
        recipe=recipe,
        target=target,
        formats=tuple(formats or ()),
        output=output,
        calibration_data=calibration_data,
        samples=samples,
        min_coverage=min_coverage,
        model=model,
        weights=weights,
        use_cache=not no_cache,
        pt2e=pt2e,
        qat_steps=qat,
    )
    made = verbs.quantize(request, progress)
    return Outcome(made.to_dict(), _quantized(made, subject), warnings=made.warnings)


def _quantized(made: QuantizeResult, subject: str) -> str:
    """One line per artifact with the kinds of its operators, then the calibration set."""
    rows = []
    for one in made.artifacts:
        kinds = "; ".join(
            f"{graph.name}: {', '.join(f'{count} {kind}' for kind, count in graph.notes['rules'].items())}"
            for graph in one.graphs
        )
        rows.append((str(one.folder), size(one.size_bytes), kinds))
    used = made.artifact.recipe["calibration"]
    lines = [table(("artifact", "size", "operators"), rows)]
    if used:
        strata = ", ".join(f"{count} {name}" for name, count in used["strata"].items())
        lines.append(f"calibrated on {used['name']}: {strata}; coverage {used['coverage']:.0%}")
    lines += [
        line for one in made.artifacts for graph in one.graphs for line in _through_pytorch(one.folder.name, graph)
    ]
    return "\n".join([*lines, _next(made, Path(subject).expanduser())])


def _next(made: QuantizeResult, source: Path) -> str:
    """Say how to verify what was made; written away from the golden pictures of its source, it has to be shown them."""
    from viewfinder import golden

    folder = made.artifact.folder
    words = ["next: viewfinder verify", str(folder if len(made.artifacts) == 1 else folder.parent)]
    pictures = next(filter(None, map(golden.beside, (source, source / "export"))), None)
    if golden.beside(folder) is None and pictures is not None:
        words += ["--golden", str(pictures)]
    return " ".join(words)


def _through_pytorch(name: str, graph: GraphFile) -> Iterator[str]:
    """Say of a graph what training won on inputs that it never saw, and how many scales its file was found to hold."""
    if trained := graph.notes.get("training"):
        before, after = (f"{trained[key]:.3g}" for key in ("error_before", "error_after"))
        end = "" if trained["kept"] else "; nothing was won, so weights and ranges stay as they were"
        yield f"{name}/{graph.name}: {trained['steps']} steps, error on held-out inputs {before} -> {after}{end}"
    if carried := graph.notes.get("round_trip"):
        held = " and ".join(f"{count} of {kind}" for kind, count in carried.items())
        yield f"{name}/{graph.name}: different scales found in the file: {held}"


def audit(subject: Subject, photos: Photos = None, weights: Weights = None, no_cache: NoCache = False) -> Outcome:
    """Find tensors that half precision cannot hold on photographs."""
    from viewfinder.verbs import audit as verbs

    done = verbs.audit(verbs.AuditRequest(subject, tuple(photos or ()), weights, not no_cache), progress)
    return Outcome(done.to_dict(), _audited(done), done.exit_code)


def _audited(done: AuditResult) -> str:
    """List the tensors nearest to the end of the range."""
    rows = [
        (
            one.verdict,
            f"{one.graph}/{one.tensor}",
            f"{one.type} {one.operator}",
            f"{one.largest:.4g}",
            f"{one.lost:.2%}",
        )
        for one in done.ranges[:ROWS]
    ]
    head = ("verdict", "tensor", "operator", "largest", "below normal")
    out = sum(one.verdict == "overflow" for one in done.ranges)
    told = f"{out} of {len(done.ranges)} tensors leave the range of float16 (65504)"
    return f"{table(head, rows)}\n\n{told}; verdict: {done.measurement.verdict}"
