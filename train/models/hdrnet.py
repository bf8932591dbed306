"""HDRNet as published: guide of curves, 482,080 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.train.models import _hdrnet


def build() -> Any:
    """Return a fresh `HDRNet` with the paper's curve guide."""
    from viewfinder.train.networks.hdrnet import HDRNet

    return HDRNet("curves")


TASK = _hdrnet.task("hdrnet", "HDRNet with the paper's curve guide", build, 482_080)
