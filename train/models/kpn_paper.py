"""Kernel prediction network as the paper's figure shows it. 28,703,064 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.train.models import _kpn


def build() -> Any:
    """Return a fresh `KPN`."""
    from viewfinder.train.networks.kpn import KPN

    return KPN(levels=4)


TASK = _kpn.task("kpn-paper", "Kernel prediction network as the paper's figure shows it", build, 28_703_064)
