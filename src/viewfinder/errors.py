"""What can go wrong, as one small tree. Every message names the file or device and the cause; the hint, the way out."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    PASS = 0
    CHECK_FAILED = 1
    USAGE = 2
    NOT_VERIFIED = 3


class ViewfinderError(Exception):
    """Something the user can act on.

    Attributes:
        code: short, stable word for scripts (``bad-image``, ``bad-artifact``, ...).
        message: what is wrong, naming the file or device and the cause.
        hint: what to do about it.
        exit_code: what the command exits with.
    """

    exit_code = Exit.USAGE
    code = "error"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None) -> None:
        """Keep the parts apart, for people and for `--json`."""
        super().__init__(f"{message}\n{hint}" if hint else message)
        self.message, self.hint = message, hint
        self.code = code or type(self).code


class UsageError(ViewfinderError):
    """The command, a file that it names, or the environment is not usable. Exit 2."""

    code = "usage"


class BadImageError(UsageError):
    """A picture cannot be read, or has values that no picture has."""

    code = "bad-image"


class BadArtifactError(UsageError):
    """An artifact, its manifest or its hashes do not fit together."""

    code = "bad-artifact"


class MissingToolError(UsageError):
    """A package or tool is not installed, or cannot run on this system."""

    code = "missing-tool"


class CheckFailedError(ViewfinderError):
    """A check ran and did not pass. Exit 1."""

    exit_code = Exit.CHECK_FAILED
    code = "check-failed"


class NotVerifiedError(ViewfinderError):
    """Something was produced but could not be verified here. Exit 3."""

    exit_code = Exit.NOT_VERIFIED
    code = "not-verified"
