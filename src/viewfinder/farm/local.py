"""The devices of this computer: each job in a process of its own, so that one that crashes takes nothing with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from viewfinder import jobs
from viewfinder.farm import Ended, Slot, Work

HERE = "here"


class Local:
    """See `viewfinder.farm.Site`."""

    def __init__(self, devices: Sequence[str], payloads: Mapping[str, bytes], pool: jobs.Pool) -> None:
        """Offer these devices."""
        self._slots, self._payloads, self._pool = [Slot(HERE, name) for name in devices], payloads, pool

    def slots(self) -> Sequence[Slot]:
        """Offer them; a lost one is the queue's business."""
        return self._slots

    def start(self, work: Work, _slot: Slot) -> None:
        """Start a process."""
        more = {"payload": self._payloads[work.payload]} if work.payload else {}
        self._pool.start(jobs.Job(work.key, work.target, {**work.arguments, **more}))

    def ended(self, wait_s: float) -> Sequence[Ended]:
        """Collect the processes that have ended."""
        return [Ended(one.name, one.value, one.error) for one in self._pool.ended(wait_s)]


@contextmanager
def opened(devices: Sequence[str], payloads: Mapping[str, bytes]) -> Iterator[Local]:
    """Offer devices of this computer; what still runs when the block is left is stopped."""
    with jobs.Pool() as pool:
        yield Local(devices, payloads, pool)
