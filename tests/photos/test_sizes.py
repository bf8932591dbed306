"""Squeezing and resizing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from viewfinder import demo, photos


@pytest.fixture(scope="module")
def pictures():
    """The demo photographs, uint8."""
    return [photos.read(path).pixels for path in demo.photos()]


def test_squeeze_equals_what_training_sees(pictures):
    """Within 1/255 of the 8-bit squeeze in training (which rounds twice), and half a code of it on average."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from viewfinder.train import sampling

    for pixels in pictures:
        trained = sampling.squeeze(pixels, 256).permute(1, 2, 0).numpy()
        difference = np.abs(photos.squeeze(pixels, 256) * 255 - trained)
        assert difference.max() <= 1.0
        assert difference.mean() <= 0.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (5, 7), (256, 256), (1001, 37)])
def test_squeeze_in_bands_equals_resize_at_once(pictures, shape, monkeypatch):
    """Bands of rows change nothing but the last digit, at any shape, also when the picture is enlarged."""
    monkeypatch.setattr("viewfinder.photos.sizes._BAND_PIXELS", 5_000)
    pixels = pictures[1][: shape[0], : shape[1]]
    whole = photos.resize(pixels.astype(np.float32) / np.float32(255), (64, 64))
    assert np.abs(photos.squeeze(pixels, 64) - whole).max() < 3e-7


def test_squeeze_of_16_bits_and_floats(pictures):
    """The same picture in 16 bits or float gives the same square."""
    squeezed = photos.squeeze(pictures[0], 64)
    assert squeezed.dtype == np.float32
    assert np.abs(photos.squeeze(pictures[0].astype(np.uint16) * 257, 64) - squeezed).max() < 1e-6
    assert np.abs(photos.squeeze(pictures[0].astype(np.float32) / 255, 64) - squeezed).max() < 1e-6


def test_squeeze_needs_little_memory():
    """8 megapixels are squeezed with less than their own size in numpy's arrays; a float copy would be 96 MB."""
    pixels = np.zeros((2000, 4000, 3), np.uint8)
    tracemalloc.start()
    photos.squeeze(pixels, 256)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24e6


def test_squeeze_is_antialiased():
    """One-pixel stripes become grey, not stripes: no aliasing."""
    stripes = np.zeros((512, 2048, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(photos.squeeze(stripes, 64)[:, 2:-2] - 0.5).max() < 0.01
