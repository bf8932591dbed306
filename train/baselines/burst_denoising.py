"""Classical ways to denoise a burst, which a network has to beat: told the true noise, with tuned strengths.

BM3D is the package ``bm3d`` of its authors (Makinen, Azzari, Foi 2020; Dabov et al. 2007). Its licence allows
non-commercial use only, so nothing installs it: ``pip install bm3d`` where that licence fits, or leave these rows out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts import NoiseLevel, align, merge
from viewfinder.errors import MissingToolError
from viewfinder.train.baselines.stabilising import stabilise, undo

Array = NDArray[np.float32]

METHODS: Mapping[str, str] = {
    "reference": "reference frame",
    "average": "plain average",
    "aligned": "aligned average",
    "merge": "HDR+-style Wiener merge of aligned frames",
    "nlm": "non-local means on the reference",
    "bm3d_reference": "BM3D on the reference",
    "bm3d_merge": "BM3D on the Wiener merge of aligned frames",
}
"""Methods in the order of the table."""

GRIDS: Mapping[str, tuple[float, ...]] = {
    "merge": (8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0),
    "nlm": (0.4, 0.55, 0.7, 0.85, 1.0, 1.2),
    "bm3d_reference": (0.9, 1.05, 1.2),
    "bm3d_merge": (5.0, 7.0, 9.0, 12.0),
}
"""What tuning tries: factor of the noise in the merge; h of non-local means per deviation; assumed deviation over the
true one; frames that the merge is taken to have averaged."""

MERGE_BEFORE_BM3D = 16.0
"""Factor of the merge that BM3D cleans: the best of 4 to 32 in the exploration that came before this benchmark."""


@dataclass(frozen=True)
class Case:
    """A burst as the methods get it: frames ``[N, H, W]`` and the true noise of one frame."""

    frames: Array
    level: NoiseLevel

    @cached_property
    def aligned(self) -> Array:
        """Frames moved onto the reference by the product's own alignment."""
        return align.aligned(self.frames, align.shifts(self.frames, self.level))

    @cached_property
    def merged(self) -> Array:
        """Wiener merge that BM3D cleans."""
        return merge.wiener(self.aligned, self.level, MERGE_BEFORE_BM3D)


Method = Callable[[Case, float], Array]


def has_bm3d() -> bool:
    """Tell whether the package is installed."""
    return importlib.util.find_spec("bm3d") is not None


def bm3d(picture: Array, deviation: float) -> Array:
    """Run BM3D on ``[H, W]`` or ``[H, W, C]`` with white noise of `deviation`.

    Raises:
        MissingToolError: the package is not installed.
    """
    if not has_bm3d():
        message = "BM3D is not installed: its licence allows non-commercial use only, so it does not come along"
        raise MissingToolError(message, "pip install bm3d, where its licence fits; or leave these methods out")
    import bm3d as package

    cleaned = package.bm3d(np.asarray(picture, np.float64), deviation)
    return np.asarray(cleaned, np.float32).reshape(picture.shape)


def _nlm(case: Case, strength: float) -> Array:
    """Non-local means (Buades et al. 2005) on the stabilised reference: patches of 5, a window of 13, scikit-image."""
    from skimage.restoration import denoise_nl_means

    stable = stabilise(case.frames[0], case.level)
    cleaned = denoise_nl_means(stable, patch_size=5, patch_distance=6, h=strength, sigma=1.0, fast_mode=True)
    return undo(cleaned, case.level)


def _bm3d_reference(case: Case, strength: float) -> Array:
    """BM3D on the stabilised reference, `strength` times the true deviation."""
    return undo(bm3d(stabilise(case.frames[0], case.level), strength), case.level)


def _bm3d_merge(case: Case, frames: float) -> Array:
    """BM3D on the stabilised merge, taken to have the noise of a mean of `frames`."""
    left = case.level.averaged(frames)
    return undo(bm3d(stabilise(case.merged, left), 1.0), left)


RUN: Mapping[str, Method] = {
    "reference": lambda case, _: case.frames[0],
    "average": lambda case, _: case.frames.mean(0),
    "aligned": lambda case, _: case.aligned.mean(0),
    "merge": lambda case, strength: merge.wiener(case.aligned, case.level, strength),
    "nlm": _nlm,
    "bm3d_reference": _bm3d_reference,
    "bm3d_merge": _bm3d_merge,
}
"""Each method as a function of a case and its strength (unused by those without one)."""


def available() -> tuple[str, ...]:
    """List the methods that can run here, in the order of the table."""
    return tuple(name for name in METHODS if has_bm3d() or not name.startswith("bm3d"))
