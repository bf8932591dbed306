"""Finding tasks by name and by file."""

from __future__ import annotations

import subprocess
import sys

import pytest

from viewfinder import models
from viewfinder.errors import UsageError
from viewfinder.task import Task

OWN = """
from viewfinder.task import Task, TensorSpec
from helper import SIZE
spec = TensorSpec("image", (1, 3, SIZE, SIZE))
TASK = Task("own", "a model of one's own", lambda: None, (spec,), (TensorSpec("result", (1, 3, SIZE, SIZE)),))
number = 7
"""


@pytest.fixture
def own(tmp_path):
    """Return a user's model file, which imports a helper beside it."""
    (tmp_path / "helper.py").write_text("SIZE = 8\n")
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path / "own.py"


def test_every_shipped_model_loads_without_torch():
    """Each file in train/models gives a task of its own name, and PyTorch stays out."""
    code = (
        "import sys; from viewfinder import models\n"
        "assert all(models.load(name).name == name for name in models.names())\n"
        "print(len(models.names()), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    number, torch = done.stdout.split()
    assert int(number) >= 3
    assert torch == "False"


def test_own_model(own):
    """``file.py:TASK`` gives the task; its file may import a helper beside it, and the search path stays as it was."""
    before = list(sys.path)
    task = models.load(f"{own}:TASK")
    assert isinstance(task, Task)
    assert task.inputs[0].shape == (1, 3, 8, 8)
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("hdrnet-lma", "no model is called 'hdrnet-lma'", "did you mean hdrnet-luma"),
        ("Hdrnet", "no model is called 'Hdrnet'", "did you mean hdrnet"),
        ("zzz", "no model is called 'zzz'", "the shipped models are: dncnn"),
        ("build/none", "build/none does not exist", "a folder of artifacts"),
        ("missing.py:TASK", "there is no file missing.py", "relative to the current folder"),
        ("own.py", "'own.py' names no task", "own.py:TASK"),
        ("own.py:", "'own.py:' names no task", "own.py:TASK"),
        ("own.py:TSK", "TSK in own.py does not exist", "it has: TASK"),
        ("own.py:number", "number in own.py is not a Task", "it has: TASK"),
        ("bad.py:TASK", "bad.py cannot be imported: ValueError: no (line 2)", "python bad.py"),
        ("broken.py:TASK", "broken.py cannot be imported: SyntaxError", "python broken.py"),
        ("empty.py:TASK", "TASK in empty.py does not exist", "define TASK = viewfinder.task.Task(...)"),
    ],
)
def test_what_is_not_there_is_named(own, monkeypatch, name, message, hint):
    """Each wrong name gets a sentence with the cause and a way out."""
    folder = own.parent
    (folder / "bad.py").write_text("\nraise ValueError('no')\n")
    (folder / "broken.py").write_text("def (:\n")
    (folder / "empty.py").write_text("")
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError) as caught:
        models.load(name)
    assert message in caught.value.message
    assert hint in caught.value.hint
