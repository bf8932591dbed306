"""The recorded table of classical burst denoisers is whole, and is what a measurement gives."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from viewfinder.train import burst_benchmark, evaluate_bursts
from viewfinder.train.baselines import burst_denoising

DATA = Path(os.environ.get("VIEWFINDER_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOLDERS = {"CBSD68": DATA / "test_cbsd68", "KPN scenes": DATA / "test_kpn_synth" / "gain2"}


def test_the_recorded_table_is_whole():
    """All 68 photographs and the 4 scenes, every method at every gain."""
    record = evaluate_bursts.read()
    assert {name: len(table["1"]["merge"].per_picture) for name, table in record.sets.items()} == {
        "CBSD68": 68,
        "KPN scenes": 4,
    }
    for table in record.sets.values():
        assert list(table) == ["1", "2", "4", "8"]
        for row in table.values():
            assert set(row) == set(burst_denoising.METHODS)
            assert all(set(scores.per_picture) == set(row["merge"].per_picture) for scores in row.values())
    assert set(record.strengths) == set(burst_denoising.GRIDS)
    assert len(record.tuned_on) == burst_benchmark.TUNING_COUNT
    assert record.packages["bm3d"]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_measurement_gives_what_the_table_says(name):
    """The first photograph of a set, measured again by every method that runs here, has the recorded PSNR."""
    if not FOLDERS[name].is_dir():
        pytest.skip(f"the photographs of {name} are not here: set VIEWFINDER_DATA to the folder that holds them")
    record = evaluate_bursts.read()
    (photo,) = burst_benchmark.pictures(FOLDERS[name])[:1]
    methods = [method for method in burst_denoising.available() if method != "bm3d_reference"]
    for gain in (2, 8):
        burst = burst_benchmark.burst_of(photo, gain)
        case = burst_benchmark.case_of(burst)
        for method in methods:
            made = burst_benchmark.baseline(method, record.strengths)(gain)(case)
            recorded = record.sets[name][str(gain)][method].per_picture[photo.stem]
            # Another processor adds up in another order; 0.02 dB is far more than that changes.
            assert burst_benchmark.quality_db(made, burst.truth[..., 0]) == pytest.approx(recorded, abs=0.02)


def test_the_record_is_small_and_plain():
    """The file holds numbers and names, no paths."""
    text = evaluate_bursts.RECORDED.read_text()
    assert len(text) < 200_000
    assert set(json.loads(text)) == {
        "schema_version",
        "definition",
        "strengths",
        "tuned_on",
        "packages",
        "motions",
        "sets",
    }
