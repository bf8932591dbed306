"""Verbs that make something: build, export, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli import results
from viewfinder.cli.options import MinPsnr, Model, NoCache, Photos, Threads, Weights
from viewfinder.cli.verb import Outcome, progress, typed, verb


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    verb(app, "build")(build)
    verb(app, "export")(export)
    verb(app, "report")(report)


Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="NAME", help="onnx, tflite, coreml or executorch; may be repeated.", show_default="all"
    ),
]
Precisions = Annotated[
    list[str] | None,
    typer.Option("--precision", metavar="NAME", help="float or fp16; may be repeated.", show_default="both"),
]
BuildFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the build.", show_default="build/MODEL"),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", metavar="N", min=1, help="Processes side by side.", show_default="the cores"),
]


Form = Annotated[
    str,
    typer.Option(
        "--form",
        metavar="NAME",
        help="Form of slicing: auto, cell, tent; of bursts: whole, split, tables; in tiles: doubled.",
    ),
]


def build(
    model: Model,
    weights: Weights = None,
    formats: Formats = None,
    precisions: Precisions = None,
    form: Form = "auto",
    output: BuildFolder = None,
    photos: Photos = None,
    threads: Threads = 1,
    min_psnr: MinPsnr = None,
    no_cache: NoCache = False,
    jobs: Jobs = None,
) -> Outcome:
    """Export, verify and report: everything, in one folder."""
    from viewfinder.verbs import build as verbs

    request = verbs.BuildRequest(
        model=model,
        weights=weights,
        formats=tuple(formats or verbs.FORMATS),
        precisions=tuple(precisions or verbs.PRECISIONS),
        form=form,
        output=output,
        photos=tuple(photos or ()),
        threads=threads,
        min_psnr=min_psnr,
        use_cache=not no_cache,
        jobs=jobs,
        command=typed(),
    )
    built = verbs.build(request, progress)
    return Outcome(built.to_dict(), results.built(built), built.exit_code)


Precision = Annotated[str, typer.Option("--precision", metavar="NAME", help="float or fp16.")]
ExportFolder = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FOLDER", help="Holds FORMAT-PRECISION/.", show_default="build/MODEL/export"
    ),
]
Layout = Annotated[str, typer.Option("--layout", metavar="NAME", help="nchw, or nhwc for pictures channel-last.")]
Width = Annotated[
    int | None, typer.Option("--width", metavar="PIXELS", min=16, help="Native width of the strip model.")
]
StripRows = Annotated[
    int | None, typer.Option("--strip-rows", metavar="PIXELS", min=1, help="Rows of the strip model.")
]
NoGolden = Annotated[bool, typer.Option("--no-golden", help="Write no golden pictures; verify will need them.")]


def export(
    model: Model,
    formats: Formats = None,
    precision: Precision = "float",
    output: ExportFolder = None,
    weights: Weights = None,
    layout: Layout = "nchw",
    form: Form = "auto",
    width: Width = None,
    strip_rows: StripRows = None,
    photos: Photos = None,
    no_golden: NoGolden = False,
    no_cache: NoCache = False,
) -> Outcome:
    """Write a model as artifacts, one folder per format."""
    from viewfinder.verbs import export as verbs

    options = verbs.ExportOptions(
        model=model,
        formats=tuple(formats or ()),
        precision=precision,
        output=output,
        weights=weights,
        layout=layout,
        form=form,
        width=width,
        strip_rows=strip_rows,
        photos=tuple(photos or ()),
        write_golden=not no_golden,
        use_cache=not no_cache,
    )
    made = verbs.export(options, progress)
    return Outcome(made.to_dict(), results.exported(made))


ReportSource = Annotated[Path, typer.Argument(metavar="BUILD", help="A build's folder, or a report.json.")]
ReportPage = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The page.", show_default="beside the report.json")
]


def report(source: ReportSource, output: ReportPage = None) -> Outcome:
    """Write report.html again from report.json; nothing is measured."""
    from viewfinder.verbs import report as verbs

    written = verbs.report(source, output)
    return Outcome(written.to_dict(), str(written.html))
