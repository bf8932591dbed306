"""Pictures of one photograph under one artifact: the output, the amplified difference, the FLIP map, the worst crop.

Arrays are ``[H, W, 3]`` floats in 0..1 (maps ``[H, W]``), display-referred sRGB; files are JPEG (photographs) and PNG
(maps), 8 bit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.runtime.metrics import Comparison

VERSION = 4
"""Raise it when the pictures change: stored ones of another version are drawn again."""
CROP = 128
"""Side of the crops in pixels."""
MAX_FACTOR = 256
"""Largest amplification: beyond it, less than 1/256 (one 8-bit step) would look like a defect."""
LARGEST_PNG = 120_000
"""Bytes: a smooth chart is far smaller, and must not be banded by JPEG."""
ERROR_SCALE = 0.5
"""End of the scale of errors against the truth: one for all, so that methods and gains can be compared by eye."""
ERROR_SIDE = 160
"""Longest side of those maps: a page shows one for every method and artifact, as wide as this."""
FLIP_SCALES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
MAGMA = (
    "#000004", "#180f3d", "#440f76", "#721f81", "#9e2f7f", "#cd4071", "#f1605d", "#fd9668", "#feca8d", "#fcfdbf",
)  # fmt: skip
"""Ten even stops of the colour map magma (matplotlib, CC0), from no error to the scale's end."""
COLOURS = 64
"""Steps of a map: with 256, the maps of four photographs under eight artifacts took 2.1 MB in place of 0.9."""

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; x to the right and y downwards from the upper left corner."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Return the part of ``[H, W, ...]``."""
        return picture[self.y : self.y + self.height, self.x : self.x + self.width]


def slug(name: str) -> str:
    """Return a file name's harmless part: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "photograph"


def side_for(pairs: int) -> int:
    """Longest side of the small pictures, so that a report with `pairs` of artifact and photograph stays under 6 MB."""
    return 720 if pairs <= 12 else 600 if pairs <= 24 else 520 if pairs <= 32 else 360


def worst_box(error: NDArray[np.float32], step: int, shape: tuple[int, ...]) -> Box:
    """Find the `CROP` x `CROP` pixels (fewer in a smaller picture) with the greatest mean error.

    `error` is ``[h, w]``, one value per `step` x `step` pixels of a picture of the given shape ``(H, W, ...)``.
    """
    rows, columns = (min(max(1, CROP // step), size) for size in error.shape)
    sums = np.pad(np.cumsum(np.cumsum(error, 0, dtype=np.float64), 1), ((1, 0), (1, 0)))
    windows = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    y, x = (int(place) for place in np.unravel_index(int(np.argmax(windows)), windows.shape))
    height, width = min(CROP, shape[0]), min(CROP, shape[1])
    return Box(min(x * step, shape[1] - width), min(y * step, shape[0] - height), width, height)


def amplification(difference: NDArray[np.float32]) -> int:
    """Choose the power of two, at most `MAX_FACTOR`, that brings the largest difference nearest below one half."""
    largest = float(np.max(np.abs(difference)))
    if largest <= 0.5 / MAX_FACTOR:
        return MAX_FACTOR
    return int(max(1, 2 ** math.floor(math.log2(0.5 / largest))))


def amplified(difference: NDArray[np.float32], factor: int) -> Picture:
    """Show a signed difference around mid grey: ``0.5 + factor * difference``, clipped."""
    return np.clip(0.5 + factor * difference, 0, 1).astype(np.float32)


def flip_scale(error: NDArray[np.float32]) -> float:
    """Choose the end of the colour scale: the first of `FLIP_SCALES` that holds the map's maximum."""
    return next((scale for scale in FLIP_SCALES if float(error.max()) <= scale), 1.0)


def save_photo(picture: NDArray[Any], path: Path, *, side: int | None = None, quality: int = 95) -> str:
    """Write a JPEG with the longer side at most `side`; without one, unscaled and without chroma subsampling.

    `quality` is that of unscaled ones.
    """
    from PIL import Image

    image = Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8), "RGB")
    if side is None:
        image.save(path, "JPEG", quality=quality, subsampling=0, optimize=True)
    else:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.save(path, "JPEG", quality=85, optimize=True)
    return path.name


def save_map(error: NDArray[np.float32], scale: float, path: Path, *, side: int) -> str:
    """Write a PNG of ``[H, W]``, 0..`scale`, in the colours of `MAGMA`, made smaller by averaging."""
    from PIL import Image

    image = Image.fromarray(np.clip(error / scale, 0, 1).astype(np.float32), "F")
    shrink = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
    levels = np.round(np.asarray(image.resize(size, Image.Resampling.BOX)) * (COLOURS - 1)).astype(np.uint8)
    small = Image.fromarray(levels, "P")
    small.putpalette(_palette().tobytes())
    small.save(path, "PNG", optimize=True)
    return path.name


def _palette() -> NDArray[np.uint8]:
    """Interpolate `MAGMA` to `COLOURS`, ``[64, 3]``."""
    stops = np.array([[int(stop[at : at + 2], 16) for at in (1, 3, 5)] for stop in MAGMA], np.float64)
    places = np.linspace(0, len(MAGMA) - 1, COLOURS)
    planes = [np.interp(places, np.arange(len(MAGMA)), stops[:, channel]) for channel in range(3)]
    return np.round(np.stack(planes, 1)).astype(np.uint8)


def _enlarged(pixels: NDArray[Any], scale: int) -> Picture:
    """Return the input in 0..1, each pixel `scale` times in both directions, to fit an enlarged output."""
    picture = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return picture if scale == 1 else np.repeat(np.repeat(picture, scale, 0), scale, 1)


def save_exact(picture: NDArray[Any], path: Path) -> str:
    """Write a picture unscaled: as PNG, or, where that takes more than `LARGEST_PNG` (noise), as JPEG."""
    from PIL import Image

    target = path.with_suffix(".png")
    Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8), "RGB").save(target, "PNG", optimize=True)
    if target.stat().st_size <= LARGEST_PNG:
        return target.name
    target.unlink()
    return save_photo(picture, path.with_suffix(".jpg"))


def draw_chart(chart: Picture, own: Picture, output: Picture, folder: Path, stem: str) -> dict[str, Any]:
    """Draw a chart ``[H, W, 3]``, float's output of it, the artifact's, and their amplified difference.

    Returns:
        The files by kind, and the amplification.
    """
    folder.mkdir(parents=True, exist_ok=True)
    factor = amplification(output - own)
    pictures = {"chart": chart, "float": own, "artifact": output, "difference": amplified(output - own, factor)}
    files = {kind: save_exact(picture, folder / f"{stem}-{kind}.png") for kind, picture in pictures.items()}
    return {**files, "difference_factor": factor}


def draw(pair: Comparison, pixels: NDArray[Any], folder: Path, stem: str, *, side: int) -> dict[str, Any]:
    """Draw one photograph under one artifact into `folder`.

    `pair` compares the artifact's output (test) with the PyTorch float output; `pixels` is the input photograph,
    integers. The files are called ``STEM.KIND.SUFFIX``.

    Returns:
        The files by kind, and what a caption has to say: amplification, scale of the FLIP map, place of the crop.
    """
    factor, scale = amplification(pair.difference), flip_scale(pair.flip)
    box = worst_box(pair.flip, pair.flip_step, pair.test.shape)
    signed = amplified(pair.difference, factor)
    source = box.cut(_enlarged(pixels, pair.test.shape[0] // pixels.shape[0]))
    crops = {
        "float": box.cut(pair.reference),
        "artifact": box.cut(pair.test),
        "difference": box.cut(signed),
    }
    return {
        "artifact": save_photo(pair.test, folder / f"{stem}.artifact.jpg", side=side),
        "difference": save_photo(signed, folder / f"{stem}.difference.jpg", side=side),
        "difference_factor": factor,
        "flip": save_map(pair.flip, scale, folder / f"{stem}.flip.png", side=side),
        "flip_scale": scale,
        "crop": {
            "x": box.x, "y": box.y, "width": box.width, "height": box.height,
            # What came in is there to recognize the place by, and its noise is dear.
            "input": save_photo(source, folder / f"{stem}.crop-input.jpg", quality=85),
            **{kind: save_photo(crop, folder / f"{stem}.crop-{kind}.jpg") for kind, crop in crops.items()},
        },
    }  # fmt: skip


def draw_error(pair: Comparison, path: Path) -> dict[str, Any]:
    """Draw how far a picture (test) is from the truth (reference): its FLIP map in 0..`ERROR_SCALE`, and the mean."""
    return {"file": save_map(pair.flip, ERROR_SCALE, path, side=ERROR_SIDE), "mean": round(float(pair.flip.mean()), 4)}
