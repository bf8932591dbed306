"""One graph that enhances a tile of fixed size; a halo of context around what is kept hides the seams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewfinder.errors import UsageError
from viewfinder.export.lowering import doubled
from viewfinder.export.pipelines.layout import channels_last
from viewfinder.export.pipelines.reach import reach, stride
from viewfinder.export.request import Cut, ExportRequest, Graph
from viewfinder.task import PHOTOGRAPHS, Task

FORMS = ("auto", "doubled")
_REFERENCE_SIDE = 512
"""Pixels along a tile of the reference, about: large beside any halo, small beside a picture."""


def cut(task: Task, network: Any, request: ExportRequest) -> Cut:
    """Take the whole network as one graph ``model`` with a fixed tile size.

    ``--form doubled`` gives convolutions weights of 16 bits (`viewfinder.export.lowering.doubled`).
    """
    height, width = _tile(task, request)
    example = torch.rand(1, task.inputs[0].shape[1], height, width)
    result = _run(task, network, example)
    scale = _scale(task, example, result)
    source = replace(task.inputs[0], shape=tuple(example.shape))
    target = replace(task.outputs[0], shape=tuple(result.shape))
    is_doubled = request.form == "doubled"
    lowered = doubled.lower(network, doubled.example(tuple(example.shape))) if is_doubled else network
    graph = Graph("model", lowered, (example,), (source,), (target,))
    parameters: dict[str, Any] = {
        "tile": [height, width],
        "halo": _halo(task, network, (height, width)),
        "scale": scale,
    }
    if task.samples != PHOTOGRAPHS:
        parameters["samples"] = task.samples  # calibration has to spoil photographs likewise
    return Cut((channels_last(graph) if request.layout == "nhwc" else graph,), parameters)


def _tile(task: Task, request: ExportRequest | None = None) -> tuple[int, int]:
    """Return height and width of a tile: what was asked for, else the option ``tile``, else the declared input."""
    single = len(task.inputs) == 1 == len(task.outputs)
    if not single or len(task.inputs[0].shape) != 4 or task.inputs[0].layout != "NCHW":
        raise UsageError(
            f"{task.name} does not take and give one picture [1, channels, height, width]",
            "the pipeline 'tiles' needs one NCHW input and one output; write a pipeline for other networks",
        )
    height, width = task.pipeline_options.get("tile", task.inputs[0].shape[2:])
    if request is not None:
        height, width = request.strip_rows or height, request.width or width
    return int(height), int(width)


def _run(task: Task, network: Any, example: Tensor) -> Tensor:
    """Run the network once and look at what comes out."""
    try:
        with torch.no_grad():
            result = network(example)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"the network of {task.name} does not run on its own input {tuple(example.shape)}: {error}",
            "make the shape of TASK.inputs (or the option 'tile') one that forward() takes",
        ) from error
    if not isinstance(result, Tensor) or result.dim() != 4:
        raise UsageError(
            f"the network of {task.name} returns no picture", "return one tensor [1, channels, height, width]"
        )
    return result


def _scale(task: Task, example: Tensor, result: Tensor) -> int:
    """Return how many times larger the output is; it has to be a whole number, the same on both axes."""
    rows, columns = result.shape[2] / example.shape[2], result.shape[3] / example.shape[3]
    if rows != columns or rows != int(rows) or rows < 1:
        raise UsageError(
            f"{task.name} turns {tuple(example.shape[2:])} pixels into {tuple(result.shape[2:])}",
            "pad inside the network: the output has to be as large as the input, or a whole number of times larger",
        )
    return int(rows)


def _halo(task: Task, network: Any, tile: tuple[int, int]) -> int:
    """Return the declared halo, else how far the network looks, rounded up to its stride."""
    declared = task.pipeline_options.get("halo")
    if declared is not None:
        return int(declared)
    shape = (*task.inputs[0].shape[:2], *tile)
    far, step = reach(network, shape), stride(network, shape)
    halo = -(-far // step) * step
    if 2 * halo >= min(tile):
        raise UsageError(
            f"one output pixel of {task.name} looks {far} or more pixels far, which leaves nothing of a tile of {tile}",
            "make the tile larger, or state pipeline_options={'halo': N} if seams do not matter",
        )
    return halo


def enhance(task: Task, network: Any, pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Run the plain network on a whole picture ``[H, W, 3]`` uint8 or uint16; float32 out, not clipped.

    The picture is extended by mirrored pixels at its borders, as for the artifact's tiles, and passes in tiles as
    large as memory allows: small pictures at once.
    """
    tile = _tile(task)
    halo = _halo(task, network, tile)
    core, channels = [side - 2 * halo for side in tile], task.inputs[0].shape[1]
    sides = [
        part * min(-(-size // part), max(1, _REFERENCE_SIDE // part))
        for part, size in zip(core, pixels.shape[:2], strict=True)
    ]
    bands = [
        np.concatenate(
            [
                _core(network, pixels, (top, left), (*sides, halo, channels))
                for left in range(0, pixels.shape[1], sides[1])
            ],
            1,
        )
        for top in range(0, pixels.shape[0], sides[0])
    ]
    whole = np.concatenate(bands)
    scale = bands[0].shape[0] // sides[0]
    kept: NDArray[np.float32] = np.ascontiguousarray(whole[: pixels.shape[0] * scale, : pixels.shape[1] * scale])
    return kept


def _core(network: Any, pixels: NDArray[Any], corner: tuple[int, int], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Enhance a tile with its halo and cut the halo off; `size` is (height, width, halo, channels)."""
    height, width, halo, channels = size
    rows = mirrored(corner[0] - halo, height + 2 * halo, pixels.shape[0])
    columns = mirrored(corner[1] - halo, width + 2 * halo, pixels.shape[1])
    shown = pixels[rows[:, None], columns].astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    result = _planewise(network, torch.from_numpy(shown).permute(2, 0, 1)[None].contiguous(), channels)
    cut_off = halo * (result.shape[0] // (height + 2 * halo))
    core: NDArray[np.float32] = result[cut_off : result.shape[0] - cut_off, cut_off : result.shape[1] - cut_off]
    return core


def _planewise(network: Any, picture: Tensor, channels: int) -> NDArray[np.float32]:
    """Run ``[1, 3, H, W]``, through a network of one channel each plane alone; return ``[s * H, s * W, 3]``."""
    with torch.no_grad():
        if channels != 1:
            result = network(picture)[0]
        else:
            result = torch.cat([network(plane)[0] for plane in torch.split(picture, 1, 1)])
    found: NDArray[np.float32] = result.permute(1, 2, 0).numpy()
    return found


def mirrored(first: int, count: int, size: int) -> NDArray[np.intp]:
    """Return `count` indices from `first` on, mirrored into the picture as often as it takes."""
    period = max(1, 2 * (size - 1))
    folded = np.arange(first, first + count) % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros(count, np.intp)
