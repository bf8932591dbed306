"""Operations that move, pick and resize values, against PyTorch or values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.runtime.coreml import packages
from tests.runtime.coreml.comparing import ints
from tests.runtime.coreml.packages import Op
from torch.nn import functional as F

from viewfinder.errors import NotVerifiedError
from viewfinder.runtime.coreml import Evaluator, registry
from viewfinder.runtime.coreml.ops.resize import positions

NO = np.bool_(False)


def equal(got, want):
    """Moved values are the same bits."""
    np.testing.assert_array_equal(got, np.asarray(want))


def test_shapes(run, photo):
    """Reshape with kept and open axes, flatten, transpose, expand, squeeze."""
    equal(run("reshape", photo, {"shape": ints(0, 2, -1, 16)}, (1, 2, 24, 16)), photo.reshape(1, 2, 24, 16))
    equal(run("flatten2d", photo, {"axis": np.int32(2)}, (4, 192)), photo.reshape(4, 192))
    equal(run("transpose", photo, {"perm": ints(0, 2, 3, 1)}, (1, 12, 16, 4)), photo.transpose(0, 2, 3, 1))
    equal(run("expand_dims", photo, {"axes": ints(1, -1)}, (1, 1, 4, 12, 16, 1)), photo[:, None, ..., None])
    equal(run("squeeze", photo, {"axes": ints(0)}, (4, 12, 16)), photo[0])
    equal(run("squeeze", photo, {}, (4, 12, 16)), photo[0])


def test_joins(tmp_path, photo):
    """Joined one after the other, value by value, and on a new axis."""
    other = photo * 2
    inputs = [("x", "fp32", photo.shape), ("z", "fp32", photo.shape)]
    axis, interleaved = np.int32(1), np.bool_(True)
    y = [("y", "fp32", (1, 8, 12, 16))]
    wanted = {
        "plain": (
            Op("concat", {"values": ["@x", "@z"], "axis": axis, "interleave": NO}, y),
            np.concatenate([photo, other], 1),
        ),
        "mixed": (
            Op("concat", {"values": ["@x", "@z"], "axis": np.int32(-3), "interleave": interleaved}, y),
            np.stack([photo, other], 2).reshape(1, 8, 12, 16),
        ),
        "stacked": (
            Op("stack", {"values": ["@x", "@z"], "axis": axis}, [("y", "fp32", (1, 2, 4, 12, 16))]),
            np.stack([photo, other], 1),
        ),
    }
    for name, (op, want) in wanted.items():
        equal(Evaluator(packages.write(tmp_path / name, inputs, [op], ["y"]))({"x": photo, "z": other})["y"], want)


def test_a_list_may_hold_constants(tmp_path, photo):
    """An input and a constant are joined."""
    ones = np.ones((1, 1, 12, 16), np.float32)
    op = Op("concat", {"values": ["@x", ones], "axis": np.int32(1), "interleave": NO}, [("y", "fp32", (1, 5, 12, 16))])
    folder = packages.write(tmp_path / "p", [("x", "fp32", photo.shape)], [op], ["y"])
    equal(Evaluator(folder)({"x": photo})["y"], np.concatenate([photo, ones], 1))


@pytest.mark.parametrize("options", [{"num_splits": np.int32(2)}, {"split_sizes": np.int32([2, 2])}])
def test_split(tmp_path, photo, options):
    """Equal parts and stated sizes; both outputs have names."""
    parts = [("a", "fp32", (1, 2, 12, 16)), ("b", "fp32", (1, 2, 12, 16))]
    op = Op("split", {"x": "@x", "axis": np.int32(1), **options}, parts)
    found = Evaluator(packages.write(tmp_path / "p", [("x", "fp32", photo.shape)], [op], ["b", "a"]))({"x": photo})
    equal(found["a"], photo[:, :2])
    equal(found["b"], photo[:, 2:])


def test_repeats_and_flips(run, photo):
    """Repeated, reversed, in windows, and in a band."""
    equal(run("tile", photo, {"reps": ints(1, 2, 1, 3)}, (1, 8, 12, 48)), np.tile(photo, (1, 2, 1, 3)))
    equal(run("reverse", photo, {"axes": ints(2, 3)}, photo.shape), photo[:, :, ::-1, ::-1])
    windows = run(
        "sliding_windows", photo, {"axis": np.int32(3), "size": np.int32(5), "stride": np.int32(2)}, (1, 4, 12, 6, 5)
    )
    equal(windows, torch.from_numpy(photo).unfold(3, 5, 2))
    band = {"lower": np.int32(-1), "upper": np.int32(0)}
    equal(run("band_part", photo, band, photo.shape), torch.tril(torch.from_numpy(photo)))
    equal(run("band_part", photo, {"lower": np.int32(0), "upper": np.int32(-1)}, photo.shape), np.triu(photo))


def test_made_from_nothing(tmp_path, run, photo):
    """Constants, ranges and shapes."""
    ops = [
        Op("fill", {"shape": ints(2, 3), "value": np.float32(1.5)}, [("a", "fp32", (2, 3))]),
        Op("range_1d", {"start": np.float32(1), "end": np.float32(4), "step": np.float32(1)}, [("b", "fp32", (3,))]),
        Op("add", {"x": "@a", "y": "@b"}, [("c", "fp32", (2, 3))]),
        Op("mul", {"x": "@c", "y": "@x"}, [("y", "fp32", (2, 3))]),
        Op("shape", {"x": "@y"}, [("s", "int32", (2,))]),
        Op("cast", {"x": "@s", "dtype": "fp32"}, [("t", "fp32", (2,))]),
    ]
    found = Evaluator(packages.write(tmp_path / "p", [("x", "fp32", (1,))], ops, ["y", "t"]))(
        {"x": np.ones(1, np.float32)}
    )
    assert found["y"].tolist() == [[2.5, 3.5, 4.5]] * 2
    assert found["t"].tolist() == [2, 3]
    op = Op("fill_like", {"ref_tensor": "@x", "value": np.float32(7)}, [("y", "fp32", (1, 4, 12, 16))])
    folder = packages.write(tmp_path / "q", [("x", "fp32", photo.shape)], [op], ["y"])
    equal(Evaluator(folder)({"x": photo})["y"], np.full_like(photo, 7))


@pytest.mark.parametrize(
    ("mode", "name"), [("constant", "constant"), ("reflect", "reflect"), ("replicate", "replicate")]
)
def test_pad(run, photo, mode, name):
    """The last two axes, by different amounts on each side."""
    value = {"value": 0.5} if mode == "constant" else {}
    want = F.pad(torch.from_numpy(photo), (1, 2, 3, 4), mode=name, **value)
    constants = {"pad": ints(3, 4, 1, 2), "mode": mode, "constant_val": np.float32(0.5)}
    equal(run("pad", photo, constants, want.shape), want)


def test_pad_of_every_axis(run, photo):
    """As many pairs as axes."""
    want = np.pad(photo, ((0, 0), (1, 0), (0, 0), (2, 1)))
    equal(run("pad", photo, {"pad": ints(0, 0, 1, 0, 0, 0, 2, 1)}, want.shape), want)


def test_pixel_shuffles(run, photo):
    """Both orders of channels, there and back."""
    x = torch.from_numpy(photo)
    shuffled = F.pixel_shuffle(x, 2)
    equal(run("pixel_shuffle", photo, {"upscale_factor": np.int32(2)}, shuffled.shape), shuffled)
    equal(run("pixel_unshuffle", shuffled.numpy(), {"downscale_factor": np.int32(2)}, photo.shape), photo)
    deep = run("space_to_depth", photo, {"block_size": np.int32(2)}, (1, 16, 6, 8))
    equal(deep[0, 4], photo[0, 0, ::2, 1::2])
    equal(run("depth_to_space", deep, {"block_size": np.int32(2)}, photo.shape), photo)


def test_slices(run, photo):
    """Bounds, strides, negative positions, masks, dropped axes, sizes and crops."""
    bounds = {"begin": ints(0, 1, 0, -5), "end": ints(1, 3, 12, 16), "stride": ints(1, 1, 2, 1)}
    equal(run("slice_by_index", photo, bounds, (1, 2, 6, 5)), photo[:, 1:3, ::2, -5:])
    masks = {
        "begin": ints(0, 2, 5, 3), "end": ints(0, 0, 0, 9), "begin_mask": np.bool_([1, 0, 1, 0]),
        "end_mask": np.bool_([1, 0, 1, 0]), "squeeze_mask": np.bool_([0, 1, 0, 0]),
    }  # fmt: skip
    equal(run("slice_by_index", photo, masks, (1, 12, 6)), photo[:, 2, :, 3:9])
    backwards = {
        "begin": ints(0, 0, 0, 0), "end": ints(0, 0, 0, 0), "stride": ints(1, 1, 1, -1),
        "begin_mask": np.bool_([1] * 4), "end_mask": np.bool_([1] * 4),
    }  # fmt: skip
    equal(run("slice_by_index", photo, backwards, photo.shape), photo[..., ::-1])
    equal(
        run("slice_by_size", photo, {"begin": ints(0, 1, 2, 3), "size": ints(1, 2, -1, 4)}, (1, 2, 10, 4)),
        photo[:, 1:3, 2:, 3:7],
    )
    equal(
        run("crop", photo, {"crop_height": ints(1, 2), "crop_width": ints(0, 3)}, (1, 4, 9, 13)), photo[:, :, 1:10, :13]
    )


def test_gathers(run, photo):
    """Whole slices with negative positions, single values, and positions of several axes."""
    equal(run("gather", photo, {"indices": ints(2, -1), "axis": np.int32(1)}, (1, 2, 12, 16)), photo[:, [2, -1]])
    order = np.argsort(photo, 3).astype(np.int32)
    equal(run("gather_along_axis", photo, {"indices": order, "axis": np.int32(3)}, photo.shape), np.sort(photo, 3))
    at = np.int32([[0, 1, 2, 3], [0, 3, 11, 15]])
    equal(run("gather_nd", photo, {"indices": at}, (2,)), [photo[0, 1, 2, 3], photo[0, 3, 11, 15]])


@pytest.mark.parametrize("kind", ["gather", "gather_nd"])
def test_gathers_by_batch_are_not_run(run, photo, kind):
    """A form that is not evaluated is named."""
    with pytest.raises(NotVerifiedError, match=rf"not-run: op {kind} \(batch_dims\)"):
        run(kind, photo, {"indices": ints(0), "batch_dims": np.int32(1)}, photo.shape)


GRIDS = [
    # the documentation's own examples for an axis of two values
    (5, "UNALIGN_CORNERS", [0, 0.1, 0.5, 0.9, 1]), (5, "STRICT_ALIGN_CORNERS", [0, 0.25, 0.5, 0.75, 1]),
    (5, "DEFAULT", [0, 0.4, 0.8, 1, 1]), (5, "OFFSET_CORNERS", [0.1, 0.3, 0.5, 0.7, 0.9]),
    (6, "UNALIGN_CORNERS", [0, 0, 1 / 3, 2 / 3, 1, 1]), (6, "STRICT_ALIGN_CORNERS", [0, 0.2, 0.4, 0.6, 0.8, 1]),
    (6, "DEFAULT", [0, 1 / 3, 2 / 3, 1, 1, 1]), (1, "ALIGN_CORNERS", [0.5]), (1, "STRICT_ALIGN_CORNERS", [0]),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "mode", "points"), GRIDS)
def test_sampling_grids(run, wanted, mode, points):
    """The grid points stand where coremltools documents them, and a ramp is read at them."""
    np.testing.assert_allclose(positions(2, wanted, mode), points, atol=1e-12)
    ramp = np.float32([[[[0, 1]]]])
    options = {"target_size_height": np.int32(1), "target_size_width": np.int32(wanted), "sampling_mode": mode}
    np.testing.assert_allclose(run("resize_bilinear", ramp, options, (1, 1, 1, wanted))[0, 0, 0], points, atol=1e-6)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("size", [(24, 32), (30, 20), (7, 40)])
def test_bilinear_resizes(run, photo, size, aligned):
    """Enlarging, shrinking and both at once agree with PyTorch."""
    want = F.interpolate(torch.from_numpy(photo), size=size, mode="bilinear", align_corners=aligned)
    factors = {"scale_factor_height": np.float32(size[0] / 12), "scale_factor_width": np.float32(size[1] / 16)}
    got = run("upsample_bilinear", photo, {**factors, "align_corners": np.bool_(aligned)}, want.shape)
    np.testing.assert_allclose(got, want, atol=5e-6)
    mode = {"sampling_mode": "STRICT_ALIGN_CORNERS" if aligned else "UNALIGN_CORNERS", "interpolation_mode": "LINEAR"}
    np.testing.assert_allclose(run("resize", photo, {"shape": ints(*size), **mode}, want.shape), want, atol=5e-6)


def test_nearest_resizes(run, photo):
    """Repetition, by a factor and by a size."""
    want = F.interpolate(torch.from_numpy(photo), size=(24, 48), mode="nearest")
    equal(
        run(
            "upsample_nearest_neighbor",
            photo,
            {"scale_factor_height": np.int32(2), "scale_factor_width": np.int32(3)},
            want.shape,
        ),
        want,
    )
    equal(run("resize", photo, {"shape": ints(24, 48), "interpolation_mode": "NEAREST_NEIGHBOR"}, want.shape), want)
    with pytest.raises(NotVerifiedError, match="nearest neighbour with shifted samples"):
        run("resize", photo, {"interpolation_mode": "NEAREST_NEIGHBOR", "sampling_mode": "UNALIGN_CORNERS"}, want.shape)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize(("border", "name"), [("constant", "zeros"), ("border", "border")])
def test_resample(run, photo, aligned, mode, border, name):
    """Scattered reading agrees with grid_sample, outside of the picture too."""
    where = np.random.default_rng(3).uniform(-1.4, 1.4, (1, 9, 7, 2)).astype(np.float32)
    want = F.grid_sample(torch.from_numpy(photo), torch.from_numpy(where), mode, name, aligned)
    constants = {
        "sampling_mode": mode, "padding_mode": border, "padding_value": np.float32(0),
        "coordinates_mode": "normalized_minus_one_to_one", "align_corners": np.bool_(aligned),
    }  # fmt: skip
    got = run("resample", {"x": photo, "coordinates": where}, constants, want.shape)
    np.testing.assert_allclose(got, want, atol=5e-6)


def test_resample_modes(run, photo):
    """Pixel coordinates read pixels; a border that is not evaluated is named."""
    where = np.float32([[[[3, 2], [15, 11]]]])
    constants = {
        "sampling_mode": "bilinear", "padding_mode": "border", "padding_value": np.float32(0),
        "coordinates_mode": "unnormalized", "align_corners": np.bool_(True),
    }  # fmt: skip
    got = run("resample", {"x": photo, "coordinates": where}, constants, (1, 4, 1, 2))
    equal(got[0, :, 0], photo[0, :, [2, 11], [3, 15]].T)
    unit = {**constants, "coordinates_mode": "normalized_zero_to_one"}
    got = run("resample", {"x": photo, "coordinates": np.float32([[[[0, 0], [1, 1]]]])}, unit, (1, 4, 1, 2))
    equal(got[0, :, 0], photo[0, :, [0, 11], [0, 15]].T)
    with pytest.raises(NotVerifiedError, match="padding_mode reflection"):
        run("resample", {"x": photo, "coordinates": where}, {**constants, "padding_mode": "reflection"}, (1, 4, 1, 2))


def test_flexible_sizes_are_not_run(tmp_path):
    """A resize to a size that the program leaves open is named."""
    op = Op("resize_bilinear", {"x": "@x"}, [("y", "fp32", (1, 1, 0, 0))])
    folder = packages.write(tmp_path / "p", [("x", "fp32", (1, 1, 2, 2))], [op], ["y"])
    with pytest.raises(NotVerifiedError, match="flexible sizes"):
        Evaluator(folder)


def test_the_operations_of_our_networks_are_known():
    """What evidence found in every program that was converted from our networks stays in the table."""
    needed = """add sub mul abs floor relu clip conv linear matmul avg_pool upsample_bilinear concat slice_by_index pad
    reshape transpose expand_dims reduce_sum reduce_mean cast gather select greater_equal quantize dequantize
    constexpr_affine_dequantize constexpr_blockwise_shift_scale constexpr_lut_to_dense constexpr_sparse_to_dense"""
    assert set(needed.split()) <= set(registry.known())
