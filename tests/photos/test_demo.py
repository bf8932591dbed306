"""The photographs that ship."""

from __future__ import annotations

import re

import pytest

from viewfinder import demo, photos
from viewfinder.errors import MissingToolError


def test_every_photograph_has_an_author_and_a_licence():
    """Each file stands in ATTRIBUTION.md with a CC0 or CC BY 4.0 link, and nothing else does."""
    text = (demo.folder() / "ATTRIBUTION.md").read_text()
    rows = re.findall(r"^\| (\S+\.jpg) \| [^|]+ \| (\w[^|]+) \| \[(CC0 1.0|CC BY 4.0)\]", text, re.MULTILINE)
    assert [row[0] for row in rows] == [path.name for path in demo.photos()]
    assert all(author.strip() for _, author, _ in rows)


def test_small_enough_to_ship_and_odd_enough_to_test():
    """Under 3 MB together, about 1600 pixels long; at least one has an odd width and an odd height."""
    sizes = [photos.read(path).pixels.shape for path in demo.photos()]
    assert sum(path.stat().st_size for path in demo.photos()) < 3e6
    assert all(1590 <= max(size) <= 1600 for size in sizes)
    assert any(size[0] % 2 and size[1] % 2 for size in sizes)


def test_missing_data_is_a_sentence(tmp_path, monkeypatch):
    """A wheel without its data says so."""
    monkeypatch.setattr(demo.resources, "files", lambda _: tmp_path)
    with pytest.raises(MissingToolError, match="demo photographs are missing"):
        demo.photos()
