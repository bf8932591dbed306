"""Processors that can be emulated: what qemu is told, what the guest reads about itself, and its simulated caches.

A profile is a thin folder of links to the shared userland with its own ``/proc/cpuinfo`` and
``/sys/devices/system/cpu``: qemu-aarch64 looks for every file that the guest opens below the folder of ``-L`` first.
Without it the guest would read the host's x86 facts, at which the ``cpuinfo`` library in XNNPACK and ONNX Runtime
crashes. What the files say and ``-cpu`` have to agree: XNNPACK chooses kernels by the processor's part number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from viewfinder import files
from viewfinder.errors import UsageError

DEFAULT = "cortex-a76"

_V80 = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
_V82 = f"{_V80} atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
_V86 = f"{_V82} asimdfhm i8mm bf16"
_ARM = 0x41


@dataclass(frozen=True)
class Profile:
    """A processor; one core of it, because counts are exact for one thread only and pools take all cores they see.

    Attributes:
        about: what the processor is known from.
        model: for ``-cpu``. Never ``max`` with SME: qemu 7.2 computes int8 wrongly there.
        variant, part: of the processor's identification (MIDR), maker Arm.
        features: as Linux lists them.
        caches: data caches from the first level on, as (kilobytes, ways).
    """

    about: str
    model: str
    variant: int
    part: int
    features: str
    caches: tuple[tuple[int, int], ...]


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "cortex-a53": Profile("Cortex-A53, Raspberry Pi 3", "cortex-a53", 0, 0xD03, _V80, ((32, 4), (512, 16))),
        "cortex-a72": Profile("Cortex-A72, Raspberry Pi 4", "cortex-a72", 0, 0xD08, _V80, ((32, 2), (1024, 16))),
        "cortex-a76": Profile(
            "Cortex-A76 with dot products, Raspberry Pi 5",
            "cortex-a76",
            1,
            0xD0B,
            _V82,
            ((64, 4), (512, 8), (2048, 16)),
        ),
        "armv8.6": Profile(
            "a phone with i8mm, as of 2022 (Cortex-X3 without SVE)",
            "max,sve=off,sme=off",
            1,
            0xD4E,
            _V86,
            ((64, 4), (1024, 8), (8192, 16)),
        ),
    }
)


def profile(name: str) -> Profile:
    """Return a profile by name; "" is the default.

    Raises:
        UsageError: there is none of this name.
    """
    if (name or DEFAULT) not in PROFILES:
        raise UsageError(
            f"there is no processor profile {name!r}", f"choose one of: {', '.join(PROFILES)}", code="no-such-profile"
        )
    return PROFILES[name or DEFAULT]


def cpuinfo(chosen: Profile) -> str:
    """Write ``/proc/cpuinfo`` as Linux does on AArch64."""
    return (
        f"processor\t: 0\nBogoMIPS\t: 38.40\nFeatures\t: {chosen.features}\nCPU implementer\t: 0x{_ARM:02x}\n"
        f"CPU architecture: 8\nCPU variant\t: 0x{chosen.variant:x}\nCPU part\t: 0x{chosen.part:03x}\n"
        "CPU revision\t: 1\n\n"
    )


def write(chosen: Profile, sysroot: Path, folder: Path) -> None:
    """Make the folder for ``-L``, all or nothing.

    Raises:
        UsageError: it cannot be written.
    """
    with files.new_folder(folder) as partial:
        for entry in sorted(sysroot.iterdir()):
            if entry.name not in {"proc", "sys"}:
                (partial / entry.name).symlink_to(entry.resolve())
        (partial / "proc").mkdir()
        (partial / "proc" / "cpuinfo").write_text(cpuinfo(chosen), encoding="utf-8")
        cpus = partial / "sys" / "devices" / "system" / "cpu"
        topology = cpus / "cpu0" / "topology"
        topology.mkdir(parents=True)
        for name in ("possible", "present", "online"):
            (cpus / name).write_text("0\n", encoding="utf-8")
        (cpus / "kernel_max").write_text("255\n", encoding="utf-8")
        for name in ("physical_package_id", "core_id", "core_siblings_list", "cluster_cpus_list"):
            (topology / name).write_text("0\n", encoding="utf-8")
