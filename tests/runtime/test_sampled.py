from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage import data
from tests.verbs import burst_build

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import UsageError
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.runtime import engines, sampled, sampled_tiles
from viewfinder.task import TensorSpec


@pytest.mark.parametrize(
    ("height", "step", "count", "expected"),
    [(100, 10, 2, [20, 70]), (100, 10, 1, [50]), (100, 10, 99, list(range(0, 100, 10))), (7, 10, 3, [0])],
)
def test_bands_are_spread_evenly(height, step, count, expected):
    """Each lies in the middle of an equal share; more than there are means all."""
    assert sampled.tops(height, step, count) == expected


def test_no_band_is_nothing_to_compare():
    """A report about nothing is refused."""
    with pytest.raises(UsageError, match="0 bands"):
        sampled.tops(100, 10, 0)


class Rows:
    """A pipeline in bands of 10 rows that doubles the light."""

    scale, step = 1, 10

    def bands(self, pixels, tops):
        """Yield them in one buffer, as the real ones do."""
        buffer = np.empty((10, pixels.shape[1], 3), np.float32)
        for top in tops:
            shown = pixels[top : top + 10]
            buffer[: len(shown)] = shown * 2
            yield buffer[: len(shown)]


def test_bands_and_golden_rows_belong_together(monkeypatch):
    """What the runner gives for a photograph are the very rows that the golden pictures keep."""
    pixels = np.asarray(data.astronaut()[:95, :60])
    light = pixels.astype(np.float32) / 255
    expected = (light * 2).clip(0, 1)
    golden = Golden("t", "w", "s", "", (GoldenPhoto("astronaut", pixels, expected, expected),))
    monkeypatch.setattr(sampled.pipelines, "borders", lambda _own, height, _width: (tuple(range(10, height, 10)), ()))
    made = Artifact(None, "t", "qnn", "fp16", "bilateral_grid", {}, ())
    photo = sampled.golden_of(golden, made, 3).photos[0]
    np.testing.assert_array_equal(sampled.SampledRunner(Rows(), 3).enhance(light), photo.expected)
    assert photo.expected.shape == photo.truth.shape == (30, 60, 3)
    assert photo.pixels.shape == pixels.shape


def test_the_last_band_may_be_lower():
    """The rows below the picture are not compared."""
    pixels = np.zeros((25, 8, 3), np.float32)
    assert sampled.SampledRunner(Rows(), 9).enhance(pixels).shape == (25, 8, 3)


def test_bursts_give_the_tiles_that_golden_bursts_keep(tmp_path):
    """Of every burst one whole tile of green, equal to the same pixels of the whole run, and few graph runs."""
    own = burst_build.write(tmp_path / "onnx-float")
    golden = burst_build.write_golden(tmp_path, own, count=1)
    photo = golden.photos[0]
    runs = []
    engine = Counting(runs)
    for count, expected in ((1, 1), (2, 2), (99, 2)):
        runs.clear()
        kept = sampled.golden_of(golden, own, count).photos[0]
        found = sampled.open(own, engine, 1, count).enhance(photo.feed)
        assert len(runs) == expected
        assert kept.expected.shape == kept.truth.shape == found.shape == (expected * 56, 56, 3)
        np.testing.assert_allclose(found, kept.expected, atol=1e-6)
        assert kept.feed is photo.feed
    assert np.array_equal(kept.expected[:56, :, 0], photo.expected[:56, :56, 1])
    with pytest.raises(UsageError, match="0 "):
        sampled.open(own, engine, 1, 0)


def test_a_burst_smaller_than_a_tile_is_compared_whole(tmp_path):
    """The one tile that there is, cut off where the picture ends."""
    own = burst_build.write(tmp_path / "onnx-float")
    feed = burst_build.write_golden(tmp_path, own, count=1).photos[0].feed
    tiles = sampled_tiles.Tiles(own, replace(feed, frames=feed.frames[:, :40, :30]), 3)
    assert tiles.calls == {1}
    assert tiles.of(np.zeros((40, 30, 3), np.float32)).shape == (40, 30, 3)


@pytest.mark.parametrize(("channels", "calls"), [(1, {10, 34}), (3, {3, 11})])
def test_photographs_give_the_tiles_that_golden_pictures_keep(channels, calls):
    """Of a grey network a tile's middle plane, of a colour network all three, at the picture's own place and scale."""
    seen = []

    def doubled(feeds):
        """Enlarge by 2 and note what was seen."""
        seen.append(feeds["image"])
        return {"result": feeds["image"].repeat(2, 2).repeat(2, 3)}

    spec = TensorSpec("image", (1, channels, 14, 14)), TensorSpec("result", (1, channels, 28, 28))
    graph = GraphFile("model", "model.onnx", spec[:1], spec[1:])
    made = Artifact(None, "t", "qnn", "fp16", "tiles", {"tile": [14, 14], "halo": 2, "scale": 2}, (graph,))
    pixels = np.asarray(data.astronaut()[100:135, 100:148])
    whole = (pixels.astype(np.float32) / 255).repeat(2, 0).repeat(2, 1)
    photo = GoldenPhoto("astronaut", pixels, whole, whole)
    tiles = sampled_tiles.Tiles(made, photo.feed, 2)
    assert tiles.calls == calls
    kept = sampled_tiles.photo_of(photo, made, 2)
    found = sampled_tiles.SampledTiles(made, {"model": doubled}, 2).enhance(photo.feed)
    assert found.shape == kept.expected.shape == kept.truth.shape == (40, 20, 3)
    np.testing.assert_allclose(found, kept.expected, atol=1e-6)
    assert len(seen) == 2
    assert found.std() > 0.005


class Counting:
    """ONNX Runtime that notes every run."""

    def __init__(self, runs):
        self.runs = runs

    def open(self, path, graph, threads):
        """Open a graph."""
        inner = engines.load("onnx").open(path, graph, threads)
        return lambda feeds: (self.runs.append(graph.name), inner(feeds))[1]


def test_the_report_says_what_was_computed(tmp_path):
    """Bands of photographs, tiles of bursts; fewer of these, unless a number is asked for."""
    own = burst_build.write(tmp_path / "onnx-float")
    assert (sampled.count_of(own, None), sampled.count_of(own, 3)) == (1, 3)
    assert sampled.meaning(own, 1).startswith("1 tile of 64 x 64 with its halo")
    photo = Artifact(None, "t", "qnn", "fp16", "bilateral_grid", {}, ())
    assert sampled.count_of(photo, None) == 2
    assert sampled.meaning(photo, 2).startswith("2 bands")
