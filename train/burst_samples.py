"""Training samples for burst denoisers: cut out of photographs, noisy, aligned as well as the estimator would.

A burst is synthesised as Mildenhall et al. 2018 do it (`viewfinder.train.camera`). Its alignment is not estimated but
simulated: every frame is laid over the reference by its true shift and an error of the estimator's size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from viewfinder.bursts import NoiseLevel, merge, warp
from viewfinder.errors import UsageError
from viewfinder.train.camera import motion, noise, tone
from viewfinder.train.pairs import Pair

Array = NDArray[np.float32]

SCALES = (4, 2, 1)
"""Reductions of photographs, the paper's first; 2 and 1 keep photographs of 321 pixels usable."""

FIRST_SCALE_SHARE = 0.5
"""Share of samples with the strongest reduction that the photograph allows; the others take any."""

RUN = 64
"""Each run of so many bursts is read twice, turned otherwise: making them takes as long as learning from them."""

MARGIN = 4
"""Pixels around a crop: the cubic's reach, and the largest simulated error."""

ERRORS = (0.02, 0.05, 0.1)
"""Deviations in pixels of simulated alignment; the estimator's were 0.05 to 0.07 on noise of gains 1 to 8."""

LOST_SHARE, LOST_ERROR = 0.02, 1.0
"""Share of frames whose alignment fails, and its deviation in pixels: real scenes move."""

FRAME = (128, 208)
"""Height and width of the frames that crops are thought to lie in: near their edges, shifted frames show nothing."""

ONE_COLOUR_SHARE = 0.3
"""Share of samples that are one colour of the photograph, as the planes of a raw burst are, instead of grey."""

_LIGHT: Array = tone.gamma_expand(np.arange(256, dtype=np.float32) / np.float32(255))


@dataclass(frozen=True)
class BurstSample:
    """One burst, aligned.

    Attributes:
        frames: ``[8, H, W]`` noisy, laid over the first.
        truth: ``[H, W]``.
        level: noise of one frame.
    """

    frames: Array
    truth: Array
    level: NoiseLevel

    def tensors(self) -> dict[str, Tensor]:
        """Return what networks read: frames, merged, noise, deviation, and the truth."""
        merged = merge.wiener(self.frames, self.level)
        return {
            "frames": torch.from_numpy(self.frames),
            "merged": torch.from_numpy(merged)[None],
            "noise": torch.tensor([self.level.read_std, self.level.shot_std]).view(2, 1, 1),
            "deviation": torch.from_numpy(self.level.deviation(self.frames[:1])),
            "truth": torch.from_numpy(self.truth)[None],
        }


def fitting_scales(photo: NDArray[np.uint8], size: tuple[int, int]) -> list[int]:
    """List the reductions at which a burst of `size` can be cut out of `photo` (``[H, W, 3]``).

    Raises:
        UsageError: not even without reduction.
    """
    found = [
        scale
        for scale in SCALES
        if all(have >= (want + 2 * MARGIN + 1) * scale for have, want in zip(photo.shape, size, strict=False))
    ]
    if not found:
        need = max(size) + 2 * MARGIN + 1
        raise UsageError(
            f"a photograph of {photo.shape[1]}x{photo.shape[0]} is too small for bursts of {size[1]}x{size[0]}",
            f"give photographs of at least {need} pixels a side, or a smaller --crop",
        )
    return found


def draw(
    photo: NDArray[np.uint8], size: tuple[int, int], level: NoiseLevel, scale: int, rng: np.random.Generator
) -> BurstSample:
    """Cut one burst out of a random place of a photograph, add noise and align it.

    Args:
        photo: ``[H, W, 3]``, display-referred.
        size: height and width of the frames.
        level: noise of every frame.
        scale: reduction, one of `fitting_scales`.
        rng: draws everything.
    """
    shifts = motion.draw_shifts(rng)  # in quarters of a pixel, whatever the photograph's scale
    whole = -np.floor(shifts / motion.PAPER.scale + rng.choice([0.49, 0.51], shifts.shape)).astype(int)
    whole[0] = 0
    rest = np.rint((shifts / motion.PAPER.scale + whole) * scale).astype(int)
    height, width = (side + 2 * MARGIN for side in size)
    around = scale // 2 + scale % 2  # the rest of a shift is at most half a pixel
    top = rng.integers(around, photo.shape[0] - height * scale - around + 1)
    left = rng.integers(around, photo.shape[1] - width * scale - around + 1)
    reach = (slice(top - around, top + height * scale + around), slice(left - around, left + width * scale + around))
    clean = motion.cut(_linear(photo[reach], rng), rest, (around, around), (height, width), scale)
    frames = _aligned(noise.add(clean, level, rng), -rest / scale, rng)
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    frames = np.ascontiguousarray(frames[:, inner[0], inner[1]])
    _empty_outside(frames, whole, rng)
    return BurstSample(frames, np.ascontiguousarray(clean[0][inner]), level)


def _linear(part: NDArray[np.uint8], rng: np.random.Generator) -> Array:
    """Return linear light ``[H, W]``: grey, or one colour."""
    if rng.random() < ONE_COLOUR_SHARE:
        return _LIGHT[part[..., rng.integers(3)]]
    result: Array = (_LIGHT[part[..., 0]] + _LIGHT[part[..., 1]] + _LIGHT[part[..., 2]]) / np.float32(3)
    return result


def _aligned(frames: Array, places: NDArray[np.float64], rng: np.random.Generator) -> Array:
    """Lay frames over the first by their true places and an error."""
    count = len(frames)
    deviation = np.where(rng.random((count, 1)) < LOST_SHARE, LOST_ERROR, rng.choice(ERRORS))
    moved = np.clip(places + rng.normal(size=places.shape) * deviation, -MARGIN / 2, MARGIN / 2)
    rest = [warp.translated(frames[number], tuple(moved[number]), frames[number]) for number in range(1, count)]
    return np.stack([frames[0], *rest])


def _empty_outside(frames: Array, whole: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Show the reference where a shifted frame of the size `FRAME` would have nothing to show."""
    size = frames.shape[1:]
    corner = [int(rng.integers(0, max(1, full - side + 1))) for full, side in zip(FRAME, size, strict=True)]
    for frame, shift in zip(frames[1:], whole[1:], strict=True):
        has = [
            slice(max(0, min(side, -move - at)), max(0, min(side, full - move - at)))
            for side, full, move, at in zip(size, FRAME, shift.tolist(), corner, strict=True)
        ]
        kept = frame[has[0], has[1]].copy()
        frame[:] = frames[0]
        frame[has[0], has[1]] = kept


def floats(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Read a batch of `BurstSamples` as float32."""
    return {name: value.view(torch.float32) if value.dtype == torch.int32 else value for name, value in batch.items()}


class BurstSamples(Dataset[dict[str, Tensor]]):
    """Random crops of random photographs; number `index` is the same in every run with the same seed.

    Their float32 numbers travel as int32 of the same bits (`floats` reads them): Fabric would round floating point
    inputs to the precision of the layers, and light and truth need theirs.
    """

    def __init__(self, pairs: Sequence[Pair], side: int, seed: int, length: int) -> None:
        """Keep the photographs (``Pair.image``), the side of the crops and the seed."""
        self._pairs, self._side, self._seed, self._length = pairs, side, seed, length
        self._kept: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        """Count the samples."""
        return self._length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Make sample `index`: a burst, turned and mirrored by its own random numbers."""
        turn = int(np.random.default_rng([self._seed, 2, index]).integers(8))
        mirrored = [axis for axis, bit in ((-1, 1), (-2, 2)) if turn & bit]
        made = self._burst(index // (2 * RUN) * RUN + index % RUN)
        sample = {name: value if name == "noise" else value.flip(mirrored) for name, value in made.items()}
        if turn & 4:
            sample = {name: value if name == "noise" else value.mT for name, value in sample.items()}
        bits = {name: value.contiguous().view(torch.int32) for name, value in sample.items()}
        return {**bits, "index": torch.tensor(index)}

    def _burst(self, number: int) -> dict[str, Tensor]:
        """Make or remember burst `number`: cut, shifted, noisy, aligned, merged."""
        if number not in self._kept:
            rng = np.random.default_rng([self._seed, 1, number])
            photo = self._pairs[int(rng.integers(len(self._pairs)))].image
            size = (self._side, self._side)
            scales = fitting_scales(photo, size)
            scale = scales[0] if rng.random() < FIRST_SCALE_SHARE else int(rng.choice(scales))
            if len(self._kept) >= RUN:
                self._kept.pop(next(iter(self._kept)))
            self._kept[number] = draw(photo, size, noise.draw_near_gains(rng), scale, rng).tensors()
        return self._kept[number]


def validation_bursts(pairs: Sequence[Pair], most: int) -> list[BurstSample]:
    """Make one burst per gain of up to `most` photographs, the same at every call, as large as they allow."""
    made = []
    for number in range(min(most, len(pairs))):
        photo = pairs[number].image
        room = [math.floor(have / 2) - 2 * MARGIN - 2 for have in photo.shape[:2]]
        size = (min(128, room[0] // 16 * 16), min(192, room[1] // 16 * 16))
        for gain, level in noise.GAINS.items():
            made.append(draw(photo, size, level, 2, np.random.default_rng([number, gain])))
    return made
