"""The house rules that a linter does not know (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ("train", "export", "quantize", "runtime", "devices")
WORDS = ROOT / "src" / "viewfinder"
JOINERS = ("verbs", "cli", "pytest_plugin.py")
"""What in src/viewfinder is no word: only the verbs join stages; the command line and the fixture call verbs."""
MOST_LINES = 300
MOST_LINES_IN_A_FUNCTION = 50


def sources(*folders: str) -> list[Path]:
    """List the Python files below folders of the repository."""
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts
    )


def product() -> list[Path]:
    """List every Python file of the package, each once (links in src/ are not followed)."""
    own = [
        path for path in sources("src/viewfinder") if not any(part in STAGES for part in path.relative_to(WORDS).parts)
    ]
    return [*sources(*STAGES), *own]


def everything() -> list[Path]:
    """List every Python file of the repository."""
    return [*product(), *sources("tests", "scripts", "bench")]


def imports(tree: ast.Module) -> Iterator[str]:
    """Name every module that a file imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parsed(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def named(path: Path) -> str:
    """Name a file in messages."""
    return path.relative_to(ROOT).as_posix()


def test_the_product_is_found():
    """The lists that the other tests walk are not empty, and hold each file once."""
    found = product()
    assert len(found) == len({path.resolve() for path in found})
    assert {named(path).split("/")[0] for path in found} >= {"train", "export", "runtime", "src"}


@pytest.mark.parametrize("stage", STAGES)
def test_stages_do_not_import_each_other(stage):
    """A stage imports the words and itself; verbs join stages."""
    forbidden = [f"viewfinder.{other}" for other in (*STAGES, *JOINERS) if other != stage]
    wrong = [
        f"{named(path)} imports {module}"
        for path in sources(stage)
        for module in imports(parsed(path))
        if any(module == other or module.startswith(f"{other}.") for other in forbidden)
    ]
    assert not wrong


def test_words_import_no_stage():
    """The words stand below the stages; finding a model by name is their only way up, and it goes through a string."""
    words = [
        path for path in product() if path.is_relative_to(WORDS) and path.relative_to(WORDS).parts[0] not in JOINERS
    ]
    forbidden = tuple(f"viewfinder.{stage}" for stage in (*STAGES, "verbs"))
    wrong = [
        f"{named(path)} imports {module}"
        for path in words
        for module in imports(parsed(path))
        if module.startswith(forbidden)
    ]
    assert not wrong


def test_the_command_line_imports_verbs_and_words_only():
    """A command is a thin call of a verb; stages appear there for type checking alone."""
    wrong = [
        f"{named(path)} imports {module}"
        for path in sources("src/viewfinder/cli")
        for module in imports(_without_type_checking(parsed(path)))
        if module.startswith(tuple(f"viewfinder.{stage}" for stage in STAGES))
    ]
    assert not wrong


def _without_type_checking(tree: ast.Module) -> ast.Module:
    """Drop what stands under ``if TYPE_CHECKING``."""
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]
    return tree


PYTORCH_GRAPHS = {
    f"quantize/{name}.py" for name in ("equalization", "executorch", "pt2e", "ranges", "refitting", "tuning")
}
"""PT2E quantizes PyTorch's own graphs, which no file holds."""


def test_torch_stays_in_train_and_export():
    """PyTorch is imported in train/ and export/ only, and where PyTorch's own graph is quantized: no file holds it."""
    wrong = [
        f"{named(path)} imports {module}"
        for path in product()
        if named(path).split("/")[0] not in {"train", "export"} and named(path) not in PYTORCH_GRAPHS
        for module in imports(parsed(path))
        if module.split(".")[0] == "torch"
    ]
    assert not wrong


def test_folders_are_reached_through_the_package():
    """Nobody imports ``train`` or ``runtime`` from the top: installed, they do not exist."""
    wrong = [
        f"{named(path)} imports {module}"
        for path in everything()
        for module in imports(parsed(path))
        if module.split(".")[0] in STAGES
    ]
    assert not wrong


def test_links_are_relative_and_lead_to_the_folders():
    """src/viewfinder/NAME is a relative link to ../../NAME in the repository."""
    for stage in STAGES:
        link = WORDS / stage
        if link.is_symlink():
            assert link.readlink().as_posix() == f"../../{stage}"
        assert (link / "__init__.py").is_file(), f"{stage} has no __init__.py"


def test_files_are_short():
    """No file is longer than 300 lines."""
    long = [named(path) for path in everything() if path.read_text(encoding="utf-8").count("\n") > MOST_LINES]
    assert not long


def test_functions_are_short():
    """No function is longer than 50 lines, its docstring included."""
    long = [
        f"{named(path)}: {node.name}"
        for path in everything()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MOST_LINES_IN_A_FUNCTION
    ]
    assert not long


def test_every_test_says_what_it_holds():
    """Every test has a docstring."""
    silent = [
        f"{named(path)}: {node.name}"
        for path in sources("tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not silent


def test_the_product_neither_asserts_nor_prints():
    """User input meets errors with a way out; ``assert`` only narrows types, and output is the command line's."""
    wrong = [
        f"{named(path)}:{node.lineno}"
        for path in product()
        for node in ast.walk(parsed(path))
        if _calls(node, "print") or (isinstance(node, ast.Assert) and not _narrows(node.test))
    ]
    assert not wrong


def _narrows(test: ast.expr) -> bool:
    """Tell whether a test only tells the type checker what it cannot see: ``isinstance(...)`` or ``is not None``."""
    return _calls(test, "isinstance") or (isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot))


def _calls(node: ast.AST, name: str) -> bool:
    """Tell whether a node is a call of the function `name`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def test_plug_ins_have_names_for_the_command_line():
    """A plug-in's file name is its name there: lower case, digits and single underscores."""
    folders = [
        folder
        for pattern in ("models", "operators", "trainers", "formats", "engines", "pipelines")
        for folder in ROOT.glob(f"*/{pattern}")
    ]
    assert folders
    bad = [
        named(path)
        for folder in folders
        for path in folder.glob("*.py")
        if not re.fullmatch(r"_{0,2}[a-z0-9]+(_[a-z0-9]+)*(__)?", path.stem)
    ]
    assert not bad


def committed() -> list[Path]:
    """List the files that git has or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if found.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in found.stdout.decode().split("\0") if name]


def test_no_machine_is_named():
    """No committed text names a path of the machine that it was written on."""
    roots = ("root", "work", "home/[a-z]+", "tmp/vf", "Users/[a-z]+")
    pattern = re.compile(rf"(?<![\w.~-])/(?:{'|'.join(roots)})/")
    wrong = []
    for path in committed():
        if path.is_symlink() or not path.is_file() or path.suffix in {".png", ".jpg", ".safetensors", ".npz"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        wrong += [f"{named(path)}: {match}" for match in pattern.findall(text)]
    assert not wrong
