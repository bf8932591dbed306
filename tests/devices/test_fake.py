from __future__ import annotations

import json

import pytest

from viewfinder import devices
from viewfinder.devices import DeviceBusyError, DeviceLostError
from viewfinder.devices.fake import Answer, Fake
from viewfinder.errors import Exit, UsageError


def test_answers_serve_once_and_the_last_again():
    """A device may fail first and work afterwards."""
    device = Fake([Answer(code=1), Answer(output="second"), Answer(output="ever after")])
    assert [device.run(["x"], 1).output for _ in range(4)] == ["", "second", "ever after", "ever after"]


def test_a_cable_that_is_pulled(tmp_path):
    """In the middle of a push, a run or a pull the device is lost, and the next attempt starts anew."""
    source = tmp_path / "model"
    source.write_text("weights")
    lost = [Answer(to=to, fails="disconnect") for to in ("push", "run", "pull")]
    device = Fake([*lost, Answer(to="push"), Answer(to="run", writes={"result": "42"}), Answer(to="pull")])
    for act in (
        lambda: device.push(source),
        lambda: device.run(["x"], 1),
        lambda: device.pull("result", tmp_path / "result"),
    ):
        with pytest.raises(DeviceLostError, match="went away") as error:
            act()
        assert error.value.exit_code is Exit.NOT_VERIFIED
    assert not (tmp_path / "result").exists()
    assert device.push(source).sent_bytes == 7
    device.run(["x"], 1)
    device.pull("result", tmp_path / "result")
    assert (tmp_path / "result").read_text() == "42"
    assert [what for what, _ in device.asked] == ["push", "run", "pull"] * 2


def test_a_full_disk_and_a_busy_device(tmp_path):
    """Both are said; neither is a crash."""
    (tmp_path / "model").write_text("weights")
    device = Fake([Answer(to="push", fails="disk-full"), Answer(to="lock", fails="busy")])
    with pytest.raises(UsageError, match="no space left"):
        device.push(tmp_path / "model")
    with pytest.raises(DeviceBusyError), device.lock():
        pass


def test_a_script_from_a_file(tmp_path):
    """Users write their scripts as JSON and name the file."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"answers": [{"argv": "bench", "output": "ok", "code": 4}]}))
    device = devices.load(f"fake:{script}")
    done = device.run(["benchmark"], 1)
    assert (done.code, done.output) == (4, "ok")
    assert device.run(["other"], 1).output == ""


@pytest.mark.parametrize("text", ["", "[]", '{"answers": [{"colour": 1}]}', '{"answers": [{"to": "fly"}]}'])
def test_a_script_that_is_none(tmp_path, text):
    """What cannot be followed is refused when it is read."""
    (tmp_path / "script.json").write_text(text)
    with pytest.raises(UsageError):
        devices.load(f"fake:{tmp_path / 'script.json'}")


def test_a_script_cannot_write_outside():
    """The fake's own files stay inside its work folder too."""
    with pytest.raises(UsageError, match="is no name inside"):
        Fake([Answer(writes={"../x": "1"})]).run(["x"], 1)
