"""A progress bar on standard error where somebody looks at it; a line per change of label where nobody does."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from viewfinder.cli.verb import progress


class Bar:
    """Shows how far a verb is."""

    def __init__(self) -> None:
        """Show nothing before the first step."""
        self._shown: Any = None
        self._task: Any = None
        self._label = ""

    def __enter__(self) -> Self:
        """Look where standard error goes."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._shown = Progress(console=Console(file=sys.stderr), transient=True)
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._shown is not None:
            self._shown.stop()

    def show(self, share: float, label: str) -> None:
        """Show the share that is done, 0..1, and what is being done."""
        if self._shown is None:
            if label != self._label:
                progress(label)
        elif self._task is None:
            self._task = self._shown.add_task(label, total=1.0, completed=share)
        else:
            self._shown.update(self._task, completed=share, description=label)
        self._label = label

    def line(self, text: str) -> None:
        """Print a line that stays, above the bar."""
        if self._shown is None:
            progress(text)
        else:
            self._shown.console.print(text, markup=False, highlight=False)
