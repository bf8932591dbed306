"""Fixtures for tests of the Core ML evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.coreml import packages

from viewfinder import demo, photos
from viewfinder.runtime.coreml import Evaluator


@pytest.fixture(scope="session")
def _photo():
    """Cut ``[1, 4, 12, 16]`` out of a photograph, centred on zero; the fourth channel is its luma."""
    pixels = photos.read(demo.photos()[0]).pixels[100:460:30, 200:680:30].astype(np.float32) / 255
    planes = np.concatenate([pixels, pixels.mean(-1, keepdims=True)], -1)
    return np.ascontiguousarray(planes.transpose(2, 0, 1)[None] - np.float32(0.45))


@pytest.fixture
def photo(_photo):
    """Give every test a copy of its own."""
    return _photo.copy()


@pytest.fixture
def run(tmp_path):
    """Run one operation from a package; returns its only output."""

    def one(kind, feeds, constants=None, shape=None):
        """Write and evaluate."""
        feeds = feeds if isinstance(feeds, dict) else {"x": feeds}
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}.mlpackage"
        return Evaluator(packages.one(folder, kind, feeds, constants or {}, tuple(shape)))(feeds)["y"]

    return one
