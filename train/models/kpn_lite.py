"""A burst denoiser for two cores: kernels, blurs and a residual on a Wiener merge. 344,717 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.task import Task
from viewfinder.train.models import _kpn


def build() -> Any:
    """Return a fresh `KPNLite`."""
    from viewfinder.train.networks.kpn_lite import KPNLite

    return KPNLite()


TASK = Task(
    name="kpn-lite",
    title="A burst denoiser for two cores: kernels, blurs and a residual on a Wiener merge",
    build=build,
    inputs=(_kpn.FRAMES_SPEC, _kpn.MERGED_SPEC, _kpn.NOISE_SPEC),
    outputs=_kpn.OUTPUTS,
    pipeline="burst",
    samples="bursts",
    pipeline_options={"align": True},
    trainer="burst",
    paper=_kpn.PAPER,
    weights=_kpn.shipped_weights("kpn-lite"),
    licence=_kpn.LICENCE,
    parameter_count=344_717,
)
