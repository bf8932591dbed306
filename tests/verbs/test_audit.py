"""The audit verb: finds the ONNX artifact, looks at photographs, and fails where float16 would."""

from __future__ import annotations

import numpy as np
import pytest
from tests.quantize import made as small

from viewfinder import artifact, demo, photos
from viewfinder.errors import Exit, UsageError
from viewfinder.measurement import Verdict
from viewfinder.photos import Photo
from viewfinder.verbs.audit import AuditRequest, audit


@pytest.fixture
def picture(tmp_path):
    """Write a small photograph."""
    pixels = np.ascontiguousarray(photos.read(demo.photos()[0]).pixels[::16, ::16])
    photos.write(tmp_path / "in" / "one.png", Photo(pixels))
    return tmp_path / "in"


def test_an_ordinary_network_passes(tmp_path, picture):
    """Every tensor is listed, the nearest to the end first; the measurement says on which photographs."""
    made = small.write(tmp_path / "onnx-float")
    result = audit(AuditRequest(str(made.folder), (picture,)))
    assert result.exit_code == Exit.PASS
    assert result.measurement.verdict is Verdict.PASS
    assert "one.png" in result.measurement.definition
    shares = [one.share for one in result.ranges]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) > 10


def test_denoisers_are_shown_noise(tmp_path):
    """A flat grey photograph reaches a denoiser with noise: its input's largest value is no longer the grey."""
    photos.write(tmp_path / "in" / "grey.png", Photo(np.full((small.SIDE, small.SIDE, 3), 128, np.uint8)))
    sizes = {"tile": [small.SIDE, small.SIDE], "halo": 2, "scale": 1}
    largest = {}
    for samples in ("photographs", "noisy"):
        made = small.write(tmp_path / samples / "onnx-float", parameters={**sizes, "samples": samples})
        found = audit(AuditRequest(str(made.folder), (tmp_path / "in",))).ranges
        largest[samples] = next(one.largest for one in found if one.tensor == "image")
    assert largest["photographs"] == pytest.approx(128 / 255)
    assert largest["noisy"] > 0.8


def test_an_overflow_fails_and_is_named(tmp_path, picture):
    """A gain of a million exits 1 and names graph, tensor and operator."""
    made = small.write(tmp_path / "onnx-float")
    small.onnx_file(made.path(made.graphs[0]), gain=1e6)
    artifact.write_manifest(made, made.folder)
    result = audit(AuditRequest(str(made.folder), (picture,)))
    assert result.exit_code == Exit.CHECK_FAILED
    assert result.measurement.verdict is Verdict.FAIL
    names = [(one.tensor, one.type) for one in result.ranges if one.verdict == "overflow"]
    assert ("six", "Mul") in names


def test_other_formats_look_beside_themselves(tmp_path, picture):
    """Named after another artifact, the audit takes the float ONNX artifact beside it; without one it refuses."""
    small.write(tmp_path / "both" / "onnx-float")
    other = small.write(tmp_path / "both" / "onnx-w8", precision="w8")
    assert audit(AuditRequest(str(other.folder), (picture,))).exit_code == Exit.PASS
    alone = small.write(tmp_path / "alone" / "onnx-w8", precision="w8")
    with pytest.raises(UsageError, match="no float ONNX"):
        audit(AuditRequest(str(alone.folder), (picture,)))
