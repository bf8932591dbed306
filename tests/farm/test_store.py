from __future__ import annotations

import pytest

from viewfinder.farm import store


def test_results_are_found_again(tmp_path):
    """By what they depend on, in whatever order it is named."""
    key = store.key_of({"artifact": "ab", "target": "onnx@host"})
    assert key == store.key_of({"target": "onnx@host", "artifact": "ab"})
    assert key != store.key_of({"target": "onnx@host", "artifact": "ac"})
    store.keep(tmp_path, key, {"p50": 1.5})
    assert store.kept(tmp_path) == {key: {"p50": 1.5}}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "other", "value": 1}'])
def test_a_damaged_result_is_none(tmp_path, text):
    """The job is done again."""
    key = store.key_of({})
    store.keep(tmp_path, key, {})
    (tmp_path / "results" / f"{key}.json").write_text(text)
    assert store.kept(tmp_path) == {}


def test_an_empty_folder_has_none(tmp_path):
    """The first run begins here."""
    assert store.kept(tmp_path / "absent") == {}
