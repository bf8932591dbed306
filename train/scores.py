"""Measure a network and the classical baselines against an operator on folders of photographs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import photos
from viewfinder.train.baselines import bilateral_upsampling
from viewfinder.train.operators.pyramid import Array

Method = Callable[[Array], Array]

DEFINITION = "PSNR, peak 1, display-referred sRGB, all channels, output clipped to 0..1, no crop; mean over pictures"


def psnr_db(output: NDArray[Any], target: NDArray[Any]) -> float:
    """PSNR of two pictures in 0..1 with peak 1, in dB; equal pictures have 120 dB."""
    return -10 * math.log10(max(float(np.mean((output.astype(np.float64) - target.astype(np.float64)) ** 2)), 1e-12))


@dataclass(frozen=True)
class Scores:
    """PSNR of one method on one set, in dB."""

    mean_db: float
    worst_db: float
    worst: str
    per_picture: Mapping[str, float]

    @classmethod
    def of(cls, per_picture: Mapping[str, float]) -> Scores:
        """Summarise the pictures' values."""
        rounded = {name: round(value, 3) for name, value in per_picture.items()}
        worst = min(rounded, key=lambda name: rounded[name])
        return cls(round(float(np.mean(list(per_picture.values()))), 3), rounded[worst], worst, rounded)

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scores:
        """Read scores that `to_dict` made."""
        return cls(**data)


def measure(methods: Mapping[str, Method], operator: Method, pictures: Sequence[Path]) -> dict[str, Scores]:
    """Run `operator` and every method on each picture; returns the scores by method."""
    found: dict[str, dict[str, float]] = {name: {} for name in methods}
    for picture in pictures:
        image = photos.read(picture).display()
        truth = operator(image)
        for name, method in methods.items():
            found[name][picture.stem] = psnr_db(method(image), truth)
    return {name: Scores.of(values) for name, values in found.items()}


def oracles(operator: Method) -> dict[str, Method]:
    """List the methods that run the operator on the test picture itself."""
    return {
        "identity": lambda image: image,
        "bgu_oracle": lambda image: bilateral_upsampling.upsample_bilaterally(image, operator),
    }


def ceiling(operator: Method) -> dict[str, Method]:
    """List the fit to the full-size truth, the ceiling of a grid guided by luma."""
    return {"grid_ceiling": lambda image: bilateral_upsampling.fit_full_size(image, operator(image))}
