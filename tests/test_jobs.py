"""Jobs: order, answers, errors, crashes and ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from viewfinder import jobs
from viewfinder.errors import BadArtifactError, Exit, NotVerifiedError
from viewfinder.jobs import CrashedError, Job

HERE = "tests.test_jobs"


def add(one: int, other: int) -> int:
    """Add."""
    return one + other


def note(file: Path, word: str) -> None:
    """Append a word to a file."""
    with file.open("a") as stream:
        stream.write(word)


def refuse() -> None:
    """Raise an error with all its parts."""
    raise NotVerifiedError("op wibble is not known", "use another engine", code="op-unknown")


def stumble() -> None:
    """Raise what nobody foresaw."""
    raise RuntimeError("oh")


def die() -> None:
    """End as a crash in a library's C++ does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def hold(folder: Path) -> None:
    """Say that it has begun, wait for a signal, say that it tidied up."""
    (folder / "begun").touch()
    try:
        signal.pause()
    finally:
        (folder / "tidied").touch()


def test_values_come_back_and_nothing_outlives_the_run() -> None:
    """Each job answers with its function's value, in the parent's own process none of it ran."""
    told: list[str] = []
    ended = jobs.run(
        [Job("a", f"{HERE}:add", {"one": 1, "other": 2}), Job("b", "os:getpid")], lambda one: told.append(one.name)
    )
    assert ended["a"].value == 3
    assert ended["b"].value != os.getpid()
    assert sorted(told) == ["a", "b"]


def test_a_job_waits_for_what_it_needs(tmp_path: Path) -> None:
    """Whatever the order of the list, a job starts after the ones it names."""
    file = tmp_path / "log"
    plan = [
        Job("last", f"{HERE}:note", {"file": file, "word": "c"}, after=("first", "second")),
        Job("first", f"{HERE}:note", {"file": file, "word": "a"}),
        Job("second", f"{HERE}:note", {"file": file, "word": "b"}, after=("first",)),
    ]
    jobs.run(plan, slots=3)
    assert file.read_text() == "abc"


def test_errors_keep_their_parts_and_orphans_their_cause() -> None:
    """Message, hint, code and exit code cross the process; a job that waited for it ends with the same, unstarted."""
    plan = [Job("bad", f"{HERE}:refuse"), Job("child", f"{HERE}:die", after=("bad",))]
    ended = jobs.run(plan)
    error = ended["bad"].error
    assert isinstance(error, NotVerifiedError)
    assert (error.message, error.hint, error.code) == ("op wibble is not known", "use another engine", "op-unknown")
    assert error.exit_code is Exit.NOT_VERIFIED
    assert ended["child"].error is error


def test_a_crash_is_an_error_of_its_own_job_alone() -> None:
    """A segmentation fault names its signal, an unforeseen exception itself; the neighbour is well."""
    plan = [
        Job("crash", f"{HERE}:die"),
        Job("raise", f"{HERE}:stumble"),
        Job("fine", f"{HERE}:add", {"one": 1, "other": 1}),
    ]
    ended = jobs.run(plan)
    assert isinstance(ended["crash"].error, CrashedError)
    assert "SIGSEGV" in ended["crash"].error.message
    assert isinstance(ended["raise"].error, CrashedError)
    assert ended["raise"].error.message == "RuntimeError: oh"
    assert ended["fine"].value == 2


def test_stopping_lets_the_children_tidy_up(tmp_path: Path) -> None:
    """An exception in the parent, as ctrl-C is, stops the children, which unwind before they go."""

    def give_up(_one: object) -> None:
        """Be the user who stops, once the other job is under way."""
        deadline = time.monotonic() + 60
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < deadline
        raise KeyboardInterrupt

    plan = [Job("hold", f"{HERE}:hold", {"folder": tmp_path}), Job("quick", f"{HERE}:add", {"one": 0, "other": 0})]
    with pytest.raises(KeyboardInterrupt):
        jobs.run(plan, give_up, slots=2)
    assert (tmp_path / "tidied").exists()


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    """A user's plain script may call it, and a folder called like a library does not get in the way."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise RuntimeError('shadowed')")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.path.remove(sys.path[0])\n"
        "from viewfinder import jobs\n"
        "print(jobs.run([jobs.Job('a', 'numpy:add', {'x1': 1, 'x2': 2})])['a'])\n".replace("{'x1': 1, 'x2': 2}", "{}")
    )
    ran = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "shadowed" not in ran.stdout + ran.stderr
    assert "TypeError" in ran.stdout


def test_the_hierarchy_of_errors_crosses_as_the_nearest_known_class() -> None:
    """An error class that only its own module knows arrives as its base in the tree."""
    from viewfinder.models import NoSuchModelError

    data = jobs._error_data(NoSuchModelError("no", "hint"))
    back = jobs._error_from(data)
    assert type(back).__name__ == "UsageError"
    assert back.code == "no-such-model"
    assert not isinstance(back, BadArtifactError)
