"""The one place where a command ends: text or envelope, sentence and hint, exit code."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import typer
from typer.exceptions import TyperException

from viewfinder.cli.verb import DEBUG_FLAG, JSON_FLAG, WHEN_STOPPED, InterruptedByUserError, Outcome
from viewfinder.errors import Exit, MissingToolError, UsageError, ViewfinderError

SCHEMA_VERSION = 1
INTERRUPTED = 130
"""What a shell expects of a program that ctrl-C stopped: 128 + SIGINT."""
STATUS = {Exit.PASS: "pass", Exit.CHECK_FAILED: "failed", Exit.USAGE: "error", Exit.NOT_VERIFIED: "not-verified"}


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run the command line `arguments` and return the exit code; nothing is raised, whatever goes wrong."""
    options = [argument for argument in _before_dashes(arguments) if argument in {JSON_FLAG, DEBUG_FLAG}]
    debug = DEBUG_FLAG in options
    _prepare(debug=debug)
    outcome, error = _outcome(app, list(arguments), debug=debug)
    if isinstance(outcome, int):
        return outcome
    code = INTERRUPTED if isinstance(error, InterruptedByUserError) else int(outcome.exit_code)
    try:
        if JSON_FLAG in options:
            _print_envelope(_command_of(arguments), outcome, error)
        else:
            _print_text(outcome, error)
        sys.stdout.flush()
    except BrokenPipeError:  # `viewfinder ... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return code


def _before_dashes(arguments: Sequence[str]) -> list[str]:
    """Return the arguments before ``--``; those behind it are names."""
    return list(arguments[: arguments.index("--")] if "--" in arguments else arguments)


def _command_of(arguments: Sequence[str]) -> str:
    """Return the verb, for groups with their own."""
    words = [argument for argument in _before_dashes(arguments) if not argument.startswith("-")]
    return " ".join(words[: 2 if words[:1] in (["cache"], ["baseline"], ["devices"]) else 1])


def _prepare(*, debug: bool) -> None:
    """Quieten the libraries, and have a polite kill end like ctrl-C, so that half-written folders go."""
    if not debug:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: the host program has its own manners
        return


def _outcome(app: typer.Typer, arguments: list[str], *, debug: bool) -> tuple[Outcome | int, ViewfinderError | None]:
    """Run the command; an integer means that help or completion has been printed and this is the exit code."""
    try:
        ended = app(args=arguments, prog_name="viewfinder", standalone_mode=False)
    except SystemExit as error:  # completion scripts
        return int(error.code or 0), None
    except BaseException as error:  # noqa: BLE001 the last stop: everything is explained
        if debug:
            traceback.print_exc()
        explained = explain(error)
        return Outcome(exit_code=explained.exit_code), explained
    if ended == INTERRUPTED:  # typer has caught the ctrl-C
        return Outcome(exit_code=Exit.USAGE), explain(KeyboardInterrupt())
    return (ended, None) if isinstance(ended, Outcome) else (int(ended or 0), None)


def explain(error: BaseException) -> ViewfinderError:
    """Turn anything that a command can raise into a sentence and a way out."""
    if isinstance(error, ViewfinderError):
        return error
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return InterruptedByUserError("stopped", WHEN_STOPPED)
    if isinstance(error, TyperException):
        return _explain_usage(error)
    if isinstance(error, OSError):
        return _explain_os(error)
    return _explain_unforeseen(error)


def _explain_unforeseen(error: BaseException) -> UsageError:
    """Find words for what no code here raises on purpose."""
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("viewfinder"):
        hint = "`viewfinder doctor` names the command that installs it"
        return MissingToolError(f"this needs the package {error.name}, which is not installed", hint)
    if isinstance(error, MemoryError):
        return UsageError("out of memory", "close other programs, or take a smaller picture", code="out-of-memory")
    return UsageError(
        f"something unforeseen: {type(error).__name__}: {error}",
        f"run it again with {DEBUG_FLAG} and report what it prints",
        code="unexpected",
    )


def _explain_usage(error: TyperException) -> UsageError:
    """Keep typer's sentence; the way out is the help of the command that was meant."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "viewfinder"
    text = error.format_message()
    if text.startswith("Usage:"):
        return UsageError("no command was given", f"`{path} --help` lists them")
    return UsageError(text.rstrip("."), f"`{path} --help` shows how it is used")


def _explain_os(error: OSError) -> UsageError:
    """Name the file and the cause of what the operating system refused."""
    name = f"{error.filename}: " if error.filename else ""
    reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
    hints = {
        errno.ENOSPC: "free some space, or choose another folder with -o or the environment variable VIEWFINDER_CACHE",
        errno.ENOENT: "check the path; it is relative to the current folder",
        errno.EACCES: "check the permissions, or choose another folder with -o",
        errno.EROFS: "choose a folder on a writable disk with -o",
        errno.EISDIR: "name a file, not a folder",
        errno.ENOTDIR: "a part of this path is a file, not a folder",
    }
    hint = hints.get(error.errno or 0, f"run it again with {DEBUG_FLAG} to see where")
    return UsageError(f"{name}{reason}", hint, code="file-system")


def _print_text(outcome: Outcome, error: ViewfinderError | None) -> None:
    """Print for people: the text on standard output, warnings and errors on standard error."""
    for warning in outcome.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if error is not None:
        hint = f"\n  {error.hint}" if error.hint else ""
        sys.stderr.write(f"viewfinder: {error.message}{hint}\n")
    if outcome.text:
        sys.stdout.write(f"{outcome.text}\n")


def _print_envelope(command: str, outcome: Outcome, error: ViewfinderError | None) -> None:
    """Print for programs: one envelope, in strict JSON (NaN and infinity become null)."""
    envelope = {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "status": "error" if error is not None and error.exit_code is Exit.USAGE else STATUS[outcome.exit_code],
        "result": plain(outcome.result),
        "warnings": list(outcome.warnings),
        "error": error and {"code": error.code, "message": error.message, "hint": error.hint},
    }
    sys.stdout.write(json.dumps(envelope, indent=2, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Return `value` as JSON data: tuples become lists, paths texts, non-finite numbers None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    if value is None or isinstance(value, bool | int | str):
        return str(value) if isinstance(value, str) else value
    return plain(value.item()) if hasattr(value, "item") else str(value)
