"""Kernel prediction network as the authors' script trains it. 3,335,256 parameters."""

from __future__ import annotations

from typing import Any

from viewfinder.task import Task
from viewfinder.train.models import _kpn


def build() -> Any:
    """Return a fresh `KPN`."""
    from viewfinder.train.networks.kpn import KPN

    return KPN(levels=2)


TASK = Task(
    name="kpn",
    title="Kernel prediction network as the authors' script trains it",
    build=build,
    inputs=(_kpn.FRAMES_SPEC, _kpn.DEVIATION_SPEC),
    outputs=_kpn.OUTPUTS,
    pipeline="burst",
    samples="bursts",
    pipeline_options={"align": True},
    trainer="burst",
    paper=_kpn.PAPER,
    weights=_kpn.shipped_weights("kpn"),
    licence=_kpn.LICENCE,
    parameter_count=3_335_256,
)
