"""HDRNet over a three-level Gaussian pyramid, the paper's variant for operators that are not locally affine.

It runs in PyTorch only. The `bilateral_grid` exporter cuts networks with one grid and refuses this one; the trainer
reads random pixels, which a network that looks at neighbours cannot give.
"""

from __future__ import annotations

from typing import Any

from viewfinder.train.models import _hdrnet


def build() -> Any:
    """Return a fresh `HDRNetPyramid`."""
    from viewfinder.train.networks.pyramid import HDRNetPyramid

    return HDRNetPyramid()


TASK = _hdrnet.task("hdrnet-pyramid", "HDRNet over a Gaussian pyramid", build, 494_691, trainer="")
