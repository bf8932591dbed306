"""Draw the filters of a network's first convolution: noise there means too little training, copies a wasted width."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from viewfinder import files
from viewfinder.errors import UsageError

PIXEL = 12
"""Side of one drawn weight, in pixels."""

GAP = 4


def first_convolution(module: nn.Module) -> tuple[str, nn.Conv2d]:
    """Find the first convolution larger than 1x1, in the order of definition.

    Raises:
        UsageError: there is none.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1:
            return name, layer
    raise UsageError(f"{type(module).__name__} has no convolution larger than 1x1", "there are no filters to draw")


def filter_picture(module: nn.Module) -> NDArray[np.uint8]:
    """Draw the filters side by side as ``[H, W, 3]``.

    Filters on three channels are drawn in colour, others by their mean over the channels in grey. Zero is mid-grey;
    the largest weight of all is white or black, so strong and weak filters can be told apart.
    """
    _, layer = first_convolution(module)
    weight: NDArray[Any] = layer.weight.detach().float().cpu().numpy().transpose(0, 2, 3, 1)
    if weight.shape[3] != 3:
        weight = np.repeat(weight.mean(3, keepdims=True), 3, 3)
    tones = 0.5 + 0.5 * weight / max(float(np.abs(weight).max()), 1e-12)
    tiles = np.kron(tones, np.ones((1, PIXEL, PIXEL, 1)))
    return (_arrange(tiles) * 255 + 0.5).astype(np.uint8)


def _arrange(tiles: NDArray[Any]) -> NDArray[Any]:
    """Lay ``[N, h, w, 3]`` out in a near-square sheet on white."""
    count, height, width = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.ones((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3))
    for number, tile in enumerate(tiles):
        top, left = GAP + number // columns * (height + GAP), GAP + number % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def draw_filters(module: nn.Module, path: Path) -> Path:
    """Write `filter_picture` as a PNG and return its path."""
    from PIL import Image

    with files.new_file(path) as partial:
        Image.fromarray(filter_picture(module)).save(partial, format="PNG")
    return path
