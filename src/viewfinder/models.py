"""Find tasks by name: the shipped ones in ``train/models``, a user's own as ``path/to/file.py:TASK``.

Nothing here imports torch; a task's ``build`` does, when it is called.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from viewfinder import files
from viewfinder.errors import UsageError
from viewfinder.task import Task

FOLDER = Path(__file__).parent / "train" / "models"
"""Where a shipped model is one file; ``hdrnet_luma.py`` is ``hdrnet-luma`` on the command line."""


class NoSuchModelError(UsageError):
    """A model name, file or attribute that is not there."""

    code = "no-such-model"


class BrokenModelError(UsageError):
    """A user's model file is there, but does not give a task."""

    code = "broken-model"


def names() -> list[str]:
    """List the shipped models by their file names, sorted; no model is imported."""
    return sorted(file.stem.replace("_", "-") for file in FOLDER.glob("*.py") if not file.stem.startswith("_"))


def load(name: str) -> Task:
    """Return the task that `name` means: a shipped name, or ``path/to/file.py:ATTRIBUTE``.

    Raises:
        NoSuchModelError: nothing has this name; near misses are in the hint.
        BrokenModelError: the user's file raises at import, or its attribute is not a task.
    """
    if ":" in name or name.endswith(".py"):
        return _from_file(name)
    if name not in names():
        raise _unknown(name)
    module = importlib.import_module(f"viewfinder.train.models.{name.replace('-', '_')}")
    return _task_of(module, "TASK", name)


def _unknown(name: str) -> NoSuchModelError:
    """Say which shipped names come near `name`, or that a path leads nowhere."""
    known = names()
    if "/" in name or "\\" in name:
        hint = f"give a folder of artifacts, path/to/file.py:TASK, or one of the shipped models: {', '.join(known)}"
        return NoSuchModelError(f"{name} does not exist", hint)
    near = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=3, cutoff=0.5)
    listing = f"did you mean {' or '.join(near)}?" if near else f"the shipped models are: {', '.join(known) or 'none'};"
    return NoSuchModelError(f"no model is called {name!r}", f"{listing} your own model is path/to/file.py:TASK")


def _from_file(name: str) -> Task:
    """Import a user's file and take the attribute after the last colon."""
    file_name, colon, attribute = name.rpartition(":")
    if not colon or file_name.endswith(":") or not attribute.isidentifier():
        raise NoSuchModelError(
            f"{name!r} names no task", f"write the attribute behind a colon: {name.rstrip(':')}:TASK"
        )
    path = Path(file_name).expanduser()
    if not path.is_file():
        raise NoSuchModelError(f"there is no file {file_name}", "check the path; it is relative to the current folder")
    return _task_of(_import(path), attribute, file_name)


def _import(path: Path) -> ModuleType:
    """Run a user's file as a module; its own folder is importable while it runs, and its bytecode stays unwritten."""
    resolved = path.resolve()
    digest = hashlib.sha256(str(resolved).encode()).hexdigest()[:12]
    name = f"viewfinder_user_{resolved.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise BrokenModelError(f"{path} is not a Python file", "name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(resolved.parent))
    try:
        with files.unwritten_bytecode():
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise BrokenModelError(
            f"{path} cannot be imported: {type(error).__name__}: {error}{_line_of(error, resolved)}",
            f"run `python {path}` to see the whole error",
        ) from error
    finally:
        sys.path.remove(str(resolved.parent))
    return module


def _line_of(error: Exception, path: Path) -> str:
    """Return `` (line N)`` of the user's file where the error passed, or an empty text."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""


def _task_of(module: ModuleType, attribute: str, source: str) -> Task:
    """Take a task from a module."""
    found = getattr(module, attribute, None)
    if isinstance(found, Task):
        return found
    others = [key for key, value in vars(module).items() if isinstance(value, Task)]
    hint = f"it has: {', '.join(others)}" if others else "define TASK = viewfinder.task.Task(...) in it"
    what = "is not a Task" if hasattr(module, attribute) else "does not exist"
    raise BrokenModelError(f"{attribute} in {source} {what}", hint)
