"""Bursts: tiles leave no seam, planes and graphs pass one after another, and what does not fit is refused in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from viewfinder import demo, light, photos
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.bursts import BadBurstError, Burst, NoiseLevel
from viewfinder.bursts.contract import Contract
from viewfinder.bursts.frames import CodedFrames, FloatFrames
from viewfinder.errors import BadArtifactError, CheckFailedError, UsageError
from viewfinder.runtime import pipelines
from viewfinder.task import TensorSpec
from viewfinder.train.camera import motion, noise
from viewfinder.train.camera.synthesis import synthesise

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 3, 7, 3, 2]) / 256
"""Not symmetric, so that a flipped or shifted tile is found out. Sees 2 pixels."""
LEVEL = noise.GAINS[1]


class Blurs:
    """A network of two graphs: a blur of every frame, and their mean plus a tenth of the noise's read deviation."""

    def __init__(self, border: str = "constant", factor: float = 1.0) -> None:
        self.border, self.factor = border, factor

    def open(self, _path, graph, _threads):
        """Return one graph."""
        return getattr(self, graph.name)

    def kernels(self, feeds):
        """Blur every frame."""
        frames = feeds["frames"][0]
        kernel = KERNEL[None].astype(np.float32)
        return {"kernels": ndimage.correlate(frames, kernel, mode=self.border)[None] * np.float32(self.factor)}

    def application(self, feeds):
        """Average, and add what shows that noise and merge arrived."""
        mean = feeds["kernels"].mean(1, keepdims=True)
        return {"denoised": mean + feeds["noise"][:, :1] / 10 + feeds["merged"] / 4}


def _artifact(tile=(32, 24), halo=4, layout="NCHW"):
    """Make the manifest of `Blurs`."""
    frames = (1, 3, *tile) if layout == "NCHW" else (1, *tile, 3)
    one, many = TensorSpec("merged", (1, 1, *tile)), TensorSpec("frames", frames, layout)
    between = TensorSpec("kernels", (1, 3, *tile))
    graphs = (
        GraphFile("kernels", "k.bin", (many,), (between,)),
        GraphFile(
            "application",
            "a.bin",
            (between, TensorSpec("noise", (1, 2, 1, 1)), one),
            (TensorSpec("denoised", (1, 1, *tile)),),
        ),
    )
    contract = Contract(frames=3, aligned=True).to_dict()
    parameters = {"tile": list(tile), "halo": halo, "scale": 1, "contract": contract}
    return Artifact(Path("model"), "t", "onnx", "float", "burst", parameters, graphs)


@pytest.fixture(scope="module")
def burst() -> Burst:
    """Three frames in colour, of no size that a tile fits into, with small shifts and noise."""
    photo = photos.read(demo.photos()[3]).display()[200:480, 300:620]
    made = synthesise(photo, LEVEL, (1,), motion.Recipe(frames=3, unsteady=0))
    return Burst(made.frames, made.level)


def _whole(burst: Burst) -> np.ndarray:
    """Compute what `Blurs` makes of a whole burst, mirrored at its border."""
    from viewfinder.bursts import align, merge

    moved = align.aligned(burst.frames, align.shifts(burst.frames.mean(-1), burst.noise.averaged(3)))
    planes = []
    for plane in moved.transpose(3, 0, 1, 2):
        blurred = ndimage.correlate(plane, KERNEL[None].astype(np.float32), mode="mirror").mean(0)
        planes.append(blurred + np.float32(burst.noise.read_std / 10) + merge.wiener(plane, burst.noise) / 4)
    return np.stack(planes, -1)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("tile", [(32, 24), (96, 96)])
def test_tiles_equal_the_whole_burst(burst, layout, tile):
    """Whatever the tile: as if the network had seen the whole planes, aligned and merged, mirrored at their border."""
    artifact = _artifact(tile, layout=layout)
    network = Blurs()
    if layout == "NHWC":
        planes = network.kernels
        network.kernels = lambda feeds: planes({"frames": feeds["frames"].transpose(0, 3, 1, 2)})
    runner = pipelines.open(artifact, network)
    assert np.abs(runner.merge(FloatFrames(burst)) - _whole(burst)).max() < 2e-6


def test_too_small_a_halo_leaves_a_seam(burst):
    """The test above can fail: without a halo the zeros beyond each tile come in."""
    runner = pipelines.open(_artifact(halo=0), Blurs())
    assert np.abs(runner.merge(FloatFrames(burst)) - _whole(burst)).max() > 0.02


def test_what_is_measured_is_shown_light(burst):
    """`enhance` gives display light, clipped, of three channels, for grey frames too."""
    runner = pipelines.open(_artifact(), Blurs())
    shown = runner.enhance(burst)
    assert np.abs(shown - light.to_display(_whole(burst))).max() < 1e-5
    grey = replace(burst, frames=np.ascontiguousarray(burst.frames[..., :1]))
    assert runner.enhance(grey).shape == shown.shape


def test_several_threads_give_the_same(burst):
    """Rows of tiles side by side are put together in their order."""
    network = Blurs()
    network.PARALLEL = True
    alone, together = (pipelines.open(_artifact(), network, threads) for threads in (1, 3))
    assert np.array_equal(alone.enhance(burst), together.enhance(burst))


def test_progress_rises_to_one(burst):
    """The share never falls, rises with every frame that is aligned, and ends at one."""
    shares: list[float] = []
    pipelines.open(_artifact(), Blurs()).merge(FloatFrames(burst), shares.append)
    assert shares == sorted(shares)
    assert len([share for share in shares if share <= 0.1]) == burst.count - 1
    assert shares[-1] == pytest.approx(1)


def test_a_burst_has_to_fit_the_contract(burst):
    """A wrong number of frames and an unknown noise level are refused, with the way out."""
    runner = pipelines.open(_artifact(), Blurs())
    with pytest.raises(BadBurstError, match=r"2 frames, and the network takes 3\nadd 1 more of"):
        runner.merge(FloatFrames(replace(burst, frames=burst.frames[:2])))
    codes = tuple(np.full((40, 40, 3), 90, np.uint8) for _ in range(3))
    with pytest.raises(BadBurstError, match="--estimate-noise"):
        runner.merge(CodedFrames(codes))


def test_a_photograph_is_no_burst():
    """Charts, calibration pictures and photographs are refused in a sentence."""
    with pytest.raises(UsageError, match="merges bursts"):
        pipelines.open(_artifact(), Blurs()).enhance(np.zeros((64, 64, 3), np.float32))
    with pytest.raises(UsageError, match="merges bursts"):
        pipelines.open_rows(_artifact(), Blurs())


def test_nan_is_told(burst):
    """An artifact that overflows is a failed check, not a picture."""
    runner = pipelines.open(_artifact(), Blurs(factor=np.inf))
    with pytest.raises(CheckFailedError, match="NaN or infinite") as caught:
        runner.enhance(burst)
    assert caught.value.code == "not-finite"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"contract": None}, "no contract"),
        ({"contract": {"frames": 3}}, "aligned"),
        ({"contract": Contract(9, aligned=True).to_dict()}, "9 frames"),
        ({"contract": Contract(3, aligned=True).to_dict() | {"white": 255.0}}, "light, black and white"),
        ({"contract": {"frames": True, "aligned": True}}, "asks for True"),
        ({"halo": 20}, "twice the halo"),
        ({"tile": "large"}, "tile"),
    ],
)
def test_manifests_are_untrusted(changes, told):
    """A manifest that does not fit is refused before anything runs."""
    made = _artifact()
    with pytest.raises(BadArtifactError, match=told):
        pipelines.open(replace(made, parameters={**made.parameters, **changes}), Blurs())


def test_an_input_that_nothing_fills_is_refused():
    """A graph cannot ask for what the pipeline does not have."""
    made = _artifact()
    wrong = replace(made.graphs[1], inputs=(TensorSpec("depth", (1, 1, 32, 24)),))
    with pytest.raises(BadArtifactError, match="nothing fills the input 'depth'"):
        pipelines.open(replace(made, graphs=(made.graphs[0], wrong)), Blurs())


def test_noise_is_a_number_of_the_camera():
    """The noise level comes with the frames; the contract hands it on unchanged."""
    frames = FloatFrames(Burst(np.full((3, 32, 32, 1), 0.4, np.float32), NoiseLevel(0.01, 0.02)))
    assert Contract(3, aligned=False).check(frames) == NoiseLevel(0.01, 0.02)
