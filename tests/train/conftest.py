"""Small photographs and a tiny network, so that every test trains in a blink."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from viewfinder import demo, photos
from viewfinder.train.networks.hdrnet import HDRNet, Shape
from viewfinder.train.operators import photo_finish
from viewfinder.train.pairs import Pair

TINY = Shape(lowres=32, cells=4, bins=2)
TINY_MODEL = """
from viewfinder.task import Task, TensorSpec


def build():
    from viewfinder.train.networks.hdrnet import HDRNet, Shape

    return HDRNet("luma", Shape(lowres=32, cells=4, bins=2))


INPUTS = (TensorSpec("lowres", (1, 3, 32, 32)), TensorSpec("image", (1, 3, 64, 64)))
TASK = Task("tiny", "tiny", build, INPUTS, INPUTS[1:], pipeline="bilateral_grid", trainer="imitation")
"""


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, whatever the machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pictures():
    """The four demo photographs, 96 pixels on the long side, float32 [H, W, 3] with values of 8 bits."""
    found = []
    for path in demo.photos():
        image = photos.read(path).display()
        scale = 96 / max(image.shape[:2])
        small = photos.resize(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))
        found.append(np.rint(small * 255).astype(np.float32) / 255)
    return found


@pytest.fixture
def photo_folder(pictures, tmp_path) -> Path:
    """A folder with the four small photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def pairs(pictures):
    """The small photographs with their photo finish."""
    return [Pair(np.rint(p * 255).astype(np.uint8), photo_finish.apply(p).astype(np.float16)) for p in pictures]


@pytest.fixture
def tiny_network() -> HDRNet:
    """An HDRNet with a 4x4x2 grid on 32x32 pixels."""
    torch.manual_seed(0)
    return HDRNet("luma", TINY)


@pytest.fixture
def tiny_model(tmp_path) -> str:
    """The same as a user's own model file."""
    path = tmp_path / "tiny.py"
    path.write_text(TINY_MODEL)
    return f"{path}:TASK"


@pytest.fixture(scope="session")
def batch(pictures):
    """A picture as the network's two inputs: its squeezed copy [1, 3, 32, 32] and itself [1, 3, H, W]."""
    image = torch.from_numpy(pictures[0].transpose(2, 0, 1).copy())[None]
    lowres = torch.from_numpy(photos.squeeze(pictures[0], 32).transpose(2, 0, 1).copy())[None]
    return lowres, image
