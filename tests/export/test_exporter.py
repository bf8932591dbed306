"""Cache, all-or-nothing writing, weights and refusals of the exporter."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from tests.export.networks import small_task, tiny_file

from viewfinder import artifact, files, models
from viewfinder.errors import BadArtifactError, UsageError
from viewfinder.export import exporter, fingerprint, weights
from viewfinder.export.quiet import quiet
from viewfinder.export.request import ExportRequest
from viewfinder.train.networks.pyramid import HDRNetPyramid


class Calls:
    """Writes a small file instead of converting, and counts."""

    SUFFIX, TOOLS, PRECISIONS = ".txt", ("torch",), ("float", "fp16")
    __name__ = "viewfinder.export.formats.text"

    def __init__(self, stop_at: str = "", error: BaseException | None = None):
        self.made, self.stop_at, self.error = [], stop_at, error

    def convert(self, conversion):
        """Write the graph's name, or fail half-way."""
        conversion.path.write_text("half")
        if conversion.graph.name == self.stop_at:
            raise self.error
        conversion.path.write_text(conversion.graph.name + str(conversion.metadata["weights_sha256"]))
        self.made.append(conversion.graph.name)
        return {"transposes": 0}


@pytest.fixture
def writer(monkeypatch):
    """Replace the formats by one that is quick."""
    calls = Calls()
    monkeypatch.setattr(exporter, "format_module", lambda name: calls)
    return calls


def test_second_run_is_served_from_the_cache(tmp_path, writer):
    """The same request converts once; the second artifact is the first, in another folder."""
    first = exporter.export(small_task(), ExportRequest("text"), tmp_path / "one")
    second = exporter.export(small_task(), ExportRequest("text"), tmp_path / "two")
    assert writer.made == ["coefficients", "strip"]
    assert first.sha256 == second.sha256
    assert second.folder == tmp_path / "two"


@pytest.mark.parametrize(
    "change", [{"precision": "fp16"}, {"layout": "nhwc"}, {"width": 128}, {"strip_rows": 4}, {"form": "tent"}]
)
def test_other_requests_miss_the_cache(tmp_path, writer, change):
    """Whatever changes the bytes changes the key."""
    exporter.export(small_task(), ExportRequest("text"), tmp_path / "one")
    exporter.export(small_task(), replace(ExportRequest("text"), **change), tmp_path / "two")
    assert len(writer.made) == 4


def test_other_weights_miss_the_cache(tmp_path, writer):
    """Weights count by content: the same file under another name of content is another artifact."""
    task = small_task()
    for number in (1, 2):
        values = {name: value * number for name, value in task.build().state_dict().items()}
        save_file(values, tmp_path / "w.safetensors")
        made = exporter.export(task, ExportRequest("text", weights=tmp_path / "w.safetensors"), tmp_path / str(number))
        assert made.weights_sha256 == files.sha256(tmp_path / "w.safetensors")
    assert len(writer.made) == 4


def test_no_cache_converts_again_and_keeps_nothing(tmp_path, writer, own_cache):
    """`--no-cache` neither reads nor writes the cache."""
    for name in ("one", "two"):
        exporter.export(small_task(), ExportRequest("text", use_cache=False), tmp_path / name)
    assert len(writer.made) == 4
    assert not (own_cache / exporter.CACHE).exists()


def test_damaged_cache_entry_is_made_again(tmp_path, writer, own_cache):
    """A cache entry with a flipped byte is not served, and mended."""
    exporter.export(small_task(), ExportRequest("text"), tmp_path / "one")
    (entry,) = (own_cache / exporter.CACHE).iterdir()
    (entry / "strip.txt").write_text("flipped")
    made = exporter.export(small_task(), ExportRequest("text"), tmp_path / "two")
    assert len(writer.made) == 4
    assert made.sha256 == artifact.load(entry).sha256


def test_cache_clean(tmp_path, writer, own_cache):
    """Cleaning tells the bytes, and the next run converts again."""
    assert exporter.cache_clean() == 0
    exporter.export(small_task(), ExportRequest("text"), tmp_path / "one")
    assert exporter.cache_clean() > 0
    exporter.export(small_task(), ExportRequest("text"), tmp_path / "two")
    assert len(writer.made) == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), MemoryError(), RuntimeError("half-way")])
def test_killed_export_leaves_nothing(tmp_path, writer, own_cache, error):
    """Stopped in the second graph: no folder, no cache entry, no temporary file; an older artifact stays whole."""
    older = exporter.export(small_task(), ExportRequest("text", use_cache=False), tmp_path / "there")
    writer.stop_at, writer.error = "strip", error
    for name in ("there", "new"):
        with pytest.raises(UsageError if isinstance(error, Exception) else type(error)):
            exporter.export(small_task(), ExportRequest("text", precision="fp16"), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert artifact.load(tmp_path / "there").sha256 == older.sha256
    assert not (own_cache / exporter.CACHE).exists()


def test_export_survives_a_failure_with_its_words(tmp_path, writer):
    """A converter's unknown failure names graph and cause, and its own words are kept in a file."""
    writer.stop_at, writer.error = "coefficients", ValueError("the moon is too bright")
    with pytest.raises(UsageError, match="'coefficients': ValueError: the moon is too bright") as caught:
        exporter.export(small_task(), ExportRequest("text"), tmp_path / "new")
    log = caught.value.hint.rpartition(" ")[2]
    assert "moon" in files.Path(log).read_text()


def test_unknown_names_are_refused_with_the_list(tmp_path):
    """Format, precision, layout and sizes that do not exist."""
    with pytest.raises(UsageError, match="coreai, coreml, executorch, ncnn, onnx, tflite, vulkan"):
        exporter.export(small_task(), ExportRequest("tensorrt"), tmp_path / "a")
    with pytest.raises(UsageError, match="float, fp16"):
        ExportRequest("onnx", "int2")
    with pytest.raises(UsageError, match="nchw, nhwc"):
        ExportRequest("onnx", layout="chwn")
    with pytest.raises(UsageError, match="positive"):
        ExportRequest("onnx", width=0)


def test_width_must_fit_the_grid(tmp_path, writer):
    """A strip width that is no multiple of the grid's columns is refused with the two next ones."""
    with pytest.raises(UsageError, match="choose 96 or 104"):
        exporter.export(small_task(), ExportRequest("text", width=100), tmp_path / "a")


def test_pyramid_is_refused(tmp_path, writer):
    """A network with several grids has no place to be cut at; the sentence says so."""
    with pytest.raises(UsageError, match="cannot be exported"):
        exporter.export(replace(small_task(), build=HDRNetPyramid), ExportRequest("text"), tmp_path / "a")


def test_weights_of_another_network_are_refused(tmp_path):
    """Strict loading: a missing, surplus or misshapen tensor is named."""
    save_file({"guide.wrong": torch.zeros(3)}, tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=r"w\.safetensors does not fit the network of small-luma"):
        weights.load(small_task(), tmp_path / "w.safetensors")


def test_foreign_weights_hold_tensors_only(tmp_path):
    """A `.pt` with tensors loads, nested or not; one that would run code is refused."""
    task = small_task()
    state = task.build().state_dict()
    torch.save({"state_dict": state}, tmp_path / "good.pt")
    loaded = weights.load(task, tmp_path / "good.pt").state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    torch.save({"state_dict": state, "extra": print}, tmp_path / "bad.pt")
    with pytest.raises(UsageError, match=r"bad\.pt cannot be read as weights"):
        weights.load(task, tmp_path / "bad.pt")


def test_missing_weights(tmp_path):
    """A file that is not there, and a name that the task has not."""
    with pytest.raises(UsageError, match="there is no weights file"):
        weights.locate(small_task(), tmp_path / "none.safetensors")
    with pytest.raises(UsageError, match="no weights 'local'"):
        weights.locate(small_task(), "local")


def test_random_starts_are_repeatable(tmp_path):
    """A task without weights starts at the same values every time, so artifact and golden pictures fit together."""
    task = models.load(f"{tiny_file(tmp_path)}:TASK")
    assert weights.digest(task, None) == weights.digest(task, None)
    other = replace(task, build=lambda: task.build().double())
    assert weights.digest(other, None) != weights.digest(task, None)


def test_changed_model_file_changes_the_key(tmp_path):
    """Editing forward() in a user's file makes the older cache entry unreachable, though no weight changed."""
    task = models.load(f"{tiny_file(tmp_path)}:TASK")
    before = fingerprint.network(task, None, weights.build)
    path = tmp_path / "own.py"
    path.write_text(path.read_text().replace("0.1 * self", "0.2 * self"))
    assert fingerprint.network(task, None, weights.build) != before


def test_quiet_collects_what_libraries_print(capfd):
    """Python's and C's output both go to the log, and the terminal gets its streams back."""
    import os

    with quiet() as captured:
        print("from Python")
        os.write(1, b"from C\n")
        sys.stderr.write("an error\n")
    assert sorted(captured.text.split("\n")) == ["", "an error", "from C", "from Python"]
    print("after")
    assert capfd.readouterr() == ("after\n", "")


def test_corrupt_artifact_is_noticed(tmp_path, writer):
    """What the exporter wrote is checked by hash when it is read."""
    made = exporter.export(small_task(), ExportRequest("text"), tmp_path / "one")
    (tmp_path / "one" / "strip.txt").write_text("other")
    with pytest.raises(BadArtifactError, match=r"strip\.txt does not match"):
        artifact.load(made.folder)
