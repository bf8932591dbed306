"""Training pairs (picture, target picture) on disk, memory-mapped, for networks that imitate an operator.

A store is a folder with ``inputs.u8`` and ``targets.f16`` (all pictures one after another, pixels last axis first,
``[H * W, 3]``) and ``index.json``. It is keyed by what made it, so that a second run starts at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import errors, files, photos
from viewfinder.train.operators import Operator

Array = NDArray[np.float32]

WHOLE_SIDE = 400
"""Photographs up to this short side are used whole, as they are."""

SHORT_SIDES = (548, 650)
"""Short side, in pixels, that views of larger photographs get.

Operators with a pyramid change character with the picture's size: a local Laplacian of 7 levels ends at 4.3 to 5.1
pixels on these sizes, of 6 levels at 5.0 on the 321 pixels of BSD. With sizes spread from 300 to 800 the end wanders
between 4 and 8, which a network that sees 256 pixels cannot know: training on with these sizes gained 0.40 dB on
validation pictures of 576 pixels and 0.27 dB on the others (the card of hdrnet-luma, local-laplacian).
"""

VIEWS_PER_PHOTO, VIEWS_PER_LARGE_PHOTO = 3, 26
LARGE_SIDE = 800
"""Long side from which on views are crops; below, the whole photograph is resized."""

VALIDATION_SHARE = 20
"""One photograph in this many, picked by the hash of its file, is kept for validation."""


@dataclass(frozen=True)
class Pair:
    """One picture and its target, both ``[H, W, 3]``; the target of a clean photograph is empty, ``[0, 0, 3]``."""

    image: NDArray[np.uint8]
    target: NDArray[np.float16]


class PairStore(Sequence[Pair]):
    """Read-only sequence of pairs in a folder that `write` made."""

    def __init__(self, folder: Path) -> None:
        """Map the two arrays of `folder`."""
        index = json.loads((folder / "index.json").read_text())
        self._sizes: list[tuple[int, int]] = [tuple(size) for size in index["sizes"]]
        self._starts = np.concatenate([[0], np.cumsum([height * width for height, width in self._sizes])])
        self._inputs = np.memmap(folder / "inputs.u8", np.uint8, "r").reshape(-1, 3)
        self._clean = index.get("clean", False)
        self._targets = (
            np.empty((0, 3), np.float16)
            if self._clean
            else np.memmap(folder / "targets.f16", np.float16, "r").reshape(-1, 3)
        )

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self._sizes)

    def __getitem__(self, index: Any) -> Any:
        """Return pair `index`; slices are not needed and not offered."""
        where = slice(int(self._starts[index]), int(self._starts[index + 1]))
        shape = (*self._sizes[index], 3)
        target = self._targets.reshape(0, 0, 3) if self._clean else self._targets[where].reshape(shape)
        return Pair(self._inputs[where].reshape(shape), target)


def is_validation(photo: Path) -> bool:
    """Tell whether a photograph is kept for validation: decided by its content, so no list is needed."""
    return int(hashlib.sha256(photo.read_bytes()).hexdigest(), 16) % VALIDATION_SHARE == 0


def split(photo_files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Part photographs into those for training and those for validation (`is_validation`); both have at least one.

    Raises:
        UsageError: fewer than two photographs.
    """
    if len(photo_files) < 2:
        raise errors.UsageError("one photograph cannot be both trained on and checked with", "give at least two")
    kept = {photo for photo in photo_files if is_validation(photo)} or {min(photo_files, key=files.sha256)}
    training = [photo for photo in photo_files if photo not in kept]
    return (training, sorted(kept)) if training else (sorted(kept)[1:], sorted(kept)[:1])


def _jitter(image: Array, rng: np.random.Generator) -> Array:
    """Change exposure, white balance, gamma and saturation, as other cameras and scenes would."""
    gains = 2.0 ** rng.uniform(-0.7, 0.4) * np.array([rng.uniform(0.88, 1.14), 1.0, rng.uniform(0.88, 1.14)])
    toned = np.clip(image * gains, 0, 1) ** (2.0 ** rng.uniform(-0.35, 0.35))
    grey = toned.mean(-1, keepdims=True)
    jittered: Array = np.clip(grey + (toned - grey) * rng.uniform(0.6, 1.35), 0, 1).astype(np.float32)
    return jittered


def _views(image: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Yield a small picture itself, a larger one in sizes of `SHORT_SIDES`: whole, or as crops of many shapes."""
    height, width = image.shape[:2]
    if min(height, width) <= WHOLE_SIDE:
        yield image
        return
    is_large = max(height, width) > LARGE_SIDE
    for _ in range(VIEWS_PER_LARGE_PHOTO if is_large else VIEWS_PER_PHOTO):
        crop = _crop(image, rng) if is_large else image
        scale = rng.uniform(*SHORT_SIDES) / min(crop.shape[:2])
        yield photos.resize(crop, (round(crop.shape[0] * scale), round(crop.shape[1] * scale)))


def _crop(image: Array, rng: np.random.Generator) -> Array:
    """Cut out at least a third of the short side, up to 1.5 times as wide as high or the other way."""
    height, width = image.shape[:2]
    short = min(height, width)
    side = int(short * rng.uniform(min(1.0, max(0.35, SHORT_SIDES[1] / short)), 1))
    shape = 2.0 ** rng.uniform(-0.55, 0.55)
    crop_height, crop_width = min(height, int(side * max(1, 1 / shape))), min(width, int(side * max(1, shape)))
    top, left = rng.integers(0, height - crop_height + 1), rng.integers(0, width - crop_width + 1)
    return image[top : top + crop_height, left : left + crop_width]


def variants(photo: Path, count: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Yield `count` versions of each view of a photograph, the first one as it is, as 8-bit pictures."""
    rng = np.random.default_rng([seed, int(hashlib.sha256(photo.name.encode()).hexdigest()[:8], 16)])
    for view in _views(photos.read(photo).display(), rng):
        for number in range(count):
            version = _jitter(view, rng) if number else view
            yield (version * 255 + 0.5).astype(np.uint8)


def write(pairs: Iterator[tuple[NDArray[np.uint8], Array]], folder: Path) -> PairStore:
    """Write pairs to `folder`, all or nothing, and open the result."""
    with files.new_folder(folder) as partial:
        sizes = []
        with (partial / "inputs.u8").open("wb") as inputs, (partial / "targets.f16").open("wb") as targets:
            for image, target in pairs:
                sizes.append(image.shape[:2])
                inputs.write(np.ascontiguousarray(image).tobytes())
                targets.write(target.astype(np.float16).tobytes())
        (partial / "index.json").write_text(json.dumps({"sizes": sizes}))
    return PairStore(folder)


def write_clean(photo_files: Sequence[Path], folder: Path) -> PairStore:
    """Write the views of photographs, without targets, to `folder`, all or nothing, and open the result."""
    with files.new_folder(folder) as partial:
        sizes = []
        with (partial / "inputs.u8").open("wb") as inputs:
            for photo in photo_files:
                for view in variants(photo, 1, 0):
                    sizes.append(view.shape[:2])
                    inputs.write(np.ascontiguousarray(view).tobytes())
        (partial / "index.json").write_text(json.dumps({"sizes": sizes, "clean": True}))
    return PairStore(folder)


def imitate(
    photo_files: Sequence[Path], operator: Operator, count: int, seed: int
) -> Iterator[tuple[NDArray[np.uint8], Array]]:
    """Yield the variants of every photograph with what `operator` makes of them."""
    for photo in photo_files:
        for image in variants(photo, count, seed):
            yield image, operator(image.astype(np.float32) / np.float32(255))


def partners(inputs: Path, targets: Path) -> list[tuple[Path, Path]]:
    """Match the pictures of two folders by their file names without suffix, sorted.

    Raises:
        UsageError: a picture without partner, or two with one name.
    """
    by_stem = [_by_stem(inputs), _by_stem(targets)]
    for stem in sorted(by_stem[0].keys() ^ by_stem[1].keys()):
        here, there = (0, targets) if stem in by_stem[0] else (1, inputs)
        lonely = by_stem[here][stem]
        raise errors.UsageError(f"{lonely} has no partner in {there}", f"add {there / stem}.* or remove {lonely}")
    return [(by_stem[0][stem], by_stem[1][stem]) for stem in sorted(by_stem[0])]


def _by_stem(folder: Path) -> dict[str, Path]:
    """Map file names without suffix to the pictures directly or deeper in `folder`."""
    found: dict[str, Path] = {}
    for file in photos.find([folder]):
        if file.stem in found:
            raise errors.UsageError(f"{file} and {found[file.stem]} have one name", "rename one picture and its target")
        found[file.stem] = file
    return found


def _size(image: Array) -> str:
    """Write width x height."""
    return f"{image.shape[1]}x{image.shape[0]}"


def read_pairs(matched: Sequence[tuple[Path, Path]]) -> Iterator[tuple[NDArray[np.uint8], Array]]:
    """Read pictures and their targets.

    Raises:
        UsageError: a picture and its target have different sizes.
    """
    for file, partner in matched:
        image, target = photos.read(file).display(), photos.read(partner).display()
        if image.shape != target.shape:
            sizes = f"{file} is {_size(image)} but {partner} is {_size(target)}"
            raise errors.UsageError(sizes, "give both pictures of a pair the same size")
        yield (image * 255 + 0.5).astype(np.uint8), target
