"""The committed baseline: small diffs, reasons, and what is refused."""

from __future__ import annotations

import difflib
import json

import pytest
from tests.runtime.gate.made import measured, numbers

from viewfinder.errors import UsageError
from viewfinder.runtime.gate import baseline
from viewfinder.runtime.gate.baseline import BadBaselineError, Baseline, accept


def test_what_is_written_is_read_again(tmp_path):
    """Sorted JSON, with time and reason."""
    made, changed = accept(Baseline(), [measured()], "the  first\none", "2026-01-01 00:00:00 UTC")
    baseline.write(tmp_path / "b.json", made)
    assert baseline.load(tmp_path / "b.json") == made
    assert changed == ["hdrnet w tflite@litert w8a8"]
    (entry,) = made.entries.values()
    assert (entry.reason, entry.accepted) == ("the first one", "2026-01-01 00:00:00 UTC")
    text = (tmp_path / "b.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert baseline.is_baseline(tmp_path / "b.json")


def test_accepting_what_did_not_move_changes_nothing():
    """Another machine's last digits, and anything above 60 dB against float, leave every byte as it was."""
    fine = {"psnr_vs_truth_db": numbers(30.0), "psnr_vs_float_db": numbers(112.0)}
    moved = {"psnr_vs_truth_db": numbers(30.0011), "psnr_vs_float_db": numbers(96.0)}
    old, _ = accept(Baseline(), [measured(numbers=fine)], "one", "t1")
    new, changed = accept(old, [measured(numbers=moved)], "two", "t2")
    assert changed == []
    assert new.to_json() == old.to_json()


def test_a_change_of_one_photograph_is_a_diff_of_a_few_lines():
    """The value, the time and the reason: nothing else."""
    values = [30.0] * 8
    old, _ = accept(Baseline(), [measured()], "one", "t1")
    values[3] = 29.0
    changed = {**measured().numbers, "psnr_vs_truth_db": numbers(*values)}
    new, keys = accept(old, [measured(numbers=changed)], "two", "t2")
    lines = list(difflib.unified_diff(old.to_json().splitlines(), new.to_json().splitlines(), n=0, lineterm=""))
    assert len(keys) == 1
    assert sum(line.startswith("+ ") for line in lines) == 3


def test_other_entries_stay():
    """Accepting one artifact leaves the others as they are."""
    old, _ = accept(Baseline(), [measured(), measured(precision="float")], "one", "t1")
    new, _ = accept(old, [measured(totals={"size_bytes": 2.0})], "two", "t2")
    assert new.entries["hdrnet w tflite@litert float"] == old.entries["hdrnet w tflite@litert float"]
    assert len(new.entries) == 2


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 1001])
def test_a_reason_is_needed(reason):
    """And it is a sentence, not a novel."""
    with pytest.raises(UsageError, match="for a reason"):
        accept(Baseline(), [measured()], reason, "t")


def test_damaged_baselines_are_refused(tmp_path):
    """Not there, not JSON, another kind or version, an entry under a foreign name, a text for a number."""
    path = tmp_path / "b.json"
    with pytest.raises(BadBaselineError, match="there is no baseline"):
        baseline.load(path)
    made, _ = accept(Baseline(), [measured()], "one", "t1")
    good = made.to_json()
    for old, new in (
        (good, "{"),
        (good, "[]"),
        ('"viewfinder-baseline"', '"something"'),
        ('"schema_version": 1', '"schema_version": 2'),
        ('"model": "hdrnet"', '"model": "other"'),
        ("30.0", '"much"'),
        ("30.0", "NaN"),
        ('"unit": "dB"', '"unti": "dB"'),
    ):
        path.write_text(good.replace(old, new))
        with pytest.raises(BadBaselineError, match=r"b\.json"):
            baseline.load(path)
    assert not baseline.is_baseline(tmp_path / "none.json")
