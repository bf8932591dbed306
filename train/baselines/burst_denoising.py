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
    "bm3d_strong_merge": "BM3D on a merge that averages more",
}
"""Methods in the order of the table."""

GRIDS: Mapping[str, tuple[float, ...]] = {
    "merge": (8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0),
    "nlm": (0.4, 0.55, 0.7, 0.85, 1.0, 1.2),
    "bm3d_reference": (0.9, 1.05, 1.2),
    "bm3d_merge": (5.0, 7.0, 9.0, 12.0),
    "bm3d_strong_merge": (5.0, 7.0, 9.0, 12.0),
}
"""What tuning tries: factor of the noise in the merge; h of non-local means per deviation; assumed deviation over the
true one; frames that the merge is taken to have averaged."""

MERGE_BEFORE_BM3D = {"bm3d_merge": 16.0, "bm3d_strong_merge": 64.0}
"""Factor of the merge that BM3D cleans: a weak merge is best in little noise, a strong one at gain 8."""


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
    def merged(self) -> Mapping[str, Array]:
        """Wiener merges that BM3D cleans, by method."""
        return {name: merge.wiener(self.aligned, self.level, factor) for name, factor in MERGE_BEFORE_BM3D.items()}


Method = Callable[[Case, float], Array]


def has_bm3d() -> bool:
    """Tell whether the package is installed."""
    return importlib.util.find_spec("bm3d") is not None


def bm3d(picture: Array, deviation: float) -> Array:
    """Run BM3D on ``[H, W]`` or ``[H, W, C]`` with white noise of `deviation`; CBM3D on three channels.

    CBM3D (Dabov et al. 2007, Color image denoising via sparse 3D collaborative filtering) finds its blocks in the
    luminance alone: about 1 dB better than the same blocks sought in red.

    Raises:
        MissingToolError: the package is not installed.
    """
    if not has_bm3d():
        message = "BM3D is not installed: its licence allows non-commercial use only, so it does not come along"
        raise MissingToolError(message, "pip install bm3d, where its licence fits; or leave these methods out")
    import bm3d as package

    run = package.bm3d_rgb if picture.ndim == 3 and picture.shape[2] == 3 else package.bm3d
    cleaned = run(np.asarray(picture, np.float64), deviation)
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


def _bm3d_on(name: str) -> Method:
    """Return BM3D on a stabilised merge, which is taken to have the noise of a mean of as many frames as given."""

    def run(case: Case, frames: float) -> Array:
        """Clean one merge."""
        left = case.level.averaged(frames)
        return undo(bm3d(stabilise(case.merged[name], left), 1.0), left)

    return run


RUN: Mapping[str, Method] = {
    "reference": lambda case, _: case.frames[0],
    "average": lambda case, _: case.frames.mean(0),
    "aligned": lambda case, _: case.aligned.mean(0),
    "merge": lambda case, strength: merge.wiener(case.aligned, case.level, strength),
    "nlm": _nlm,
    "bm3d_reference": _bm3d_reference,
    **{name: _bm3d_on(name) for name in MERGE_BEFORE_BM3D},
}
"""Each method as a function of a case and its strength (unused by those without one)."""


def available() -> tuple[str, ...]:
    """List the methods that can run here, in the order of the table."""
    return tuple(name for name in METHODS if has_bm3d() or not name.startswith("bm3d"))
