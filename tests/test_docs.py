"""The manual cannot fall behind the tool."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from viewfinder import files, models

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def script(name):
    """Import a script."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def commands(monkeypatch):
    """Map command names to their click commands."""
    monkeypatch.setenv("COLUMNS", "100")
    return script("write_cli_docs").commands()


def test_the_manual_is_fresh(monkeypatch):
    """docs/cli.md is what the commands' help says today; `make docs` renews it."""
    monkeypatch.setenv("COLUMNS", "100")
    page = script("write_cli_docs").page()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == page


def test_the_figures_are_fresh():
    """The figures in the README are those of the model cards; `make docs` renews them."""
    assert script("write_figures").renewed(README) == README


def test_the_boards_tables_are_fresh():
    """The README's tables are those of docs/boards.json, which was measured with the weights of HDRNet that ship."""
    boards = script("write_boards")
    assert boards.renewed(README) == README
    recorded = json.loads(boards.RECORD.read_text(encoding="utf-8"))
    shipped = files.sha256(ROOT / "train" / "weights" / "hdrnet" / "local-laplacian.safetensors")
    assert recorded["hdrnet"]["weights_sha256"] == shipped
    assert set(recorded["hdrnet"]["instructions"]["coefficients w8a8"]) == set(boards.BOARDS)


def test_every_command_has_help_for_itself_and_its_options(commands):
    """No command and no option is without a sentence."""
    assert len(commands) >= 11
    silent = [name for name, command in commands.items() if not (command.help or "").strip()]
    silent += [
        f"{name} {parameter.name}"
        for name, command in commands.items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert not silent


def test_every_command_is_in_the_readme(commands):
    """The README names each command in its table."""
    missing = [name for name in commands if f"`{name}`" not in README]
    assert not missing


def test_every_command_of_the_readme_exists(commands):
    """What the README types are commands, with options that they have."""
    typed = re.findall(r"^viewfinder .*$", README, flags=re.MULTILINE)
    assert len(typed) >= 5
    for line in (part for text in typed for part in text.split("#")[0].split("&&")):
        words = shlex.split(line)
        command = commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words[2:] if word.startswith("-")} <= known, line


def test_every_model_is_in_the_readme():
    """The README names each shipped model."""
    assert not [name for name in models.names() if f"`{name}`" not in README]


def test_the_exit_codes_are_in_the_readme():
    """Each exit code has its line."""
    from viewfinder.cli.ending import INTERRUPTED
    from viewfinder.errors import Exit

    assert not [code for code in (*map(int, Exit), INTERRUPTED) if f"| {code} |" not in README]


def test_the_model_of_the_readme_is_one(tmp_path):
    """The example of one's own model loads, and its network takes what its task says."""
    torch = pytest.importorskip("torch")
    (block,) = [text for text in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "TASK" in text]
    (tmp_path / "denoise.py").write_text(block)
    task = models.load(f"{tmp_path / 'denoise.py'}:TASK")
    with torch.no_grad():
        result = task.build()(torch.zeros(task.inputs[0].shape))
    assert tuple(result.shape) == task.outputs[0].shape


def test_the_operator_of_the_readme_is_one():
    """The example of one's own operator keeps shape and range."""
    import numpy as np
    from skimage import data

    (block,) = [text for text in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "def apply" in text]
    space = {}
    exec(block, space)
    photo = (data.astronaut() / 255).astype(np.float32)
    result = space["apply"](photo)
    assert result.shape == photo.shape
    assert 0 <= result.min() < result.max() <= 1
    assert result[..., 2].mean() < photo[..., 2].mean()


def test_the_links_lead_somewhere():
    """Relative links in the papers of the house lead to files."""
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (ROOT / target).exists(), f"{name}: {target}"
