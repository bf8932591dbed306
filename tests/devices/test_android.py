"""Phones without a phone: names, what is missing, what a phone tells about itself, and answers that lie."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from viewfinder import devices
from viewfinder.devices import DeviceError, DeviceLostError, android
from viewfinder.devices.adb import payload, server, shell, state, transfer
from viewfinder.errors import Exit, MissingToolError, UsageError

HOSTILE = ["$(touch mark)", "; touch mark", "`touch mark`", "a b'c\"d", "-s other", "../../x", "|reboot", "a:b:c"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_serial_is_a_name_and_nothing_else(name):
    """What a shell would take for an order is the serial of a phone that is not there; its lock stays in its folder."""
    device = devices.load(f"android:{name}")
    assert device.name == f"android:{name}"
    with device.lock():
        pass


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "\x1b[2J", "x" * 300])
def test_serials_that_are_none(name):
    """Control characters and endless names are refused."""
    with pytest.raises(UsageError, match="is no serial number"):
        devices.load(f"android:{name}")


@pytest.fixture
def nobody(monkeypatch):
    """Lead adb's clients to a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free.getsockname()[1]))
        yield


def test_what_is_missing_is_said_in_turn(monkeypatch, nobody):
    """The package, then the server; looking starts nothing."""
    pytest.importorskip("adbutils")
    assert (android.found()[0].missing, android.found()[0].remedy) == ("adb's server does not run", "adb start-server")
    monkeypatch.setattr(server, "find_spec", lambda _: None)
    assert "viewfinder[devices]" in android.found()[0].remedy
    with pytest.raises(MissingToolError, match="adbutils is not installed"):
        devices.load("android:x").run(["true"], 1)


def test_phones_are_listed_with_what_they_lack(monkeypatch):
    """Not authorised, offline, without a runner; what a phone calls itself cannot give orders to a terminal."""
    states = {"a": "unauthorized", "b": "offline", "c\x1b[2J": "device"}
    phones = [server.Attached(serial, one, "Pix\x07el_9") for serial, one in states.items()]
    monkeypatch.setattr(server, "is_running", lambda: True)
    monkeypatch.setattr(server, "installed", lambda: True)
    monkeypatch.setattr(server, "attached", lambda: phones)
    found = android.found()
    assert [one.name for one in found] == ["android:a", "android:b", "android:c?[2J"]
    assert found[0].about == "an Android phone, Pix?el 9"
    assert "accept the question" in found[0].remedy
    assert found[1].missing == "it is offline"
    assert found[2].remedy == payload.SETUP


@pytest.mark.parametrize(("serials", "said"), [([], "0 phones"), (["a", "b"], "name one of: android:a, android:b")])
def test_a_phone_without_a_name(monkeypatch, serials, said):
    """One phone needs no serial, of several one has to be named."""
    monkeypatch.setattr(server, "attached", lambda _s=0: [server.Attached(one, "device") for one in serials])
    with pytest.raises(UsageError) as error:
        devices.load("android")
    assert said in f"{error.value.message} {error.value.hint}"
    monkeypatch.setattr(server, "attached", lambda _s=0: [server.Attached("only", "device")])
    assert devices.load("android").name == "android:only"


class Liar:
    """A server of adb whose phone answers what the test says: a real socket, so that real code reads it."""

    def __init__(self, monkeypatch, *answers):
        """Listen; each connection gets the next answer behind the usual greeting."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(self._listener.getsockname()[1]))
        self._answers, self.asked = list(answers), []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        """Answer until the test ends."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=(connection,), daemon=True).start()

    def _hear(self, connection):
        """Serve one connection, and hang up."""
        with connection:
            self._answer(connection)

    def _answer(self, connection):
        """Be server and phone for one connection."""
        while head := connection.recv(4, socket.MSG_WAITALL):
            asked = connection.recv(int(head, 16), socket.MSG_WAITALL).decode()
            self.asked.append(asked)
            if asked == "host:version":
                connection.sendall(b"OKAY00040029")
                return
            connection.sendall(b"OKAY" + (bytes(8) if asked.startswith("host:tport") else b""))
            if not asked.startswith("host:"):
                if asked == "sync:":
                    head = connection.recv(8, socket.MSG_WAITALL)
                    connection.recv(struct.unpack("<4sI", head)[1], socket.MSG_WAITALL)
                connection.sendall(self._answers.pop(0))
                return


def says(kind, data):
    """Return a message of the shell protocol."""
    return struct.pack("<BI", kind, len(data)) + data


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (b"", DeviceLostError, "in the middle of a message"),
        (says(1, b"all is well\n"), DeviceLostError, "in the middle of a message"),
        (struct.pack("<BI", 1, 1 << 31), DeviceError, "an answer that cannot be read"),
        (says(1, bytes(70_000)) + says(1, bytes(70_000)), DeviceError, "printed more than 100000 bytes"),
    ],
)
def test_commands_are_believed_with_an_exit_code_only(monkeypatch, answer, error, said):
    """A phone that goes away, one that announces gigabytes, and one that prints without end."""
    pytest.importorskip("adbutils")
    Liar(monkeypatch, answer)
    monkeypatch.setattr(shell, "MOST_BYTES", 100_000)
    with pytest.raises(error, match=said):
        devices.load("android:liar").run(["true"], 5)


def test_words_are_quoted_for_the_phone(monkeypatch):
    """The phone's shell gets one line, in which every word of the command is one word."""
    pytest.importorskip("adbutils")
    liar = Liar(monkeypatch, says(3, b"\0"))
    devices.load("android:liar").run(["echo", "$(reboot)", "a'b", "; reboot"], 5)
    line = next(one for one in liar.asked if one.startswith("shell,"))
    assert line.endswith("""echo '$(reboot)' 'a'"'"'b' '; reboot' </dev/null""")
    with pytest.raises(UsageError, match="too long for adb"):
        devices.load("android:liar").run(["echo", "x" * 70_000], 5)


DATA = struct.pack("<4sI", b"DATA", 60_000) + bytes(60_000)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (DATA + DATA, DeviceError, "more than 100000 bytes"),
        (struct.pack("<4sI", b"DATA", 1 << 31), DeviceError, "more than 100000 bytes"),
        (b"FAIL" + struct.pack("<I", 1 << 30), DeviceError, "cannot be read"),
        (b"EVIL" + struct.pack("<I", 4) + b"xxxx", DeviceError, "cannot be read"),
        (b"FAIL" + struct.pack("<I", 7) + b"no\x1b[2Jx", DeviceError, r"no\?\[2Jx"),
        (DATA[:1000], DeviceLostError, "in the middle"),
    ],
)
def test_a_phone_that_lies_about_a_file(monkeypatch, tmp_path, answer, error, said):
    """Lengths are bounded, kinds are checked, and what it says cannot give orders to a terminal."""
    pytest.importorskip("adbutils")
    Liar(monkeypatch, answer)
    with pytest.raises(error, match=said):
        transfer.receive("liar", "/x", tmp_path / "x", 100_000)


@pytest.mark.parametrize("real", ["/etc/passwd", "/data/local/tmp/viewfinder/workaround/x", "../x"])
def test_a_phone_that_leads_out_of_the_work_folder(monkeypatch, tmp_path, real):
    """Where a result really lies is the phone's word; outside its folder nothing is fetched."""
    pytest.importorskip("adbutils")
    Liar(monkeypatch, says(1, f"/data/local/tmp/viewfinder/work\n{real}\n".encode()) + says(3, b"\0"))
    with pytest.raises(UsageError, match="is no name inside"):
        devices.load("android:liar").pull("result", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


COOL = "@thermal\nThermal Status: 0\n@battery\n  AC powered: false\n  USB powered: true\n  status: 5\n  level: 99\n"
COOL += (
    "  temperature: 251\n@cpus\n0 scaling_cur_freq 1800000\n0 scaling_max_freq 2400000\n0 scaling_governor schedutil\n"
)


def test_a_phone_tells_its_state():
    """Heat, battery and clocks, in units; what it does not tell is nothing."""
    told = state.parsed(COOL)
    assert (told["thermal_status"], told["thermal"], told["battery_percent"], told["battery_c"]) == (
        0,
        "none",
        99,
        25.1,
    )
    assert (told["charging"], told["powered_by"], told["governor"]) == ("full", ["USB"], {"0": "schedutil"})
    assert (told["frequencies_khz"], told["most_khz"]) == ({"0": 1800000}, {"0": 2400000})
    for garbage in ("", "@thermal\nThermal Status: hot\n@cpus\n0 scaling_max_freq $(x)\n", "@battery\n@battery\n@x"):
        told = state.parsed(garbage)
        assert told["thermal_status"] is None
        assert told["most_khz"] == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("Status: 0", "Status: 2"), "thermal status was 'moderate' after the run"),
        (("max_freq 2400000", "max_freq 1200000"), "core 0 from 2400 to 1200 MHz"),
        (("Status: 0", "Status: 0"), ""),
    ],
)
def test_a_throttled_run_is_told(change, said):
    """By Android's own status, or by a highest clock that was lowered; a core that slept is no sign."""
    before, after = state.parsed(COOL), state.parsed(COOL.replace(*change).replace("1800000", "300000"))
    assert said in state.throttled(before, after)
    assert bool(state.throttled(before, after)) == bool(said)


def test_a_phone_that_is_off(nobody, monkeypatch):
    """A server that cannot be started is a missing tool, and no success."""
    adbutils = pytest.importorskip("adbutils")
    monkeypatch.setattr(adbutils._adb.subprocess, "run", lambda *_a, **_k: None)
    with pytest.raises(MissingToolError, match="adb's server does not run") as error:
        devices.load("android:x").run(["true"], 1)
    assert error.value.exit_code is Exit.USAGE
    assert "adb's server does not run" in devices.load("android:x").problem()
