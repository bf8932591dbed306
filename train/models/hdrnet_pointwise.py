"""HDRNet with the paper's second guide: a small pointwise network and a sigmoid. 482,049 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.train.models import _hdrnet


def build() -> Any:
    """Return a fresh `HDRNet` with the paper's pointwise guide."""
    from viewfinder.train.networks.hdrnet import HDRNet

    return HDRNet("pointwise")


TASK = _hdrnet.task("hdrnet-pointwise", "HDRNet with the paper's pointwise guide", build, 482_049)
