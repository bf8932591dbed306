"""Two phones: a real adbd each, in the ARM64 userland, behind a real adb server of the tests' own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.devices import phone_root

from viewfinder.devices._folder import locked
from viewfinder.devices.userland import profiles

ENTER = """
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' "$FORMAT" >/proc/sys/fs/binfmt_misc/register
mount --bind "$PHONE/tmp" "$ROOT/data/local/tmp"
mount --bind "$PHONE/told" "$ROOT/data/phone"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
mount --bind "$PHONE/told/cpuinfo" "$ROOT/proc/cpuinfo"
mount --rbind /sys "$ROOT/sys"
mount --bind "$PHONE/cpu" "$ROOT/sys/devices/system/cpu"
exec chroot "$ROOT" /usr/bin/env -i PATH=/system/bin:/usr/bin:/bin HOME=/data/local/tmp QEMU_CPU="$MODEL" \
  ADBD_PORT="$PORT" LD_LIBRARY_PATH=/usr/lib/aarch64-linux-gnu/android LD_PRELOAD=/usr/lib/bindshim.so /usr/sbin/adbd
"""
PROPERTIES = {
    "ro.product.manufacturer": "Debian", "ro.product.model": "Userland 12", "ro.soc.model": "QEMU",
    "ro.build.version.release": "14", "ro.build.fingerprint": "debian/userland/arm64:12/adbd:user/release-keys",
    "ro.product.cpu.abilist": "arm64-v8a", "sys.boot_completed": "1",
}  # fmt: skip
THERMAL = "IsStatusOverride: false\nThermalEventListeners:\n\tcallbacks: 2\nThermal Status: {}\nCached temperatures:\n"
BATTERY = (
    "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  Wireless powered: false\n"
    "  status: 2\n  health: 2\n  present: true\n  level: 81\n  scale: 100\n  voltage: 4123\n  temperature: 287\n"
)
"""In the form in which Android 14 prints them; see AOSP, BatteryService.dump and ThermalManagerService.dump."""


@dataclass
class Telephone:
    """A phone of the tests.

    Attributes:
        folder: ``tmp`` is its /data/local/tmp, ``told`` what its Android tells, ``cpu`` its clocks.
    """

    folder: Path
    root: Path
    model: str
    port: int
    server: dict[str, str]
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def serial(self) -> str:
        """Name it as adb does."""
        return f"127.0.0.1:{self.port}"

    @property
    def pushed(self) -> Path:
        """Return where its content lies."""
        return self.folder / "tmp" / "viewfinder" / "pushed"

    def tell(self, **values: str) -> None:
        """Have its Android tell something else; dots in the names of properties are double underscores."""
        told = PROPERTIES | {key.replace("__", "."): value for key, value in values.items()}
        (self.folder / "told" / "properties").write_text("".join(f"{key}={value}\n" for key, value in told.items()))

    def heat(self, status: int, most_khz: int) -> None:
        """Set its thermal status and the highest clock that Android allows."""
        (self.folder / "told" / "thermalservice").write_text(THERMAL.format(status))
        clocks = self.folder / "cpu" / "cpu0" / "cpufreq"
        clocks.mkdir(parents=True, exist_ok=True)
        (clocks / "scaling_max_freq").write_text(f"{most_khz}\n")
        (clocks / "scaling_cur_freq").write_text("1800000\n")
        (clocks / "scaling_governor").write_text("schedutil\n")

    def start(self) -> None:
        """Switch it on, and have adb's server know it."""
        variables = {
            "PATH": os.environ["PATH"], "PHONE": str(self.folder), "ROOT": str(self.root), "PORT": str(self.port),
            "MODEL": self.model, "FORMAT": phone_root.binfmt(),
        }  # fmt: skip
        argv = ["unshare", "-Ur", "-m", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER]
        with (self.folder / "log").open("ab") as log:
            self.processes.append(subprocess.Popen(argv, env=variables, stdout=log, stderr=log, start_new_session=True))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.processes[-1].poll() is None:
            done = subprocess.run(["adb", "connect", self.serial], env=self.server, capture_output=True, check=False)
            if b"connected to" in done.stdout and self.ask("echo up") == "up\n":
                return
        pytest.skip(f"adbd does not start here: {(self.folder / 'log').read_text()[-500:]}")

    def ask(self, line: str) -> str:
        """Run a line on it with the adb program."""
        argv = ["adb", "-s", self.serial, "shell", line]
        return subprocess.run(argv, env=self.server, capture_output=True, check=False, text=True).stdout

    def stop(self) -> None:
        """Pull its battery."""
        for process in self.processes:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()


def _port() -> int:
    """Return a free port outside those in which adb looks for emulators."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="session")
def phone_server(tmp_path_factory):
    """Start an adb server of this session's own; return the variables that lead to it."""
    if shutil.which("adb") is None:
        pytest.skip("adb is not installed")
    pytest.importorskip("adbutils")
    server = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("adb")), "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553",
        "ANDROID_ADB_SERVER_PORT": str(_port()), "ADB_MDNS": "0",
    }  # fmt: skip
    subprocess.run(["adb", "start-server"], env=server, check=True, capture_output=True)
    yield server
    subprocess.run(["adb", "kill-server"], env=server, check=False, capture_output=True)


@pytest.fixture(scope="session")
def telephones(arm_root, phone_server, tmp_path_factory):
    """Start two phones, a Cortex-A76 and a Cortex-A53."""
    phones = []
    for model in ("cortex-a76", "cortex-a53"):
        folder, profile = tmp_path_factory.mktemp("phone"), profiles.profile(model)
        for name in ("tmp", "told"):
            (folder / name).mkdir()
        profiles.write(profile, arm_root, folder / "profile")
        shutil.copytree(folder / "profile" / "sys" / "devices" / "system" / "cpu", folder / "cpu")
        (folder / "told" / "cpuinfo").write_text(profiles.cpuinfo(profile))
        (folder / "told" / "battery").write_text(BATTERY)
        phones.append(Telephone(folder, arm_root, model, _port(), phone_server))
        phones[-1].tell()
        phones[-1].heat(0, 2400000)
    try:
        for phone in phones:
            phone.start()
        yield phones
    finally:
        for phone in phones:
            phone.stop()


@pytest.fixture
def phones(telephones, phone_server, monkeypatch):
    """Offer both phones, empty and cool, switched on."""
    for name in ("ANDROID_ADB_SERVER_PORT", "HOME", "ADB_LOCAL_TRANSPORT_MAX_PORT"):
        monkeypatch.setenv(name, phone_server[name])
    for phone in telephones:
        if not phone.processes:
            phone.start()
        shutil.rmtree(phone.folder / "tmp" / "viewfinder", ignore_errors=True)
        for name in ("asked", "old"):
            (phone.folder / "told" / name).unlink(missing_ok=True)
        phone.tell()
        phone.heat(0, 2400000)
    return telephones


@pytest.fixture
def phone(phones):
    """Offer the first phone."""
    return phones[0]


@pytest.fixture(scope="session")
def shared_runner(request, shared_userland):
    """Set the phones' runner up once, beside the ARM64 userland that it is taken from."""
    from viewfinder.devices.adb import payload

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIEWFINDER_CACHE", str(shared_userland.parents[1]))
        with locked("runner-suite", wait_s=300):
            return payload.install(lambda _line: None)


@pytest.fixture
def runner(own_cache, shared_userland, shared_runner):
    """Offer the runner, in a cache that is the test's own otherwise."""
    (own_cache / "devices").mkdir()
    for there in (shared_userland, shared_runner.parent):
        (own_cache / "devices" / there.name).symlink_to(there)
