"""Photographs through a model: files, folders, refusals, interruption."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.photos import make

from viewfinder import photos
from viewfinder.errors import BadImageError, CheckFailedError, Exit, UsageError
from viewfinder.photos import Photo
from viewfinder.verbs import run as verb
from viewfinder.verbs import running
from viewfinder.verbs.run import RunRequest


class Inverter:
    """A runner that turns dark to bright, in two steps of progress."""

    def process(self, pixels, on_progress=None):
        """Invert."""
        for share in (0.5, 1.0):
            on_progress(share)
        return np.iinfo(pixels.dtype).max - pixels


@pytest.fixture
def runner(monkeypatch):
    """Put a fake in the place of a loaded model; tests may replace its `process`."""
    inverter = Inverter()

    @contextmanager
    def ready(model, engine, options):
        yield running.Ready(inverter, engine or "tflite", "measured", "abc")

    monkeypatch.setattr(running, "ready", ready)
    return inverter


@pytest.fixture
def album(tmp_path):
    """A folder with three photographs, one of them in a folder below."""
    folder = tmp_path / "album"
    for name in ("a.png", "b.png", "trip/c.png"):
        photos.write(folder / name, Photo(make.photograph()))
    return folder


def _names(folder):
    """List the files below a folder, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _tags(data):
    """Parse EXIF bytes."""
    parsed = Image.Exif()
    parsed.load(data)
    return dict(parsed.get_ifd(0x8769)), dict(parsed.get_ifd(0x8825)), parsed[0x010F], parsed[0x0112]


def test_one_file_to_one_file(album, tmp_path, runner):
    """A single photograph goes to the file that was named; the result says what was done and with what."""
    target = tmp_path / "out.png"
    result = verb.run(RunRequest("hdrnet", (album / "a.png",), target))
    assert np.array_equal(photos.read(target).pixels, 255 - make.photograph())
    told = result.to_dict()
    assert told["engine"] == "tflite"
    assert told["done"][0]["target"] == str(target)
    assert (told["done"][0]["width"], told["done"][0]["height"]) == (53, 37)


def test_folders_are_mirrored(album, tmp_path, runner):
    """Names and sub-folders stay; files named on their own go to the top."""
    extra = tmp_path / "d.png"
    photos.write(extra, Photo(make.photograph()))
    verb.run(RunRequest("hdrnet", (album, extra), tmp_path / "out"))
    assert _names(tmp_path / "out") == ["a.png", "b.png", "d.png", "trip/c.png"]


def test_results_inside_the_folder_are_no_photographs(album, runner):
    """A second run over the same folder does not take the first one's results for photographs."""
    for overwrite in (False, True):
        result = verb.run(RunRequest("hdrnet", (album,), album / "out", overwrite=overwrite))
        assert len(result.done) == 3
    assert _names(album / "out") == ["a.png", "b.png", "trip/c.png"]


def test_progress_counts_all_photographs(album, tmp_path, runner):
    """Every photograph counts the same, the share never falls, and a step is a line of text."""
    steps = []
    verb.run(RunRequest("hdrnet", (album,), tmp_path / "out"), steps.append)
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert str(steps[1]) == "[1/3] a.png 50%"


def test_16_bits_alpha_and_exif_pass_through(tmp_path, runner):
    """What is not colour stays as it was; the result is turned once, not twice."""
    path, alpha = tmp_path / "in.png", make.deep()[::-1, :, 0]
    photos.write(path, Photo(make.deep(), alpha, exif=make.exif(6).tobytes(), icc=make.srgb_profile()))
    verb.run(RunRequest("hdrnet", (path,), tmp_path / "out.png"))
    once, twice = photos.read(tmp_path / "out.png"), photos.read(path)
    assert np.array_equal(once.pixels, 65535 - np.rot90(make.deep(), -1))
    assert np.array_equal(once.alpha, np.rot90(alpha, -1))
    assert once.icc == make.srgb_profile()
    assert _tags(once.exif) == _tags(twice.exif)


def test_notes_become_warnings(tmp_path, runner):
    """CMYK without a profile is done, with a warning that names the file."""
    Image.fromarray(make.photograph()).convert("CMYK").save(tmp_path / "print.jpg")
    result = verb.run(RunRequest("hdrnet", (tmp_path / "print.jpg",), tmp_path / "out.jpg"))
    assert "print.jpg" in result.warnings[0]
    assert "CMYK" in result.warnings[0]


def test_the_input_is_never_replaced_silently(album, runner):
    """Writing onto the photographs needs --overwrite."""
    before = (album / "a.png").read_bytes()
    for target in (album, album / "a.png", album / "trip" / ".." / "a.png"):
        with pytest.raises(UsageError, match="would be replaced by its result") as caught:
            verb.run(RunRequest("hdrnet", (album / "a.png",), target))
        assert "--overwrite" in caught.value.hint
    assert (album / "a.png").read_bytes() == before
    verb.run(RunRequest("hdrnet", (album / "a.png",), album, overwrite=True))
    assert np.array_equal(photos.read(album / "a.png").pixels, 255 - make.photograph())


def test_results_are_never_replaced_silently(album, tmp_path, runner):
    """A result that exists stops the run before anything is computed."""
    verb.run(RunRequest("hdrnet", (album / "a.png", album / "b.png"), tmp_path / "out"))
    with pytest.raises(UsageError, match=r"a.png \(and 1 more\) exists already"):
        verb.run(RunRequest("hdrnet", (album,), tmp_path / "out"))
    assert _names(tmp_path / "out") == ["a.png", "b.png"]


def test_skip_existing_goes_on_where_a_run_stopped(album, tmp_path, runner):
    """Photographs whose result exists are left out, and their results stay untouched."""
    verb.run(RunRequest("hdrnet", (album / "a.png",), tmp_path / "out"))
    before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    result = verb.run(RunRequest("hdrnet", (album,), tmp_path / "out", skip_existing=True))
    assert [one.source.name for one in result.done] == ["b.png", "c.png"]
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before
    assert verb.run(RunRequest("hdrnet", (album,), tmp_path / "out", skip_existing=True)).done == ()


def test_overwrite_and_skip_exclude_each_other(album, tmp_path):
    """Both at once say nothing."""
    with pytest.raises(UsageError, match="exclude each other"):
        RunRequest("hdrnet", (album,), tmp_path / "out", overwrite=True, skip_existing=True)


@pytest.mark.parametrize(
    ("sources", "output", "match"),
    [
        ([], "out", "no photographs were named"),
        (["album/a.png", "album/../album/a.png"], "out", "would both become"),
        (["album/a.png", "album/b.png"], "album/trip/c.png", "is a file, and the results need a folder"),
        (["gone.jpg"], "out", "does not exist"),
        (["empty"], "out", "holds no photographs"),
        (["album/notes.txt"], "out", "has no suffix of a picture"),
    ],
)
def test_bad_plans_are_refused_at_once(album, runner, monkeypatch, sources, output, match):
    """Nothing is computed or written when it cannot be finished."""
    monkeypatch.chdir(album.parent)
    (album.parent / "empty").mkdir()
    (album / "notes.txt").write_text("x")
    runner.process = None
    with pytest.raises(UsageError, match=match) as caught:
        verb.run(RunRequest("hdrnet", tuple(map(Path, sources)), Path(output)))
    assert caught.value.hint
    assert not (album.parent / "out").exists()


def test_one_bad_picture_does_not_stop_the_others(album, tmp_path, runner):
    """The others are done; the error names every failure with its cause, exit code 2."""
    (album / "b.png").write_bytes((album / "b.png").read_bytes()[:900])
    (album / "empty.jpg").touch()
    with pytest.raises(UsageError, match="2 of 4 photographs failed, the others are done") as caught:
        verb.run(RunRequest("hdrnet", (album,), tmp_path / "out"))
    assert "b.png cannot be read" in caught.value.message
    assert "empty.jpg is empty" in caught.value.message
    assert caught.value.exit_code is Exit.USAGE
    assert _names(tmp_path / "out") == ["a.png", "trip/c.png"]


def test_a_single_bad_picture_keeps_its_own_error(album, tmp_path, runner):
    """With one photograph there is no summary to read through."""
    (album / "a.png").write_bytes(b"")
    with pytest.raises(BadImageError, match=r"a.png is empty"):
        verb.run(RunRequest("hdrnet", (album / "a.png",), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_nan_from_the_model_names_the_photograph(album, tmp_path, runner):
    """An artifact that overflows: exit code 1, no file."""

    def overflow(pixels, on_progress):
        raise CheckFailedError("the artifact gives NaN", "verify it", code="not-finite")

    runner.process = overflow
    with pytest.raises(CheckFailedError, match=r"a.png: the artifact gives NaN") as caught:
        verb.run(RunRequest("hdrnet", (album,), tmp_path / "out"))
    assert caught.value.exit_code is Exit.CHECK_FAILED
    assert not (tmp_path / "out").exists()


def test_a_full_disk_stops_the_run(album, tmp_path, runner, monkeypatch):
    """No use in going on: the first photograph stays, whole, and nothing half written lies about."""
    write = Path.write_bytes

    def fill(self, data):
        if ".b." in self.name:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(UsageError, match=r"cannot write .*b.png: no space left on device"):
        verb.run(RunRequest("hdrnet", (album,), tmp_path / "out"))
    assert _names(tmp_path / "out") == ["a.png"]


@pytest.mark.parametrize("when", ["computing", "writing"])
def test_ctrl_c_leaves_whole_photographs_only(album, tmp_path, runner, monkeypatch, when):
    """Stopped in the second photograph: the first stays, the second does not exist, and the message counts them."""
    count, write = [], Path.write_bytes

    def process(pixels, on_progress):
        count.append(1)
        if when == "computing" and len(count) == 2:
            raise KeyboardInterrupt
        return 255 - pixels

    def interrupted(self, data):
        if when == "writing" and len(count) == 2:
            write(self, bytes(data[:100]))
            raise KeyboardInterrupt
        return write(self, data)

    runner.process = process
    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt, match="1 of 3 photographs are done and complete"):
        verb.run(RunRequest("hdrnet", (album,), tmp_path / "out"))
    assert _names(tmp_path / "out") == ["a.png"]
    assert np.array_equal(photos.read(tmp_path / "out" / "a.png").pixels, 255 - make.photograph())
