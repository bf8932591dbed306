"""What is said to a board over one ssh connection: transfers by hash, commands with a proof of their end."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import files
from viewfinder.devices import DeviceError, DeviceLostError, Finished, Pushed
from viewfinder.devices._folder import content, inside
from viewfinder.errors import MissingToolError, UsageError

if TYPE_CHECKING:
    import asyncssh

CONFIG = "VIEWFINDER_SSH_CONFIG"
FOLDER = ".cache/viewfinder-device"
MOST_BYTES = 64 << 20
"""Of a command's output; of a pulled file, 32 times as much."""
REMEDY = "python -m pip install 'viewfinder[devices]'"
HASHER, LIMITER = ("sha256sum", "--"), ("timeout", "-k", "2")
"""What Linux has for hashing a file and for ending a program."""
_CONNECT_S = 20.0
_PARTIAL = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{32}")
_OLD_S = 3600


@dataclass(frozen=True)
class Address:
    """Where a board is; None leaves it to the configuration."""

    host: str
    user: str | None
    port: int | None


def installed() -> bool:
    """Tell whether asyncssh is there."""
    return find_spec("asyncssh") is not None


@asynccontextmanager
async def connected(name: str, address: Address) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Connect; what goes wrong with the connection, then or later, becomes a sentence."""
    if not installed():
        raise MissingToolError("the package asyncssh is not installed", REMEDY)
    import asyncssh

    given: dict[str, Any] = {"username": address.user, "port": address.port}
    if config := os.environ.get(CONFIG):
        given["config"] = [config]
    options = {key: value for key, value in given.items() if value is not None}
    try:
        async with asyncssh.connect(address.host, **options, connect_timeout=_CONNECT_S) as connection:
            yield connection
    except asyncssh.HostKeyNotVerifiable as error:
        raise UsageError(
            f"{name}: the host key is not known, or has changed",
            f"compare its fingerprint, then connect once with: ssh {address.host}",
            code="host-key",
        ) from error
    except asyncssh.PermissionDenied as error:
        raise UsageError(
            f"{name} refuses the login: {error.reason}", "put your key there with ssh-copy-id, or into the agent"
        ) from error
    except (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost) as error:
        raise DeviceLostError(f"{name}: the transfer ended: {error.reason}", "check that `sftp` reaches it") from error
    except asyncssh.SFTPError as error:
        raise _explained(name, error) from error
    except (asyncssh.Error, OSError) as error:
        reason = str(error) or type(error).__name__
        raise DeviceLostError(f"{name}: the connection failed: {reason}", "check that `ssh` reaches it") from error


def _explained(name: str, error: asyncssh.SFTPError) -> UsageError:
    """Put a refusal of the board's file system into words."""
    return UsageError(
        f"{name} cannot write or read a file: {error.reason}",
        f"check the free space and the permissions of ~/{FOLDER} there",
        code="cannot-write",
    )


@dataclass(frozen=True)
class Content:
    """A file or folder to send, looked at before the connection is."""

    source: Path
    sha256: str
    is_folder: bool
    size_bytes: int

    @classmethod
    def of(cls, source: Path) -> Content:
        """Look at a file or folder.

        Raises:
            UsageError: there is nothing.
        """
        return cls(source, content(source), source.is_dir(), files.size_bytes(source))


async def push(connection: asyncssh.SSHClientConnection, what: Content, hasher: Sequence[str] = HASHER) -> Pushed:
    """Send into a folder of another name, which gets its own when all is there; `hasher` prints a file's SHA-256."""
    import asyncssh

    async with connection.start_sftp_client() as sftp:
        home = await _text(sftp.realpath("."))
        place = f"{home}/{FOLDER}/pushed/{what.sha256}"
        target = f"{place}/{what.source.name}"
        if await sftp.exists(target) and await _is_whole(connection, what, target, hasher):
            return Pushed(target, what.sha256, 0)
        partial = f"{place}.{uuid.uuid4().hex}"
        await sftp.makedirs(partial, exist_ok=True)
        await _remove_old(connection, sftp, partial)
        inside_it = f"{partial}/{what.source.name}"
        try:
            await sftp.put(str(what.source), inside_it, recurse=what.is_folder, follow_symlinks=True)
        except asyncssh.SFTPFailure:  # a full disk, say: what was written goes, so that smaller things still fit
            await _quiet(connection, ["rm", "-rf", partial])
            raise
        await _quiet(connection, ["rm", "-rf", place])
        await sftp.posix_rename(partial, place)
        return Pushed(target, what.sha256, what.size_bytes)


async def _remove_old(connection: asyncssh.SSHClientConnection, sftp: asyncssh.SFTPClient, partial: str) -> None:
    """Remove what transfers left that were cut an hour ago or longer, by the board's own clock."""
    parent, now = partial.rpartition("/")[0], (await sftp.stat(partial)).mtime or 0
    for entry in await sftp.readdir(parent):
        name = str(entry.filename)
        if _PARTIAL.fullmatch(name) and entry.attrs.mtime is not None and now - entry.attrs.mtime > _OLD_S:
            await _quiet(connection, ["rm", "-rf", f"{parent}/{name}"])


async def _is_whole(
    connection: asyncssh.SSHClientConnection, what: Content, target: str, hasher: Sequence[str]
) -> bool:
    """Compare the hash of a file there; a folder got its name when it was whole."""
    if what.is_folder:
        return True
    done = await connection.run(shlex.join([*hasher, target]), check=False)
    return str(done.stdout).lstrip("\\").startswith(what.sha256)


async def pull(connection: asyncssh.SSHClientConnection, path: str, partial: Path, name: str) -> None:
    """Fetch a file whose real place is in the work folder."""
    import asyncssh

    async with connection.start_sftp_client() as sftp:
        await sftp.makedirs(f"{FOLDER}/work", exist_ok=True)
        work = await _text(sftp.realpath(f"{FOLDER}/work"))
        try:
            real = await _text(sftp.realpath(f"{work}/{path}"))
            size = (await sftp.stat(real)).size or 0
        except asyncssh.SFTPNoSuchFile:
            real, size = "", 0
        if not real or not await sftp.isfile(real):
            raise DeviceError(f"{name} has no file {path!r}", "see what the command printed")
        if not real.startswith(f"{work}/"):
            inside(real)
        if size > 32 * MOST_BYTES:
            raise DeviceError(f"{name} offers {size} bytes as {path!r}", "have the command write less")
        await sftp.get(real, str(partial))


async def run(
    connection: asyncssh.SSHClientConnection, argv: Sequence[str], timeout_s: float, limiter: Sequence[str] = LIMITER
) -> Finished:
    """Run under ``timeout``, and believe the exit code only from the file that is written last."""
    start = time.monotonic()
    proof = f".ended-{uuid.uuid4().hex}"
    command = shlex.join([*limiter, f"{timeout_s:g}", *argv])
    line = f"mkdir -p {FOLDER}/work && cd {FOLDER}/work && {{ {command}; echo $? >{proof}; }}"
    async with connection.create_process(line, encoding=None, stdin=subprocess.DEVNULL) as process:
        output, errors = await asyncio.gather(*(_read(stream, argv[0]) for stream in (process.stdout, process.stderr)))
        await process.wait_closed()
    seconds = time.monotonic() - start
    shown = await connection.run(f"cd {FOLDER}/work && cat {proof} && rm -f {proof}", check=False)
    texts = [data.decode("utf-8", errors="replace") for data in (output, errors)]
    word = str(shown.stdout).strip()
    if not word.isdigit():
        raise DeviceLostError(f"{argv[0]} left no word of its end", "the board may have restarted; repeat the command")
    code = int(word)
    if code in {124, 137} and seconds >= timeout_s:
        raise DeviceError(
            f"{argv[0]} was still running after {timeout_s:g} s and was killed", "allow it more time", code="timeout"
        )
    if code in {126, 127} and (reason := _not_started(texts[1])):
        raise MissingToolError(f"{argv[0]} cannot be started: {reason}", "install it there, or push it first")
    return Finished(tuple(argv), 128 - code if code > 128 else code, texts[0], texts[1], seconds)


def _not_started(errors: str) -> str:
    """Return why a program could not be started, or "" if it was and exits so by itself."""
    if "\x7fELF" in errors or "ELF: not found" in errors:  # execvp hands what the kernel refuses to a shell
        return "exec format error: it is made for another processor"
    # Some systems start programs by their whole path, which then stands in the message.
    return errors.strip().rpartition(": ")[2].lower() if re.match(r"(/\S*/)?timeout:", errors) else ""


async def _read(stream: asyncssh.SSHReader[bytes], name: str) -> bytes:
    """Read a stream to its end, or give up when it has none."""
    parts, size = [], 0
    while chunk := await stream.read(1 << 16):
        parts.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise DeviceError(f"{name} printed more than {MOST_BYTES} bytes", "have it print less")
    return b"".join(parts)


async def _quiet(connection: asyncssh.SSHClientConnection, argv: Sequence[str]) -> None:
    """Run a small command of ours."""
    await connection.run(shlex.join(argv), check=False)


async def _text(path: Awaitable[bytes | str]) -> str:
    """Return a path of the board as text."""
    found = await path
    return found if isinstance(found, str) else found.decode("utf-8", errors="surrogateescape")
