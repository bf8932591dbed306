"""What a training run is: numbers, not machinery. Nothing here imports torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields

from viewfinder.errors import UsageError

LOGGERS = ("csv", "tensorboard")
OPTIMIZERS = ("adamw", "muon")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
STRATEGIES = ("auto", "ddp")
"""Strategies that keep one file of weights; sharded ones have no use for half a million parameters."""

_SIGMA_HINT = "give a deviation in 8-bit codes, as 25, or a range, as 0:55"


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """One training run. Defaults are the recipe of the shipped weights, steps apart."""

    steps: int = 20_000
    batch: int = 8
    """Pictures per step and device."""
    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    last_rate_share: float = 0.01
    pixels: int = 2048
    """Pixels of each picture that the loss reads."""
    smallest_crop: float = 0.94
    """Smallest share of a picture's sides that a sample shows; its target is that of the whole picture, as in use."""
    crop: int = 64
    """Side of the crops that networks which look at neighbours train on."""
    smallest_scale: float = 1.0
    """Least size that photographs are shrunk to before a denoiser's crops are cut: finer texture (Zhang et al.)."""
    textured: float = 0.0
    """Share of a denoiser's crops that are the liveliest of four: regular texture is rare, and learnt last."""
    sigma: str = "0:55"
    """Deviation of the noise that a single-picture denoiser learns, in 8-bit codes: one number, or LOW:HIGH."""
    seed: int = 0
    checkpoint_interval: int = 2_000
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    logger: str = "csv"
    workers: int = 0
    threads: int = 0
    """Threads of PyTorch on the CPU; 0 leaves its own choice."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot train."""
        for name in ("steps", "batch", "pixels", "crop", "checkpoint_interval", "num_nodes"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} is {getattr(self, name)}", "give at least 1")
        for name in ("seed", "workers", "threads"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name} is {getattr(self, name)}", "give 0 or more")
        for name, known in (
            ("logger", LOGGERS),
            ("optimizer", OPTIMIZERS),
            ("precision", PRECISIONS),
            ("strategy", STRATEGIES),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"--{name} is {getattr(self, name)!r}", f"use one of {', '.join(known)}")
        low, high = self.deviations
        if not 0 <= low <= high <= 255 or high == 0:
            raise UsageError(f"--sigma is {self.sigma!r}", _SIGMA_HINT)
        self._refuse_crops()

    def _refuse_crops(self) -> None:
        """Refuse shares that no crop can have."""
        if not 0 < self.smallest_scale <= 1:
            raise UsageError(f"--smallest-scale is {self.smallest_scale}", "give a share above 0, 1 for no shrinking")
        if not 0 <= self.textured <= 1:
            raise UsageError(f"--textured is {self.textured}", "give a share of the crops, 0 to 1")

    @property
    def deviations(self) -> tuple[float, float]:
        """Least and largest deviation of `sigma`, in 8-bit codes.

        Raises:
            UsageError: it is neither a number nor two of them.
        """
        low, _, high = self.sigma.partition(":")
        try:
            return float(low), float(high or low)
        except ValueError as error:
            raise UsageError(f"--sigma is {self.sigma!r}", _SIGMA_HINT) from error

    def rate_share(self, step: int) -> float:
        """Share of the learning rate at `step`: linear warm-up, then a cosine down to `last_rate_share`."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return min(1.0, (step + 1) / self.warmup_steps) * (cosine * (1 - self.last_rate_share) + self.last_rate_share)

    def identity(self) -> str:
        """Settings that decide the result; where and how often it is saved may change between two starts."""
        free = {"checkpoint_interval", "precision", "accelerator", "devices", "num_nodes", "strategy", "logger"}
        free |= {"workers", "threads"}
        decisive = {field.name: getattr(self, field.name) for field in fields(FitConfig) if field.name not in free}
        return json.dumps(decisive, sort_keys=True)


@dataclass(frozen=True)
class Progress:
    """What a run reports after each checkpoint."""

    step: int
    steps: int
    train_psnr_db: float
    """From the mean squared error of the training samples since the last report; NaN if there were none."""
    validation_psnr_db: float
    """Mean over the validation pictures; NaN if there are none."""
    seconds: float
    """Wall time spent so far, over all starts of the run."""
