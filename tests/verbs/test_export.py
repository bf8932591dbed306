"""The export verb: names of folders, golden pictures beside them, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.export.networks import photograph, tiny_file

from viewfinder import golden, photos
from viewfinder.artifact import Artifact, GraphFile, writing
from viewfinder.errors import UsageError
from viewfinder.export import exporter
from viewfinder.task import TensorSpec
from viewfinder.verbs.export import ExportOptions, export, write_golden


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Export a tiny model by a converter that only writes its name."""

    def quick(task, request, folder):
        spec = TensorSpec("image", (1, 3, 4, 4))
        graph = GraphFile("model", "model.txt", (spec,), (spec,), notes={"transposes": 2})
        made = Artifact(folder, task.name, request.format, request.precision, "tiles", {}, (graph,))
        with writing(made) as partial:
            (partial / "model.txt").write_text(request.format)
        return made

    monkeypatch.setattr(exporter, "export", quick)
    photos.write(tmp_path / "in" / "one.png", photos.Photo(photograph(20, 24)))
    return ExportOptions(
        f"{tiny_file(tmp_path)}:TASK",
        formats=("onnx", "tflite"),
        output=tmp_path / "out",
        photos=(tmp_path / "in",),
    )


def changed(options, **changes):
    """Copy options with changes."""
    from dataclasses import replace

    return replace(options, **changes)


def test_every_format_gets_its_folder(options):
    """One folder per format and precision, golden pictures beside them, progress a line each, JSON-able result."""
    import json

    lines = []
    result = export(changed(options, precision="fp16"), lines.append)
    assert sorted(path.name for path in options.output.iterdir()) == [
        "golden.json",
        "golden.npz",
        "onnx-fp16",
        "tflite-fp16",
    ]
    assert len(lines) == 3
    data = json.loads(json.dumps(result.to_dict()))
    assert [made["format"] for made in data["artifacts"]] == ["onnx", "tflite"]
    assert data["artifacts"][0]["graphs"]["model"]["transposes"] == 2
    assert golden.load(Path(data["golden"])).photos[0].name == "one"


def test_golden_alone_and_not_at_all(options, tmp_path):
    """Golden pictures can be written alone, or left out."""
    assert export(changed(options, write_golden=False)).golden is None
    path = write_golden(options, tmp_path / "alone" / golden.FILE)
    read = golden.load(path)
    assert np.array_equal(read.photos[0].pixels, photograph(20, 24))
    assert read.operator == ""
    assert read.photos[0].truth is None


def test_all_formats_by_default(options):
    """Without formats all are written."""
    result = export(changed(options, formats=(), write_golden=False))
    assert [made.format for made in result.artifacts] == exporter.default_formats()


def test_unknown_format_is_refused_before_any_work(options):
    """A wrong name among right ones stops before the first is converted."""
    with pytest.raises(UsageError, match="no export format 'tensorrt'"):
        export(changed(options, formats=("onnx", "tensorrt")))
    assert not options.output.exists()


def test_photographs_of_one_name_are_refused(options, tmp_path):
    """Two photographs that a report could not tell apart are both named."""
    photos.write(tmp_path / "in" / "more" / "one.jpg", photos.Photo(photograph(8, 8)))
    with pytest.raises(UsageError, match=r"one\.(png|jpg) and .* have the same name 'one'"):
        write_golden(options, tmp_path / "golden.npz")


def test_empty_folder_of_photographs(options, tmp_path):
    """No photograph, no golden pictures: the folder is named."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty holds no photographs"):
        write_golden(changed(options, photos=(tmp_path / "empty",)), tmp_path / "golden.npz")
