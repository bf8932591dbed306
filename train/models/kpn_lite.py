"""A burst denoiser for two cores: kernels, blurs and a residual on a Wiener merge. 344,717 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.train.models import _kpn


def build() -> Any:
    """Return a fresh `KPNLite`."""
    from viewfinder.train.networks.kpn_lite import KPNLite

    return KPNLite()


TITLE = "A burst denoiser for two cores: kernels, blurs and a residual on a Wiener merge"
TASK = _kpn.task("kpn-lite", TITLE, build, 344_717, _kpn.LITE_INPUTS)
