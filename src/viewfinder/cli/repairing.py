"""The verb that searches a recipe: repair."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewfinder.cli.options import Threads
from viewfinder.cli.table import size, table
from viewfinder.cli.verb import Outcome, progress, typed, verb
from viewfinder.errors import UsageError

if TYPE_CHECKING:
    from viewfinder.verbs.repair import RepairResult

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6}


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    verb(app, "repair")(repair)


Subject = Annotated[
    Path,
    typer.Argument(metavar="ARTIFACT", help="A float artifact's folder, or one made from it.", show_default=False),
]
BudgetOption = Annotated[
    str,
    typer.Option(
        "--budget", metavar="DB", help="Most PSNR against the truth that any photograph may lose, e.g. 0.2dB."
    ),
]
MaxSize = Annotated[
    str | None, typer.Option("--max-size", metavar="BYTES", help="As 600kB or 0.6MB.", show_default="none")
]
Golden = Annotated[
    Path | None,
    typer.Option("--golden", metavar="FILE", help="Golden pictures.", show_default="golden.npz beside the artifact"),
]
Count = Annotated[int, typer.Option("--photographs", min=1, help="How many of the golden photographs decide.")]
CalibrationData = Annotated[
    Path | None,
    typer.Option("--calibration-data", metavar="PATH", help="As for quantize.", show_default="scikit-image's"),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--num-calibration-samples",
        metavar="N",
        min=1,
        help="Most photographs of them.",
        show_default="as for quantize",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FOLDER", help="For recipe, artifact and report.",
        show_default="build/TASK/repaired-FORMAT",
    ),
]  # fmt: skip


def repair(
    subject: Subject,
    budget: BudgetOption,
    max_size: MaxSize = None,
    golden: Golden = None,
    photographs: Count = 4,
    calibration_data: CalibrationData = None,
    samples: Samples = None,
    threads: Threads = 1,
    output: Output = None,
) -> Outcome:
    """Search the cheapest mixed recipe that meets a budget."""
    from viewfinder.verbs import repair as verbs

    request = verbs.RepairRequest(
        subject=subject,
        budget_db=decibels(budget),
        max_size=None if max_size is None else in_bytes(max_size),
        golden=golden,
        photos=photographs,
        calibration_data=calibration_data,
        samples=samples,
        threads=threads,
        output=output,
        command=typed(),
    )
    repaired = verbs.repair(request, progress)
    return Outcome(repaired.to_dict(), _text(repaired), repaired.exit_code)


def decibels(text: str) -> float:
    """Read ``0.2dB`` or ``0.2``."""
    number = text.strip().lower().removesuffix("db")
    try:
        return float(number)
    except ValueError:
        raise UsageError(f"--budget {text!r} is no number of dB", "write it as 0.2dB") from None


def in_bytes(text: str) -> int:
    """Read ``600000``, ``600kB`` or ``0.6MB``; a MB is a million bytes."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([a-z]*)", text.strip().lower())
    if found is None or found[2] not in _UNITS:
        raise UsageError(f"--max-size {text!r} is no size", "write it as 600kB, 0.6MB or 600000")
    return round(float(found[1]) * _UNITS[found[2]])


def _text(result: RepairResult) -> str:
    """Each layer with what it became and what it loses alone, then the outcome."""
    found = result.document.sections[0].search
    rows = [
        (
            layer["graph"],
            layer["name"],
            layer["kind"],
            *(f"{layer['losses'][kind]:.3f} dB" if kind in layer["losses"] else "" for kind in ("w8", "w8a8")),
        )
        for layer in found["layers"]
    ]
    point = found["points"][found["chosen"]]
    told = f"{size(point['size_bytes'])}, {point['drop_db']:.3f} dB lost of {found['budget_db']:g} dB"
    outcome = f"met: {told}" if found["met"] else f"not met: {told}; {'; '.join(found['misses'])}"
    header = ("graph", "layer", "is now", "w8 alone", "w8a8 alone")
    return "\n\n".join(
        [
            table(header, rows),
            f"{outcome} ({len(found['points'])} artifacts built and measured)",
            f"recipe: {result.recipe}\nartifact: {result.made.folder}\nreport: {result.folder}",
        ]
    )
