"""A small HDRNet in every format, exported once for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from viewfinder.artifact import Artifact


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Artifact]:
    """Export the small HDRNet to a format, at most once."""
    from tests.export.networks import small_task

    from viewfinder.export import exporter
    from viewfinder.export.request import ExportRequest

    made: dict[str, Artifact] = {}
    folder: Path = tmp_path_factory.mktemp("small")

    def export(file_format: str) -> Artifact:
        """Return the float artifact."""
        if file_format not in made:
            request = ExportRequest(file_format, use_cache=False)
            made[file_format] = exporter.export(small_task(), request, folder / f"{file_format}-float")
        return made[file_format]

    return export
