"""Kernel prediction network as the authors' script trains it. 3,335,256 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.train.models import _kpn

TILE = (264, 328)
"""Holds a golden burst of 192 x 256 pixels within its halo of 36; a pixel costs 0.6 million multiplications."""


def build() -> Any:
    """Return a fresh `KPN`."""
    from viewfinder.train.networks.kpn import KPN

    return KPN(levels=2)


TITLE = "Kernel prediction network as the authors' script trains it"
TASK = _kpn.task("kpn", TITLE, build, 3_335_256, tile=TILE)
