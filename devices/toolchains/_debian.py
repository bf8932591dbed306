"""Toolchains that are Debian packages: fetched by apt into a state of its own, checked, unpacked. No root.

Packages come from where the machine's own apt says (``/etc/apt``), but from the suites that the lock file names. apt
checks signatures; the lock file's hashes say besides that they are the very packages that were tried.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from viewfinder import files
from viewfinder.devices._running import Bounds, run
from viewfinder.errors import MissingToolError

Progress = Callable[[str], None]
ROOT = "root"
"""Folder that the packages are unpacked into, inside the toolchain's."""
_PINNED = re.compile(
    r"^(?P<name>[a-z0-9.+-]+)=(?P<version>\S+) \\\n +--hash=sha256:(?P<hash>[0-9a-f]{64})$", re.MULTILINE
)
_TIMEOUT_S = 900.0
_CONFIGURED = Path("/etc/apt")
_TOOLS = ("apt-get", "dpkg-deb")


def head(text: str, key: str) -> str:
    """Read one line of a lock file's head; "" if it is not there."""
    found = re.search(rf"^# {key}: (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def packages(text: str) -> dict[str, str]:
    """Return the hashes of a lock file's packages by ``NAME=VERSION``."""
    return {f"{one['name']}={one['version']}": one["hash"] for one in _PINNED.finditer(text)}


def install(text: str, target: Path, progress: Progress) -> None:
    """Fetch what a lock file lists, unless it is there from an earlier call, and unpack it into ``target/root``.

    Raises:
        MissingToolError: apt is missing, does not reach the packages, or brings others than the lock file says.
    """
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if lacking:
        raise MissingToolError(
            f"{' and '.join(lacking)} not installed: this needs Debian, or a container of it", "use such a machine"
        )
    wanted, archives = packages(text), target / "archives"
    with files.explained(target):
        archives.mkdir(parents=True, exist_ok=True)
    missing = [one for one, sha256 in wanted.items() if sha256 not in _there(archives)]
    if missing:
        apt = _apt(target / "apt", head(text, "debian"), progress)
        progress(f"fetching {len(missing)} of {len(wanted)} packages")
        _require([*apt, "download", *missing], archives)
    _check(wanted, archives)
    progress(f"unpacking {len(wanted)} packages")
    shutil.rmtree(target / ROOT, ignore_errors=True)
    with files.new_folder(target / ROOT) as partial:
        for sha256 in wanted.values():
            _require(["dpkg-deb", "--extract", str(_there(archives)[sha256]), str(partial)], target)
    for rest in (archives, target / "apt"):
        shutil.rmtree(rest, ignore_errors=True)


def _there(archives: Path) -> Mapping[str, Path]:
    """Return the packages that were fetched, by hash."""
    return {files.sha256(path): path for path in sorted(archives.glob("*.deb"))}


def _check(wanted: Mapping[str, str], archives: Path) -> None:
    """Refuse packages that are not those of the lock file."""
    wrong = [one for one, sha256 in wanted.items() if sha256 not in _there(archives)]
    if wrong:
        raise MissingToolError(
            f"the mirror has other packages than were tried: {', '.join(wrong)}",
            "a newer version of this package may know them; nothing was unpacked",
        )


def _apt(state: Path, suites: str, progress: Progress) -> list[str]:
    """Make apt a state of its own with the wanted suites, have it read the lists, and return its first words.

    Raises:
        MissingToolError: no source in ``/etc/apt`` is one of Debian's archive, or it is not reached.
    """
    sources = state / "sources" / "wanted.sources"
    with files.explained(state):
        for part in ("lists/partial", "cache/archives/partial", "sources"):
            (state / part).mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        sources.write_text("\n".join(_stanzas(suites)), encoding="utf-8")
    if not sources.stat().st_size:
        raise MissingToolError(f"no source in {_CONFIGURED} is Debian's archive", "use a Debian machine or container")
    options = {
        "Dir::State": state, "Dir::State::status": state / "status", "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": os.devnull, "Dir::Etc::sourceparts": sources.parent, "APT::Sandbox::User": "",
        "APT::Architecture": "amd64", "APT::Architectures": "amd64", "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }  # fmt: skip
    apt = ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    progress(f"asking apt what {suites} have")
    _require([*apt, "update"], state)
    return apt


def _stanzas(suites: str) -> Iterator[str]:
    """Write the machine's own sources again with other suites, each once; sources of security updates are left out."""
    found: dict[tuple[str, str], None] = {}
    for path in sorted(
        [*_CONFIGURED.glob("*.list"), *_CONFIGURED.glob("*.d/*.list"), *_CONFIGURED.glob("*.d/*.sources")]
    ):
        text = path.read_text(encoding="utf-8", errors="replace")
        found |= dict.fromkeys(_of_stanzas(text) if path.suffix == ".sources" else _of_lines(text))
    for uri, key in found:
        signed = f"Signed-By: {key}\n" if key else ""
        yield f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\n{signed}"


def _of_stanzas(text: str) -> Iterator[tuple[str, str]]:
    """Read address and keyring of every stanza that offers ``main``."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(\S.*)$", stanza, re.MULTILINE))
        is_archive = "main" in fields.get("Components", "").split() and "security" not in fields.get("Suites", "")
        if is_archive and fields.get("Enabled", "yes") != "no":
            yield fields.get("URIs", "").split()[0], fields.get("Signed-By", "")


def _of_lines(text: str) -> Iterator[tuple[str, str]]:
    """Read the same of the older form, a source a line."""
    for found in re.finditer(
        r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s.*\bmain\b", text, re.MULTILINE
    ):
        if "security" not in found["suite"]:
            signed = re.search(r"signed-by=(\S+)", found["options"] or "")
            yield found["uri"], signed[1] if signed else ""


def _require(argv: list[str], folder: Path) -> None:
    """Run a program; its own words explain a failure."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("APT_")}
    done = run(argv, Bounds(_TIMEOUT_S, folder, {**environment, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}))
    said = [line for line in f"{done.output}\n{done.errors}".splitlines() if line.startswith(("E:", "Err:", "dpkg"))]
    if done.code or any(line.startswith(("E:", "Err:")) for line in said):
        raise MissingToolError(
            f"{argv[0]} cannot bring the packages: {' '.join(said[-3:]) or f'code {done.code}'}",
            f"check that the sources in {_CONFIGURED} reach a Debian mirror, then repeat the command",
        )
