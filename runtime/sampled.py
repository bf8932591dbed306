"""Verify on some rows of each photograph: an emulator takes seconds for what a phone does in a millisecond.

The network sees the whole photograph; only the computation of rows at full resolution is limited to some bands, spread
evenly from top to bottom, and compared with the same rows of PyTorch's output and of the truth. Where a network works
in tiles, these take the place of bands (`viewfinder.runtime.sampled_tiles`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError
from viewfinder.photos import Array, Pixels
from viewfinder.runtime import given, pipelines, sampled_tiles

if TYPE_CHECKING:
    from viewfinder.golden import Golden, GoldenPhoto


TILES = "tiles"
"""The pipeline of networks from picture to picture."""
_TALL = 1 << 20
"""More rows than any picture: the first border in it lies where the first band ends."""


class Bands(Protocol):
    """A pipeline that can compute some of its rows.

    Attributes:
        scale: output pixels per input pixel, along each axis.
    """

    scale: int

    @property
    def step(self) -> int:
        """Rows of the input that are computed at a time."""

    def bands(self, pixels: Pixels | Array, tops: Iterable[int]) -> Iterator[Array]:
        """Yield the rows that begin at the rows `tops` of the input, multiples of `step`, not clipped."""


def tops(height: int, step: int, count: int) -> list[int]:
    """Choose where bands of `step` rows begin: `count` of them, each in the middle of an equal share of the picture.

    Raises:
        UsageError: `count` is not positive.
    """
    if count < 1:
        raise UsageError(f"{count} bands", "give at least 1")
    whole = -(-height // step)
    shown = min(count, whole)
    return [(2 * number + 1) * whole // (2 * shown) * step for number in range(shown)]


class SampledRunner:
    """Runs some bands of photographs through an artifact."""

    def __init__(self, rows: Bands, count: int) -> None:
        """Run `count` bands of each photograph through `rows`."""
        self._rows, self._count = rows, count

    def enhance(self, pixels: Pixels | Array) -> Array:
        """Return the bands one below the other, float32 clipped to 0..1; NaN and infinity stay."""
        chosen = tops(pixels.shape[0], self._rows.step, self._count)
        found = [np.array(rows, np.float32) for rows in self._rows.bands(pixels, chosen)]
        return cast("Array", np.concatenate(found).clip(0, 1))


class Sampled(Protocol):
    """Runs some parts of what it is given."""

    def enhance(self, given: Any) -> Array:
        """Return the parts one below the other, float32 ``[n, W, 3]`` in 0..1."""


def open(artifact: Artifact, engine: Any, threads: int, count: int) -> Sampled:  # noqa: A001 as pipelines.open, whose place it takes
    """Load every graph of `artifact` and make it run bands of photographs, or tiles of bursts.

    Raises:
        UsageError: `count` is not positive.
    """
    tops(1, 1, count)
    if _in_tiles(artifact):
        graphs = {graph.name: pipelines.open_graph(artifact, graph, engine) for graph in artifact.graphs}
        return sampled_tiles.SampledTiles(artifact, graphs, count)
    return SampledRunner(cast("Bands", pipelines.open_rows(artifact, engine, threads)), count)


def golden_of(golden: Golden, artifact: Artifact, count: int) -> Golden:
    """Return the golden pictures with the pixels that `open`'s runner gives; what it is fed with stays whole."""
    if _in_tiles(artifact):
        return replace(golden, photos=tuple(sampled_tiles.photo_of(one, artifact, count) for one in golden.photos))
    rows, _ = pipelines.borders(artifact, _TALL, 1)
    step = rows[0] if rows else _TALL
    scale = int(artifact.parameters.get("scale", 1))
    return replace(golden, photos=tuple(_photo(photo, step, scale, count) for photo in golden.photos))


def count_of(artifact: Artifact, asked: int | None) -> int:
    """Return how many parts are computed: what was asked for, else two bands of a photograph, or one tile."""
    return asked or (1 if _in_tiles(artifact) else 2)


def meaning(artifact: Artifact, count: int) -> str:
    """Say in words what `open` computes."""
    several = "s" if count > 1 else ""
    if not _in_tiles(artifact):
        return f"{count} band{several} of each photograph, spread evenly from top to bottom"
    sides = " x ".join(str(side) for side in artifact.parameters.get("tile", ()))
    what = "burst" if given.takes_bursts(artifact) else "photograph"
    return f"{count} tile{several} of {sides} with its halo of each {what}; of one plane, the middle one (green)"


def _in_tiles(artifact: Artifact) -> bool:
    """Tell whether parts of a picture are tiles."""
    return artifact.pipeline == TILES or given.takes_bursts(artifact)


def _photo(photo: GoldenPhoto, step: int, scale: int, count: int) -> GoldenPhoto:
    """Keep the rows of the bands."""
    height = photo.pixels.shape[0]
    bands = [np.arange(top * scale, min(top + step, height) * scale) for top in tops(height, step, count)]
    rows = np.concatenate(bands)
    truth = None if photo.truth is None else photo.truth[rows]
    return replace(photo, expected=photo.expected[rows], truth=truth)
