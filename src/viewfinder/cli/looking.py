"""Verbs that look and change nothing, except `doctor --install`: models, inspect, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli import showing
from viewfinder.cli.options import Weights, model_names
from viewfinder.cli.verb import Outcome, progress, verb
from viewfinder.errors import Exit, UsageError


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    verb(app, "models")(models)
    verb(app, "inspect")(inspect)
    verb(app, "doctor")(doctor)


def models() -> Outcome:
    """List the networks, their weights and their quality."""
    from viewfinder.verbs.models import models as list_models

    found = list_models()
    return Outcome([model.to_dict() for model in found], showing.models(found))


Gradients = Annotated[bool, typer.Option("--gradients", help="Check the model's gradients by finite differences.")]
Activations = Annotated[bool, typer.Option("--activations", help="Show the statistics of every layer's activations.")]
Filters = Annotated[
    Path | None, typer.Option("--filters", metavar="FILE", help="Draw the filters of the model's first layer there.")
]


def inspect(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|ARTIFACT|FILE",
            help="A model, an artifact folder, a folder of artifacts, or a .onnx, .tflite, .mlpackage, .pte or .ncnn "
            "file.",
            autocompletion=model_names,
        ),
    ],
    gradients: Gradients = False,
    activations: Activations = False,
    filters: Filters = None,
    weights: Weights = None,
) -> Outcome:
    """Show operators, MACs, sizes and hashes of a model."""
    from viewfinder.verbs import inspect as looking

    if not (gradients or activations or filters):
        found = looking.inspect(subject)
        return Outcome([item.to_dict() for item in found], "\n\n".join(showing.inspection(item) for item in found))
    from viewfinder.verbs import aids

    used = aids.aids(aids.AidsRequest(subject, weights, gradients, activations, filters))
    return Outcome(used.to_dict(), showing.aids(used), Exit.CHECK_FAILED if used.wrong else Exit.PASS)


def doctor(
    install: Annotated[
        str | None, typer.Option("--install", metavar="NAME", help="Make this isolated toolchain environment.")
    ] = None,
    remove: Annotated[str | None, typer.Option("--remove", metavar="NAME", help="Delete this toolchain.")] = None,
) -> Outcome:
    """Show what is installed or missing, have every engine do one addition, say what mends it."""
    from viewfinder.verbs import doctor as looking

    if install and remove:
        raise UsageError("--install and --remove were both given", "give one of them")
    if install:
        looking.install(install, progress)
        return Outcome({"installed": install}, f"{install} is installed")
    if remove:
        looking.remove(remove)
        return Outcome({"removed": remove}, f"{remove} is removed")
    diagnosis = looking.doctor(progress)
    code = Exit.PASS if diagnosis.usable else Exit.USAGE
    return Outcome(diagnosis.to_dict(), showing.diagnosis(diagnosis), code)
