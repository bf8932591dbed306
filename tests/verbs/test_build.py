"""The verb `build`: fixed names, whole or not at all, and an honest report of what could not be made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import jobs_here
from tests.export.networks import TINY
from tests.verbs import made

from viewfinder import files, jobs
from viewfinder.errors import Exit, MissingToolError, UsageError
from viewfinder.export import exporter
from viewfinder.runtime.verify import Setup
from viewfinder.verbs import building
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.build import BuildRequest, build
from viewfinder.verbs.export import ExportOptions

MODEL = """
from viewfinder.task import Limit, Task, TensorSpec

SPEC = (TensorSpec("image", (1, 3, 8, 8)),)
TASK = Task("brighten", "Adds a tenth", lambda: None, SPEC, SPEC, limits=(Limit("ssim_vs_truth", minimum=0.5),))
"""


class World:
    """Everything around `build` that is slow: exporters, engines, processes; tests change the parts."""

    def __init__(self) -> None:
        """Let everything go well."""
        self.engine = made.Engine()
        self.errors: dict[str, float] = {}
        self.refused: dict[str, Exception] = {}
        self.forms: list[str] = []

    def export(self, options: Any) -> None:
        """Write the artifact, in place of the exporter's process."""
        self.forms.append(options.form)
        for kind in options.formats:
            name = f"{kind}-{options.precision}"
            if name in self.refused:
                raise self.refused[name]
            made.write_artifact(options.output / name, error=self.errors.get(name, 0.0))

    def golden(self, options: Any, path: Path) -> None:
        """Write the golden pictures."""
        if "golden" in self.refused:
            raise self.refused["golden"]
        made.write_golden(path)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Put the fakes in place."""
    one = World()
    monkeypatch.setattr(building, "export_job", one.export)
    monkeypatch.setattr(building, "golden_job", one.golden)
    monkeypatch.setattr(building, "fetch_job", lambda **_: [])
    monkeypatch.setattr(jobs, "run", jobs_here.run)
    monkeypatch.setattr(verifying, "setup_for", lambda *_: Setup("fake", one.engine, one.engine.open))
    return one


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., BuildRequest]:
    """Make requests for a small model, in two formats with one precision, into ``out``."""
    model = tmp_path / "model.py"
    model.write_text(MODEL)

    def make(**changes: Any) -> BuildRequest:
        """Fill in the rest."""
        fields = {"formats": ("onnx", "tflite"), "precisions": ("float",), "output": tmp_path / "out"}
        return BuildRequest(f"{model}:TASK", command="viewfinder build model.py:TASK", **fields | changes)

    return make


def test_a_build_has_fixed_names_and_passes(world: World, request_for: Callable[..., BuildRequest]) -> None:
    """export/, pictures/, report.html, report.json, manifest.json; exit 0; progress tells each step."""
    lines: list[str] = []
    result = build(request_for(), lines.append)
    assert result.exit_code is Exit.PASS
    assert {path.name for path in result.folder.iterdir()} == {
        "export", "pictures", "report.html", "report.json", "manifest.json",
    }  # fmt: skip
    assert {path.name for path in (result.folder / "export").iterdir()} == {
        "onnx-float", "tflite-float", "golden.npz", "golden.json",
    }  # fmt: skip
    assert [line.partition(":")[0] for line in lines] == [
        "cache", "golden pictures", "export onnx-float", "export tflite-float",
        "verify onnx-float", "verify tflite-float",
    ]  # fmt: skip
    assert "Adds a tenth" in result.report.read_text(encoding="utf-8")


def test_the_form_reaches_every_export(world: World, request_for: Callable[..., BuildRequest]) -> None:
    """`build --form doubled` makes what `export --form doubled` makes, and the cache is asked for the form."""
    build(request_for(form="doubled"))
    assert world.forms == ["doubled", "doubled"]
    options = [ExportOptions("kpn-lite", formats=("onnx",), form=form) for form in ("auto", "split")]
    looked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporter, "is_cached", lambda _task, request: looked.append(request.form))
        for one in options:
            building.is_cached(one)
    assert looked == ["auto", "split"]


def test_the_manifest_vouches_for_every_file(world: World, request_for: Callable[..., BuildRequest]) -> None:
    """Each file's hash stands in manifest.json, with command, versions and verdict; nothing is left out."""
    folder = build(request_for()).folder
    data = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    listed = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(data["files"]) == listed
    assert all(files.sha256(folder / name) == entry["sha256"] for name, entry in data["files"].items())
    assert (data["kind"], data["verdict"]) == ("viewfinder-build", "pass")
    assert data["command"] == "viewfinder build model.py:TASK"
    assert data["tools"]["numpy"]
    assert [one["name"] for one in data["artifacts"]] == ["onnx-float", "tflite-float"]


def test_a_failing_artifact_is_exit_1_and_still_reported(
    world: World, request_for: Callable[..., BuildRequest]
) -> None:
    """The whole build is written, with the verdict of each artifact; the user's limit decides too."""
    world.errors["tflite-float"] = 0.01
    result = build(request_for())
    assert result.exit_code is Exit.CHECK_FAILED
    assert [one["verdict"] for one in result.to_dict()["artifacts"]] == ["pass", "fail"]
    assert result.report.is_file()
    world.errors.clear()
    assert build(request_for(min_psnr=200.0)).exit_code is Exit.CHECK_FAILED


def test_what_cannot_be_exported_or_run_is_not_run_with_its_reason(
    world: World, request_for: Callable[..., BuildRequest]
) -> None:
    """A missing converter, and then a missing engine, are exit 3; the others are measured all the same."""
    world.refused["tflite-float"] = MissingToolError("tflite needs litert_torch", "pip install litert-torch")
    result = build(request_for())
    assert result.exit_code is Exit.NOT_VERIFIED
    assert [one["verdict"] for one in result.to_dict()["artifacts"]] == ["pass", "not-run"]
    assert "tflite needs litert_torch (pip install litert-torch)" in result.report.read_text(encoding="utf-8")
    world.refused.clear()
    world.engine.reason = "the engine is not installed"
    assert build(request_for(use_cache=False)).exit_code is Exit.NOT_VERIFIED


def test_the_limits_of_the_task_bind(world: World, request_for: Callable[..., BuildRequest]) -> None:
    """A limit that stands in the user's TASK is in the report with its owner."""
    section = build(request_for()).document.sections[0]
    bound = next(one for one in section.report.measurements if one.metric == "ssim_vs_truth")
    assert (bound.minimum, bound.limit_reason) == (0.5, "set by the task")


def test_a_second_build_reuses_what_is_the_same(world: World, request_for: Callable[..., BuildRequest]) -> None:
    """Nothing is run again, the numbers say when they were measured, and an earlier build is replaced whole."""
    first = build(request_for())
    (first.folder / "stray.txt").write_text("of yesterday")
    again = build(request_for())
    assert world.engine.opened == 2
    assert all(one.report.notes["reused"] for one in again.document.sections)
    assert not (again.folder / "stray.txt").exists()
    assert "reused" in again.report.read_text(encoding="utf-8")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), UsageError("no photographs")])
def test_a_build_that_breaks_off_leaves_the_earlier_one(
    world: World, request_for: Callable[..., BuildRequest], tmp_path: Path, stop: BaseException
) -> None:
    """Ctrl-C or an error in the middle: the earlier build is untouched and nothing half written stays."""
    build(request_for())
    before = files.sha256(tmp_path / "out")
    world.refused["golden"] = stop  # type: ignore[assignment]
    with pytest.raises(type(stop)):
        build(request_for())
    assert files.sha256(tmp_path / "out") == before
    assert {path.name for path in tmp_path.iterdir()} == {"out", "model.py"}


def test_a_folder_that_is_no_build_is_not_replaced(
    world: World, request_for: Callable[..., BuildRequest], tmp_path: Path
) -> None:
    """A folder with the user's files is refused and stays; an empty one, or one with exports alone, is taken."""
    output = tmp_path / "out"
    output.mkdir()
    (output / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"is no build(.|\n)*-o"):
        build(request_for())
    assert (output / "thesis.tex").read_text() == "years of work"
    (output / "thesis.tex").unlink()
    made.write_artifact(output / "export" / "onnx-float")
    assert build(request_for()).exit_code is Exit.PASS


@pytest.mark.parametrize("changes", [{"formats": ("onnx", "onyx")}, {"formats": ()}, {"precisions": ()}])
def test_unknown_formats_are_refused_at_once(
    request_for: Callable[..., BuildRequest], changes: dict[str, Any], tmp_path: Path
) -> None:
    """Nothing starts, nothing is written, the known names are said."""
    with pytest.raises(UsageError, match=r"no export format(.|\n)*onnx"):
        build(request_for(**changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"precisions": ("float", "int8")}, "precision 'int8'"),
        ({"photos": (Path("nowhere.jpg"),)}, "does not exist"),
        ({"form": "hat"}, "has no form 'hat'"),
    ],
)
def test_what_cannot_be_built_is_told_first(
    world: World, request_for: Callable[..., BuildRequest], changes: dict[str, Any], told: str
) -> None:
    """A precision that nothing has and a photograph that is not there: before anything is made, not after minutes."""
    lines: list[str] = []
    with pytest.raises(UsageError, match=told):
        build(request_for(**changes), lines.append)
    assert not lines


@pytest.mark.slow
def test_a_real_network_from_pytorch_to_the_report(tmp_path: Path) -> None:
    """A user's three layers through ONNX: exported, run in ONNX Runtime on a photograph, verified, reported.

    In processes of their own; both precisions, and the cache, are held by tests/cli/test_verbs.py in this one.
    """
    from PIL import Image
    from skimage import data

    model, photo = tmp_path / "tiny.py", tmp_path / "coffee.png"
    model.write_text(TINY)
    Image.fromarray(data.coffee()[:100, :151]).save(photo)
    only = {"formats": ("onnx",), "precisions": ("float",), "use_cache": False}
    result = build(BuildRequest(f"{model}:TASK", photos=(photo,), output=tmp_path / "out", **only))
    assert result.exit_code is Exit.PASS
    assert [one.report.artifact for one in result.document.sections] == ["onnx-float"]
    exact = {one.metric: one.value for one in result.document.sections[0].report.measurements}
    assert (exact["psnr_vs_float_worst_db"] or 0) > 110
    assert result.document.sections[0].report.engine == "onnxruntime"
