"""Measure what quantized artifacts lose against a float one, on photographs, with noise, or on bursts made of them.

``python scripts/measure_drop.py PHOTOGRAPHS COUNT FLOAT ARTIFACT...`` with evenly spaced photographs of a folder. Of
HDRNet, the truth is the fast local Laplacian filter, which its default weights imitate; where noise is removed, the
middle of the photograph before it had noise, at every level; where bursts are merged, that of the benchmark's simulated
bursts at every gain, their upper left corner, compared after sRGB's curve.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder import artifact, photos
from viewfinder.bursts import Burst
from viewfinder.bursts.frames import FloatFrames
from viewfinder.runtime import pipelines
from viewfinder.runtime.metrics import psnr_db
from viewfinder.task import BURST, NOISY
from viewfinder.train import burst_benchmark
from viewfinder.train.camera import noise
from viewfinder.train.operators import local_laplacian
from viewfinder.train.samples import noisy

SIDE = 224
"""Pixels of a burst along each axis: a tile of 320 without its halo."""
NOISY_SIDE = 222
"""The same of a picture with noise: a tile of 256 without its halo."""
Row = tuple[list[float], list[float]]
"""Of every artifact: PSNR in dB against the truth, and against the first one."""


def main(folder: Path, count: int, names: list[str]) -> None:
    """Print a line for every artifact, and for every gain where bursts are merged."""
    made = [artifact.load(Path(name)) for name in names]
    runners = [pipelines.open(one, one.format, 1) for one in made]
    every = photos.find([folder])
    paths = every[:: max(1, len(every) // count)][:count]
    if made[0].pipeline == BURST:
        for gain in noise.GAINS:
            tell(f"gain {gain}  ", names, [on_burst(path, gain, runners) for path in paths])
    elif made[0].parameters.get("samples") == NOISY:
        for sigma in noisy.levels(made[0].weights):
            tell(f"sigma {sigma}  ", names, [on_noisy(path, sigma, runners) for path in paths])
    else:
        tell("", names, [on_photograph(path, runners) for path in paths])


def on_photograph(path: Path, runners: list[Any]) -> Row:
    """Run a photograph."""
    pixels = photos.read(path).pixels
    truth = local_laplacian.apply(pixels.astype(np.float32) / np.float32(photos.white(pixels)))
    return compared(pixels, truth, runners)


def on_noisy(path: Path, sigma: int, runners: list[Any]) -> Row:
    """Remove noise of a level, in 8-bit codes, from the middle of a photograph."""
    pixels = photos.read(path).pixels
    top, left = (max(0, size - NOISY_SIDE) // 2 for size in pixels.shape[:2])
    middle = pixels[top : top + NOISY_SIDE, left : left + NOISY_SIDE]
    sample = next(noisy.make(path.stem, middle, f"sigma-{sigma}"))
    return compared(sample.pixels, sample.truth, runners)


def compared(pixels: Any, truth: Any, runners: list[Any]) -> Row:
    """Run a picture through every artifact."""
    results = [runner.enhance(pixels) for runner in runners]
    return [psnr_db(result, truth) for result in results], [psnr_db(result, results[0]) for result in results]


def on_burst(path: Path, gain: int, runners: list[Any]) -> Row:
    """Merge a burst that is made of a photograph."""
    made = burst_benchmark.burst_of(path, gain)
    burst, truth = Burst(made.frames[:, :SIDE, :SIDE], made.level), made.truth[:SIDE, :SIDE, 0]
    results = [runner.merge(FloatFrames(burst))[..., 0] for runner in runners]
    others = (truth, results[0])
    first, second = ([burst_benchmark.quality_db(result, other) for result in results] for other in others)
    return first, second


def tell(head: str, names: list[str], rows: list[Row]) -> None:
    """Print mean and worst of every artifact."""
    of_truth, of_float = np.array(rows).transpose(1, 0, 2)
    for number, name in enumerate(names):
        lost, near = of_truth[:, 0] - of_truth[:, number], of_float[:, number]
        told = f"{of_truth[:, number].mean():.2f} dB, loses {lost.mean():+.3f}, at most {lost.max():.3f} dB"
        beside = f"against float {near.mean():.1f}, at least {near.min():.1f} dB" if number else "float"
        sys.stdout.write(f"{head}{name}  {told}; {beside}  ({len(rows)} photographs)\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
