"""`profile --devices` on this computer: the matrix, what is kept, what is reported."""

from __future__ import annotations

import json

import pytest
from tests.verbs.test_profile import write

from viewfinder import jobs
from viewfinder.cli import main
from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime.report import document as documents
from viewfinder.target import Target
from viewfinder.verbs import farm as verbs
from viewfinder.verbs import farming
from viewfinder.verbs.farm import FarmRequest, farm
from viewfinder.verbs.profile import ProfileRequest

QUICK = {"processes": 2, "runs": 3, "seconds": 0.0}


def script(path, *answers):
    """Write the script of a fake device; return the device's name."""
    path.write_text(json.dumps({"answers": list(answers)}))
    return f"fake:{path}"


def request(tmp_path, *devices):
    """Ask for the artifacts in `models` on devices."""
    return FarmRequest(ProfileRequest(str(tmp_path / "models"), output=tmp_path / "out", **QUICK), devices)


@pytest.mark.slow
def test_the_matrix_and_its_rerun(tmp_path):
    """Two models on this computer and two fakes: what is lost is open, the rest is kept; a rerun does what is open."""
    for name in ("one", "two"):
        write(tmp_path / "models" / name)
    good = script(tmp_path / "good.json")
    bad = script(tmp_path / "bad.json", {"to": "profile", "argv": "two/", "fails": "disconnect"})
    lines = []
    made = farm(request(tmp_path, "host", good, bad), lines.append)
    states = {(cell.artifact, cell.target.partition("@")[2]): cell.state for cell in made.cells}
    assert len(states) == 6
    assert states.pop(("two", bad)) == "open"
    lost = next(cell for cell in made.cells if cell.state == "open")
    assert "was lost on here" in lost.report.measurements[0].reason
    timed = [cell for cell in made.cells if cell.target.endswith("@host")]
    assert [cell.report.evidence for cell in timed] == [Evidence.MEASURED] * 2
    assert made.exit_code is Exit.NOT_VERIFIED
    assert len(documents.read(made.report).sections) == 6
    finished = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "results").iterdir()}

    script(tmp_path / "bad.json")
    again = farm(request(tmp_path, "host", good, bad), lines.append)
    now = [(cell.artifact, cell.target.partition("@")[2]) for cell in again.cells if cell.state == "done"]
    assert ("two", bad) in now
    assert all(device == bad for _, device in now)
    assert {cell.state for cell in again.cells} == {"done", "kept"}
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "results").iterdir()}
    assert finished.items() <= after.items()


def test_on_the_command_line(tmp_path, capfd):
    """A table with the state of each job; without -o, or with a target too, it says what is missing."""
    folder = write(tmp_path / "models")
    name = script(tmp_path / "good.json")
    assert main(["profile", str(folder), "--devices", name, "-o", str(tmp_path / "out")]) == 3
    said = capfd.readouterr()
    assert "onnx+cpu@fake" in said.out
    assert "[1/1] models on fake" in said.err
    assert main(["profile", str(folder), "--devices", name]) == 2
    assert "-o" in capfd.readouterr().err
    assert main(["profile", str(folder), "--devices", "phone", "-o", str(tmp_path / "out")]) == 2
    assert "there is no device 'phone'" in capfd.readouterr().err


def test_what_a_device_cannot_run_is_left_out_and_said(tmp_path):
    """Core ML on a board: no job, a line that says so; with nothing else there is nothing to do."""
    write(tmp_path / "models" / "coreml", kind="coreml")
    write(tmp_path / "models" / "onnx")
    planned, skipped = verbs._planned(
        verbs.profile.chosen_artifacts(tmp_path / "models", None), ["arm64:cortex-a76"], request(tmp_path, "x")
    )
    assert [one.made.format for one in planned] == ["onnx"]
    assert "does not run coreml artifacts" in skipped[0]


def test_all_means_what_can_be_used(monkeypatch):
    """Devices that lack something, names that are only forms, and the fake are not among them."""
    assert "host" in verbs.usable()
    assert not [name for name in verbs.usable() if name.startswith("fake") or name == "ssh:HOST"]
    assert "viewfinder:host" in verbs.resources()


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"output": None}, "a folder that keeps"), ({"target": Target.parse("onnx")}, "neither --target nor")],
)
def test_what_makes_no_farm(tmp_path, changes, said):
    """Without a folder nothing could be resumed."""
    asked = {"output": tmp_path, **changes}
    with pytest.raises(UsageError, match=said):
        FarmRequest(ProfileRequest("x", **asked))


def test_artifacts_travel_as_archives(tmp_path):
    """The same bytes for the same artifact; an archive that leads out of its folder is refused."""
    import io
    import tarfile

    from viewfinder import artifact

    made = artifact.load(write(tmp_path / "model"))
    payload = farming.packed(made)
    assert payload == farming.packed(made)
    farming.unpacked(payload, tmp_path / "there")
    assert artifact.load(tmp_path / "there").sha256 == made.sha256
    for name, kind in (
        ("../evil", tarfile.REGTYPE),
        (str(tmp_path / "evil"), tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("same", tarfile.LNKTYPE),
        ("pipe", tarfile.FIFOTYPE),
    ):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        with pytest.raises(BadArtifactError):
            farming.unpacked(stream.getvalue(), tmp_path / "there")
    with pytest.raises(BadArtifactError):
        farming.unpacked(b"garbage", tmp_path / "there")
    assert not (tmp_path / "evil").exists()


def test_a_job_that_is_killed_says_so():
    """The pool answers for a process that ends without a word."""
    with jobs.Pool() as pool:
        pool.start(jobs.Job("dies", "os:abort"))
        while not (found := pool.ended(1.0)):
            pass
    assert found[0].error.code == "crashed"
    assert "SIGABRT" in found[0].error.message
