"""The verb that makes weights: train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewfinder.cli import results
from viewfinder.cli.bar import Bar
from viewfinder.cli.options import Model
from viewfinder.cli.verb import Outcome, verb

if TYPE_CHECKING:
    from viewfinder.train.config import Progress


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    verb(app, "train")(train)


TrainFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="For weights, checkpoint, log and record.")
]
TrainPhotos = Annotated[
    list[Path] | None, typer.Option("--photos", metavar="DIR", help="Photographs or folders; may be repeated.")
]
Operator = Annotated[
    str, typer.Option("--operator", metavar="NAME", help="What to imitate: a shipped name, or path/to/file.py.")
]
Pairs = Annotated[
    tuple[Path, Path] | None,
    typer.Option("--pairs", metavar="INPUT_DIR TARGET_DIR", help="Pictures and their targets, of the same names."),
]
Variants = Annotated[int, typer.Option("--variants", min=1, help="Versions of each photograph, itself among them.")]
Init = Annotated[Path | None, typer.Option("--init", metavar="FILE", help="Weights to start from.")]
Steps = Annotated[int, typer.Option("--steps", min=1, help="Steps of the run.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Pictures per step and device.")]
Optimizer = Annotated[
    str, typer.Option("--optimizer", metavar="NAME", help="adamw, or muon (for convolutions; about 0.02 as rate).")
]
Rate = Annotated[float, typer.Option("--learning-rate", help="Largest learning rate.")]
Crop = Annotated[int, typer.Option("--crop", min=1, help="Side of the crops that denoisers train on.")]
SmallestScale = Annotated[
    float, typer.Option("--smallest-scale", help="dncnn: least size that photographs are shrunk to, 1 for none.")
]
Textured = Annotated[float, typer.Option("--textured", help="dncnn: share of crops that are the liveliest of four.")]
Sigma = Annotated[
    str, typer.Option("--sigma", metavar="N|LOW:HIGH", help="Noise that dncnn learns, deviation in 8-bit codes.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Interval = Annotated[int, typer.Option("--checkpoint-interval", min=1, help="Steps that a kill can lose at most.")]
Precision = Annotated[str, typer.Option("--precision", metavar="NAME", help="32-true, bf16-mixed or 16-mixed.")]
Accelerator = Annotated[str, typer.Option("--accelerator", metavar="NAME", help="auto, cpu, gpu or mps.")]
Devices = Annotated[str, typer.Option("--devices", metavar="N", help="How many of them, or auto.")]
Nodes = Annotated[int, typer.Option("--num-nodes", min=1, help="Machines, started by Lightning's own launcher.")]
Strategy = Annotated[str, typer.Option("--strategy", metavar="NAME", help="auto or ddp.")]
Logger = Annotated[str, typer.Option("--logger", metavar="NAME", help="csv or tensorboard.")]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Processes that prepare pictures.")]
TrainThreads = Annotated[int, typer.Option("--threads", min=0, help="Threads of PyTorch; 0 leaves its own choice.")]


def train(
    model: Model,
    output: TrainFolder,
    photos: TrainPhotos = None,
    operator: Operator = "local-laplacian",
    pairs: Pairs = None,
    variants: Variants = 4,
    init: Init = None,
    steps: Steps = 20_000,
    batch: Batch = 8,
    optimizer: Optimizer = "adamw",
    learning_rate: Rate = 3e-3,
    crop: Crop = 64,
    smallest_scale: SmallestScale = 1.0,
    textured: Textured = 0.0,
    sigma: Sigma = "0:55",
    seed: Seed = 0,
    checkpoint_interval: Interval = 2_000,
    precision: Precision = "32-true",
    accelerator: Accelerator = "auto",
    devices: Devices = "auto",
    num_nodes: Nodes = 1,
    strategy: Strategy = "auto",
    logger: Logger = "csv",
    workers: Workers = 0,
    threads: TrainThreads = 0,
) -> Outcome:
    """Train a model to imitate an operator, or on pairs, or to denoise. The same command resumes."""
    from viewfinder.verbs import train as verbs

    settings = dict(locals())
    settings["photos"] = tuple(photos or ())
    del settings["verbs"]
    request = verbs.TrainRequest(**settings)
    with Bar() as bar:

        def told(progress: Progress) -> None:
            """Leave a line per checkpoint."""
            bar.line(
                f"step {progress.step}/{progress.steps}: training {progress.train_psnr_db:.2f} dB, "
                f"validation {progress.validation_psnr_db:.2f} dB, {progress.seconds:.0f} s"
            )

        trained = verbs.train(request, told, lambda step: bar.show(step / steps, f"training {model}"))
    return Outcome(trained, results.trained(trained))
