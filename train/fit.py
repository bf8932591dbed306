"""The training loop: Lightning Fabric, cosine schedule, checkpoints, exact resume."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from viewfinder import errors, files
from viewfinder.train import optimizers
from viewfinder.train.config import FitConfig, Progress
from viewfinder.train.trainers import Recipe

CHECKPOINT = "last.ckpt"
WEIGHTS = "weights.safetensors"
_PARTIAL = ".last.ckpt.partial"


def launch(config: FitConfig, folder: Path) -> Any:
    """Set Fabric up with the devices and the logger that were asked for, and start its other processes.

    The log stands in ``log/version_N``; every start of the run adds a version.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.loggers.csv_logs import CSVLogger
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    try:
        logger = (
            CSVLogger(folder, "log", flush_logs_every_n_steps=1)
            if config.logger == "csv"
            else TensorBoardLogger(folder, "log")
        )
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=_devices(config),
            num_nodes=config.num_nodes,
            strategy=config.strategy,
            precision=cast("Any", config.precision),
            loggers=[logger],
        )
    except (ModuleNotFoundError, RuntimeError, ValueError) as error:
        raise errors.UsageError(
            f"training cannot start with accelerator {config.accelerator!r} and devices {config.devices!r}: {error}",
            "try --accelerator cpu --devices 1 --logger csv",
        ) from error
    fabric.launch()
    return fabric


def _devices(config: FitConfig) -> str | int:
    """Take one process on a CPU unless more are asked for; Fabric's own "auto" would too, with a warning."""
    if config.devices == "auto":
        return 1 if config.accelerator == "cpu" or not torch.cuda.is_available() else "auto"
    return int(config.devices) if config.devices.isdigit() else config.devices


class Fit:
    """A run in a folder: start it, kill it, start it again with the same folder, and it goes on.

    On several devices every process runs this same code; each step reads ``batch`` samples per device, Fabric averages
    the gradients, and only the first process measures and writes.
    """

    def __init__(self, fabric: Any, recipe: Recipe, config: FitConfig, folder: Path, subject: str = "") -> None:
        """Set up optimiser and schedule; nothing runs yet.

        `subject` says what is trained on what; a checkpoint of another subject is refused.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        self.config, self.folder, self.recipe, self.fabric = config, folder, recipe, fabric
        self.module = fabric.setup_module(recipe.module)
        # After the module: Muon's matrices share memory with weights that stand where they stay.
        made = optimizers.build(config.optimizer, self.module, config.learning_rate)
        self.optimizers = [fabric.setup_optimizers(one) for one in made]
        self._identity = f"{subject} {config.identity()}".strip()
        self.step, self.seconds = 0, 0.0
        self.stop_requested = False
        """Set from a signal handler: the run saves after the current step and ends."""

    def _state(self) -> dict[str, Any]:
        """List what a checkpoint restores in place; fp16 keeps its loss scale in the precision plug-in."""
        steppers = {f"optimizer{number}": one for number, one in enumerate(self.optimizers)}
        return {"module": self.module, **steppers, "scale": self.fabric.strategy.precision}

    def resume(self) -> bool:
        """Load the last checkpoint of the folder, if there is one.

        Raises:
            UsageError: it was made with other settings, or cannot be read.
        """
        checkpoint = self.folder / CHECKPOINT
        if not checkpoint.exists():
            return False
        self._refuse_other_settings(checkpoint)
        rest = self.fabric.load(checkpoint, self._state(), weights_only=True)
        self.step, self.seconds = rest["step"], rest["seconds"]
        return True

    def _refuse_other_settings(self, checkpoint: Path) -> None:
        """Compare the settings before anything is loaded in place."""
        hint = "train into a new folder with -o, or delete this file"
        try:
            found = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["config"]
        except Exception as error:  # a damaged file raises whatever the unpickler meets
            raise errors.UsageError(f"{checkpoint} cannot be read: {error}", hint) from error
        if found != self._identity:
            raise errors.UsageError(f"{checkpoint} was made with other settings: {found}", hint)

    def run(self, on_step: Callable[[int], None] | None = None) -> Iterator[Progress]:
        """Train to the end; yields after every checkpoint. Ends early, saved, when `stop_requested` is set."""
        started, interval, squared_errors = time.monotonic() - self.seconds, self.config.checkpoint_interval, []
        for batch in self._loader():
            squared_errors.append(self._train_step(batch))
            self.recipe.refresh(self.step)
            if on_step is not None:
                on_step(self.step)
            if self.step % interval == 0 or self.step == self.config.steps or self.stop_requested:
                self.seconds = time.monotonic() - started
                self._save()
                yield self.report(float(torch.stack(squared_errors).mean()))
                squared_errors = []
            if self.stop_requested:
                return

    def _loader(self) -> Any:
        """Load this process's share of the samples, from the current step on."""
        config, world = self.config, self.fabric.world_size
        length = config.steps * config.batch * world
        samples = self.recipe.samples(length)
        rest = range(self.step * config.batch * world + self.fabric.global_rank, length, world)
        loader: Any = DataLoader(
            Subset(samples, rest), config.batch, num_workers=config.workers, persistent_workers=config.workers > 0
        )
        return self.fabric.setup_dataloaders(loader, use_distributed_sampler=False)

    def _train_step(self, batch: Any) -> torch.Tensor:
        """Take one optimiser step; returns the mean squared error, left on its device."""
        rate = self.config.learning_rate * self.config.rate_share(self.step)
        for one in self.optimizers:
            one.zero_grad()
            for group in one.param_groups:
                group["lr"] = rate * group["rate_share"]
        loss, squared_error = self.module(batch)
        self.fabric.backward(loss)
        for one in self.optimizers:
            one.step()
        self.step += 1
        checked: torch.Tensor = squared_error
        return checked

    def _save(self) -> None:
        """Write the checkpoint under another name first: a kill leaves the old one."""
        partial, checkpoint = self.folder / _PARTIAL, self.folder / CHECKPOINT
        rest = {"step": self.step, "seconds": self.seconds, "config": self._identity}
        with files.explained(checkpoint):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.fabric.save(partial, {**self._state(), **rest})  # every process calls it, the first one writes
            if self.fabric.is_global_zero:
                with partial.open("rb") as stream:
                    os.fsync(stream.fileno())
                partial.replace(checkpoint)
        self.fabric.barrier()

    def report(self, squared_error: float = math.nan) -> Progress:
        """Measure the validation pictures in the first process, and log; `squared_error` is that of training."""
        scores = self.recipe.score() if self.fabric.is_global_zero else []
        self.fabric.barrier()
        train_db = -10 * math.log10(max(squared_error, 1e-12))
        progress = Progress(
            self.step, self.config.steps, train_db, float(np.mean(scores)) if scores else math.nan, self.seconds
        )
        self.fabric.log_dict({k: v for k, v in asdict(progress).items() if k != "steps"}, self.step)
        return progress

    def export_weights(self) -> Path:
        """Write the plain weights as safetensors (in the first process) and return their file."""
        from safetensors.torch import save_file

        path, state = self.folder / WEIGHTS, self.recipe.weights()
        if self.fabric.is_global_zero:
            with files.new_file(path) as partial:
                save_file(state, partial)
        self.fabric.barrier()
        return path
