"""Tiles leave no seam."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from viewfinder import demo, photos
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import BadArtifactError
from viewfinder.runtime import pipelines
from viewfinder.task import TensorSpec

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 3, 7, 3, 2]) / 256
"""Not symmetric, so that a flipped or shifted tile is found out. Sees 2 pixels."""


class Convolution:
    """A network that convolves each channel, with zeros beyond its tile, and repeats each pixel `scale` times."""

    def __init__(self, artifact):
        self._artifact, self.runs = artifact, 0

    def open(self, path, graph, threads, **options):
        """Return the network."""
        return self

    def __call__(self, inputs):
        """Run it on one tile."""
        self.runs += 1
        spec = self._artifact.graphs[0].inputs[0]
        assert inputs["noisy"].shape == spec.shape
        assert inputs["noisy"].dtype == np.float32
        tile = inputs["noisy"][0] if spec.layout == "NHWC" else inputs["noisy"][0].transpose(1, 2, 0)
        scale = self._artifact.parameters.get("scale", 1)
        result = _convolve(tile, "constant").repeat(scale, 0).repeat(scale, 1)
        return {"clean": (result if spec.layout == "NHWC" else result.transpose(2, 0, 1))[None]}


def _convolve(image, border):
    """Convolve ``[H, W, 3]``."""
    return ndimage.correlate(image, KERNEL[..., None].astype(np.float32), mode=border)


def _artifact(tile=(12, 10), halo=2, layout="NCHW", **parameters):
    """Make the manifest of a network on tiles."""
    scale = parameters.get("scale", 1)
    shape = (1, *tile, 3) if layout == "NHWC" else (1, 3, *tile)
    large = [side * scale for side in tile]
    output = (1, *large, 3) if layout == "NHWC" else (1, 3, *large)
    graph = GraphFile("model", "m.bin", (TensorSpec("noisy", shape, layout),), (TensorSpec("clean", output, layout),))
    return Artifact(
        Path("model"), "t", "onnx", "float", "tiles", {"tile": list(tile), "halo": halo, **parameters}, (graph,)
    )


@pytest.fixture(scope="module")
def photo():
    """A reduced photograph."""
    return np.ascontiguousarray(photos.read(demo.photos()[3]).pixels[::16, ::16])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 5), (12, 10), (16, 12), (17, 31), (41, 29)])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_tiles_equal_the_whole_picture(photo, size, layout):
    """Pictures of any size, smaller than a tile too: as if the network had seen the whole, mirrored at its border."""
    artifact, pixels = _artifact(layout=layout), photo[: size[0], : size[1]]
    enhanced = pipelines.open(artifact, Convolution(artifact)).enhance(pixels)
    padded = np.pad(pixels.astype(np.float32) / 255, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    assert np.abs(enhanced - _convolve(padded, "constant")[2:-2, 2:-2]).max() < 1e-6


def test_too_small_a_halo_leaves_a_seam(photo):
    """The test above can fail: without a halo the zeros beyond each tile come in."""
    artifact, pixels = _artifact(halo=0), photo[:41, :29]
    enhanced = pipelines.open(artifact, Convolution(artifact)).enhance(pixels)
    assert np.abs(enhanced - _convolve(pixels.astype(np.float32) / 255, "mirror")).max() > 0.05


@pytest.mark.parametrize("scale", [2, 3])
def test_scale(photo, scale):
    """A network that enlarges gives a picture enlarged as a whole."""
    artifact, pixels = _artifact(scale=scale), photo[:17, :31]
    enhanced = pipelines.open(artifact, Convolution(artifact)).enhance(pixels)
    padded = np.pad(pixels.astype(np.float32) / 255, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    whole = _convolve(padded, "constant")[2:-2, 2:-2]
    assert np.abs(enhanced - whole.repeat(scale, 0).repeat(scale, 1)).max() < 1e-6


def test_as_many_runs_as_tiles(photo):
    """Cores of 8 x 6 cover 17 x 31 with 3 x 6 tiles."""
    artifact = _artifact()
    network = Convolution(artifact)
    pipelines.open(artifact, network).process(photo[:17, :31])
    assert network.runs == 18


@pytest.mark.parametrize(
    "changed", [{"tile": 12}, {"tile": [12, 0]}, {"tile": ["a", 1]}, {"halo": 5}, {"halo": -1}, {"scale": 0}]
)
def test_a_manifest_with_impossible_sizes_is_refused(changed):
    """Sizes come from a file that anybody may have written."""
    artifact = _artifact()
    artifact = Artifact(**{**vars(artifact), "parameters": {**artifact.parameters, **changed}})
    with pytest.raises(BadArtifactError, match="does not fit tiles"):
        pipelines.open(artifact, Convolution(artifact))
