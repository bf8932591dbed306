"""The devices of a Ray cluster: each is a custom resource ``viewfinder:DEVICE`` of the node that it is attached to.

A node joins with what it offers: ``ray start --address=HEAD:6379 --resources="$(viewfinder devices list --ray)"``. The
farm chooses the node; Ray brings the job there, sees that a device is used by one job at a time whoever asks, and says
when a node is gone.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from viewfinder.errors import MissingToolError, NotVerifiedError, UsageError, ViewfinderError
from viewfinder.farm import LOST_NODE, Ended, Slot, Work

PREFIX = "viewfinder:"
AUTO = "auto"
_KNOCK_S = 10.0
_PACKAGE = "python -m pip install 'viewfinder[farm]'"


def resources(devices: Sequence[str]) -> dict[str, int]:
    """Return what ``ray start --resources`` takes for devices."""
    return {f"{PREFIX}{name}": 1 for name in devices}


class OnRay:
    """See `viewfinder.farm.Site`."""

    def __init__(self, ray: Any, payloads: Mapping[str, bytes]) -> None:
        """Bring the payloads into the cluster once; this process owns them, so no lost node takes them away."""
        self._ray = ray
        self._payloads = {name: ray.put(data) for name, data in payloads.items()}
        self._running: dict[Any, str] = {}
        self._remote = ray.remote(called)

    def slots(self) -> Sequence[Slot]:
        """List the devices of the nodes that are alive."""
        return [
            Slot(node["NodeID"], name.removeprefix(PREFIX))
            for node in self._ray.nodes()
            if node["Alive"]
            for name in sorted(node["Resources"])
            if name.startswith(PREFIX)
        ]

    def start(self, work: Work, slot: Slot) -> None:
        """Send a job to a node; if it fails there, the queue decides, not Ray."""
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        options = {
            "resources": {f"{PREFIX}{slot.device}": 1},
            "num_cpus": 0,
            "max_retries": 0,
            "scheduling_strategy": strategies.NodeAffinitySchedulingStrategy(slot.node, soft=False),
        }
        payload = self._payloads[work.payload] if work.payload else None
        reference = self._remote.options(**options).remote(work.target, dict(work.arguments), payload)
        self._running[reference] = work.key

    def ended(self, wait_s: float) -> Sequence[Ended]:
        """Collect what has ended."""
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=wait_s)
        return [self._result(reference, self._running.pop(reference)) for reference in done]

    def _result(self, reference: Any, key: str) -> Ended:
        """Read an answer; a node or worker that is gone is an error of its own."""
        errors = importlib.import_module("ray.exceptions")
        try:
            value, error = self._ray.get(reference)
        except errors.WorkerCrashedError:
            return Ended(key, error=NotVerifiedError("the process of the job was killed", "", code="crashed"))
        except errors.RayTaskError as raised:
            return Ended(key, error=NotVerifiedError(f"the job failed: {raised.cause!r}", "", code="failed"))
        except errors.RayError as raised:
            first = str(raised).partition("\n")[0]
            return Ended(key, error=NotVerifiedError(f"its node was lost: {first}", "", code=LOST_NODE))
        return Ended(key, value, NotVerifiedError(*error[:2], code=error[2]) if error else None)


def called(target: str, arguments: Mapping[str, Any], payload: bytes | None) -> tuple[Any, tuple[str, str, str] | None]:
    """Run a job on a node; its errors travel as text, because their classes need not be the same there."""
    module, _, function = target.partition(":")
    more = {} if payload is None else {"payload": payload}
    try:
        return getattr(importlib.import_module(module), function)(**arguments, **more), None
    except ViewfinderError as error:
        return None, (error.message, error.hint, error.code)


def _knock(address: str) -> None:
    """Try the port first: Ray itself tries a wrong one for minutes.

    Raises:
        OSError, ValueError: nobody listens, or this is no address.
    """
    if address != AUTO:
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), _KNOCK_S).close()


@contextmanager
def opened(address: str, payloads: Mapping[str, bytes]) -> Iterator[OnRay]:
    """Join a cluster; jobs that still run when the block is left are Ray's to stop.

    Raises:
        MissingToolError: Ray is not installed.
        UsageError: no cluster answers at `address`.
    """
    if not find_spec("ray"):
        raise MissingToolError("the package ray is not installed", _PACKAGE)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing about this run leaves the cluster
    try:
        _knock(address)
        ray = importlib.import_module("ray")
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, namespace="viewfinder")
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"no Ray cluster answers at {address}: {str(error).partition(chr(10))[0]}",
            "start one with: ray start --head; it prints its address, HOST:PORT",
        ) from error
    try:
        yield OnRay(ray, payloads)
    finally:
        ray.shutdown()
