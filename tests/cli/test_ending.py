"""How a command ends: text or envelope, sentence and hint, exit code."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from pathlib import Path

import pytest
import typer

from viewfinder.cli import ending
from viewfinder.cli.verb import Outcome, verb
from viewfinder.errors import BadImageError, CheckFailedError, Exit, NotVerifiedError

CAUSES = {
    "picture": BadImageError("cat.jpg ends in the middle", "copy it again"),
    "check": CheckFailedError("psnr is 20 dB, at least 40 dB is asked for"),
    "unverified": NotVerifiedError("not-run: op foo", "add it to the evaluator"),
    "ctrl-c": KeyboardInterrupt(),
    "full": OSError(errno.ENOSPC, "No space left on device", "out.png"),
    "gone": FileNotFoundError(errno.ENOENT, "No such file or directory", "photo.png"),
    "memory": MemoryError(),
    "tool": ModuleNotFoundError("No module named 'torch'", name="torch"),
    "bug": ZeroDivisionError("division by zero"),
}


def nothing() -> Outcome:
    """Do nothing."""
    return Outcome()


def app_that(function):
    """Return an application with the verb `do` (and one more, so that verbs are named)."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    verb(app, "do")(function)
    verb(app, "other")(nothing)
    return app


def run(capfd, function, *arguments):
    """Run ``do ARGUMENTS``; return exit code, standard output and standard error."""
    code = ending.run(app_that(function), ["do", *arguments])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def raising(cause):
    """Return a verb that raises `cause`."""

    def function() -> Outcome:
        raise cause

    return function


@pytest.mark.parametrize(
    ("cause", "code", "sentence"),
    [
        ("picture", 2, "cat.jpg ends in the middle\n  copy it again\n"),
        ("check", 1, "psnr is 20 dB, at least 40 dB is asked for\n"),
        ("unverified", 3, "not-run: op foo\n  add it to the evaluator\n"),
        ("ctrl-c", 130, "stopped\n"),
        ("full", 2, "out.png: no space left on device\n  free some space"),
        ("gone", 2, "photo.png: no such file or directory\n  check the path"),
        ("memory", 2, "out of memory\n"),
        ("tool", 2, "this needs the package torch, which is not installed\n  `viewfinder doctor`"),
        ("bug", 2, "something unforeseen: ZeroDivisionError: division by zero\n  run it again with --debug"),
    ],
)
def test_a_failure_is_a_sentence_with_a_way_out(capfd, cause, code, sentence):
    """Every failure ends with its exit code and a sentence on standard error, without a traceback."""
    found, out, err = run(capfd, raising(CAUSES[cause]))
    assert found == code
    assert out == ""
    assert err.startswith(f"viewfinder: {sentence}")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("cause", "status", "word"),
    [
        ("picture", "error", "bad-image"),
        ("check", "failed", "check-failed"),
        ("unverified", "not-verified", "not-verified"),
        ("ctrl-c", "error", "interrupted"),
        ("full", "error", "file-system"),
        ("memory", "error", "out-of-memory"),
        ("bug", "error", "unexpected"),
    ],
)
def test_a_failure_in_json_is_one_envelope(capfd, cause, status, word):
    """With --json the failure stands in the envelope, and nothing on standard error."""
    _, out, err = run(capfd, raising(CAUSES[cause]), "--json")
    envelope = json.loads(out)
    assert set(envelope) == {"schema_version", "command", "status", "result", "warnings", "error"}
    assert (envelope["command"], envelope["status"]) == ("do", status)
    assert envelope["error"]["code"] == word
    assert envelope["result"] is None
    assert err == ""


def test_debug_shows_the_traceback(capfd):
    """--debug adds the traceback, for whoever mends the bug."""
    _, _, err = run(capfd, raising(CAUSES["bug"]), "--debug")
    assert "Traceback" in err
    assert "ZeroDivisionError" in err


def test_an_outcome_is_text_or_an_envelope(capfd):
    """The same outcome prints as text, or as an envelope whose exit code says the same."""

    def function() -> Outcome:
        return Outcome({"psnr": 31.0}, "31.0 dB", Exit.CHECK_FAILED, ("one photo was skipped",))

    assert run(capfd, function) == (1, "31.0 dB\n", "warning: one photo was skipped\n")
    code, out, err = run(capfd, function, "--json")
    assert (code, err) == (1, "")
    assert json.loads(out) == {
        "schema_version": 1,
        "command": "do",
        "status": "failed",
        "result": {"psnr": 31.0},
        "warnings": ["one photo was skipped"],
        "error": None,
    }


def test_libraries_cannot_write_into_the_envelope(capfd):
    """What Python code, or C code below it, prints on standard output arrives on standard error."""

    def function() -> Outcome:
        sys.stdout.write("from python\n")
        os.write(1, b"from below\n")
        return Outcome(1)

    _, out, err = run(capfd, function, "--json")
    assert json.loads(out)["result"] == 1
    assert "from python" in err
    assert "from below" in err


def test_wrong_usage_in_json_is_an_envelope_too(capfd):
    """Arguments that do not parse have no verb to answer them, and are answered all the same."""

    def function(size: int) -> Outcome:
        return Outcome(size)

    code, out, _ = run(capfd, function, "big", "--json")
    assert code == 2
    assert "'size'" in json.loads(out)["error"]["message"]
    assert "viewfinder do --help" in json.loads(out)["error"]["hint"]


def test_a_photo_may_be_called_json(capfd):
    """Behind ``--`` stand names, so ``-- --json`` asks for no envelope."""

    def function(name: str) -> Outcome:
        return Outcome(name, name)

    assert run(capfd, function, "--", "--json")[1] == "--json\n"


def test_numbers_without_a_value_are_null():
    """JSON has no NaN and no infinity; they become null, at any depth, NumPy's too."""
    numpy = pytest.importorskip("numpy")
    data = {"a": math.nan, "b": [math.inf, 1.5], "c": numpy.float32(0.5), "d": Path("x"), 3: (True, None)}
    assert ending.plain(data) == {"a": None, "b": [None, 1.5], "c": 0.5, "d": "x", "3": [True, None]}
