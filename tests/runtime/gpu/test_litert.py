"""The GPU accelerator on a software driver: tried with one addition, and nothing is claimed without the driver."""

from __future__ import annotations

import numpy as np
import pytest
from tests import npu

from viewfinder.devices.toolchains import vulkan
from viewfinder.errors import NotVerifiedError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines, tiny
from viewfinder.runtime.gpu import litert


def test_without_the_driver_it_says_how_to_get_it(tmp_path):
    """No process is started."""
    assert "doctor --install lavapipe" in litert.LitertGpu(None, litert.FP16, tmp_path).probe()


def test_the_smallest_file_adds(tmp_path):
    """LiteRT on the CPU computes what the probe expects."""
    runner = engines.load("litert").open(tiny.write(tmp_path), tiny.GRAPH, 1)
    assert np.array_equal(runner(tiny.FEEDS)["sum"], tiny.EXPECTED)


def test_a_driver_that_is_none_is_noticed_by_the_probe(tmp_path):
    """An environment without any driver: the reason is in words, and opening a graph gives no numbers either."""
    nowhere = {"VK_DRIVER_FILES": str(tmp_path / "none.json"), "VK_ICD_FILENAMES": str(tmp_path / "none.json")}
    engine = litert.LitertGpu(nowhere, litert.FP32, tmp_path)
    assert "does not compute one addition here" in engine.probe()
    with pytest.raises(NotVerifiedError):
        engine.open(tiny.write(tmp_path), tiny.GRAPH, 1)


@pytest.mark.npu
@pytest.mark.parametrize("precision", litert.PRECISIONS)
def test_one_addition_on_the_driver(precision, tmp_path, own_cache):
    """In both precisions; the log names the driver."""
    npu.lend(own_cache, "lavapipe")
    engine = litert.LitertGpu(vulkan.environment(), precision, tmp_path)
    assert engine.probe() is None
    assert engine.EVIDENCE is Evidence.EMULATED
    runner = engine.open(tiny.write(tmp_path), tiny.GRAPH, 1)
    assert np.array_equal(runner(tiny.FEEDS)["sum"], tiny.EXPECTED)
    assert "llvmpipe" in engine.said["tiny"].read_text()
