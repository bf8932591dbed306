"""Known mistakes are recognized from pictures alone, each undone by the right change, and nothing is made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from viewfinder import photos
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.golden import GoldenPhoto
from viewfinder.runtime import pipelines
from viewfinder.runtime.gate import diagnosis, resizing
from viewfinder.runtime.gate.stand import Stand
from viewfinder.runtime.verify import Setup
from viewfinder.task import TensorSpec

PHOTO = np.ascontiguousarray(data.astronaut()[60:140, 180:280])


def network(image):
    """Mix the channels unevenly and sharpen: ``[H, W, 3]`` to the same."""
    mixed = image @ np.array([[0.8, 0.1, 0.0], [0.1, 0.6, 0.2], [0.0, 0.1, 0.5]], np.float32)
    return (1.5 * mixed - 0.5 * ndimage.uniform_filter(mixed, (3, 3, 0), mode="nearest")).astype(np.float32)


class Engine:
    """Opens a function in place of a file."""

    def __init__(self, run):
        self.run = run

    def open(self, path, graph, threads, **options):
        """Return the function."""
        return self.run


def stand(graph, layout="NCHW"):
    """Put a network of one tile on the stand; what it should give is `network` of the photograph."""
    shape = (1, 3, 80, 100) if layout == "NCHW" else (1, 80, 100, 3)
    specs = (TensorSpec("image", shape, layout),), (TensorSpec("clean", shape, layout),)
    made = Artifact(
        Path("m"), "t", "onnx", "float", "tiles", {"tile": [80, 100], "halo": 0}, (GraphFile("model", "m", *specs),)
    )

    def run(feeds):
        picture = feeds["image"][0] if layout == "NHWC" else feeds["image"][0].transpose(1, 2, 0)
        result = graph(picture)
        return {"clean": (result if layout == "NHWC" else result.transpose(2, 0, 1))[None].astype(np.float32)}

    source = PHOTO.astype(np.float32) / np.float32(255)
    setup = Setup("made", Engine(run), pipelines.open)
    return Stand(made, setup, GoldenPhoto("astronaut", PHOTO, network(source).clip(0, 1)))


def moved(picture, y, x):
    """Shift down by y and right by x, the edge repeated."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return padded[1 - y : padded.shape[0] - 1 - y, 1 - x : padded.shape[1] - 1 - x]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("graph", "cause", "words"),
    [
        (lambda x: network(x[..., ::-1]), "channels-swapped", "input image are read as BGR"),
        (lambda x: network(x[..., [1, 2, 0]]), "channels-swapped", "input image are read as GBR"),
        (lambda x: network(x)[..., ::-1], "channels-swapped", "result come as BGR"),
        (lambda x: network(x)[..., [2, 0, 1]], "channels-swapped", "result come as BRG"),
        (lambda x: moved(network(x), 0, 1), "shifted", "shifted by one pixel (right)"),
        (lambda x: network(moved(x, -1, 0)), "shifted", "shifted by one pixel (up)"),
        (lambda x: network(moved(x, 1, -1)), "shifted", "(down and left)"),
        (lambda x: network(x) * (219 / 255) + 16 / 255, "range", "a gain and an offset per channel (R x 1.164"),
    ],
)
def test_a_mistake_is_named(graph, cause, words, layout):
    """The cause, where it is, and PSNR before and after it is undone."""
    found = diagnosis.explained(stand(graph, layout))
    assert found is not None
    assert found.cause == cause
    assert words in found.told
    assert found.before < 31
    assert found.after > found.before + 10
    assert f"{found.after:.1f} dB against PyTorch instead of {found.before:.1f} dB" in found.told


@pytest.mark.parametrize(
    "graph",
    [
        network,
        lambda x: network(x) + 0.05 * np.random.default_rng(0).standard_normal(x.shape).astype(np.float32),
        lambda x: ndimage.gaussian_filter(network(x), (2, 2, 0)),
        lambda x: np.round(network(x) * 7) / 7,
    ],
)
def test_nothing_is_made_up(graph):
    """No error, noise, blur and coarse steps are none of the known mistakes."""
    assert diagnosis.explained(stand(graph)) is None


@pytest.mark.parametrize("name", list(resizing.WAYS))
@pytest.mark.parametrize("side", [40, 128])
def test_ways_to_resize_are_told_apart(name, side):
    """Each way is recognized from its picture alone, smaller and larger; half-pixel centres meet when enlarging."""
    source = PHOTO.astype(np.float32) / np.float32(255)
    same = {resizing.TRAINED, "half-pixel centres without antialiasing"} if side == 128 else set()
    found = resizing.recognized(resizing.WAYS[name](source, side), source)
    assert found == name or {found, name} <= same
    assert resizing.recognized(np.full((side, side, 3), 0.5, np.float32), source) == ""


def test_the_trained_way_is_the_pipelines():
    """What counts as right is what `photos.squeeze` does."""
    source = PHOTO.astype(np.float32) / np.float32(255)
    assert np.abs(resizing.WAYS[resizing.TRAINED](source, 40) - photos.squeeze(PHOTO, 40)).max() < 1e-5
