from __future__ import annotations

import pytest

from viewfinder import durations
from viewfinder.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("10m", 600), ("45s", 45), ("45", 45), ("1h30m", 5400), ("0.5s", 0.5), (" 2m5 ", 125)]
)
def test_lengths_of_time(text, seconds):
    """As people write them."""
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-3s", "ten", "10 m", "1m1h", "nan", "1e3", "9" * 400])
def test_what_is_none(text):
    """The way to write one is said."""
    with pytest.raises(UsageError, match="is no length of time") as error:
        durations.seconds(text)
    assert "10m" in error.value.hint
