"""Strips, columns and passes against the plain formula."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.pipelines import strip_graph as fake

from viewfinder import demo, photos
from viewfinder.errors import BadArtifactError, BadImageError, CheckFailedError
from viewfinder.runtime import pipelines
from viewfinder.runtime.pipelines import bilateral_grid


@pytest.fixture(scope="module")
def photo():
    """A photograph, small enough for the slow formula."""
    pixels = photos.read(demo.photos()[1]).pixels
    return np.ascontiguousarray(pixels[::8, ::8])


def _picture(photo, height, width):
    """Cut a picture of any size from the photograph."""
    tiled = np.tile(photo, (-(-height // photo.shape[0]), -(-width // photo.shape[1]), 1))
    return np.ascontiguousarray(tiled[:height, :width])


def _compare(artifact, pixels):
    """Return the largest difference from the slow formula."""
    engine = fake.FakeEngine(artifact)
    enhanced = pipelines.open(artifact, engine).enhance(pixels)
    assert enhanced.dtype == np.float32
    return np.abs(enhanced - np.clip(fake.slow_reference(pixels, engine.grid), 0, 1)).max()


@pytest.mark.parametrize("form", ["cell", "tent"])
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 53), (53, 1), (4, 3), (7, 24), (5, 25), (11, 23), (13, 47), (6, 73), (17, 97)]
)
def test_every_size_equals_the_plain_formula(photo, form, size):
    """One artifact serves pictures of every size: one pixel, one row, one column, narrower, equal, several passes."""
    assert _compare(fake.artifact(form), _picture(photo, *size)) < 2e-6


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    height=st.integers(1, 19),
    width=st.integers(1, 90),
    span=st.integers(2, 9),
    rows=st.integers(1, 8),
    form=st.sampled_from(["cell", "tent"]),
)
def test_any_model_size_and_picture_size(photo, height, width, span, rows, form):
    """Odd and even cell widths, any strip height: still the plain formula."""
    assert _compare(fake.artifact(form, cell_width=span, strip_rows=rows), _picture(photo, height, width)) < 2e-6


@pytest.mark.parametrize("form", ["cell", "tent"])
def test_channels_last(photo, form):
    """A model with its channels last gets and gives them there."""
    assert _compare(fake.artifact(form, layout="NHWC"), _picture(photo, 9, 31)) < 2e-6


@pytest.mark.parametrize("span", [2, 3, 6, 7, 120])
def test_native_width_maps_every_column_to_itself(span):
    """A picture as wide as the model goes through unmoved, in one pass, with the same weights as the formula."""
    sizes = bilateral_grid.Sizes(16, 24, 16 * span, span, "cell")
    (only,) = bilateral_grid.column_passes(16 * span, sizes)
    assert np.array_equal(only.slots, np.arange(16 * span))
    assert np.array_equal(only.filled, np.arange(16 * span))


@pytest.mark.parametrize(("width", "passes"), [(1, 1), (1919, 1), (1920, 1), (1921, 2), (3840, 2), (6028, 4)])
def test_passes_are_as_few_as_the_cells_allow(width, passes):
    """A picture needs as many runs per strip as its fullest cell has multiples of the model's."""
    sizes = bilateral_grid.Sizes(16, 24, 1920, 120, "cell")
    dealt = bilateral_grid.column_passes(width, sizes)
    assert len(dealt) == passes
    assert np.array_equal(np.sort(np.concatenate([one.columns for one in dealt])), np.arange(width))


def test_16_bits_and_8_bits_round_half_up(photo):
    """`process` gives the input's type: the enhanced picture times white, plus a half, cut."""
    artifact = fake.artifact()
    for pixels in (_picture(photo, 7, 31), _picture(photo, 7, 31).astype(np.uint16) * 257):
        runner = pipelines.open(artifact, fake.FakeEngine(artifact))
        white = np.iinfo(pixels.dtype).max
        processed = runner.process(pixels)
        assert processed.dtype == pixels.dtype
        assert np.abs(processed - runner.enhance(pixels).astype(np.float64) * white).max() <= 0.51


def test_progress_rises_to_one(photo):
    """`process` tells after each strip how much is done."""
    artifact, told = fake.artifact(strip_rows=5), []
    pipelines.open(artifact, fake.FakeEngine(artifact)).process(_picture(photo, 12, 31), told.append)
    assert told == [5 / 12, 10 / 12, 1.0]


def test_nan_from_the_artifact_is_a_failed_check(photo):
    """An artifact that overflows is found out; no black pixels are written."""
    artifact = fake.artifact()
    engine = fake.FakeEngine(artifact)
    engine.coefficients = lambda inputs: {"grid": np.full(artifact.graphs[0].outputs[0].shape, np.inf, np.float32)}
    with pytest.raises(CheckFailedError, match=r"NaN or infinite values in rows 0 to 4"):
        pipelines.open(artifact, engine).process(_picture(photo, 7, 31))


def test_nan_in_the_picture_is_refused(photo):
    """A float array with NaN is named as such before anything runs."""
    artifact = fake.artifact()
    pixels = _picture(photo, 7, 31).astype(np.float32) / 255
    pixels[3, 4, 1] = np.nan
    with pytest.raises(BadImageError, match="NaN"):
        pipelines.open(artifact, fake.FakeEngine(artifact)).enhance(pixels)


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 4), (0, 5, 3)])
def test_arrays_that_are_no_picture_are_refused(shape):
    """Grey, four channels and no pixels at all are not [height, width, 3]."""
    artifact = fake.artifact()
    with pytest.raises(BadImageError, match="is not a picture"):
        pipelines.open(artifact, fake.FakeEngine(artifact)).enhance(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "changed",
    [
        {"form": "spline"},
        {"width": 23},
        {"cells": 0},
        {"cell_width": 10**9},
        {"strip_rows": "5"},
        {"lowres": None},
        {"cells": True},
    ],
)
def test_a_manifest_with_impossible_sizes_is_refused(changed):
    """Sizes come from a file that anybody may have written."""
    artifact = fake.artifact()
    artifact = replace(artifact, parameters={**artifact.parameters, **changed})
    with pytest.raises(BadArtifactError, match="does not fit bilateral_grid"):
        pipelines.open(artifact, fake.FakeEngine(artifact))


def test_a_manifest_without_its_graphs_is_refused():
    """A missing graph or tensor is the manifest's fault, not a KeyError."""
    artifact = fake.artifact()
    for broken in (replace(artifact, graphs=artifact.graphs[:1]), replace(artifact, graphs=artifact.graphs[1:])):
        with pytest.raises(BadArtifactError, match="it has no graph"):
            pipelines.open(broken, fake.FakeEngine(artifact))


def test_a_pipeline_name_is_looked_up_not_imported():
    """A manifest cannot make the tool import a module of its choice."""
    artifact = replace(fake.artifact(), pipeline="runner")
    with pytest.raises(BadArtifactError, match="known are bilateral_grid, burst, tiles"):
        pipelines.open(artifact, fake.FakeEngine(artifact))


def test_12_megapixels_need_little_beyond_the_pictures():
    """The model's buffers, the squeezed copy and the rounding together stay far below 100 MB."""
    artifact = fake.artifact(cells=16, cell_width=120, strip_rows=24)
    engine = fake.FakeEngine(artifact)
    engine.strip = lambda inputs: {"enhanced": inputs["image"]}
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    runner = pipelines.open(artifact, engine)
    tracemalloc.start()
    result = runner.process(pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes < 30e6
