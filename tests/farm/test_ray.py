"""The farm on a local Ray cluster of two nodes, with fake and emulated devices; the nodes have homes of their own."""

from __future__ import annotations

import importlib
import json
import os
import socket
import threading
from pathlib import Path

import pytest
from tests.verbs.test_profile import write

from viewfinder.errors import Exit, UsageError
from viewfinder.farm import on_ray
from viewfinder.measurement import Evidence
from viewfinder.verbs.farm import FarmRequest, farm
from viewfinder.verbs.profile import ProfileRequest

pytestmark = pytest.mark.farm
os.environ.setdefault("RAY_raylet_start_wait_time_s", "240")  # read at import; a machine may do other things too
BOARD, GONE, PLAIN, EMULATED = "fake:~/board.json", "fake:~/gone.json", "fake:~/plain.json", "arm64:cortex-a76"
LOST = {"to": "profile", "argv": "", "fails": "disconnect"}


@pytest.fixture
def cluster(tmp_path, own_cache, monkeypatch):
    """Start two nodes: the board is broken on the first and sound on the second; the head has no device."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2] / "src"), str(Path(__file__).parents[2])])
    )
    made = importlib.import_module("ray.cluster_utils").Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20},
    )
    offers = {"one": (BOARD, GONE, PLAIN, EMULATED), "two": (BOARD, PLAIN)}
    nodes = {}
    for name, devices in offers.items():
        home = tmp_path / name
        home.mkdir()
        (home / "board.json").write_text(json.dumps({"answers": [LOST] if name == "one" else []}))
        (home / "gone.json").write_text(json.dumps({"answers": [LOST]}))
        (home / "plain.json").write_text(json.dumps({"answers": []}))
        nodes[name] = made.add_node(
            num_cpus=1, resources=on_ray.resources(devices), object_store_memory=80 << 20,
            env_vars={"HOME": str(home), "VIEWFINDER_CACHE": str(own_cache)},
        )  # fmt: skip
    try:
        yield made, nodes
    finally:
        made.shutdown()


def asked(tmp_path, cluster, *devices):
    """Ask for the models on devices of the cluster."""
    models = ProfileRequest(str(tmp_path / "models"), output=tmp_path / "out")
    return FarmRequest(models, devices, cluster.address)


@pytest.mark.arm64
def test_a_farm_of_two_nodes(cluster, tmp_path, arm64):
    """Counts come from the emulated board; a broken device's jobs are taken up by the other node, or reported."""
    made, nodes = cluster
    for name in ("a", "b"):
        write(tmp_path / "models" / name)
    found = farm(asked(tmp_path, made, "all"))
    cells = {(cell.artifact, cell.target.partition("@")[2]): cell for cell in found.cells}
    assert len(cells) == 8
    for name in ("a", "b"):
        counted, board, gone = (cells[name, device] for device in (EMULATED, BOARD, GONE))
        assert (counted.state, counted.report.evidence) == ("done", Evidence.EMULATED)
        assert counted.node == nodes["one"].node_id
        assert (board.state, board.node) == ("done", nodes["two"].node_id)
        assert gone.state == "open"
        assert "no other node has one" in gone.report.measurements[0].reason
    assert found.exit_code is Exit.NOT_VERIFIED
    counts = [one.value for one in cells["a", EMULATED].report.measurements if one.metric == "model_instructions"]
    assert counts[0] > 1_000_000
    again = farm(asked(tmp_path, made, "all"))
    assert [cell.target for cell in again.cells if cell.state != "kept"] == [f"onnx+cpu@{GONE}"] * 2


def test_a_node_is_lost_in_the_middle(cluster, tmp_path):
    """Its finished results stay, its other jobs are done by the node that is left, and what only it had is reported."""
    made, nodes = cluster
    for number in range(6):
        write(tmp_path / "models" / f"m{number}")
    killed = threading.Event()

    def progress(line):
        """Kill the first node when the first of its results is there."""
        results = list((tmp_path / "out" / "results").glob("*.json"))
        if not killed.is_set() and line.startswith("[") and results:
            killed.set()
            made.remove_node(nodes["one"], allow_graceful=False)

    found = farm(asked(tmp_path, made, PLAIN, EMULATED), progress)
    assert killed.is_set()
    plain = [cell for cell in found.cells if cell.target.endswith(PLAIN)]
    emulated = [cell for cell in found.cells if cell.target.endswith(EMULATED)]
    assert {cell.state for cell in plain} == {"done"}
    assert nodes["two"].node_id in {cell.node for cell in plain}
    assert "open" in {cell.state for cell in emulated}
    assert len(list((tmp_path / "out" / "results").glob("*.json"))) >= len(plain)
    again = farm(asked(tmp_path, made, PLAIN))
    assert {cell.state for cell in again.cells} == {"kept"}


def test_no_cluster_answers(tmp_path):
    """A wrong address is said, with how to start one."""
    pytest.importorskip("ray")
    write(tmp_path / "models")
    request = ProfileRequest(str(tmp_path / "models"), output=tmp_path / "out")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        for address in (f"127.0.0.1:{free.getsockname()[1]}", "nowhere", "ray://x:y"):
            with pytest.raises(UsageError, match="no Ray cluster answers at") as error:
                farm(FarmRequest(request, ("all",), address))
            assert "ray start --head" in error.value.hint
