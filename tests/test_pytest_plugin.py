"""The fixture for teams who gate inside pytest."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import flip_evaluator  # noqa: F401 pytester forgets what is imported first inside it, and imports it again each time
import pytest
import skimage.color
import skimage.metrics  # noqa: F401 see above
from tests.verbs import burst_build, made

import viewfinder.cli.gating
import viewfinder.verbs.gate  # noqa: F401 see above

pytest_plugins = ["pytester"]

POLICY = """version: 1
limits: {against_float: {worst_psnr_db: 60}}
gates: [{model: brighten, targets: [onnx], precisions: [float], artifacts: export}]
"""
FAKE = """
from tests.verbs import made
import pytest
from viewfinder.runtime.verify import Setup
from viewfinder.verbs import verify

@pytest.fixture(autouse=True)
def engine(monkeypatch):
    fake = made.Engine({reason!r})
    monkeypatch.setattr(verify, "setup_for", lambda _made, _engine, threads: Setup("fake", fake, fake.open, threads))
"""
TEST = """
def test_it(viewfinder_gate):
    '''Gate.'''
    viewfinder_gate({arguments})
"""


@pytest.fixture
def project(pytester, request, monkeypatch):
    """A project of a team's: an artifact, golden pictures, a policy."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.syspathinsert(request.config.rootpath)
    made.write_golden(pytester.path / "export" / "golden.npz")
    made.write_artifact(pytester.path / "export" / "onnx-float")
    (pytester.path / "gate.yaml").write_text(POLICY)
    pytester.makeconftest(FAKE.format(reason=None))
    return pytester


def run(project, arguments="", *options):
    """Run the team's test."""
    project.makepyfile(TEST.format(arguments=arguments))
    return project.runpytest_inprocess(
        "-p", "viewfinder.pytest_plugin", "-p", "no:randomly", "-p", "no:xdist", *options
    )


def test_a_green_gate_passes(project):
    """The policy's default name is gate.yaml; the reports are kept where asked."""
    run(project, "", "--viewfinder-output", "out").assert_outcomes(passed=1)
    assert list((project.path / "out").glob("*/junit.xml"))


def test_a_red_gate_fails_with_its_reason(project):
    """The words are those of the command, with the line of the policy."""
    made.write_artifact(project.path / "export" / "onnx-float", error=0.01)
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*gate.yaml:2: fail: brighten onnx@onnxruntime float: against_float.worst_psnr_db*"])


def test_what_could_not_be_verified_fails_too(project):
    """Not measured is never a pass."""
    project.makeconftest(FAKE.format(reason="not installed here"))
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not-run*not installed here*"])


def test_the_policy_may_be_named(project):
    """As an argument, an option, or in the ini file; one that is not there is told."""
    (project.path / "gate.yaml").rename(project.path / "other.yaml")
    run(project, "'other.yaml', artifacts='export'").assert_outcomes(passed=1)
    run(project, "", "--viewfinder-policy", "other.yaml").assert_outcomes(passed=1)
    project.makeini("[pytest]\nviewfinder_policy = other.yaml\n")
    run(project).assert_outcomes(passed=1)
    project.makeini("[pytest]\n")
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*there is no policy*"])


def test_the_package_brings_the_fixture():
    """The entry point leads to the module, and loading it into every run of pytest imports nothing heavy."""
    found = [one.value for one in metadata.entry_points(group="pytest11") if one.name == "viewfinder"]
    assert set(found) <= {"viewfinder.pytest_plugin"}
    code = (
        "import sys, pytest, viewfinder.pytest_plugin\n"
        "print([name for name in ('numpy', 'typer', 'pydantic', 'yaml', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_networks_that_merge_bursts_are_gated(project):
    """The fixture takes golden bursts as it takes photographs: green for float, red for one that errs by 5 %."""
    burst_build.build(project.path / "bursts")
    project.makeconftest("")
    case = "gates: [{model: mean, targets: [onnx], precisions: [PRECISION], artifacts: bursts}]"
    limits = "version: 1\nlimits: {against_float: {worst_psnr_db: 60}, strata: {gain=4: {worst_drop_db: 0.3}}}\n"
    for precision, outcome in (("float", {"passed": 1}), ("fp16", {"failed": 1})):
        (project.path / "gate.yaml").write_text(limits + case.replace("PRECISION", precision))
        result = run(project)
        result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines(["*fail: mean onnx@onnxruntime fp16: against_float.worst_psnr_db*"])
