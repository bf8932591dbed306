from __future__ import annotations

import json

import pytest

from viewfinder.errors import Exit, NotVerifiedError
from viewfinder.measurement import Evidence, Verdict
from viewfinder.runtime.profile import counts

FIELDS = {"foreign_accesses": 0, "load_store": 40, "simd_fp": 30, "fmla_fp32": 20, "l1_accesses": 50, "l1_misses": 5}


def line(mark, **changes):
    """Write a line as the plug-in does."""
    fields = {"mark": mark, "instructions": 1000, "dram_lines_read": 3, "dram_lines_written": 1, **FIELDS}
    return json.dumps(fields | changes)


def written(tmp_path, *lines):
    """Write a file of counts."""
    (tmp_path / "counts").write_text("\n".join(lines) + "\n")
    return tmp_path / "counts"


def of(tmp_path, *instructions):
    """Read counts of a first inference and those that follow; lines of even marks lie between them."""
    runs = [
        text
        for place, number in enumerate(instructions)
        for text in (line(2 * place, instructions=77), line(2 * place + 1, instructions=number))
    ]
    return counts.read(written(tmp_path, *runs), len(instructions) - 1)


def test_the_first_inference_and_what_lies_between_are_dropped(tmp_path):
    """Only inferences behind the first one count, and their median is reported."""
    found = of(tmp_path, 5_000_000, 1000, 1002, 1001)
    assert found.middle("instructions") == 1001
    assert found.spread_percent == pytest.approx(100 * 2 / 1001)


def test_numbers_become_measurements(tmp_path):
    """They are emulated, name the graph, keep every run, and say that the caches are simulated."""
    made = {
        one.metric: one for one in counts.measurements("strip", of(tmp_path, 9, 1000, 1000, 1000), ((64, 4), (512, 8)))
    }
    assert made["strip_instructions"].value == 1000
    assert made["strip_fmla_fp32_instructions"].value == 20
    assert made["strip_dram_bytes"].value == 64 * 4
    assert made["strip_l1_misses"].value == 5
    assert {one.evidence for one in made.values()} == {Evidence.EMULATED}
    assert set(made["strip_instructions"].per_sample) == {"run 2", "run 3", "run 4"}
    assert "simulated data caches: L1 64 KB 4-way, L2 512 KB 8-way" in made["strip_dram_bytes"].definition
    assert "strip_l3_misses" not in made
    assert not [one for one in made.values() if one.unit in {"ms", "s"}]


@pytest.mark.parametrize(
    ("most", "last", "verdict"),
    [
        (100_000_000, 100_499_000, Verdict.PASS),
        (100_000_000, 100_501_000, Verdict.FAIL),
        (100_000, 104_900, Verdict.PASS),
        (100_000, 105_100, Verdict.FAIL),
    ],
)
def test_counts_that_do_not_repeat_fail(tmp_path, most, last, verdict):
    """Half a percent is the limit, or what Python around a small graph may vary by."""
    spread = counts.measurements("g", of(tmp_path, 9, most, most, last), ())[1]
    assert spread.metric == "g_instructions_spread_percent"
    assert spread.verdict is verdict


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["garbage"],
        ["[]"],
        ['{"mark": 1}'],
        [line(1)],
        [line(1), line(5)],
        [line(1), line(3), line(5)],
        [line(1), line(3, instructions=0)],
        [line(1), line(3, instructions="many")],
    ],
)
def test_counts_that_are_incomplete_are_no_counts(tmp_path, lines):
    """A killed emulator or another plug-in leaves less, or something else."""
    with pytest.raises(NotVerifiedError, match="count") as error:
        counts.read(written(tmp_path, *lines), 1)
    assert error.value.exit_code is Exit.NOT_VERIFIED


def test_a_missing_file_is_no_count(tmp_path):
    """The plug-in was not loaded."""
    with pytest.raises(NotVerifiedError, match="cannot be read"):
        counts.read(tmp_path / "none", 1)


def test_other_threads_are_found_out(tmp_path):
    """A pool of workers would go uncounted; a thread that wakes up in one inference does no harm."""
    with pytest.raises(NotVerifiedError, match="other threads took part"):
        counts.read(written(tmp_path, line(1), line(3, foreign_accesses=10), line(5, foreign_accesses=9)), 2)
    counts.read(written(tmp_path, line(1, foreign_accesses=10), line(3), line(5, foreign_accesses=9), line(7)), 3)
