"""How operators are paired, where losses are booked, and what a crop shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewfinder.runtime.bisect import Op, crops, feeds, matching
from viewfinder.runtime.bisect.parting import Compared, _with_losses, short
from viewfinder.runtime.bisect.ratios import CAP_DB, Sums


def op(kind: str, output: str, *inputs: str, shape: tuple[int, ...] = (1, 4)) -> Op:
    """Make an operator."""
    return Op(f"{kind}_{output}", kind, output, inputs, shape)


def test_operators_are_paired_by_the_name_of_what_they_make() -> None:
    """The other graph may have fused one away, and may run in another order."""
    own = [op("Conv", "a"), op("Relu", "b", "a"), op("Add", "c", "b")]
    other = [op("Add", "c"), op("Conv", "b")]
    assert [(one.output, two.kind) for one, two in matching.pairs(own, other)] == [("b", "Conv"), ("c", "Add")]


def test_renamed_operators_are_paired_by_kind_and_shape_in_order() -> None:
    """A converter that renames everything hides nothing; one that it adds finds no partner."""
    own = [op("Conv", "a"), op("Conv", "b", shape=(1, 8)), op("Add", "c")]
    other = [op("Conv", "x"), op("Pad", "y"), op("Conv", "z", shape=(1, 8)), op("Add", "w")]
    assert [(one.output, two.output) for one, two in matching.pairs(own, other)] == [("a", "x"), ("b", "z"), ("c", "w")]


def test_one_name_in_two_shapes_is_no_pair() -> None:
    """A name that means something else in the other graph is not trusted."""
    assert not matching.pairs([op("Conv", "a", shape=(1, 4))], [op("Conv", "a", shape=(1, 5))])


def test_a_loss_is_booked_against_the_nearest_known_inputs() -> None:
    """Inputs that are not known stand for their own inputs; the graph's inputs are exact."""
    ops = {one.output: one for one in (op("Conv", "a", "image"), op("Relu", "b", "a"), op("Add", "c", "b", "a"))}
    assert matching.nearest(("b",), ops, {"a": 30.0}) == 30.0
    assert matching.nearest(("b", "a"), ops, {"a": 30.0, "b": 25.0}) == 25.0
    assert matching.nearest(("a",), ops, {"c": 10.0}) is None


def test_ratios_follow_their_definition() -> None:
    """An error of a hundredth is 40 dB; nothing is the cap; what is not finite is as bad as it gets."""
    values = np.linspace(1, 2, 100, dtype=np.float32)
    sums = Sums()
    sums.add(values, values * np.float32(1.01))
    assert sums.sqnr_db == pytest.approx(40, abs=0.01)
    assert sums.largest == pytest.approx(0.02, abs=1e-4)
    equal, broken = Sums(), Sums()
    equal.add(values, values)
    broken.add(values, np.where(values > 1.5, np.nan, values).astype(np.float32))
    assert (equal.sqnr_db, broken.sqnr_db) == (CAP_DB, -CAP_DB)


def test_a_crop_shows_the_channel_and_the_place_that_differ_most(tmp_path: Path) -> None:
    """An error planted in one channel of a channels-first and of a channels-last tensor is found, named and drawn."""
    own = np.random.default_rng(0).random((1, 5, 96, 96), dtype=np.float32)
    other = own.copy()
    other[0, 3, 80:84, 70:74] += 2
    for place, (left, right) in enumerate(
        [(own, other), (own.transpose(0, 2, 3, 1), other.transpose(0, 2, 3, 1))],
    ):
        kept = crops.Kept()
        kept.offer(("model", "t"), "cup", left, right)
        drawn = kept.draw(("model", "t"), tmp_path / str(place))
        assert drawn["place"].startswith("channel 3, rows from 32, columns from 32")
        assert drawn["photograph"] == "cup"
        shown = np.asarray(Image.open(tmp_path / str(place) / drawn["difference"]).convert("L"), float)
        assert shown.shape == (256, 256)
        assert shown.max() > 200  # mid grey is 127
        assert np.median(shown) == pytest.approx(127, abs=1)


def test_a_vector_is_shown_in_rows() -> None:
    """A fully connected layer's values are a picture too; a single number is none."""
    kept = crops.Kept()
    kept.offer(("model", "dense"), "cup", np.ones((1, 128), np.float32), np.zeros((1, 128), np.float32))
    kept.offer(("model", "scalar"), "cup", np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))
    assert kept.has(("model", "dense"))
    assert not kept.has(("model", "scalar"))


def test_inputs_are_spread_over_the_photograph() -> None:
    """Of many strips the middles of three equal parts are kept; of few, all."""
    assert [one["n"] for one in feeds._spread([{"n": n} for n in range(9)])] == [1, 4, 7]  # type: ignore[dict-item]
    assert len(feeds._spread([{"n": 0}, {"n": 1}])) == 2  # type: ignore[dict-item]


def test_names_are_shortened_for_people() -> None:
    """The last two scopes of a converter's name are what one recognizes; a plain name stays."""
    long = "a.b._Named/x.Coefficients_module/torch.nn.Sequential_splat/viewfinder.train.networks.hdrnet.SameConv_0;1"
    assert short(long) == "Sequential_splat/SameConv_0"
    assert short("relu_3") == "relu_3"


def test_what_cancels_is_held_against_its_inputs() -> None:
    """The difference of two nearly equal tensors keeps their rounding: no loss of the subtraction itself."""
    base = np.linspace(1, 2, 1000, dtype=np.float32)
    values = {"a": base, "b": base + np.float32(0.01)}
    rounded = {name: np.rint(one * 100) / np.float32(100) for name, one in values.items()}
    ops = [op("Conv", "a", "image"), op("Conv", "b", "image"), op("Sub", "c", "b", "a")]
    found = [Compared("model", one, one) for one in ops]
    for one, name in zip(found, "abc", strict=True):
        own, other = (
            (side["b"] - side["a"] if name == "c" else side[name]).astype(np.float32) for side in (values, rounded)
        )
        one.sums.add(own, other * np.float32(1.2) if name == "c" else other)
    assert found[2].sums.sqnr_db < 15
    _with_losses(found, ops)
    assert found[2].sums.sqnr_db > 50
