"""What every verb has: an outcome, ``--json``, ``--debug``, and a standard output that libraries cannot write to."""

from __future__ import annotations

import ctypes
import functools
import inspect
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from viewfinder.errors import Exit, ViewfinderError

JSON_FLAG = "--json"
DEBUG_FLAG = "--debug"


WHEN_STOPPED = "nothing is half written; the same command goes on from what is there and what is cached"


class InterruptedByUserError(ViewfinderError):
    """Ctrl-C, or a polite kill."""

    code = "interrupted"


@dataclass(frozen=True)
class Outcome:
    """What a verb ends with.

    Attributes:
        result: JSON data for ``--json``.
        text: the same for people; printed on standard output.
        exit_code: what the process ends with.
        warnings: sentences; they go to standard error, or into the envelope.
    """

    result: Any = None
    text: str = ""
    exit_code: Exit = Exit.PASS
    warnings: tuple[str, ...] = ()


Json = Annotated[bool, typer.Option(JSON_FLAG, help="Print one JSON envelope on standard output instead of text.")]
Debug = Annotated[bool, typer.Option(DEBUG_FLAG, help="Show the whole traceback and the libraries' own messages.")]


def verb(app: typer.Typer, name: str) -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
    """Register a function as the command `name`, with the flags of every verb added.

    `ending.run` reads the two flags from the arguments themselves, because it needs them for arguments that do not
    parse too; here they are declared, so that the help shows them.
    """

    def register(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
        @functools.wraps(function)
        def command(*args: Any, json_envelope: bool = False, debug: bool = False, **options: Any) -> Outcome:  # noqa: ARG001 declared for the help
            with libraries_print_to_stderr():
                try:
                    return function(*args, **options)
                except KeyboardInterrupt as error:
                    raise _stopped(error) from None

        command.__signature__ = _with_flags(function)  # type: ignore[attr-defined]
        app.command(name)(command)
        return command

    return register


def _stopped(error: KeyboardInterrupt) -> InterruptedByUserError:
    """Say what a verb says about how far it came; it then names its own way to go on."""
    return (
        InterruptedByUserError(f"stopped; {error}") if str(error) else InterruptedByUserError("stopped", WHEN_STOPPED)
    )


def _with_flags(function: Callable[..., Outcome]) -> inspect.Signature:
    """Return the signature of `function` with ``--json`` and ``--debug`` behind its own options."""
    signature = inspect.signature(function, eval_str=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    flags = [
        inspect.Parameter("json_envelope", kind, default=False, annotation=Json),
        inspect.Parameter("debug", kind, default=False, annotation=Debug),
    ]
    return signature.replace(parameters=[*signature.parameters.values(), *flags])


@contextmanager
def libraries_print_to_stderr() -> Iterator[None]:
    """Send what Python and C++ code writes to standard output to standard error: that of the verb is its outcome alone.

    Converters print progress lines and sizes on standard output, some of them from C++, so the descriptor is moved too.
    """
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        ctypes.CDLL(None).fflush(None)
        os.dup2(saved, 1)
        os.close(saved)


def typed() -> str:
    """Return the command line as it was typed, for reports."""
    return shlex.join(["viewfinder", *sys.argv[1:]])


def progress(line: str) -> None:
    """Show one line of progress on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
