"""Verbs that run artifacts: verify and run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli import results
from viewfinder.cli.bar import Bar
from viewfinder.cli.options import Engine, MinPsnr, NoCache, Photos, Subject, Threads, Weights
from viewfinder.cli.verb import Outcome, progress, typed, verb
from viewfinder.errors import UsageError
from viewfinder.task import Limit


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for name, function in {"verify": verify, "run": run}.items():
        verb(app, name)(function)


Golden = Annotated[
    Path | None,
    typer.Option("--golden", metavar="FILE", help="Golden pictures.", show_default="golden.npz beside the artifact"),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="METRIC=LOW:HIGH", help="A further bound, as ssim_vs_float_worst=0.99: ; may be repeated."
    ),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Write report.html and report.json.", show_default="nowhere"),
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="NAME", help="Of a MODEL: formats to export; may be repeated.", show_default="all"
    ),
]
Precision = Annotated[str, typer.Option("--precision", metavar="NAME", help="Of a MODEL's artifact: float or fp16.")]


def verify(
    subject: Subject,
    engine: Engine = None,
    golden: Golden = None,
    threads: Threads = 1,
    min_psnr: MinPsnr = None,
    limits: Limits = None,
    output: ReportFolder = None,
    weights: Weights = None,
    precision: Precision = "float",
    formats: Formats = None,
    photos: Photos = None,
    no_cache: NoCache = False,
) -> Outcome:
    """Run an artifact in its engine and compare it with PyTorch and with the truth."""
    from viewfinder.verbs import verify as verbs

    request = verbs.VerifyRequest(
        subject=subject,
        engine=engine,
        golden=golden,
        threads=threads,
        min_psnr=min_psnr,
        limits=tuple(map(_limit, limits or ())),
        output=output,
        weights=weights,
        precision=precision,
        formats=tuple(formats or ()),
        photos=tuple(photos or ()),
        use_cache=not no_cache,
        command=typed(),
    )
    verified = verbs.verify(request, progress)
    return Outcome(verified.to_dict(), results.verified(verified), verified.exit_code)


def _limit(text: str) -> Limit:
    """Read ``METRIC=LOW:HIGH``; either bound may be left out."""
    metric, _, bounds = text.partition("=")
    low, colon, high = bounds.partition(":")
    try:
        if not metric or not colon:
            raise ValueError
        return Limit(metric, float(low) if low else None, float(high) if high else None)
    except ValueError:
        hint = "write METRIC=LOW:HIGH, as psnr_vs_float_db_worst=80: or max_abs_vs_float=:0.01"
        raise UsageError(f"--limit {text!r} is no bound", hint) from None


RunPhotos = Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photographs, or folders of them.")]
RunOutput = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="PATH", help="A folder, which mirrors folders; or a file, for one photo."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")]


def run(
    model: Subject,
    photos: RunPhotos,
    output: RunOutput,
    engine: Engine = None,
    weights: Weights = None,
    precision: Precision = "float",
    threads: Threads = 1,
    overwrite: Overwrite = False,
) -> Outcome:
    """Run photographs through a model at full resolution."""
    from viewfinder.verbs import run as verbs

    request = verbs.RunRequest(model, tuple(photos), output, engine, weights, precision, threads, overwrite)
    with Bar() as bar:
        ran = verbs.run(request, lambda step: bar.show(step.share, f"[{step.number}/{step.count}] {step.source.name}"))
    return Outcome(ran.to_dict(), results.ran(ran), warnings=ran.warnings)
