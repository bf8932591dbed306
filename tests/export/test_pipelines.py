"""The plain reference on whole photographs, how far networks look, and the golden pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.export.networks import photograph, planes, small_task, tiny_file
from torch import nn

from viewfinder import demo, golden, models, photos
from viewfinder.errors import BadArtifactError, BadImageError, UsageError
from viewfinder.export import golden_writer
from viewfinder.export.pipelines import tiles
from viewfinder.export.pipelines.reach import reach, stride
from viewfinder.export.reference import Reference
from viewfinder.export.request import ExportRequest
from viewfinder.runtime import pipelines
from viewfinder.runtime.pipelines import tiles as running
from viewfinder.task import NOISY, Task, TensorSpec


class Net(nn.Module):
    """Wraps layers, and a function that is no layer."""

    def __init__(self, layers, after=lambda image: image):
        super().__init__()
        self.layers, self.after = layers, after

    def forward(self, image):
        """Run the layers."""
        return self.after(self.layers(image))


def convolutions(count, **options):
    """Stack 3x3 convolutions with ReLUs whose random offsets shut some of them."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, **options), nn.ReLU()) for _ in range(count)]
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize("guide", ["luma", "curves", "pointwise"])
def test_reference_equals_forward(guide, monkeypatch):
    """The reference in small strips gives what the network's own forward gives on the whole picture."""
    from viewfinder.export.pipelines import bilateral_grid

    monkeypatch.setattr(bilateral_grid, "_REFERENCE_PIXELS", 700)
    task, pixels = small_task(guide), photograph(45, 67)
    squeezed = torch.from_numpy(photos.squeeze(pixels, 32)).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = task.build()(squeezed, planes(pixels))[0].permute(1, 2, 0).clamp(0, 1).numpy()
    assert np.abs(Reference(task).enhance(pixels) - expected).max() <= 1e-5


def test_reference_takes_16_bits():
    """8 and 16 bits of the same picture give the same result."""
    reference, pixels = Reference(small_task()), photograph(20, 30)
    assert np.abs(reference.enhance(pixels) - reference.enhance(pixels.astype(np.uint16) * 257)).max() <= 1e-6


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (40, 1)])
def test_reference_takes_thin_pictures(shape):
    """Pictures of one row or one column."""
    enhanced = Reference(small_task()).enhance(photograph(*shape))
    assert enhanced.shape == (*shape, 3)
    assert 0 <= enhanced.min() <= enhanced.max() <= 1


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)]
)
def test_reference_refuses_other_arrays(pixels):
    """Grey, float and four-channel arrays are no pictures here."""
    with pytest.raises(BadImageError, match="cannot be enhanced"):
        Reference(small_task()).enhance(pixels)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_reference_memory():
    """20 megapixels stay under 1.5 GB in all, the picture and its float result included."""
    # VmHWM is the program's own; ru_maxrss would begin with what the test process held when it started the program.
    code = (
        "import numpy as np, pathlib\n"
        "from viewfinder import models\n"
        "from viewfinder.export.reference import Reference\n"
        "pixels = np.tile(np.arange(256, dtype=np.uint8)[:, None], (20, 3906, 3)).reshape(5120, 3906, 3)\n"
        "enhanced = Reference(models.load('hdrnet')).enhance(pixels)\n"
        "lines = pathlib.Path('/proc/self/status').read_text().splitlines()\n"
        "print(enhanced.shape, next(line.split()[1] for line in lines if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) * 1024 < 1.5e9


@pytest.mark.parametrize(
    ("network", "farthest", "step"),
    [
        (Net(convolutions(1)), 1, 1),
        (Net(convolutions(4)), 4, 1),
        (Net(convolutions(2), lambda image: image.clamp(0.0, 1.0)), 2, 1),
        (Net(nn.Conv2d(3, 3, 5, padding=4, dilation=2)), 4, 1),
        (Net(nn.Sequential(nn.Conv2d(3, 8, 2, stride=2), nn.ConvTranspose2d(8, 3, 2, stride=2))), 1, 2),
    ],
)
def test_reach_and_stride(network, farthest, step):
    """How far a network looks is what its kernels say, also behind shut ReLUs and clamps; a stride is found."""
    assert reach(network.eval(), (1, 3, 48, 48)) == farthest
    assert stride(network.eval(), (1, 3, 48, 48)) == step


def test_reach_of_a_constant_is_refused():
    """A network that ignores its input has no reach; the way out is to state one."""
    with pytest.raises(UsageError, match="halo"):
        reach(Net(convolutions(1), torch.zeros_like), (1, 3, 16, 16))


def own(network, shape=(24, 28), **options):
    """Describe a network from picture to picture."""
    spec = TensorSpec("image", (1, 3, *shape))
    return Task(
        "own", "own", lambda: network, (spec,), (TensorSpec("result", (1, 3, *shape)),), pipeline_options=options
    )


@pytest.mark.parametrize("size", [(24, 28), (61, 95), (5, 7), (300, 31)])
@pytest.mark.parametrize(
    "network",
    [
        Net(convolutions(3)),
        Net(nn.Sequential(nn.Conv2d(3, 8, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(8, 3, 2, stride=2))),
        Net(nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))),
    ],
)
def test_tile_reference_equals_running_tiles(network, size):
    """The reference in large tiles equals the artifact's small ones run by the runtime: no seams, borders alike."""
    network = network.eval()
    if isinstance(network.layers[-1], nn.PixelShuffle):
        network = Net(
            nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(12 // 4, 3, 1))
        ).eval()
    task, pixels = own(network), photograph(*size)
    cut = tiles.cut(task, network, ExportRequest("onnx"))
    made = _artifact(task, cut)

    def model(inputs):
        with torch.no_grad():
            return {"result": network(torch.from_numpy(inputs["image"])).numpy()}

    found = pipelines.PhotoRunner(running.rows(made, {"model": model})).enhance(pixels)
    assert np.abs(found - Reference(task).enhance(pixels)).max() <= 1e-5


def _artifact(task, cut):
    """Describe a cut as an artifact without files."""
    from pathlib import Path

    from viewfinder.artifact import Artifact, GraphFile

    graphs = tuple(GraphFile(graph.name, "none", graph.inputs, graph.outputs) for graph in cut.graphs)
    return Artifact(Path(), task.name, "onnx", "float", task.pipeline, cut.parameters, graphs)


def test_the_artifact_says_that_it_takes_noise_away():
    """What was not golden on plain photographs is calibrated as its samples were made; others say nothing."""
    network = convolutions(2)
    task = own(network)
    assert "samples" not in tiles.cut(task, network, ExportRequest("onnx")).parameters
    assert tiles.cut(replace(task, samples=NOISY), network, ExportRequest("onnx")).parameters["samples"] == NOISY


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Net(convolutions(20)), "or more pixels far"),
        (Net(nn.Conv2d(3, 3, 3)), "pad inside the network"),
        (Net(nn.Conv2d(4, 3, 3)), "does not run on its own input"),
        (Net(nn.Identity(), lambda image: [image]), "returns no picture"),
    ],
)
def test_networks_that_do_not_fit_tiles(network, message):
    """Too far-sighted, shrinking, of other channels, or returning a list: each is refused with a way out."""
    with pytest.raises(UsageError, match=message):
        tiles.cut(own(network.eval()), network.eval(), ExportRequest("onnx"))


def test_stated_halo_is_taken():
    """A stated halo needs no measurement, and a far-sighted network passes with it."""
    network = Net(convolutions(20))
    assert tiles.cut(own(network, halo=4), network, ExportRequest("onnx")).parameters["halo"] == 4


@pytest.fixture
def written(tmp_path):
    """Golden pictures of a tiny network on two small photographs."""
    for number in (1, 2):
        photos.write(tmp_path / f"photo{number}.png", photos.Photo(photograph(20 + number, 30)))
    task = models.load(f"{tiny_file(tmp_path)}:TASK")
    listed = tuple(sorted(tmp_path.glob("*.png")))
    request = golden_writer.GoldenRequest(listed, operator_name="negative", operator=lambda image: 1 - image)
    return task, request, golden_writer.write(task, request, tmp_path / "export" / golden.FILE)


def test_golden_is_read_as_written(written):
    """Pixels, float output and truth come back; the truth with 16 bits."""
    task, request, path = written
    read = golden.load(path)
    assert (read.task, read.weights, read.operator) == ("tiny", "initial", "negative")
    assert [photo.name for photo in read.photos] == ["photo1", "photo2"]
    reference = Reference(task)
    for photo, file in zip(read.photos, request.photos, strict=True):
        assert np.array_equal(photo.pixels, photos.read(file).pixels)
        assert np.array_equal(photo.expected, reference.enhance(photo.pixels))
        assert np.abs(photo.truth - (1 - photo.pixels / 255)).max() <= 1e-5
    assert golden.find(path.parent / "onnx-float") == path


def test_golden_is_served_from_the_cache(written, tmp_path, monkeypatch):
    """The second time nothing is computed; a photograph that changed, or a damaged entry, is noticed."""
    task, request, path = written
    again = tmp_path / "again" / golden.FILE
    monkeypatch.setattr(golden_writer, "_make", lambda *_: pytest.fail("computed again"))
    golden_writer.write(task, request, again)
    assert golden.load(again).sha256 == golden.load(path).sha256
    photos.write(request.photos[0], photos.Photo(photograph(9, 9)))
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        golden_writer.write(task, request, again)


def test_damaged_golden_is_refused(written):
    """A flipped byte, a missing json, a broken json: each names the file and the way out."""
    path = written[2]
    path.unlink()
    path.write_bytes(b"nothing")
    with pytest.raises(BadArtifactError, match="does not match its json"):
        golden.load(path)
    description = json.loads(path.with_suffix(".json").read_text())
    description["sha256"] = golden.files.sha256(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(BadArtifactError, match=r"there is no .*json"):
        golden.load(path)
    path.with_suffix(".json").write_text(json.dumps(description))
    with pytest.raises(BadArtifactError, match="cannot be read"):
        golden.load(path)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(BadArtifactError, match="cannot be read"):
        golden.load(path)


def test_golden_shapes_are_checked(written):
    """An output of another size than its photograph is refused."""
    path = written[2]
    read = golden.load(path)
    wrong = replace(read.photos[0], expected=read.photos[0].expected[:5])
    golden.write(path, replace(read, photos=(wrong,)))
    with pytest.raises(BadArtifactError, match="the output of photo1"):
        golden.load(path)


def test_missing_golden(tmp_path):
    """An artifact without golden pictures beside it: the hint names the option."""
    with pytest.raises(BadArtifactError, match="--golden"):
        golden.find(tmp_path / "onnx-float")


def test_demo_photos_exist():
    """The tests above look at photographs, not noise."""
    assert len(demo.photos()) >= 2
