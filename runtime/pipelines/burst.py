"""A burst into one picture: align and merge natively, then a network on overlapping tiles, one plane after another.

The network sees what its graphs name as inputs: ``frames`` (aligned, if the manifest says so), ``merged`` (their
Wiener merge), ``noise`` (read and shot deviation) and ``deviation`` (of the noise at each pixel of the reference).
Everything is linear light, black 0 and white 1, not clipped. Several graphs run one after another and pass tensors on
by name.

Each tile has a halo that the network sees and whose result is thrown away, mirrored at the picture's border, as in
`viewfinder.runtime.pipelines.tiles`: with a halo as wide as the network looks, no seam remains. Memory holds one plane
of every frame as float32, the codes of the others, and the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import light
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.bursts import Burst, NoiseLevel, preparation
from viewfinder.bursts.align import Motion
from viewfinder.bursts.contract import KEY, Contract
from viewfinder.bursts.frames import FloatFrames, Frames
from viewfinder.errors import CheckFailedError, UsageError
from viewfinder.runtime.pipelines import lanes, parameters
from viewfinder.runtime.pipelines.tiles import borders, mirrored, tile_of

if TYPE_CHECKING:
    from viewfinder.runtime.pipelines import Graph

__all__ = ["REPEATED", "BurstRunner", "borders", "rows", "runner"]

REPEATED = ("model", "kernels", "application")
"""Graphs that run many times for one picture: with several threads, each thread gets one of its own."""
KNOWN = ("frames", "merged", "noise", "deviation")
"""Inputs that this pipeline can fill."""
_ALIGNED, _BEFORE_TILES = 0.1, 0.1
"""Shares of the progress at which the planes begin, and of a plane's at which its tiles begin."""

Array = NDArray[np.float32]
OnProgress = Callable[[float], None]
Given = Mapping[str, Array]


class BurstRunner:
    """Runs bursts through an artifact."""

    def __init__(self, artifact: Artifact, graphs: Mapping[str, Graph]) -> None:
        """Read and check the manifest."""
        self.contract = _contract(artifact)
        self._graphs = artifact.graphs
        self._lanes = [dict(zip(graphs, one, strict=True)) for one in zip(*map(lanes.of, graphs.values()), strict=True)]
        self._tile, self._halo = tile_of(artifact), parameters.size(artifact, "halo", smallest=0)
        if min(self._tile) <= 2 * self._halo:
            raise parameters.broken(artifact, f"tiles of {self._tile} are no larger than twice the halo {self._halo}")
        self._inputs = _inputs(artifact)
        self._output = _output(artifact)

    def enhance(self, given: Any) -> Array:
        """Merge a burst of 1 or 3 planes and show it: what a measurement looks at.

        Args:
            given: a `Burst`.

        Returns:
            float32 ``[H, W, 3]``, display-referred in 0..1, not rounded.

        Raises:
            UsageError: a photograph in place of a burst.
            BadBurstError: the burst does not fit the artifact's contract.
            CheckFailedError: the artifact gives NaN or infinite values.
        """
        if not isinstance(given, Burst):
            raise UsageError(
                "this artifact merges bursts, and it was given one photograph",
                "charts, calibration and profiles are made of photographs; `viewfinder build`, `verify` and `run` take "
                "bursts",
                code="takes-bursts",
            )
        return light.picture(self.merge(FloatFrames(given)))

    def merge(self, frames: Frames, on_progress: OnProgress | None = None) -> Array:
        """Merge a burst.

        Args:
            frames: of the burst.
            on_progress: is told the share that is done, 0..1.

        Returns:
            float32 ``[H, W, C]`` linear light, not clipped.

        Raises:
            BadBurstError: the burst does not fit the artifact's contract.
            CheckFailedError: the artifact gives NaN or infinite values.
        """
        noise = self.contract.check(frames)
        tell = on_progress or (lambda _share: None)
        begin = _ALIGNED if self.contract.aligned else 0.0
        moved = preparation.motions(frames, noise, lambda share: tell(begin * share)) if begin else None
        result: Array = np.empty((*frames.size, frames.planes), np.float32)
        for number in range(frames.planes):
            self._merge_plane(frames, number, (noise, moved), result, lambda share: tell(begin + (1 - begin) * share))
        return result

    def _merge_plane(
        self,
        frames: Frames,
        number: int,
        known: tuple[NoiseLevel, list[Motion] | None],
        result: Array,
        tell: OnProgress,
    ) -> None:
        """Merge one plane into `result`; its frames are gone before the next plane's come."""
        noise, moved = known
        plane = preparation.Plane(frames.plane(number), noise, moved)
        given = self._given(plane, noise)
        tell((number + _BEFORE_TILES) / frames.planes)
        for top, rows in self._rows(given):
            _check_finite(rows, top, frames.name)
            result[top : top + len(rows), :, number] = rows
            share = (top + len(rows)) / frames.size[0]
            tell((number + _BEFORE_TILES + (1 - _BEFORE_TILES) * share) / frames.planes)

    def _given(self, plane: preparation.Plane, noise: NoiseLevel) -> dict[str, Array]:
        """Collect the inputs that the graphs name: pictures ``[C, H, W]``, and the noise ``[2]``."""
        made: dict[str, Callable[[], Array]] = {
            "frames": lambda: plane.frames,
            "merged": lambda: plane.merged[None],
            "deviation": lambda: noise.deviation(plane.reference)[None],
            "noise": lambda: np.array([noise.read_std, noise.shot_std], np.float32),
        }
        return {name: make() for name, make in made.items() if name in self._inputs}

    def _rows(self, given: Given) -> Iterator[tuple[int, Array]]:
        """Yield a row of tiles after the other, with its first row: ``[n, W]`` in reused buffers."""
        height, width = next(array.shape[1:] for array in given.values() if array.ndim == 3)
        core = [side - 2 * self._halo for side in self._tile]
        tops = range(0, height, core[0])
        bands = [self._band(graphs, given, (height, width)) for graphs in self._lanes]
        yield from zip(tops, lanes.in_order(bands, tops), strict=True)

    def _band(self, graphs: Mapping[str, Graph], given: Given, size: tuple[int, int]) -> Callable[[int], Array]:
        """Return what computes the row of tiles that begins at a row, in a buffer of its own."""
        (height, width), halo = size, self._halo
        rows, columns = (side - 2 * halo for side in self._tile)
        band = np.empty((rows, width), np.float32)

        def compute(top: int) -> Array:
            for left in range(0, width, columns):
                core = self._run(graphs, given, (top, left), size)[halo : halo + rows, halo : halo + columns]
                space = band[:, left : left + columns]
                space[:] = core[:, : space.shape[1]]
            return band[: min(rows, height - top)]

        return compute

    def _run(self, graphs: Mapping[str, Graph], given: Given, corner: tuple[int, int], size: tuple[int, int]) -> Array:
        """Run every graph on the tile whose core begins at `corner`; return the whole tile."""
        places = [
            mirrored(first - self._halo, side, whole)
            for first, side, whole in zip(corner, self._tile, size, strict=True)
        ]
        values = {name: _cut(array, places) for name, array in given.items()}
        for graph in self._graphs:
            feeds = {
                spec.name: np.ascontiguousarray(
                    values[spec.name].transpose(0, 2, 3, 1) if spec.layout == "NHWC" else values[spec.name]
                )
                for spec in graph.inputs
            }
            results = graphs[graph.name](feeds)
            for spec in graph.outputs:
                found = np.asarray(results[spec.name])
                values[spec.name] = found.transpose(0, 3, 1, 2) if spec.layout == "NHWC" else found
        tile: Array = values[self._output][0, 0]
        return tile


def _cut(array: Array, places: list[NDArray[np.intp]]) -> Array:
    """Cut a tile ``[1, C, h, w]`` out of ``[C, H, W]``; two numbers become ``[1, 2, 1, 1]``."""
    if array.ndim == 1:
        return array.reshape(1, -1, 1, 1)
    rows, columns = places
    if all(place[-1] - place[0] == len(place) - 1 and (np.diff(place) > 0).all() for place in places):
        return array[None, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return array[None, :, rows[:, None], columns]


def _check_finite(rows: Array, top: int, name: str) -> None:
    """Refuse NaN and infinity."""
    if not np.isfinite(rows).all():
        raise CheckFailedError(
            f"the artifact gives NaN or infinite values for {name} in rows {top} to {top + len(rows) - 1}",
            "verify it; with fp16 an overflow is likely: export it with --precision float",
            code="not-finite",
        )


def _contract(artifact: Artifact) -> Contract:
    """Read the contract and compare it with the graphs."""
    try:
        contract = Contract.from_dict(artifact.parameters.get(KEY))
    except ValueError as error:
        raise parameters.broken(artifact, str(error)) from None
    for graph in artifact.graphs:
        for spec in graph.inputs:
            if spec.name == "frames" and spec.shape[3 if spec.layout == "NHWC" else 1] != contract.frames:
                raise parameters.broken(artifact, f"its contract asks for {contract.frames} frames, not {spec.shape}")
    return contract


def _inputs(artifact: Artifact) -> tuple[str, ...]:
    """Name the inputs that no earlier graph makes, and check that all can be filled."""
    found: dict[str, None] = {}
    made: set[str] = set()
    for graph in artifact.graphs:
        for spec in graph.inputs:
            if spec.name not in made and spec.name not in KNOWN:
                raise parameters.broken(artifact, f"nothing fills the input {spec.name!r} of the graph {graph.name!r}")
            if spec.name not in made:
                found[spec.name] = None
        made |= {spec.name for spec in graph.outputs}
    if "frames" not in found and "merged" not in found:
        raise parameters.broken(artifact, "no graph takes frames")
    return tuple(found)


def _output(artifact: Artifact) -> str:
    """Name the only output of the last graph."""
    last: GraphFile = artifact.graphs[-1]
    if len(last.outputs) != 1:
        raise parameters.broken(artifact, f"the graph {last.name!r} has {len(last.outputs)} outputs")
    return last.outputs[0].name


def runner(artifact: Artifact, graphs: Mapping[str, Graph]) -> BurstRunner:
    """Make the pipeline for `artifact` from its loaded graphs."""
    return BurstRunner(artifact, graphs)


def rows(artifact: Artifact, _graphs: Mapping[str, Graph]) -> Any:
    """Refuse to compute some rows of a photograph: a burst is merged as a whole.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"{artifact.folder} merges bursts; this command works on rows of photographs",
        "use `viewfinder verify` and `viewfinder run`, which take bursts",
        code="takes-bursts",
    )
