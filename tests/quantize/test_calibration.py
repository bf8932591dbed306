"""Calibration sets: which pictures, which kinds are missing, and a name that changes with the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder import demo, photos, strata
from viewfinder.errors import Exit, UsageError
from viewfinder.photos import Photo
from viewfinder.quantize import calibration
from viewfinder.quantize.calibration import CoverageError, Sample


def of(level, name):
    """Make a sample whose median is `level`."""
    return Sample(name, lambda: np.full((4, 4, 3), level, np.uint8))


DARK, MID, BRIGHT = ([of(level, f"{level}-{index}") for index in range(5)] for level in (20, 110, 220))


def test_the_default_set_covers_every_exposure():
    """The default set has dark, middle and bright photographs, and none that results are judged on."""
    taken, chosen = calibration.choose(calibration.default(), "default", calibration.DEFAULT_SAMPLES)
    assert chosen.coverage == 1
    assert chosen.samples == len(taken) == len(calibration.DEFAULT_PHOTOS) * len(calibration.STOPS)
    judged = {path.stem for path in demo.photos()}
    assert not judged & {sample.name.split()[0] for sample in taken}


def test_exposures_keep_the_picture():
    """At 0 stops a photograph is itself; two stops less make it darker everywhere."""
    samples = {sample.name: sample for sample in calibration.default()}
    plain, dark = samples["coffee +0"].read(), samples["coffee -2"].read()
    from skimage import data

    assert np.array_equal(plain, data.coffee())
    assert np.all(dark <= plain)
    assert dark.mean() < 0.6 * plain.mean()


def test_kinds_take_turns():
    """Of many bright and few dark pictures, as many are taken of each as there are."""
    taken, chosen = calibration.choose([*BRIGHT, *DARK[:2], *MID], "set", 6)
    kinds = [strata.exposure(sample.read()) for sample in taken]
    assert {kind: kinds.count(kind) for kind in ("dark", "mid", "bright")} == {"dark": 2, "mid": 2, "bright": 2}
    assert chosen.strata == {"exposure=dark": 2, "exposure=mid": 2, "exposure=bright": 2}


def test_a_missing_kind_fails_the_check():
    """Without dark pictures coverage is two thirds: refused with exit code 1 and the stratum's name, unless allowed."""
    _, chosen = calibration.choose([*MID, *BRIGHT], "daylight", 8)
    with pytest.raises(CoverageError, match="exposure=dark") as caught:
        calibration.require_coverage(chosen, 1.0)
    assert caught.value.exit_code == Exit.CHECK_FAILED
    assert "daylight" in caught.value.message
    assert "covers 2 of 3 strata" in caught.value.message
    calibration.require_coverage(chosen, 0.66)


def test_the_coverage_that_is_offered_is_taken():
    """Two thirds are offered as 0.66: as 0.67, taken at its word, the set was refused again."""
    _, chosen = calibration.choose([*MID, *BRIGHT], "daylight", 8)
    with pytest.raises(CoverageError) as caught:
        calibration.require_coverage(chosen, 1.0)
    calibration.require_coverage(chosen, float(str(caught.value.hint).rsplit(maxsplit=1)[-1]))


def test_the_hash_is_of_pixels_and_order():
    """One changed pixel or another name changes the set's hash; the same pictures give the same."""
    hashes = [calibration.choose(samples, "set", 5)[1].sha256 for samples in (MID, MID, DARK, MID[:4])]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_a_folder_of_photographs(tmp_path):
    """Photographs of a folder are named by their path in it; an empty folder is refused."""
    photos.write(tmp_path / "in" / "sub" / "one.png", Photo(np.full((5, 6, 3), 100, np.uint8)))
    (sample,) = calibration.from_folder(tmp_path / "in")
    assert sample.name == "sub/one.png"
    assert sample.read().shape == (5, 6, 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no photographs"):
        calibration.from_folder(tmp_path / "empty")


def test_no_samples_is_no_set():
    """Zero samples are refused."""
    with pytest.raises(UsageError, match="0 calibration samples"):
        calibration.choose(MID, "set", 0)
