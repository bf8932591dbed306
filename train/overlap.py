"""Tell whether photographs for testing were seen in training: by their pixels, and by how alike they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viewfinder import files, photos
from viewfinder.train.baselines.bilateral_upsampling import reduce_by_area
from viewfinder.train.operators.pyramid import luma

HASH_SIDE = 16
ALIKE_BITS = 40
"""Different bits of 240 up to which two pictures are called alike; unrelated photographs differ in about 120."""


@dataclass(frozen=True)
class Nearest:
    """The two most alike pictures of two sets.

    Attributes:
        test, training: file names.
        bits: differing bits of their 240-bit difference hashes; 0 to `ALIKE_BITS` means the same scene.
    """

    test: str
    training: str
    bits: int


def difference_hash(path: Path) -> NDArray[np.bool_]:
    """Compare neighbours of a 16x16 luma copy: 240 bits that survive resizing and recompression."""
    small = photos.resize(reduce_by_area(photos.read(path).display(), 128), (HASH_SIDE, HASH_SIDE))
    grey = luma(small)
    bits: NDArray[np.bool_] = (grey[:, 1:] > grey[:, :-1]).ravel()
    return bits


def nearest(test: Sequence[Path], training: Sequence[Path]) -> Nearest:
    """Find the most alike pair between the photographs of a test set and those of a training set."""
    seen = np.stack([difference_hash(path) for path in training])
    found = []
    for path in test:
        distances = (seen != difference_hash(path)).sum(1)
        found.append(Nearest(path.name, training[int(distances.argmin())].name, int(distances.min())))
    return min(found, key=lambda pair: pair.bits)


def held_out(sets: Mapping[str, Path], training: Sequence[Path]) -> tuple[str, ...]:
    """Say for every set (name, folder) how near its pictures come to the training photographs, if any are named."""
    if not training:
        return ()
    known = photos.find(training)
    seen = {files.sha256(path) for path in known}
    sentences = []
    for name, folder in sets.items():
        pictures = photos.find([folder])
        shared = sum(files.sha256(path) in seen for path in pictures)
        near = nearest(pictures, known)
        verdict = "the same scene" if near.bits <= ALIKE_BITS else "no common scene"
        sentences.append(
            f"{name}: {shared} of {len(pictures)} files are among the {len(known)} training and validation files; "
            f"the most alike pair ({near.test}, {near.training}) differs in {near.bits} of 240 hash bits: {verdict}."
        )
    return tuple(sentences)
