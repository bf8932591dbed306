"""Hands this process's streams to a command on a board: ``python -m viewfinder.devices._ssh_pipe ssh:HOST WORD...``.

It ends when the command does, with its exit code; when this process is killed, the connection and the command go.
"""

from __future__ import annotations

import asyncio
import shlex
import sys

from viewfinder.devices import ssh
from viewfinder.devices._ssh_session import connected
from viewfinder.errors import ViewfinderError


async def main(name: str, words: list[str]) -> int:
    """Run a command on the board `name`; its streams are ours."""
    async with connected(name, ssh.open(name.partition(":")[2]).address) as connection:
        streams = (sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer)
        async with connection.create_process(
            shlex.join(words), encoding=None, stdin=streams[0], stdout=streams[1], stderr=streams[2]
        ) as process:
            done = await process.wait()
    return 255 if done.exit_status is None else done.exit_status


if __name__ == "__main__":
    try:
        code = asyncio.run(main(sys.argv[1], sys.argv[2:]))
    except ViewfinderError as error:
        sys.stderr.write(f"{error.message}\n")
        code = 255
    sys.exit(code)
