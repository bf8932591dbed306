from __future__ import annotations

import numpy as np
import torch

from viewfinder.train.pairs import Pair
from viewfinder.train.sampling import FIXED_POINT, PixelSamples, Sampling

SETTINGS = Sampling(lowres=32, pixels=50, smallest_crop=0.7, seed=4)


def test_samples_do_not_depend_on_what_was_read_before(pairs):
    """Sample 5 is the same alone, in order, and in another process's dataset of another length."""
    whole = PixelSamples(pairs, SETTINGS, 20)
    in_order = [whole[index] for index in range(6)][5]
    alone = PixelSamples(pairs, SETTINGS, 6)[5]
    assert all(torch.equal(in_order[key], alone[key]) for key in alone)


def test_another_seed_is_another_order(pairs):
    """The seed decides crops and pixels."""
    other = Sampling(lowres=32, pixels=50, smallest_crop=0.7, seed=5)
    a, b = PixelSamples(pairs, SETTINGS, 4)[0], PixelSamples(pairs, other, 4)[0]
    assert not torch.equal(a["position"], b["position"])


def test_every_picture_is_seen_once_per_pass(pairs):
    """Four samples of four pictures read each of them once, in a new order every pass."""
    samples = PixelSamples(pairs, SETTINGS, 40)
    passes = [[id(samples._pair(4 * number + place)) for place in range(4)] for number in range(8)]
    assert all(sorted(order) == sorted(id(pair) for pair in pairs) for order in passes)
    assert len({tuple(order) for order in passes}) > 1


def test_positions_colours_and_targets_belong_together():
    """On a ramp the colour of a pixel tells its place: crops and flips keep them together."""
    rows, columns = np.indices((64, 64)).astype(np.float32) * 4
    image = np.stack([columns, rows, columns * 0], -1).astype(np.uint8)
    pair = Pair(image, (image / 255).astype(np.float16))
    whole = Sampling(lowres=64, pixels=200, smallest_crop=1.0, seed=1)
    seen = set()
    for index in range(24):
        sample = PixelSamples([pair], whole, 24)[index]
        position = sample["position"].float() / FIXED_POINT
        place = (position * 64 - 0.5).round().long()
        assert torch.equal(sample["lowres"][:, place[:, 1], place[:, 0]], sample["colour"][..., 0])
        error = sample["target"].float() / FIXED_POINT - sample["colour"].float() / 255
        assert error.abs().max() < 1e-3
        seen.add(tuple(sample["lowres"][:2, 0, 0].tolist()))
    assert len(seen) == 4  # all corners come to the top left


def test_positions_lie_inside_the_crop(pairs):
    """Fractions of the crop are within 0..1, and fixed point holds them to a millionth."""
    for index in range(8):
        position = PixelSamples(pairs, SETTINGS, 8)[index]["position"]
        assert position.dtype == torch.int32
        assert position.min() > 0
        assert position.max() < FIXED_POINT
