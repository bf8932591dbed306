"""Write files and folders so that a reader sees the old one or the whole new one, never half of it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from viewfinder.errors import UsageError

_CHUNK_BYTES = 1 << 20


@contextmanager
def unwritten_bytecode() -> Iterator[None]:
    """Import what a user names without leaving a ``__pycache__`` beside it."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def sha256(path: Path) -> str:
    """Hash a file, or a folder: then over the sorted relative names and hashes of the files in it."""
    if path.is_dir():
        lines = [f"{sha256(file)}  {file.relative_to(path).as_posix()}\n" for file in _files_of(path)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def size_bytes(path: Path) -> int:
    """Size of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in _files_of(path)) if path.is_dir() else path.stat().st_size


def _files_of(folder: Path) -> list[Path]:
    """List the files below a folder, sorted by their relative name."""
    return sorted(
        (file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.relative_to(folder).as_posix()
    )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into a sentence with a way out."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: "free some space or choose another folder with -o",
            errno.EDQUOT: "free some space or choose another folder with -o",
            errno.EACCES: "choose a folder that you may write to with -o",
            errno.EPERM: "choose a folder that you may write to with -o",
            errno.EROFS: "choose a folder on a writable disk with -o",
        }
        if error.errno not in hints:
            raise
        reason = os.strerror(error.errno).lower()
        raise UsageError(f"cannot write {path}: {reason}", hints[error.errno], code="cannot-write") from error


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; it becomes `path` when the block ends well, and goes when it does not."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            partial.chmod(0o644)
            _flush(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; it replaces `path` when the block ends well, and goes when it does not."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield partial
            partial.chmod(0o755)
            if path.exists():
                aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
                path.replace(aside / path.name)
                partial.replace(path)
                shutil.rmtree(aside)
            else:
                partial.replace(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _flush(path: Path) -> None:
    """Have the disk take the bytes before the name changes, so that a full disk is noticed here."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a text file, all or nothing."""
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def cache_folder(*parts: str) -> Path:
    """Folder in the cache: `VIEWFINDER_CACHE`, else `XDG_CACHE_HOME/viewfinder`, else `~/.cache/viewfinder`."""
    root = os.environ.get("VIEWFINDER_CACHE")
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "viewfinder"
    return base.joinpath(*parts)
