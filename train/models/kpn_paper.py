"""Kernel prediction network as the paper's figure shows it. 28,703,064 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.task import Task
from viewfinder.train.models import _kpn


def build() -> Any:
    """Return a fresh `KPN`."""
    from viewfinder.train.networks.kpn import KPN

    return KPN(levels=4)


TASK = Task(
    name="kpn-paper",
    title="Kernel prediction network as the paper's figure shows it",
    build=build,
    inputs=(_kpn.FRAMES_SPEC, _kpn.DEVIATION_SPEC),
    outputs=_kpn.OUTPUTS,
    pipeline="burst",
    samples="bursts",
    pipeline_options={"align": True},
    trainer="burst",
    paper=_kpn.PAPER,
    weights=_kpn.shipped_weights("kpn-paper"),
    licence=_kpn.LICENCE,
    parameter_count=28_703_064,
)
