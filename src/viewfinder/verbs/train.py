"""`viewfinder train`: photographs and an operator, or pairs, to a file of weights."""

from __future__ import annotations

import json
import platform
import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import files, models
from viewfinder.errors import MissingToolError, UsageError
from viewfinder.task import Task
from viewfinder.train.config import FitConfig, Progress

if TYPE_CHECKING:
    from viewfinder.train.data import TrainingData
    from viewfinder.train.fit import Fit

RECORD = "run.json"
DEFAULT_OPERATOR = "local-laplacian"


@dataclass(frozen=True, kw_only=True)
class TrainRequest(FitConfig):
    """What to train, on what, into which folder; the settings of `FitConfig` come with it.

    Attributes:
        model: a shipped name, or ``path/to/file.py:TASK``.
        output: folder for weights, checkpoint, log and record; a checkpoint of the same run there is gone on with.
        photos: photographs and folders of them; `operator` makes their targets.
        pairs: instead of `photos`, a folder of inputs and one of targets with the same file names.
        operator: a shipped name, or ``path/to/file.py`` with ``apply``.
        variants: versions of each photograph: itself, and others with changed exposure and colour.
        init: weights to start from: safetensors, or a foreign ``.pt`` that holds nothing but weights.
    """

    model: str
    output: Path
    photos: tuple[Path, ...] = ()
    pairs: tuple[Path, Path] | None = None
    operator: str = DEFAULT_OPERATOR
    variants: int = 4
    init: Path | None = None

    def __post_init__(self) -> None:
        """Refuse requests without data, or with two kinds of it."""
        super().__post_init__()
        if bool(self.photos) == bool(self.pairs):
            raise UsageError(
                "training needs photographs or pairs, one of them",
                "give --photos DIR with --operator NAME, or --pairs INPUT_DIR TARGET_DIR",
            )
        if self.variants < 1:
            raise UsageError(f"--variants is {self.variants}", "give at least 1")
        for folder in self.pairs or ():
            if not folder.is_dir():
                raise UsageError(
                    f"{folder} is not a folder", "give --pairs two folders with pictures of the same names"
                )

    def command(self) -> str:
        """Return the command line that makes the same run again."""
        words = ["viewfinder", "train", self.model]
        for photo in self.photos:
            words += ["--photos", str(photo)]
        if self.pairs:
            words += ["--pairs", *map(str, self.pairs)]
        skipped = {"model", "output", "photos", "pairs"}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in skipped and value != field.default:
                words += [f"--{field.name.replace('_', '-')}", str(value)]
        return shlex.join([*words, "-o", str(self.output)])


@dataclass(frozen=True)
class TrainResult:
    """What a run ends with.

    Attributes:
        weights: safetensors file.
        record: JSON file with data, settings, time and the command that makes it again.
        progress: the last report; its ``validation_psnr_db`` is that of the weights.
        resumed_from: step of the checkpoint that the run went on from, 0 if it started anew.
    """

    weights: Path
    record: Path
    progress: Progress
    resumed_from: int


Report = Callable[[Progress], None]


def train(
    request: TrainRequest, report: Report | None = None, on_step: Callable[[int], None] | None = None
) -> TrainResult:
    """Train until the last step; the same call again goes on after a kill, from the last checkpoint.

    Args:
        request: what to do.
        report: called after every checkpoint.
        on_step: called with the number of finished steps after each of them.

    Raises:
        UsageError: no such model, operator, photograph or device; a checkpoint of another run in the output folder.
        BadImageError: a photograph that cannot be read.
        KeyboardInterrupt: ctrl-C; the checkpoint of the last step is saved first.
    """
    task = _trainable(request.model)
    data = _data(task, request)
    fit = _start(task, request, data)
    fit.resume()
    resumed_from = fit.step
    last = None
    with _stoppable(fit):
        for last in fit.run(on_step):
            if report is not None and fit.fabric.is_global_zero:
                report(last)
    if fit.step < request.steps:
        raise KeyboardInterrupt
    last = last or fit.report()
    weights = fit.export_weights()
    record = request.output / RECORD
    if fit.fabric.is_global_zero:
        files.write_text(record, json.dumps(_record(task, request, data, weights, last), indent=2) + "\n")
    return TrainResult(weights, record, last, resumed_from)


def _trainable(model: str) -> Task:
    """Load the task and make sure that it has a trainer and the packages are there."""
    import importlib.util

    for package in ("torch", "lightning_fabric"):
        if importlib.util.find_spec(package) is None:
            message = f"training needs {package}, which is not installed"
            raise MissingToolError(message, "pip install 'viewfinder[train]'")
    task = models.load(model)
    if not task.trainer:
        raise UsageError(f"{task.name} names no trainer", 'set trainer="imitation" in its Task if it is an HDRNet')
    return task


def _data(task: Task, request: TrainRequest) -> TrainingData:
    """Make or open the pairs, or the clean photographs of a trainer that spoils them itself.

    Raises:
        UsageError: pairs, or an operator, for such a trainer.
    """
    from viewfinder.train import data, trainers

    if task.trainer in trainers.FROM_PHOTOGRAPHS:
        if request.pairs or request.operator != DEFAULT_OPERATOR:
            message = f"{task.name} learns from clean photographs, which its training spoils itself"
            raise UsageError(message, "give --photos DIR, without --pairs and --operator")
        return data.from_clean(request.photos)
    if request.pairs:
        return data.from_folders(*request.pairs)
    return data.from_photos(request.photos, request.operator, request.variants, request.seed)


def _start(task: Task, request: TrainRequest, data: TrainingData) -> Fit:
    """Build the network from the seed, or from the weights that were given, and set the run up."""
    from viewfinder.train import fit, loading, trainers

    network = loading.build(task, request.seed)
    if request.init is not None:
        loading.load_into(network, request.init)
    recipe = trainers.make(task.trainer, network, (data.training, data.validation), request)
    start = files.sha256(request.init) if request.init else "seed"
    subject = f"{task.name} from {start} on {data.record['pairs_key']}"
    return fit.Fit(fit.launch(request, request.output), recipe, request, request.output, subject)


@contextmanager
def _stoppable(fit: Fit) -> Iterator[None]:
    """Have the first ctrl-C (or polite kill) end the run after its step, saved; a second one ends it at once.

    With several processes each would stop at its own step and wait for the others, so there the last checkpoint
    has to do.
    """
    if threading.current_thread() is not threading.main_thread() or fit.fabric.world_size > 1:
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _: object) -> None:
        fit.stop_requested = True
        signal.signal(number, signal.default_int_handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _record(task: Task, request: TrainRequest, data: TrainingData, weights: Path, last: Progress) -> dict[str, Any]:
    """Say what was done, as JSON data: enough for the model card."""
    from importlib.metadata import version

    settings = {field.name: getattr(request, field.name) for field in fields(FitConfig)}
    return {
        "model": task.name,
        "operator": data.record.get("operator"),
        "data": data.record,
        "settings": settings,
        "command": request.command(),
        "wall_seconds": round(last.seconds, 1),
        "validation_psnr_db": round(last.validation_psnr_db, 3),
        "weights_sha256": files.sha256(weights),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": {name: version(name) for name in ("torch", "lightning-fabric", "numpy")},
    }


@contextmanager
def progress_bar(request: TrainRequest) -> Iterator[tuple[Report, Callable[[int], None]]]:
    """Show a bar on standard error with step, speed, time left and the last PSNR; yields `report` and `on_step`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        line = bar.add_task("training", total=request.steps)

        def report(progress: Progress) -> None:
            """Show the PSNR of the last checkpoint."""
            text = f"train {progress.train_psnr_db:.2f} dB, validation {progress.validation_psnr_db:.2f} dB"
            bar.update(line, description=text)

        yield report, lambda step: bar.update(line, completed=step)
