"""Tensors to look at a network with, outside of training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from viewfinder import photos
from viewfinder.photos import Array


def picture(photo: Array, shape: tuple[int, ...]) -> Tensor:
    """Return `photo` ``[H, W, 3]`` in 0..1 as ``[B, 3, h, w]`` of the given shape; the aspect ratio is not kept."""
    resized = np.ascontiguousarray(photos.resize(photo, (shape[2], shape[3])).transpose(2, 0, 1))
    return torch.from_numpy(resized).expand(*shape).clone()


def constant(shape: tuple[int, ...]) -> Tensor:
    """Return mid-grey in any shape."""
    return torch.full(shape, 0.5)
