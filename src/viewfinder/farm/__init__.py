"""A farm: jobs that each need a certain device, run wherever such a device is free, one job per device at a time.

Where devices are is a site's business: this computer (`local`) or the nodes of a Ray cluster (`on_ray`). The queue
(`queue`) knows only slots: a device on a node. A finished result is kept at once (`store`), so that nothing that
happens later, to a node, a device or the farm itself, can lose it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from viewfinder.errors import ViewfinderError

ALONE = "host"
"""A device that needs its whole node: what else runs there would be in its timings."""
LOST = ("device-lost",)
"""Codes of errors after which a slot is not used any more."""
LOST_NODE = "node-lost"


@dataclass(frozen=True)
class Work:
    """One job.

    Attributes:
        key: unique; names its result.
        device: that it needs.
        target: ``package.module:function``, which returns JSON data.
        arguments: by name; anything that pickle takes.
        payload: names the bytes (`Site.start`) that the function gets as ``payload``, too large to repeat per job.
    """

    key: str
    device: str
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    payload: str = ""


@dataclass(frozen=True)
class Slot:
    """A device on a node; the node of this computer is called "here"."""

    node: str
    device: str


@dataclass(frozen=True)
class Outcome:
    """How a job ended, or why it was not run.

    Attributes:
        value: what its function returned.
        tried: where it was begun, in order.
    """

    work: Work
    value: Any = None
    error: ViewfinderError | None = None
    tried: Sequence[Slot] = ()


@dataclass(frozen=True)
class Ended:
    """What a site says of a job that it had started."""

    key: str
    value: Any = None
    error: ViewfinderError | None = None


class Site(Protocol):
    """Where devices are."""

    def slots(self) -> Sequence[Slot]:
        """List the devices that can be reached now."""

    def start(self, work: Work, slot: Slot) -> None:
        """Begin a job on a device; returns at once."""

    def ended(self, wait_s: float) -> Sequence[Ended]:
        """Return the jobs that have ended since the last call; wait a little for one."""
