from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from viewfinder.train import scores
from viewfinder.train.baselines import bilateral_upsampling, global_fit
from viewfinder.train.baselines.bilateral_upsampling import GridFit
from viewfinder.train.operators.pyramid import luma
from viewfinder.train.pairs import Pair

SMALL = GridFit(rows=4, columns=4, bins=4)


def test_the_slicing_matrix_is_grid_sample(pictures):
    """The baseline slices as the network does: 5-D grid_sample with clamped borders."""
    guide = luma(pictures[0])[:41, :53]
    grid = np.random.default_rng(0).normal(size=(SMALL.cells, 1))
    y, x = np.meshgrid((np.arange(41) + 0.5) / 41, (np.arange(53) + 0.5) / 53, indexing="ij")
    where = torch.from_numpy(np.stack([x, y, guide], -1) * 2 - 1)[None, None]
    volume = torch.from_numpy(grid.reshape(1, 1, 4, 4, 4))
    expected = F.grid_sample(volume, where, "bilinear", "border", align_corners=False)[0, 0, 0]
    found = (bilateral_upsampling.slicing_matrix(guide, SMALL) @ grid).reshape(41, 53)
    assert np.abs(found - expected.numpy()).max() < 1e-9


def test_conjugate_gradients_solve():
    """On a small positive system all columns are solved."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(20, 20))
    matrix, right = factor @ factor.T + np.eye(20), rng.normal(size=(20, 3))
    found = bilateral_upsampling.conjugate_gradients(matrix, right, 100)
    assert np.abs(matrix @ found - right).max() < 1e-4


def test_a_global_matrix_is_recovered(pictures):
    """An operator that is one colour matrix is within the model: the fit reproduces it, from the small copy too."""
    matrix = np.array([[0.7, 0.1, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.6]], np.float32)

    def operator(image):
        """Mix the channels and lift them a little."""
        return image @ matrix.T + np.float32(0.05)

    for picture in pictures[:2]:
        truth = operator(picture)
        assert scores.psnr_db(bilateral_upsampling.fit_full_size(picture, truth, SMALL), truth) > 55
        assert scores.psnr_db(bilateral_upsampling.upsample_bilaterally(picture, operator, SMALL), truth) > 55


def test_an_edge_aware_operator_is_recovered(pictures):
    """A tone change that depends on luma and place is what a bilateral grid is for; one matrix cannot follow it."""
    picture = pictures[0]
    shade = np.linspace(0.4, 1, picture.shape[1], dtype=np.float32)[None, :, None]
    truth = picture * shade * (1 - 0.4 * luma(picture)[..., None])
    found = scores.psnr_db(bilateral_upsampling.fit_full_size(picture, truth, SMALL), truth)
    pixels = Pair(np.rint(picture * 255).astype(np.uint8), truth.astype(np.float16))
    flat = scores.psnr_db(global_fit.fit_globals([pixels])["affine"](picture), truth)
    assert found > flat + 8


def test_the_small_copy_averages_areas():
    """Halving takes the mean of four pixels; a small picture stays as it is."""
    image = np.random.default_rng(0).random((8, 16, 3), np.float32)
    small = bilateral_upsampling.reduce_by_area(image, 8)
    assert np.abs(small - image.reshape(4, 2, 8, 2, 3).mean((1, 3))).max() < 1e-6
    assert bilateral_upsampling.reduce_by_area(image, 16) is image


@pytest.mark.parametrize("name", ["affine_then_curve", "curve_then_affine"])
def test_curves_are_recovered(pictures, name):
    """An operator that is one curve per channel is within both models; the matrix alone is not."""
    exponents = np.array([0.5, 1.5, 0.8], np.float32)
    pairs = [Pair(np.rint(p * 255).astype(np.uint8), (p**exponents).astype(np.float16)) for p in pictures]
    fits = global_fit.fit_globals(pairs)

    def mean_db(fit):
        """Average over the pictures."""
        return np.mean([scores.psnr_db(fit(p), p**exponents) for p in pictures])

    assert mean_db(fits["affine"]) < 32
    assert mean_db(fits[name]) > mean_db(fits["affine"]) + 3
    assert mean_db(fits["curve_then_affine"]) > 38


def test_the_curve_fit_is_least_squares():
    """The summed-up normal equations equal those of the explicit matrix of hats."""
    rng = np.random.default_rng(0)
    values, targets = rng.random(500), rng.random(500)
    place = values * (global_fit.CURVE_KNOTS - 1)
    hats = np.maximum(1 - np.abs(place[:, None] - np.arange(global_fit.CURVE_KNOTS)), 0)
    bend = np.sqrt(1e-6 * 500) * np.diff(np.eye(global_fit.CURVE_KNOTS), 2, axis=0)
    expected = np.linalg.lstsq(np.concatenate([hats, bend]), np.append(targets, np.zeros(len(bend))), rcond=None)[0]
    assert np.abs(global_fit._fit_curve(values, targets) - expected).max() < 1e-6


def test_scores_name_the_worst(photo_folder):
    """Mean and worst picture of a method, by name; the operator itself is perfect."""
    pictures = sorted(photo_folder.glob("*.png"))
    found = scores.measure(
        {"same": lambda x: x * 0.5, "identity": lambda x: x}, lambda x: x * np.float32(0.5), pictures
    )
    assert found["same"].mean_db == 120
    identity = found["identity"]
    assert identity.worst_db == min(identity.per_picture.values()) == identity.per_picture[identity.worst]
    assert identity.mean_db == pytest.approx(np.mean(list(identity.per_picture.values())), abs=2e-3)
    assert scores.Scores.from_dict(identity.to_dict()) == identity


def test_psnr_is_what_it_says():
    """A difference of 0.1 everywhere is 20 dB."""
    assert scores.psnr_db(np.full((2, 2, 3), 0.6), np.full((2, 2, 3), 0.5)) == pytest.approx(20)
