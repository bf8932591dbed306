"""HDRNet with this project's guide: luma plus a learned residual. 482,049 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.train.models import _hdrnet


def build() -> Any:
    """Return a fresh `HDRNet` with `LumaGuide`."""
    from viewfinder.train.networks.hdrnet import HDRNet

    return HDRNet("luma")


TASK = _hdrnet.task("hdrnet-luma", "HDRNet guided by luma and a learned residual", build, 482_049)
