"""The farm's own queue: one job per device at a time, what is lost is taken up elsewhere or reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from viewfinder.errors import NotVerifiedError
from viewfinder.farm import ALONE, LOST, LOST_NODE, Ended, Outcome, Site, Slot, Work

MOST_TRIES = 3
"""For a job whose process crashed: it may have been the memory; three times is no accident."""
_CRASHED = "crashed"
_WAIT_S = 1.0


class Queue:
    """Jobs that wait, jobs that run, and slots that are lost."""

    def __init__(self, work: Sequence[Work], site: Site, on_end: Callable[[Outcome], None]) -> None:
        """Take the jobs; nothing is started."""
        self._waiting, self._site, self._on_end = list(work), site, on_end
        self._running: dict[str, tuple[Work, Slot]] = {}
        self._tried: dict[str, list[Slot]] = {one.key: [] for one in work}
        self._lost: set[Slot] = set()

    def run(self) -> list[Outcome]:
        """Run all jobs and return how each ended, in that order; `on_end` hears of each at once."""
        outcomes: list[Outcome] = []
        while self._waiting or self._running:
            slots = [slot for slot in self._site.slots() if slot not in self._lost]
            self._start(slots)
            gone = self._orphans(slots)
            ended = self._site.ended(0.0 if gone else _WAIT_S) if self._running else ()
            for outcome in [*gone, *filter(None, map(self._settled, ended))]:
                outcomes.append(outcome)
                self._on_end(outcome)
        return outcomes

    def _start(self, slots: Sequence[Slot]) -> None:
        """Give every free slot the first job that it can do."""
        for slot in sorted(slots, key=lambda one: one.device != ALONE):
            work = next((one for one in self._waiting if self._fits(one, slot)), None)
            if work is not None and self._is_free(slot):
                self._waiting.remove(work)
                self._running[work.key] = (work, slot)
                self._tried[work.key].append(slot)
                self._site.start(work, slot)

    def _fits(self, work: Work, slot: Slot) -> bool:
        """Tell whether a slot is for a job, and has not failed it before while others have not."""
        return work.device == slot.device and slot not in self._tried[work.key][-1:]

    def _is_free(self, slot: Slot) -> bool:
        """Tell whether nothing that runs is in the way: the same device, or a whole node that somebody needs."""
        there = [busy for _, busy in self._running.values() if busy.node == slot.node]
        real = [busy for busy in there if not busy.device.startswith("fake")]
        if slot in there:
            return False
        if slot.device == ALONE:
            return not real
        return slot.device.startswith("fake") or not any(busy.device == ALONE for busy in real)

    def _orphans(self, slots: Sequence[Slot]) -> list[Outcome]:
        """Report the jobs that nobody can take up any more."""
        found = []
        for work in list(self._waiting):
            others = [slot for slot in slots if slot.device == work.device]
            if others and set(others) <= set(self._tried[work.key][-1:]):
                self._tried[work.key].append(Slot("", ""))  # the only one that there is may try again
            if not others:
                self._waiting.remove(work)
                found.append(Outcome(work, None, self._nobody(work), self._named(work)))
        return found

    def _nobody(self, work: Work) -> NotVerifiedError:
        """Say that a device is not there, or is no more."""
        gone = ", ".join(sorted(slot.node for slot in self._lost if slot.device == work.device))
        what = f"{work.device} was lost on {gone}, and no other node has one" if gone else f"no node has {work.device}"
        return NotVerifiedError(what, "attach it again and repeat the command: what is finished is kept", code=LOST[0])

    def _named(self, work: Work) -> list[Slot]:
        """List where a job was begun."""
        return [slot for slot in self._tried[work.key] if slot.device]

    def _settled(self, ended: Ended) -> Outcome | None:
        """Take a job that ended; one that was lost, or crashed, goes back to the queue."""
        work, slot = self._running.pop(ended.key)
        code = ended.error.code if ended.error else ""
        if code in {*LOST, LOST_NODE}:
            lost = {slot} if code in LOST else {one for one in self._site.slots() if one.node == slot.node}
            self._lost |= {slot, *lost}
        if code in {*LOST, LOST_NODE} or (code == _CRASHED and len(self._named(work)) < MOST_TRIES):
            self._waiting.append(work)
            return None
        return Outcome(work, ended.value, ended.error, self._named(work))
