"""What is published about the gate is what it does: schema, example, CI templates."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from viewfinder.runtime.gate import policyfile

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDE = (DOCS / "gate.md").read_text(encoding="utf-8")
CI = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}


def checked(*arguments):
    """Run check-jsonschema."""
    command = [sys.executable, "-m", "check_jsonschema", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_schema_is_fresh():
    """docs/gate.schema.json is that of the classes; `make docs` renews it."""
    code = "import runpy; print(runpy.run_path('scripts/write_gate_schema.py')['text'](), end='')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (DOCS / "gate.schema.json").read_text(encoding="utf-8") == done.stdout


def test_the_example_is_a_policy(tmp_path):
    """The gate takes the policy of the guide, and so does the published schema; a misspelt key neither does."""
    pytest.importorskip("check_jsonschema")
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)
    path = tmp_path / "gate.yaml"
    path.write_text(example)
    assert len(policyfile.load(path).policy.gates) == 2
    assert checked("--schemafile", DOCS / "gate.schema.json", path).returncode == 0
    path.write_text(example.replace("drop_db", "drob_db"))
    assert checked("--schemafile", DOCS / "gate.schema.json", path).returncode == 1


@pytest.mark.parametrize(("file", "schema"), CI.items())
def test_ci_templates_fit_their_schema(file, schema, tmp_path):
    """GitHub's and GitLab's own schemas take them; a step that says nothing is found."""
    pytest.importorskip("check_jsonschema")
    assert checked("--builtin-schema", schema, DOCS / "ci" / file).returncode == 0
    text = (DOCS / "ci" / file).read_text(encoding="utf-8")
    broken = tmp_path / file
    broken.write_text(text.replace("runs-on:", "runs-with:").replace("script:", "scripts:"))
    assert checked("--builtin-schema", schema, broken).returncode == 1


def commands_of(file):
    """List the shell lines of a template that call viewfinder."""
    texts = re.findall(r"viewfinder gate [^\n]*--[^\n]*", (DOCS / "ci" / file).read_text(encoding="utf-8"))
    return [shlex.split(text) for text in texts]


@pytest.mark.parametrize("file", CI)
def test_ci_templates_call_what_there_is(file):
    """The options exist, the files they publish are those that the gate writes, and no machine or service is named."""
    import typer

    from viewfinder.cli.app import app
    from viewfinder.runtime.gate.outputs import junit, sarif, summary

    text = (DOCS / "ci" / file).read_text(encoding="utf-8")
    (words,) = commands_of(file)
    known = {
        option
        for one in typer.main.get_command(app).commands["gate"].params
        for option in (*one.opts, *one.secondary_opts)
    }
    assert {word for word in words if word.startswith("-")} <= known
    folder = words[words.index("--output") + 1]
    published = set(re.findall(rf"{folder}/([\w.]+)", text))
    assert published
    assert published <= {junit.NAME, sarif.NAME, summary.NAME, "gate.json", "report.html"}
    assert "://" not in text
    assert yaml.safe_load(text)


def test_every_limit_is_in_the_guide():
    """The guide's table has a row for every section, and names every key."""
    schema = json.loads((DOCS / "gate.schema.json").read_text(encoding="utf-8"))
    for section, data in schema["$defs"]["Limits"]["properties"].items():
        (row,) = re.findall(rf"^\| `{section}` \|.*$", GUIDE, flags=re.MULTILINE)
        found = [one["$ref"].rsplit("/", 1)[1] for one in data["anyOf"] if "$ref" in one]
        for name in found:
            assert all(f"`{key}`" in row for key in schema["$defs"][name]["properties"])


def test_links_of_the_guide_lead_somewhere():
    """Relative links lead to files."""
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", GUIDE)
    assert len(targets) >= 3
    assert not [target for target in targets if not (DOCS / target).exists()]
