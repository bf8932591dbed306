"""Threads side by side: the order, the buffers, the errors, and the same picture from a real engine."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from tests.runtime.bisect import nets

from viewfinder import demo, photos
from viewfinder.runtime import engines, pipelines
from viewfinder.runtime.pipelines import lanes


class Lane:
    """Writes into one buffer of its own and hands it out, as a strip does."""

    def __init__(self, gate=None):
        """Wait for `gate`, if there is one, before each item but the first."""
        self.buffer, self.gate, self.items = [None], gate, []

    def __call__(self, item):
        """Overwrite the buffer."""
        if self.gate is not None and self.items:
            self.gate.wait(5)
        self.items.append(item)
        self.buffer[0] = item
        return self.buffer


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("items", [0, 1, 2, 7])
def test_results_come_in_order_and_unspoiled(count, items):
    """Fewer items than lanes, as many, more: each result is read before its buffer is used again."""
    several = [Lane() for _ in range(count)]
    assert [result[0] for result in lanes.in_order(several, range(items))] == list(range(items))
    assert sorted(item for lane in several for item in lane.items) == list(range(items))


def test_two_lanes_work_at_the_same_time():
    """Each lane waits until the other has come: with one after the other this never ends."""
    meeting = threading.Barrier(2)

    def meet(item):
        """Meet the other lane."""
        meeting.wait(10)
        return item

    assert list(lanes.in_order([meet, meet], range(4))) == [0, 1, 2, 3]


def test_an_error_of_a_lane_comes_out_in_its_place():
    """What came before it is delivered, and nothing more is begun."""

    def fail(item):
        """Refuse the third item."""
        if item == 2:
            raise ValueError(item)
        return item

    done = []
    with pytest.raises(ValueError, match="2"):
        done.extend(lanes.in_order([fail, fail], range(9)))
    delivered = lanes.in_order([fail, fail], range(9))
    assert [next(delivered), next(delivered)] == [0, 1]


@pytest.mark.parametrize("artifact_format", ["tflite", "onnx"])
def test_threads_change_nothing_but_the_time(tmp_path, artifact_format):
    """A photograph on one, two and three threads, bit for bit; the model is loaded once for each of them."""
    network, layout = (nets.tflite_float(), "NHWC") if artifact_format == "tflite" else (nets.onnx_float(), "NCHW")
    made = nets.write(tmp_path / "net", network, layout)
    pixels = photos.read(demo.photos()[1]).pixels[::4, ::4]
    alone = pipelines.open(made, artifact_format).enhance(pixels)
    engine = engines.for_format(artifact_format)
    for threads in (2, 3):
        np.testing.assert_array_equal(pipelines.open(made, engine, threads).enhance(pixels), alone)
        assert len(lanes.of(pipelines.open_graph(made, made.graphs[0], engine, threads))) == threads


def test_an_engine_that_cannot_keeps_its_threads(tmp_path):
    """Without PARALLEL the threads go inside the graph."""
    made = nets.write(tmp_path / "net", nets.onnx_float(), "NCHW")
    engine = SimpleNamespace(open=lambda _path, _graph, threads: threads)
    assert pipelines.open_graph(made, made.graphs[0], engine, 2) == 2
