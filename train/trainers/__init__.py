"""How networks are trained, one file per kind of task; a task names its file in ``Task.trainer``.

Each file has ``recipe(network, pairs, validation, config) -> Recipe``. The loop (`viewfinder.train.fit`) knows only
the methods of `Recipe`, so that another kind of training (bursts, say) is one more file.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn
from torch.utils.data import Dataset

from viewfinder.train.config import FitConfig
from viewfinder.train.pairs import Pair

FROM_PHOTOGRAPHS = frozenset({"burst", "denoising"})
"""Trainers that spoil clean photographs themselves; the others need an operator, or pairs."""


class Recipe(Protocol):
    """A network with its loss, samples and measure.

    Attributes:
        module: holds the network; ``forward(batch)`` returns the loss and the mean squared error, both scalars.
    """

    module: nn.Module

    def samples(self, length: int) -> Dataset[dict[str, Tensor]]:
        """Return `length` samples; number `index` is the same in every run with the same seed."""

    def refresh(self, step: int) -> None:
        """Mend the network where training cannot, `step` steps after the start; the same in every process."""

    def score(self) -> list[float]:
        """Return the PSNR in dB of every validation picture."""

    def weights(self) -> dict[str, Tensor]:
        """Return the plain weights of the network as it is used, without what only training needs."""


def make(trainer: str, network: nn.Module, data: tuple[Sequence[Pair], Sequence[Pair]], config: FitConfig) -> Recipe:
    """Build the recipe of ``Task.trainer`` for a network; `data` are the training and the validation pairs."""
    recipe: Recipe = importlib.import_module(f"{__name__}.{trainer}").recipe(network, *data, config)
    return recipe
