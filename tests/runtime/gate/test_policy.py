"""gate.yaml: what it may say, and how it is told what is wrong with it."""

from __future__ import annotations

import pytest

from viewfinder.runtime.gate import policy, policyfile
from viewfinder.runtime.gate.policyfile import BadPolicyError

GOOD = """version: 1
baseline: baseline.json
limits:
  against_truth: {drop_db: 0.2}
  size:
    max_bytes: 1000
gates:
  - model: hdrnet
    targets: [tflite, onnx]
    precisions: [float, w8a8]
    limits:
      against_truth:
        worst_drop_db: 0.5
      size:
        max_bytes: 500
  - model: hdrnet-luma
    targets: [coreml]
    precisions: [fp16]
"""


@pytest.fixture
def load(tmp_path):
    """Return a function that loads a policy from text."""

    def from_text(text):
        path = tmp_path / "gate.yaml"
        path.write_text(text)
        return policyfile.load(path)

    return from_text


def test_limits_of_a_gate_lie_over_those_of_the_policy(load):
    """Key by key: a gate keeps what it does not say itself."""
    file = load(GOOD)
    first, second = (limits for _, _, limits in file.gates())
    assert (first.against_truth.drop_db, first.against_truth.worst_drop_db) == (0.2, 0.5)
    assert (first.size.max_bytes, second.size.max_bytes) == (500, 1000)
    assert second.against_truth.worst_drop_db is None


def test_limits_know_their_lines(load):
    """A limit's line is the gate's own, or the policy's where it comes from there."""
    file = load(GOOD)
    assert file.line_of_limit(0, "size", "max_bytes") == 15
    assert file.line_of_limit(1, "size", "max_bytes") == 6
    assert file.line_of_limit(0, "against_truth", "drop_db") == 4
    assert file.line_of_limit(1, "probes") == 16


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("max_bytes: 1000", "max_byte: 1000", 6, "did you mean max_bytes?"),
        ("drop_db: 0.2", "drop_db: -1", 4, "greater than or equal to 0, not -1"),
        ("drop_db: 0.2", "drop_db: '0.2'", 4, "not '0.2'"),
        ("drop_db: 0.2", "drop_db: .nan", 4, "finite"),
        ("version: 1", "version: 2", 1, "not 2"),
        ("  - model: hdrnet\n", "  - modle: hdrnet\n", 8, "did you mean model?"),
        ("    targets: [tflite, onnx]\n", "", 8, "targets: is missing"),
        ("[float, w8a8]", "[]", 10, "at least 1"),
        ("baseline: baseline.json", "baselin: baseline.json", 2, "did you mean baseline?"),
        ("worst_drop_db: 0.5", "worst_drop_db: 0.5\n        worst_drop_db: 0.6", 14, "stands twice, first in line 13"),
        ("version: 1", "version: 1\n  bad: [", 2, "this is no YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(load, tmp_path, old, new, line, words):
    """The message starts with FILE:LINE, and says what would be right."""
    assert old in GOOD
    with pytest.raises(BadPolicyError) as error:
        load(GOOD.replace(old, new, 1))
    first = error.value.message.splitlines()[0]
    assert first.startswith(f"{tmp_path / 'gate.yaml'}:{line}: ")
    assert words in error.value.message


def test_a_gate_without_limits_is_refused(load):
    """It could never fail, so it is a mistake."""
    text = "version: 1\ngates:\n  - {model: a, targets: [onnx], precisions: [float]}\n"
    with pytest.raises(BadPolicyError, match=r"gate.yaml:3: the gate of a limits nothing"):
        load(text)


@pytest.mark.parametrize("limit", ["against_baseline: {drop_vs_truth_db: 1}", "instructions: {max_growth_percent: 1}"])
def test_a_comparison_needs_a_baseline(load, limit):
    """A limit against a baseline that the policy does not name is refused."""
    text = GOOD.replace("baseline: baseline.json\n", "").replace("against_truth: {drop_db: 0.2}", limit)
    with pytest.raises(BadPolicyError, match="the policy names none"):
        load(text)


@pytest.mark.parametrize("text", ["", "- 1", "just words"])
def test_what_is_no_mapping_is_refused(load, text):
    """An empty file, a list and a sentence are no policies."""
    with pytest.raises(BadPolicyError, match=r"gate.yaml:1: "):
        load(text)


def test_aliases_of_aliases_are_refused(load):
    """A short text that means a billion values ends with a sentence, not with a full memory."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(BadPolicyError, match="too large or too deep"):
        load("\n".join(lines))
    with pytest.raises(BadPolicyError, match="too large or too deep"):
        load("a: &a [*a]")
    with pytest.raises(BadPolicyError):
        load("[" * 1500)


def test_files_that_are_no_text_are_refused(load, tmp_path):
    """Missing, binary and huge files are named."""
    with pytest.raises(BadPolicyError, match="there is no policy"):
        policyfile.load(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadPolicyError, match=r"b.yaml"):
        policyfile.load(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("#" * 1_000_001)
    with pytest.raises(BadPolicyError, match="more than"):
        policyfile.load(tmp_path / "c.yaml")


def test_no_python_is_built_from_yaml(load, tmp_path):
    """A tag that asks for an object is refused, not followed."""
    mark = tmp_path / "mark"
    with pytest.raises(BadPolicyError, match=r"gate.yaml:1: this is no data: .*python/object/apply"):
        load(GOOD.replace("version: 1", f"version: !!python/object/apply:pathlib.Path.touch [{mark}]"))
    assert not mark.exists()


def test_the_schema_knows_every_key():
    """The published schema is of the classes, forbids unknown keys, and describes what it has."""
    made = policy.schema()
    keys = "$schema version baseline photographs calibration_data confidence seed engine_versions limits gates"
    assert set(made["properties"]) == set(keys.split())
    assert all(one["additionalProperties"] is False for one in (made, *made["$defs"].values()))
