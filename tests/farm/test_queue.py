"""The farm's queue, on a site that does what a script says."""

from __future__ import annotations

import pytest

from viewfinder.errors import NotVerifiedError
from viewfinder.farm import LOST_NODE, Ended, Slot, Work
from viewfinder.farm.queue import MOST_TRIES, Queue


class Scripted:
    """See `viewfinder.farm.Site`. Jobs end one at a time, the oldest first.

    Attributes:
        begun: (job, node) in order.
        most: how many ran at the same time, by slot.
    """

    def __init__(self, slots, fails=()):
        self._slots, self._fails = [Slot(*slot.split("/")) for slot in slots], dict(fails)
        self._running, self.begun, self.together = [], [], []

    def slots(self):
        """List what is left."""
        return list(self._slots)

    def start(self, work, slot):
        """Remember it, and what runs beside it."""
        self.begun.append((work.key, slot.node))
        self._running.append((work, slot))
        self.together.append([f"{busy.node}/{busy.device}" for _, busy in self._running])

    def ended(self, _wait_s):
        """End the oldest, well or as the script says."""
        work, slot = self._running.pop(0)
        code = self._fails.get((work.key, slot.node)) or self._fails.get(slot.node)
        if code == LOST_NODE:
            self._slots = [one for one in self._slots if one.node != slot.node]
        return [
            Ended(work.key, f"{work.key} on {slot.node}", NotVerifiedError("gone", "", code=code) if code else None)
        ]


def run(site, *jobs):
    """Run jobs, given as "KEY DEVICE"; return outcomes by key, and the order of their ends."""
    heard = []
    outcomes = Queue(
        [Work(*job.split(), target="m:f") for job in jobs], site, lambda one: heard.append(one.work.key)
    ).run()
    assert [one.work.key for one in outcomes] == heard
    return {one.work.key: one for one in outcomes}


def test_one_job_per_device_and_all_devices_at_once():
    """Two jobs of a device wait for each other; two devices do not."""
    site = Scripted(["here/arm64:a", "here/arm64:b"])
    found = run(site, "1 arm64:a", "2 arm64:a", "3 arm64:b", "4 arm64:b")
    assert {one.value for one in found.values()} == {f"{key} on here" for key in "1234"}
    assert all(len(set(beside)) == len(beside) for beside in site.together)
    assert ["here/arm64:a", "here/arm64:b"] in site.together


def test_the_host_is_measured_alone():
    """Nothing else runs on its node meanwhile, but on other nodes it does; a script disturbs nobody."""
    site = Scripted(["n/arm64:a", "n/host", "n/fake", "m/arm64:b"])
    found = run(site, "1 arm64:a", "2 host", "3 host", "4 arm64:b", "5 fake")
    assert len(found) == 5
    for beside in site.together:
        assert not {"n/host", "n/arm64:a"} <= set(beside)
    assert any({"n/host", "m/arm64:b", "n/fake"} <= set(beside) for beside in site.together)


@pytest.mark.parametrize("code", ["device-lost", LOST_NODE])
def test_what_is_lost_is_taken_up_elsewhere(code):
    """The first node loses its device in the middle of the second job; the other has to do the rest."""
    site = Scripted(["n/board", "m/board"], {"n": code})
    found = run(site, "1 board", "2 board", "3 board")
    assert {one.value for one in found.values()} == {f"{key} on m" for key in "123"}
    assert [slot.node for slot in found["1"].tried] == ["n", "m"]
    assert sum(node == "n" for _, node in site.begun) == 1


def test_a_lost_node_takes_all_its_devices_with_it():
    """Its other jobs go elsewhere too, without being tried there."""
    site = Scripted(["n/a", "n/b", "m/b"], {("1", "n"): LOST_NODE, ("2", "n"): LOST_NODE})
    found = run(site, "1 a", "2 b", "3 b")
    assert found["1"].error
    assert "a was lost on n, and no other node has one" in found["1"].error.message
    assert found["2"].value == "2 on m"
    assert found["3"].value == "3 on m"


def test_what_nobody_can_take_up_is_reported():
    """With where it was tried; the other jobs are finished all the same."""
    found = run(Scripted(["n/a", "n/b"], {("1", "n"): "device-lost"}), "1 a", "2 a", "3 b", "4 none")
    assert found["1"].error.code == found["2"].error.code == "device-lost"
    assert found["2"].error.message == "a was lost on n, and no other node has one"
    assert found["3"].value == "3 on n"
    assert found["4"].error.message == "no node has none"


def test_a_crash_is_tried_again_and_not_for_ever():
    """First elsewhere; where there is only one device, there again."""
    site = Scripted(["n/a", "m/a"], {("1", "n"): "crashed"})
    assert run(site, "1 a")["1"].value == "1 on m"
    site = Scripted(["n/a"], {("1", "n"): "crashed"})
    found = run(site, "1 a", "2 a")
    assert found["1"].error.code == "crashed"
    assert [node for key, node in site.begun if key == "1"] == ["n"] * MOST_TRIES
    assert found["2"].value == "2 on n"


def test_another_error_is_the_job_s_own():
    """A device in use, a damaged artifact: nobody else is asked, the device goes on."""
    site = Scripted(["n/a", "m/a"], {("1", "n"): "device-busy"})
    found = run(site, "1 a", "2 a", "3 a")
    assert found["1"].error.code == "device-busy"
    assert len(site.begun) == 3


def test_nothing_to_do():
    """An empty list is done at once."""
    assert run(Scripted([])) == {}
