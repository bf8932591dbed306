"""Artifacts and networks made ready to run: engines, formats, hashes, and the same picture from all of them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.photos import make
from tests.runtime.pipelines import strip_graph as fake

from viewfinder import artifact as artifacts
from viewfinder import demo, models, photos
from viewfinder.errors import MissingToolError, UsageError
from viewfinder.photos import Photo
from viewfinder.runtime import engines, pipelines
from viewfinder.verbs import run as verb
from viewfinder.verbs import run_bursts, running
from viewfinder.verbs.run import RunRequest


@pytest.fixture
def album(tmp_path):
    """A folder with one photograph."""
    photos.write(tmp_path / "album" / "a.png", Photo(make.photograph()))
    return tmp_path / "album"


class FakeEngine:
    """An engine for ONNX that computes the strip graph in numpy."""

    NAME, FORMAT, EVIDENCE, TOOLCHAIN, PACKAGE = "onnxruntime", "onnx", "measured", "", ""

    def __init__(self, artifact):
        self._fake = fake.FakeEngine(artifact)
        self.open = self._fake.open

    def probe(self):
        """Be usable."""
        return


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An artifact on disk with its hashes, and a fake engine that runs it."""
    made = replace(fake.artifact(), folder=tmp_path / "onnx-float")
    with artifacts.writing(made) as partial:
        for graph in made.graphs:
            (partial / graph.file).write_bytes(b"graph")
    monkeypatch.setattr(engines, "load", lambda name, python=None: FakeEngine(made))
    return made.folder


def test_an_artifact_runs_in_the_engine_of_its_format(folder, album, tmp_path):
    """A folder is loaded, checked, and run through its pipeline."""
    result = verb.run(RunRequest(str(folder), (album / "a.png",), tmp_path / "out.png"))
    assert (result.engine, result.evidence) == ("onnx", "measured")
    assert result.artifact_sha256 == artifacts.load(folder).sha256
    engine = FakeEngine(fake.artifact())
    expected = pipelines.open(fake.artifact(), engine).process(make.photograph())
    assert np.array_equal(photos.read(tmp_path / "out.png").pixels, expected)


def test_a_flipped_byte_in_the_artifact(folder, album, tmp_path):
    """A damaged artifact runs nothing."""
    (folder / "s.bin").write_bytes(b"grapi")
    with pytest.raises(UsageError, match=r"s.bin does not match its manifest"):
        verb.run(RunRequest(str(folder), (album / "a.png",), tmp_path / "out.png"))
    assert not (tmp_path / "out.png").exists()


def test_torch_runs_no_artifact(folder, album, tmp_path):
    """The PyTorch network is named by its task."""
    with pytest.raises(UsageError, match="is an artifact, and torch runs networks"):
        verb.run(RunRequest(str(folder), (album / "a.png",), tmp_path / "out.png", engine="torch"))


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_a_task_without_the_export_packages(folder, album, tmp_path, monkeypatch, engine):
    """In the base installation a task cannot be exported: the sentence says what can be run instead."""
    for name in ("reference", "exporter"):
        monkeypatch.setitem(sys.modules, f"viewfinder.export.{name}", None)
        monkeypatch.delattr(f"viewfinder.export.{name}", raising=False)
    with pytest.raises(MissingToolError, match="hdrnet has to be exported first") as caught:
        verb.run(RunRequest("hdrnet", (album / "a.png",), tmp_path / "out.png", engine=engine))
    assert "name the folder of an artifact" in caught.value.hint


def test_torch_has_no_fp16(album, tmp_path):
    """The reference is float; another precision is a property of an artifact."""
    with pytest.raises(UsageError, match="torch runs hdrnet in float, not in fp16"):
        verb.run(RunRequest("hdrnet", (album / "a.png",), tmp_path / "out.png", engine="torch", precision="fp16"))


def test_threads_are_at_least_one():
    """Zero threads run nothing."""
    with pytest.raises(UsageError, match="0 threads"):
        running.Options(threads=0)


def test_a_manifest_names_its_artifact(folder, album, tmp_path):
    """The manifest's own path works as well as its folder's."""
    result = verb.run(RunRequest(str(folder / "manifest.json"), (album / "a.png",), tmp_path / "out.png"))
    assert len(result.done) == 1


def test_a_folder_that_is_no_artifact(album, tmp_path):
    """A folder without a manifest is named, not taken for a model's name."""
    with pytest.raises(UsageError, match=r"has no manifest.json: it is not an artifact"):
        verb.run(RunRequest(str(album), (album / "a.png",), tmp_path / "out.png"))


def test_an_engine_of_another_format(folder, album, tmp_path, monkeypatch):
    """The formats must fit, and the error names both."""
    monkeypatch.setattr(FakeEngine, "FORMAT", "tflite")
    with pytest.raises(UsageError, match="onnx-float is onnx, and the engine litert runs tflite"):
        verb.run(RunRequest(str(folder), (album / "a.png",), tmp_path / "out.png", engine="litert"))


def test_an_engine_that_is_not_installed(folder, album, tmp_path, monkeypatch):
    """The reason and the command that mends it."""
    monkeypatch.setattr(FakeEngine, "PACKAGE", "onnxruntime")
    monkeypatch.setattr(FakeEngine, "probe", lambda self: "the package onnxruntime is not installed")
    with pytest.raises(MissingToolError, match="onnxruntime is not installed") as caught:
        verb.run(RunRequest(str(folder), (album / "a.png",), tmp_path / "out.png"))
    assert "pip install onnxruntime" in caught.value.hint


@pytest.mark.slow
def test_same_picture_from_every_engine(exports_kept, tmp_path):
    """PyTorch and every artifact: at most one code apart at 8 bits, on photographs of odd and even size."""
    pytest.importorskip("litert_torch")
    album = tmp_path / "album"
    for path in demo.photos()[1:3]:
        photo = photos.read(path)
        pixels = np.ascontiguousarray(photo.pixels[::3, ::3])
        photos.write(album / f"{path.stem}.png", Photo(pixels))
    sources = [photos.read(path).pixels.astype(int) for path in photos.find([album])]
    outputs = {}
    for engine in ("torch", "tflite", "onnx", "executorch", "coreml"):
        result = verb.run(RunRequest("hdrnet-luma", (album,), tmp_path / engine, engine=engine))
        outputs[engine] = [photos.read(one.target).pixels.astype(int) for one in result.done]
    for engine, pictures in outputs.items():
        for picture, reference in zip(pictures, outputs["torch"], strict=True):
            assert np.abs(picture - reference).max() <= 1, engine
    for source, reference in zip(sources, outputs["torch"], strict=True):
        assert np.abs(source - reference).mean() > 1  # the network does something


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_20_megapixels_in_under_1_5_gb(exports_kept, tmp_path):
    """The whole command, from JPEG to JPEG, in a process of its own: peak memory as the system counts it."""
    pytest.importorskip("onnxscript")
    from viewfinder.export import exporter
    from viewfinder.export.request import ExportRequest

    made = exporter.export(models.load("hdrnet-luma"), ExportRequest("onnx"), tmp_path / "onnx-float")
    photo = photos.read(demo.photos()[0])
    pixels = np.ascontiguousarray(photo.pixels.repeat(4, 0).repeat(4, 1)[:3391, :6028])
    photos.write(tmp_path / "large.jpg", Photo(pixels))
    # VmHWM belongs to the program; ru_maxrss would begin with what the test process held when it started the command.
    program = (
        "import pathlib, sys; from viewfinder.cli import main; code = main(sys.argv[1:]);"
        "lines = pathlib.Path('/proc/self/status').read_text().splitlines();"
        "print(next(line.split()[1] for line in lines if line.startswith('VmHWM'))); sys.exit(code)"
    )
    arguments = ["run", str(made.folder), str(tmp_path / "large.jpg"), "-o", str(tmp_path / "out.jpg")]
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    peak_bytes = int(ended.stdout.split()[-1]) * 1024
    assert peak_bytes < 1.5e9
    assert photos.read(tmp_path / "out.jpg").pixels.shape == (3391, 6028, 3)


def test_a_model_s_name_is_the_model_where_a_folder_has_it_too(tmp_path, monkeypatch):
    """After ``build kpn -o kpn`` the name still means the network; ``./kpn`` is the folder, and says what it lacks."""
    (tmp_path / "kpn").mkdir()
    (tmp_path / "kpn" / "manifest.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run_bursts.takes_bursts("kpn")
    options = running.Options()
    with running.ready("hdrnet", "torch", options) as network:
        assert network.engine == "torch"
    (tmp_path / "hdrnet").mkdir()
    (tmp_path / "hdrnet" / "manifest.json").write_text("{}", encoding="utf-8")
    with running.ready("hdrnet", "torch", options) as network:
        assert network.engine == "torch"
    with pytest.raises(UsageError, match="is an artifact"), running.ready("./hdrnet", "torch", options):
        pass
