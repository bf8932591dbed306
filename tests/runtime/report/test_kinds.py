"""Results of each gain and motion stand on the page by themselves, and bursts are called bursts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.runtime.report import made

from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.report.document import PICTURES
from viewfinder.runtime.report.html import render

KINDS = {"gain=1": 39.24, "gain=4": 32.95, "motion=large": 35.58}
STRATA = {"night gain 4": ["gain=4", "motion=large"], "cup gain 1": ["gain=1", "motion=large"]}
NAMES = {"psnr_vs_truth_db": 0.0, "psnr_of_float_vs_truth_db": 0.02, "psnr_drop_vs_truth_db": None}


def _measured(name: str, shift: float | None) -> Measurement:
    """Give a number for every kind."""
    values = {kind: 0.02 if shift is None else value + shift for kind, value in KINDS.items()}
    return Measurement(name, 36.0, "dB", Evidence.MEASURED, per_sample=dict.fromkeys(STRATA, 36.0), per_stratum=values)


@pytest.fixture
def page(tmp_path):
    """The report of an artifact on two bursts."""
    document = made.document(tmp_path)
    first = document.sections[0]
    report = replace(
        first.report,
        measurements=(*first.report.measurements, *(_measured(*one) for one in NAMES.items())),
        notes={"strata": STRATA},
    )
    photo = dict(document.photographs[0])
    photo |= {"pictures": {**photo["pictures"], "average": photo["pictures"]["input"]}, "name": "night gain 4"}
    photo |= {"size": [256, 192]}
    return render(
        replace(document, sections=(replace(first, report=report),), photographs=(photo,)), tmp_path / PICTURES
    )


def test_every_kind_stands_alone_beside_pytorch(page):
    """Gains and motion are columns with the number of their bursts; PyTorch's row is first, then loss by artifact."""
    table = page.partition('id="kinds"')[2].partition("</table>")[0]
    assert table.startswith(">By gain and motion<")
    for told in ("gain 1<", "gain 4<", "motion large<", "1 burst<", "2 bursts<"):
        assert told in table
    own, other = table.partition("onnx-float")[::2]
    assert "PyTorch</th><td" in own
    assert "33.0 dB" in own
    assert "32.9 dB" in other or "33.0 dB" in other
    assert other.count("0.020 dB lost") == len(KINDS)


def test_bursts_are_called_bursts_and_shown_as_they_are(page):
    """The sentence counts bursts; a small picture is enlarged by a whole number; PyTorch's result is shown first."""
    assert "on 1 burst." in page
    assert ">Bursts</h2>" in page
    assert "enlarged up to 3 times, motion large" in page
    assert "image-rendering: pixelated; width: min(100%, 768px)" in page
    assert 'checked><label for="p1f3">PyTorch<' in page
    assert "the reference frame before noise was added" not in page  # an operator made the truth of this one


def test_one_kind_is_no_table(tmp_path):
    """Photographs of one exposure have nothing to be told apart."""
    page = render(made.document(tmp_path), tmp_path)
    assert 'id="kinds"' not in page
    assert ">Photographs</h2>" in page
