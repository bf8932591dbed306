"""A burst network as one graph on a tile of fixed size, or split: the kernels' network, and what applies the kernels.

The network sees one plane of the burst. Its inputs are known by name: ``frames``, ``merged``, ``noise``, ``deviation``
(`viewfinder.runtime.pipelines.burst` fills them). Alignment and merge stay outside, in numpy: phones do them natively.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from viewfinder import light
from viewfinder.bursts import Burst, NoiseLevel, preparation
from viewfinder.bursts.contract import KEY, Contract
from viewfinder.bursts.frames import FloatFrames, Frames
from viewfinder.errors import UsageError
from viewfinder.export.lowering import kernel_application, phases, spread, tables
from viewfinder.export.pipelines.layout import channels_last
from viewfinder.export.pipelines.reach import reach, stride
from viewfinder.export.pipelines.splitting import split
from viewfinder.export.pipelines.tiles import mirrored
from viewfinder.export.request import Cut, ExportRequest, Graph
from viewfinder.task import Task, TensorSpec

INPUTS = ("frames", "merged", "noise", "deviation")
FORMS = ("auto", "whole", "split", "tables")
_REFERENCE_SIDE = 768
"""Pixels along the core of a tile of the reference: other tiles than the artifact's, so that seams are found out."""
_MEASURED_SIDES = (128, 256, 512)
_EXAMPLE_NOISE = (0.03, 0.08)
"""Read and shot deviation of the example that a network is traced with: about gain 2."""


def cut(task: Task, network: Any, request: ExportRequest) -> Cut:
    """Take the network as one graph ``model``, or as ``kernels`` and ``application`` (``--form split``).

    ``--form tables`` is one graph for NPUs of integers (`viewfinder.export.lowering.tables`).
    """
    tile = _tile(task, request)
    specs = _specs(task, tile)
    halo = _halo(task, network, tile)
    lowered = spread.lower(phases.lower(kernel_application.lower(network), request.format), request.format)
    examples = tuple(_example(spec) for spec in specs)
    if request.form == "tables":
        lowered = tables.lower(lowered, examples)
    target = replace(task.outputs[0], shape=_shape_of(task, lowered, examples, tile))
    parts = split(task.name, lowered, specs, examples) if request.form == "split" else None
    graphs = parts or [Graph("model", lowered, examples, specs, ())]
    graphs = [*graphs[:-1], replace(graphs[-1], outputs=(target,))]
    if request.layout == "nhwc":
        graphs = [channels_last(graph) for graph in graphs]
    contract = Contract(frames=count_of(task), aligned=aligned(task))
    parameters = {"tile": list(tile), "halo": halo, "scale": 1, KEY: contract.to_dict()}
    return Cut(tuple(graphs), parameters)


def aligned(task: Task) -> bool:
    """Tell whether the network wants the frames on the reference; it does, unless its options say otherwise."""
    return bool(task.pipeline_options.get("align", True))


def count_of(task: Task) -> int:
    """Return the frames that the network takes.

    Raises:
        UsageError: inputs that the pipeline cannot fill, or more than one output.
    """
    names = [spec.name for spec in task.inputs]
    unknown = [name for name in names if name not in INPUTS]
    single = len(task.outputs) == 1 and task.outputs[0].shape[1:2] == (1,)
    if unknown or "frames" not in names or not single:
        raise UsageError(
            f"{task.name} takes {', '.join(names)} and gives {len(task.outputs)} outputs",
            f"the pipeline 'burst' fills inputs called {', '.join(INPUTS)} (frames among them) and takes one plane",
        )
    return int(task.inputs[names.index("frames")].shape[1])


def _tile(task: Task, request: ExportRequest | None = None) -> tuple[int, int]:
    """Return height and width of a tile: what was asked for, else the declared size of the frames."""
    count_of(task)
    declared = next(spec.shape[2:] for spec in task.inputs if spec.name == "frames")
    height, width = task.pipeline_options.get("tile", declared)
    if request is not None:
        height, width = request.strip_rows or height, request.width or width
    return int(height), int(width)


def _specs(task: Task, tile: tuple[int, int]) -> tuple[TensorSpec, ...]:
    """Give the inputs that are pictures the size of a tile."""
    return tuple(
        spec if spec.name == "noise" else replace(spec, shape=(1, spec.shape[1], *tile)) for spec in task.inputs
    )


def _example(spec: TensorSpec) -> Tensor:
    """Make an input to trace with."""
    if spec.name == "noise":
        return torch.tensor(_EXAMPLE_NOISE).reshape(1, 2, 1, 1)
    generator = torch.Generator().manual_seed(0)
    values = 0.05 + 0.9 * torch.rand(spec.shape, generator=generator)
    return values * 0.1 if spec.name == "deviation" else values


def _shape_of(task: Task, network: Any, examples: Sequence[Tensor], tile: tuple[int, int]) -> tuple[int, ...]:
    """Run the network once and look at what comes out.

    Raises:
        UsageError: it does not run on its own inputs, or gives no plane of their size.
    """
    try:
        with torch.no_grad():
            result = network(*examples)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"the network of {task.name} does not run on tiles of {tile}: {error}",
            "choose sizes that it takes: multiples of what it shrinks its input by",
        ) from error
    if not isinstance(result, Tensor) or tuple(result.shape) != (1, 1, *tile):
        raise UsageError(f"the network of {task.name} gives no plane of {tile}", "return one tensor [1, 1, H, W]")
    return tuple(result.shape)


class _AsOne(nn.Module):
    """A burst network of a single input, its pictures stacked, so that its reach can be measured as any network's."""

    def __init__(self, network: Any, specs: Sequence[TensorSpec]) -> None:
        """Wrap `network`."""
        super().__init__()
        self.network, self.names = network, [spec.name for spec in specs]
        self.channels = [spec.shape[1] for spec in specs if spec.name != "noise"]
        self.register_buffer("noise", torch.tensor(_EXAMPLE_NOISE).reshape(1, 2, 1, 1))

    def forward(self, stacked: Tensor) -> Tensor:
        """Take the stack apart and run the network."""
        pictures = iter(torch.split(stacked, self.channels, 1))
        noise = self.get_buffer("noise")
        result: Tensor = self.network(*(noise if name == "noise" else next(pictures) for name in self.names))
        return result


def _halo(task: Task, network: Any, tile: tuple[int, int]) -> int:
    """Return the declared halo, else how far the network looks, rounded up to its stride; measured once."""
    declared = task.pipeline_options.get("halo")
    if declared is not None:
        return int(declared)
    if network not in _measured:
        _measured[network] = _measure(task, network)
    far, step = _measured[network]
    halo = -(-far // step) * step
    if 2 * halo >= min(tile):
        raise UsageError(
            f"one output pixel of {task.name} looks {far} or more pixels far, which leaves nothing of a tile of {tile}",
            "make the tile larger, or state pipeline_options={'halo': N} if seams do not matter",
        )
    return halo


_measured: WeakKeyDictionary[Any, tuple[int, int]] = WeakKeyDictionary()
"""Network to its reach and stride."""


def _measure(task: Task, network: Any) -> tuple[int, int]:
    """Measure reach and stride on small tiles, larger ones where the network looks beyond them."""
    for side in _MEASURED_SIDES:
        one = _AsOne(network, _specs(task, (side, side))).eval()
        shape = (1, sum(one.channels), side, side)
        far = reach(one, shape)
        if far < side // 2 - 1:
            break
    return far, stride(one, shape)


def enhance(task: Task, network: Any, burst: Burst) -> NDArray[np.float32]:
    """Run the plain network on a whole burst and show the result: ``[H, W, 3]``, display-referred in 0..1."""
    return light.picture(merge(task, network, FloatFrames(burst)))


def merge(
    task: Task, network: Any, frames: Frames, on_progress: Callable[[float], None] | None = None
) -> NDArray[np.float32]:
    """Run the plain network on a burst; linear light ``[H, W, C]``, not clipped.

    Planes pass one after another, each extended by mirrored pixels at its borders as for the artifact's tiles, in tiles
    far larger than the artifact's.

    Raises:
        BadBurstError: a number of frames that the network does not take, or an unknown noise level.
    """
    noise = Contract(count_of(task), aligned(task)).check(frames)
    moved = preparation.motions(frames, noise) if aligned(task) else None
    halo = _halo(task, network, _tile(task))
    merged = np.empty((*frames.size, frames.planes), np.float32)
    for number in range(frames.planes):
        plane = preparation.Plane(frames.plane(number), noise, moved)
        merged[..., number] = _whole(task, network, _given(task, plane, noise), halo)
        if on_progress is not None:
            on_progress((number + 1) / frames.planes)
    return merged


def _given(task: Task, plane: preparation.Plane, noise: NoiseLevel) -> dict[str, NDArray[np.float32]]:
    """Make the inputs of one plane, ``[C, H, W]``, and the noise ``[2]``, in the order of the network."""
    makers: dict[str, Any] = {
        "frames": lambda: plane.frames,
        "merged": lambda: plane.merged[None],
        "deviation": lambda: noise.deviation(plane.reference)[None],
        "noise": lambda: np.array([noise.read_std, noise.shot_std], np.float32),
    }
    return {spec.name: makers[spec.name]() for spec in task.inputs}


def _whole(task: Task, network: Any, given: dict[str, NDArray[np.float32]], halo: int) -> NDArray[np.float32]:
    """Run one plane ``[H, W]`` in large tiles: whole strides of the network, or of the artifact's cores."""
    height, width = given["frames"].shape[1:]
    units = (_measured[network][1],) * 2 if network in _measured else [side - 2 * halo for side in _tile(task)]
    sides = [
        unit * min(-(-size // unit), max(1, _REFERENCE_SIDE // unit))
        for unit, size in zip(units, (height, width), strict=True)
    ]
    result = np.empty((height, width), np.float32)
    for top in range(0, height, sides[0]):
        for left in range(0, width, sides[1]):
            rows = mirrored(top - halo, sides[0] + 2 * halo, height)
            columns = mirrored(left - halo, sides[1] + 2 * halo, width)
            inputs = [
                torch.from_numpy(array.reshape(1, 2, 1, 1) if array.ndim == 1 else _picked(array, rows, columns))
                for array in given.values()
            ]
            with torch.no_grad():
                found = network(*inputs)[0, 0].numpy()[halo : halo + sides[0], halo : halo + sides[1]]
            space = result[top : top + sides[0], left : left + sides[1]]
            space[:] = found[: space.shape[0], : space.shape[1]]
    return result


def _picked(array: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Take rows and columns of ``[C, H, W]``, as ``[1, C, h, w]``."""
    return np.ascontiguousarray(array[None, :, rows[:, None], columns])
