"""Verbs that run artifacts: verify and run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli import npus, results
from viewfinder.cli.bar import Bar
from viewfinder.cli.options import (
    Bands,
    Engine,
    MaxFallback,
    MinPsnr,
    NoCache,
    Photos,
    Subject,
    Target,
    Targets,
    Threads,
    Unofficial,
    Weights,
)
from viewfinder.cli.verb import Outcome, progress, typed, verb
from viewfinder.errors import UsageError
from viewfinder.task import Limit


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    verb(app, "verify")(verify)
    verb(app, "run")(run)


Golden = Annotated[
    Path | None,
    typer.Option("--golden", metavar="FILE", help="Golden pictures.", show_default="golden.npz beside the artifact"),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="METRIC=LOW:HIGH", help="A further bound, as psnr_vs_float_worst_db=90: ; may be repeated."
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
    target: Target = None,
    targets: Targets = None,
    bands: Bands = None,
    max_fallback_ops: MaxFallback = 0,
    unofficial: Unofficial = False,
) -> Outcome:
    """Compare artifacts with PyTorch and with the truth."""
    from viewfinder.target import Target as Parsed
    from viewfinder.verbs import verify as verbs

    request = verbs.VerifyRequest(
        subject=subject,
        engine=engine,
        golden=golden,
        threads=threads,
        min_psnr=min_psnr,
        limits=tuple(map(limit, limits or ())),
        output=output,
        weights=weights,
        precision=precision,
        formats=tuple(formats or ()),
        photos=tuple(photos or ()),
        use_cache=not no_cache,
        command=typed(),
        target=Parsed.parse(target) if target else None,
        npus=tuple(name.strip() for name in (targets or "").split(",") if name.strip()),
        bands=bands,
        max_fallback_ops=max_fallback_ops,
        unofficial=unofficial,
    )
    verified = verbs.verify(request, progress)
    shown = npus.verified if request.processors else results.verified
    return Outcome(verified.to_dict(), shown(verified), verified.exit_code)


def limit(text: str) -> Limit:
    """Read ``METRIC=LOW:HIGH``; either bound may be left out."""
    metric, _, bounds = text.partition("=")
    low, colon, high = bounds.partition(":")
    try:
        numbers = [float(bound) if bound else None for bound in (low, high)]
    except ValueError:
        numbers = []
    if not metric or not colon or not numbers:
        hint = "write METRIC=LOW:HIGH, as psnr_vs_float_worst_db=90: or max_abs_vs_float_worst=:0.001"
        raise UsageError(f"--limit {text!r} is no bound", hint)
    return Limit(metric, *numbers)


RunPhotos = Annotated[
    list[Path],
    typer.Argument(
        metavar="PHOTO...",
        help="Photographs, or folders of them; for a network that merges bursts, one folder of frames, raw file or "
        ".npz for each burst.",
    ),
]
Gain = Annotated[
    float | None,
    typer.Option(
        "--gain", help="Of a burst: noise of a typical small sensor at this gain, 1 to 8.", show_default="the file's"
    ),
]
ReadNoise = Annotated[
    float | None,
    typer.Option("--read-noise", help="Of a burst: read noise, deviation where white is 1.", show_default="the file's"),
]
ShotNoise = Annotated[
    float | None,
    typer.Option(
        "--shot-noise", help="Of a burst: root of the noise variance per light, white 1.", show_default="the file's"
    ),
]
EstimateNoise = Annotated[
    bool, typer.Option("--estimate-noise", help="Measure the noise of bursts whose files do not say it.")
]
RunOutput = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="PATH", help="A folder, which mirrors folders; or a file, for one photo."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")]

SkipExisting = Annotated[
    bool,
    typer.Option("--skip-existing", help="Leave photographs out whose result exists: goes on where a run was stopped."),
]


def run(
    model: Subject,
    photos: RunPhotos,
    output: RunOutput,
    engine: Engine = None,
    weights: Weights = None,
    precision: Precision = "float",
    threads: Threads = 1,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    gain: Gain = None,
    read_noise: ReadNoise = None,
    shot_noise: ShotNoise = None,
    estimate_noise: EstimateNoise = False,
) -> Outcome:
    """Run photographs or bursts through a model at full resolution."""
    from viewfinder.verbs import run as verbs

    request = verbs.RunRequest(
        model,
        tuple(photos),
        output,
        engine,
        weights,
        precision,
        threads,
        overwrite,
        skip_existing,
        gain=gain,
        read_noise=read_noise,
        shot_noise=shot_noise,
        estimate_noise=estimate_noise,
    )
    with Bar() as bar:
        ran = verbs.run(request, lambda step: bar.show(step.share, f"[{step.number}/{step.count}] {step.source.name}"))
    return Outcome(ran.to_dict(), results.ran(ran), warnings=ran.warnings)
