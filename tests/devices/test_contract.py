"""What every device promises, tested on each: host, fake, emulated board, ssh board, phone, Mac, hosted phone."""

from __future__ import annotations

import sys

import pytest

from viewfinder import devices
from viewfinder.devices import DeviceBusyError, DeviceError
from viewfinder.devices.fake import Answer, Fake
from viewfinder.errors import MissingToolError, UsageError
from viewfinder.measurement import Evidence

ECHO = "import sys; print(sys.argv[1]); print('oops', file=sys.stderr); sys.exit(3)"
READ = "import sys; print(open(sys.argv[1]).read())"
WRITE = "import os; os.makedirs('out', exist_ok=True); open('out/result.txt', 'w').write('done')"
ENDLESS = "import time; time.sleep(600)"
SCRIPT = [
    Answer(argv=r"sys\.exit\(3\)", code=3, output="$HOME; *\n", errors="oops\n"),
    Answer(argv=r"open\(sys.argv\[1\]\)", output="pixels\n"),
    Answer(argv="result.txt", writes={"out/result.txt": "done"}),
    Answer(argv=r"sleep\(600\)", seconds=600),
    Answer(argv="no-such-program", fails="missing-program"),
]
"""What the fake answers to the programs above."""


NEED_PROGRAMS = {
    "test_commands_run_without_a_shell",
    "test_what_is_there_is_not_sent_again",
    "test_folders_are_pushed_whole",
    "test_results_are_pulled",
}


@pytest.fixture(
    params=[
        "host",
        "fake",
        pytest.param("arm64:cortex-a76", marks=pytest.mark.arm64),
        pytest.param("ssh", marks=pytest.mark.ssh),
        pytest.param("android", marks=pytest.mark.adb),
        pytest.param("mac", marks=pytest.mark.ssh),
        "hosted",
    ]
)
def device(request):
    """Give each device."""
    if request.param == "fake":
        return Fake(SCRIPT)
    if request.param == "hosted":
        if request.node.originalname in NEED_PROGRAMS:
            pytest.skip("a hosted phone runs models, no programs")
        request.getfixturevalue("hub")
        return devices.load("hosted:Galaxy Test")
    if request.param == "mac":
        return request.getfixturevalue("remote_mac")
    if request.param == "android":
        return devices.load(f"android:{request.getfixturevalue('phone').serial}")
    if request.param == "ssh":
        return devices.load(request.getfixturevalue("board").name)
    if request.param.startswith("arm64"):
        request.getfixturevalue("arm64")
    return devices.load(request.param)


def python(device, code, *words):
    """Return a command that runs `code` there; a hosted phone has jobs."""
    if device.name.startswith("hosted"):
        return ["profile", "m.endless"]
    program = sys.executable if device.name == "host" else "python3"
    return [program, "-c", code, *words]


def test_it_says_what_it_is(device):
    """Name, cores, system, and what a number obtained there is worth."""
    info = device.info()
    assert info.name == device.name
    assert info.cores >= 1
    assert info.system
    evidence = {"fake": Evidence.NOT_RUN, "arm64": Evidence.EMULATED}
    assert info.evidence is evidence.get(device.name.partition(":")[0], Evidence.MEASURED)


def test_commands_run_without_a_shell(device):
    """Arguments arrive as they are; both streams and the exit code come back, apart."""
    done = device.run(python(device, ECHO, "$HOME; *"), timeout_s=60)
    assert (done.code, done.output, done.errors) == (3, "$HOME; *\n", "oops\n")
    assert done.argv[-1] == "$HOME; *"


def test_what_is_there_is_not_sent_again(device, tmp_path):
    """The hash decides; another content is sent, and a command there can read it."""
    source = tmp_path / "photo $(x).txt"
    source.write_text("pixels")
    first, second = device.push(source), device.push(source)
    assert (first.sent_bytes, second.sent_bytes) == (6, 0)
    assert first.path == second.path
    assert device.run(python(device, READ, first.path), timeout_s=60).output == "pixels\n"
    source.write_text("others")
    third = device.push(source)
    assert third.sent_bytes == 6
    assert third.path != first.path


def test_folders_are_pushed_whole(device, tmp_path):
    """A folder counts with all its files."""
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "deep" / "weights").write_text("1234")
    (tmp_path / "model" / "graph").write_text("12")
    assert [device.push(tmp_path / "model").sent_bytes for _ in range(2)] == [6, 0]


def test_results_are_pulled(device, tmp_path):
    """What a command leaves in its folder comes back under the name that is asked for."""
    device.run(python(device, WRITE), timeout_s=60)
    device.pull("out/result.txt", tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "done"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "out/../../secret", "", ".", "..\\secret", "a\0b"])
def test_nothing_outside_the_work_folder_is_pulled(device, tmp_path, name):
    """Names may come from a device that lies."""
    with pytest.raises(UsageError, match="is no name inside"):
        device.pull(name, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_result_that_is_missing(device, tmp_path):
    """The error names it, and nothing half written stays."""
    with pytest.raises(DeviceError, match=r"has no file 'none.txt'"):
        device.pull("none.txt", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_missing(device, tmp_path):
    """Pushing nothing is wrong usage."""
    with pytest.raises(UsageError, match=r"there is no .*absent"):
        device.push(tmp_path / "absent")


def test_a_command_that_hangs_is_killed(device):
    """The error says how long it was given."""
    with pytest.raises(DeviceError, match=r"was still running after 0.4 s and was killed") as error:
        device.run(python(device, ENDLESS), timeout_s=0.4)
    assert error.value.code == "timeout"


def test_a_program_that_is_missing(device):
    """The error names it."""
    with pytest.raises(MissingToolError, match=r"no-such-program.* cannot be started: no such file"):
        device.run(["no-such-program"], timeout_s=10)


def test_one_owner_at_a_time(device):
    """A second owner is refused while the first has it, and not afterwards."""
    with device.lock(), pytest.raises(DeviceBusyError, match=r"is in use"), device.lock():
        pass
    with device.lock():
        pass
