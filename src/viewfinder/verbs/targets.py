"""Where the results of a run go: decided, and refused, before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from viewfinder.errors import UsageError
from viewfinder.photos import SUFFIXES, find


@dataclass(frozen=True)
class Job:
    """One photograph and the file that it becomes."""

    source: Path
    target: Path


class Existing(Enum):
    """What to do about results that exist."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"

    @classmethod
    def of(cls, overwrite: bool, skip: bool) -> Existing:
        """Translate two switches, of which at most one is set."""
        return cls.OVERWRITE if overwrite else cls.SKIP if skip else cls.REFUSE


def plan(sources: Sequence[Path], output: Path, existing: Existing = Existing.REFUSE) -> list[Job]:
    """List what becomes what.

    `output` is a file if it has a picture's suffix, is no folder, and there is one photograph; otherwise a folder in
    which files keep their names and folders are mirrored. Results of an earlier run below a folder are no photographs.

    Raises:
        UsageError: no photographs, two results of one name, a suffix that cannot be written, or a result that exists.
    """
    if not sources:
        raise UsageError("no photographs were named", "name files or folders")
    if len(sources) == 1 and not sources[0].is_dir() and output.suffix.lower() in SUFFIXES and not output.is_dir():
        jobs = [Job(find(sources)[0], output)]
    elif output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file, and the results need a folder", "name a folder with -o")
    else:
        jobs = [job for source in sources for job in _into_folder(source, output)]
    return settled(jobs, existing)


def settled(jobs: list[Job], existing: Existing, suffixes: Sequence[str] = SUFFIXES) -> list[Job]:
    """Refuse results that cannot be written or would collide; leave out those that exist, or refuse to replace them.

    Raises:
        UsageError: two results of one name, a suffix other than `suffixes`, or a result that exists.
    """
    _refuse_bad_suffixes(jobs, suffixes)
    _refuse_collisions(jobs)
    if existing is Existing.SKIP:
        return [job for job in jobs if not job.target.exists()]
    if existing is Existing.REFUSE:
        _refuse_existing(jobs)
    return jobs


def _into_folder(source: Path, output: Path) -> list[Job]:
    """Mirror a file or a folder into `output`."""
    base = source if source.is_dir() else source.parent
    inside = output.resolve()
    found = [
        photo
        for photo in find([source])
        if not source.is_dir() or inside == base.resolve() or inside not in photo.resolve().parents
    ]
    return [Job(photo, output / photo.relative_to(base)) for photo in found]


def _refuse_bad_suffixes(jobs: Sequence[Job], suffixes: Sequence[str]) -> None:
    """Refuse names whose format is unknown, before an hour of work ends with one."""
    for job in jobs:
        if job.target.suffix.lower() not in suffixes:
            raise UsageError(f"{job.target} has no suffix of a picture", f"name it with one of {', '.join(suffixes)}")


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    """Refuse two photographs that would become the same file."""
    taken: dict[Path, Path] = {}
    for job in jobs:
        if job.target in taken:
            raise UsageError(
                f"{taken[job.target]} and {job.source} would both become {job.target}",
                "run them one after the other with different output folders",
            )
        taken[job.target] = job.source


def _refuse_existing(jobs: Sequence[Job]) -> None:
    """Refuse to replace files, above all the photographs themselves, unless asked to."""
    for job in jobs:
        if job.target.exists() and job.target.samefile(job.source):
            raise UsageError(
                f"{job.target} would be replaced by its result", "name another place with -o, or say --overwrite"
            )
    existing = [job.target for job in jobs if job.target.exists()]
    if existing:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise UsageError(f"{existing[0]}{more} exists already", "name another place with -o, or say --overwrite")
