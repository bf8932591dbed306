"""Training samples of networks that imitate an operator: random pixels of whole (or nearly whole) pictures.

Slicing, guide and application work pixel by pixel, so a few thousand pixels per picture give the loss, while the
coefficient network sees the picture exactly as it will in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from viewfinder.train.pairs import Pair

FIXED_POINT = 1 << 20
"""Positions and targets travel as integers in these units: Fabric casts every float of a batch to the training
precision, and bf16 would round a pixel's place to 1/256 of the picture."""


@dataclass(frozen=True)
class Sampling:
    """What one training sample reads from its picture."""

    lowres: int = 256
    """Side of the squeezed copy."""
    pixels: int = 2048
    smallest_crop: float = 0.7
    seed: int = 0


class PixelSamples(Dataset[dict[str, Tensor]]):
    """Sample number `index` of a seeded order over `pairs`: the same for every run and after a resume."""

    def __init__(self, pairs: Sequence[Pair], sampling: Sampling, length: int) -> None:
        """Draw `length` samples."""
        self._pairs, self._sampling, self._length = pairs, sampling, length

    def __len__(self) -> int:
        """Count the samples."""
        return self._length

    def _pair(self, index: int) -> Pair:
        """Return the pair of a sample; every pass over the pairs has its own order."""
        epoch, place = divmod(index, len(self._pairs))
        order = np.random.default_rng([self._sampling.seed, epoch]).permutation(len(self._pairs))
        return self._pairs[int(order[place])]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Crop, squeeze, pick pixels, flip.

        Returns:
            lowres uint8 [3, S, S]; colour uint8 [3, N, 1]; position [N, 2] and target [3, N, 1] in `FIXED_POINT`.
        """
        pair, count = self._pair(index), self._sampling.pixels
        rng = np.random.default_rng([self._sampling.seed, 1, index])
        height, width = pair.image.shape[:2]
        crop = [max(1, int(side * rng.uniform(self._sampling.smallest_crop, 1))) for side in (height, width)]
        top, left = rng.integers(0, height - crop[0] + 1), rng.integers(0, width - crop[1] + 1)
        rows, columns = rng.integers(0, crop[0], count), rng.integers(0, crop[1], count)
        where = (rows + top) * width + columns + left
        lowres = squeeze(pair.image[top : top + crop[0], left : left + crop[1]], self._sampling.lowres)
        position = np.stack([(columns + 0.5) / crop[1], (rows + 0.5) / crop[0]], -1).astype(np.float32)
        lowres, position = _flip(lowres, position, rng)
        return {
            "lowres": lowres,
            "colour": torch.from_numpy(pair.image.reshape(-1, 3)[where].T[..., None]),
            "position": _to_fixed(position),
            "target": _to_fixed(pair.target.reshape(-1, 3)[where].T[..., None].astype(np.float32)),
        }


def _to_fixed(values: NDArray[Any]) -> Tensor:
    """Store values of 0..1 as integers in units of `FIXED_POINT`."""
    return torch.from_numpy(np.rint(values * FIXED_POINT).astype(np.int32))


def squeeze(image: NDArray[np.uint8], side: int) -> Tensor:
    """Squeeze uint8 ``[H, W, 3]`` to uint8 ``[3, side, side]`` with an antialiased triangle filter, as `run` does."""
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    return F.interpolate(tensor, size=(side, side), mode="bilinear", antialias=True, align_corners=False)[0]


def _flip(lowres: Tensor, position: NDArray[Any], rng: np.random.Generator) -> tuple[Tensor, NDArray[np.float32]]:
    """Mirror and transpose at random; the operators do not know left from right, nor down from across."""
    mirror_x, mirror_y, transpose = rng.random(3) < 0.5
    if mirror_x:
        lowres, position = lowres.flip(2), position * [-1, 1] + [1, 0]
    if mirror_y:
        lowres, position = lowres.flip(1), position * [1, -1] + [0, 1]
    if transpose:
        lowres, position = lowres.transpose(1, 2), position[:, ::-1]
    return lowres, np.ascontiguousarray(position, np.float32)
