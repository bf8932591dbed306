"""Any Linux board that ``ssh`` reaches: ``ssh:[USER@]HOST[:PORT]``, through asyncssh.

Host keys are checked against ``~/.ssh/known_hosts``; users, ports, keys and the agent are those of ``~/.ssh/config``
(or of the file that VIEWFINDER_SSH_CONFIG names). What is pushed lies in the board's ``~/.cache/viewfinder-device`` by
its hash. A command counts as ended only with the file that its wrapper writes last: a cut connection is never taken for
success.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from viewfinder import files
from viewfinder.devices import DeviceError, DeviceInfo, DeviceLostError, Finished, Found, Pushed
from viewfinder.devices._folder import content, inside, locked
from viewfinder.errors import MissingToolError, UsageError
from viewfinder.measurement import Evidence

if TYPE_CHECKING:
    import asyncssh

NAME = "ssh"
CONFIG = "VIEWFINDER_SSH_CONFIG"
FOLDER = ".cache/viewfinder-device"
MOST_BYTES = 64 << 20
"""Of a command's output; of a pulled file, 32 times as much."""
_CONNECT_S = 20.0
_GRACE_S = 30.0
_FORM = re.compile(r"((?P<user>[A-Za-z0-9_][\w.-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*)(:(?P<port>\d{1,5}))?")
_REMEDY = "python -m pip install 'viewfinder[devices]'"
Result = TypeVar("Result")


def found() -> list[Found]:
    """Return nothing that could be named: boards are not looked for on the network; the entry says how to name one."""
    missing = "" if find_spec("asyncssh") else "the package asyncssh is not installed"
    return [Found("ssh:HOST", "a Linux board: ssh:[USER@]HOST[:PORT]", missing, _REMEDY if missing else "")]


def open(detail: str) -> Board:  # noqa: A001 as the standard library's modules do
    """Return the board; it is not contacted yet.

    Raises:
        UsageError: this is no host's name.
    """
    form = _FORM.fullmatch(detail)
    if form is None or not 0 < int(form["port"] or 22) < 65536:
        raise UsageError(f"{detail!r} is no board", "write ssh:[USER@]HOST[:PORT]", code="no-such-device")
    return Board(f"{NAME}:{detail}", Address(form["host"], form["user"], int(form["port"]) if form["port"] else None))


@dataclass(frozen=True)
class Address:
    """Where a board is; None leaves it to the configuration."""

    host: str
    user: str | None
    port: int | None


class Board:
    """See `viewfinder.devices.Device`."""

    def __init__(self, name: str, address: Address) -> None:
        """Remember where it is."""
        self.name, self._address = name, address

    def info(self) -> DeviceInfo:
        """Ask the board."""
        script = "uname -srm; nproc; cat /sys/firmware/devicetree/base/model 2>/dev/null || uname -p; echo"
        script += "; grep MemTotal /proc/meminfo"
        lines = self.run(["sh", "-c", script], 30.0).output.replace("\0", "").splitlines()
        try:
            memory = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemTotal")), None)
            return DeviceInfo(self.name, lines[2].strip(), int(lines[1]), memory, lines[0], Evidence.MEASURED)
        except (IndexError, ValueError) as error:
            raise DeviceError(f"{self.name} answers {lines} when asked what it is", "is it a Linux board?") from error

    def push(self, source: Path) -> Pushed:
        """Send a file or folder, unless its content is there."""
        what = _Content(source, content(source), source.is_dir(), files.size_bytes(source))
        return self._with(lambda connection: _push(connection, what))

    def pull(self, name: str, target: Path) -> None:
        """Fetch a file of the work folder."""
        path = str(inside(name))
        with files.new_file(target) as partial:
            self._with(lambda connection: _pull(connection, path, partial, self.name))

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Run a command in the work folder, under the board's own ``timeout``."""
        return self._with(lambda connection: _run(connection, argv, timeout_s), timeout_s + _GRACE_S)

    def lock(self, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Keep other programs of this computer off the board."""
        return locked(self.name, wait_s)

    def _with(self, act: Callable[[asyncssh.SSHClientConnection], Awaitable[Result]], most_s: float = 3600.0) -> Result:
        """Connect, do something, disconnect."""

        async def session() -> Result:
            async with connected(self.name, self._address) as connection:
                return await asyncio.wait_for(act(connection), most_s)

        try:
            return asyncio.run(session())
        except TimeoutError as error:
            raise DeviceLostError(f"{self.name} no longer answers", "check its cable and power, then repeat") from error


@asynccontextmanager
async def connected(name: str, address: Address) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Connect; what goes wrong with the connection, then or later, becomes a sentence."""
    if not find_spec("asyncssh"):
        raise MissingToolError("the package asyncssh is not installed", _REMEDY)
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
class _Content:
    """A file or folder to send, looked at before the connection is."""

    source: Path
    sha256: str
    is_folder: bool
    size_bytes: int


async def _push(connection: asyncssh.SSHClientConnection, what: _Content) -> Pushed:
    """Send into a folder of another name, which gets its own when all is there."""
    async with connection.start_sftp_client() as sftp:
        home = await _text(sftp.realpath("."))
        place = f"{home}/{FOLDER}/pushed/{what.sha256}"
        target = f"{place}/{what.source.name}"
        if await sftp.exists(target) and await _is_whole(connection, what, target):
            return Pushed(target, what.sha256, 0)
        partial = f"{place}.{uuid.uuid4().hex}"
        await sftp.makedirs(partial, exist_ok=True)
        await sftp.put(str(what.source), f"{partial}/{what.source.name}", recurse=what.is_folder, follow_symlinks=True)
        await _quiet(connection, ["rm", "-rf", place])
        await sftp.posix_rename(partial, place)
        return Pushed(target, what.sha256, what.size_bytes)


async def _is_whole(connection: asyncssh.SSHClientConnection, what: _Content, target: str) -> bool:
    """Compare the hash of a file there; a folder got its name when it was whole."""
    if what.is_folder:
        return True
    done = await connection.run(shlex.join(["sha256sum", "--", target]), check=False)
    return str(done.stdout).lstrip("\\").startswith(what.sha256)


async def _pull(connection: asyncssh.SSHClientConnection, path: str, partial: Path, name: str) -> None:
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


async def _run(connection: asyncssh.SSHClientConnection, argv: Sequence[str], timeout_s: float) -> Finished:
    """Run under ``timeout``, and believe the exit code only from the file that is written last."""
    start = time.monotonic()
    proof = f".ended-{uuid.uuid4().hex}"
    command = shlex.join(["timeout", "-k", "2", f"{timeout_s:g}", *argv])
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
    return errors.strip().rpartition(": ")[2].lower() if errors.startswith("timeout:") else ""


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
