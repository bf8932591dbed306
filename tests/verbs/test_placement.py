"""What two builds put on an NPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.verbs import made

from viewfinder import artifact
from viewfinder.cli import main
from viewfinder.errors import Exit, UsageError
from viewfinder.verbs.placement import placement

NAME = "qnn-fp16-snapdragon-8-elite"


def write(folder, operators, fallen=None, partitions=1):
    """Write a compiled artifact."""
    one = made.write_artifact(folder / NAME)
    notes = {"operators": operators, "not_delegated": fallen or {}, "partitions": partitions}
    whole = replace(one, recipe={"target": "snapdragon-8-elite"}, graphs=(replace(one.graphs[0], notes=notes),))
    artifact.write_manifest(whole, one.folder)
    return folder


def test_what_moved_to_the_cpu_fails(tmp_path, capsys):
    """The operator is named with its count, and the command ends with 1; the way back is no failure."""
    old = write(tmp_path / "old", {"Conv2d": 4, "Relu": 4})
    new = write(tmp_path / "new", {"Conv2d": 4, "Relu": 3}, {"Acosh": 1}, 2)
    result = placement(old, new)
    assert result.exit_code is Exit.CHECK_FAILED
    (change,) = result.changes
    assert change.moved == {"Acosh": (0, 1), "Relu": (-1, 0)}
    assert placement(new, old).exit_code is Exit.PASS
    assert placement(old, old).changes[0].moved == {}
    assert main(["placement", str(old), str(new)]) == 1
    assert "Acosh +0 NPU +1 CPU" in capsys.readouterr().out


def test_a_build_without_compiled_artifacts(tmp_path):
    """It is refused with the command that makes one."""
    made.write_artifact(tmp_path / "onnx-float")
    with pytest.raises(UsageError, match="no artifact that was compiled") as error:
        placement(tmp_path, tmp_path)
    assert "viewfinder compile" in error.value.hint
