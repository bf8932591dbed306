"""ExecuTorch's ETDump: what the XNNPACK delegate runs inside, and which instructions stayed with the runtime."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.runtime.engines._quiet import quietly
from viewfinder.runtime.engines._tensors import checked
from viewfinder.runtime.profile.operators import RUNS, Operator, middle

_OWN = "native_call_"
_EXECUTE = "Execute"


def operators(path: Path, graph: GraphFile, feeds: Mapping[str, NDArray[Any]]) -> list[Operator]:
    """See `viewfinder.runtime.profile.operators.told`."""
    with quietly(), tempfile.TemporaryDirectory(prefix="viewfinder-operators-") as work:
        torch = importlib.import_module("torch")
        bindings = importlib.import_module("executorch.extension.pybindings._C")
        if bindings._threadpool_get_thread_count() != 1:  # noqa: SLF001 as in the engine
            bindings._unsafe_reset_threadpool(1)  # noqa: SLF001
        program = bindings._load_program(  # noqa: SLF001 as in the engine
            str(path),
            enable_etdump=True,
            debug_buffer_size=0,
            program_verification=bindings.Verification.InternalConsistency,
            data_path=None,
        )
        method = program.load_method("forward")
        tensors = [torch.from_numpy(np.array(array)) for array in checked(feeds, graph)]
        for _ in range(RUNS + 1):
            method(tensors)
        dump = Path(work) / "etdump"
        program.write_etdump_result_to_file(str(dump), str(dump.with_suffix(".debug")))
        serialize = importlib.import_module("executorch.devtools.etdump.serialize")
        record = serialize.deserialize_from_etdump_flatcc(dump.read_bytes())
    return _read([one.events for one in record.run_data if one.name == _EXECUTE])


def _read(runs: Iterable[Iterable[Any]]) -> list[Operator]:
    """Collect each operator's times over the runs, in nanoseconds of the runtime's clock."""
    samples: dict[tuple[str, str, str], list[float]] = {}
    for run in runs:
        for holder in run:
            event = holder.profile_event
            if event is None:
                continue
            name = str(event.name or "")
            if event.delegate_debug_id_str:
                kind = event.delegate_debug_id_str.partition(" #")[0]
                key = (event.delegate_debug_id_str, kind, "XNNPACK")
            elif name.startswith(_OWN):
                kind = name.removeprefix(_OWN)
                key = (f"{kind} (instruction {event.instruction_id})", kind, "ExecuTorch's own kernels")
            else:
                continue
            samples.setdefault(key, []).append((event.end_time - event.start_time) / 1e3)
    return [
        Operator(
            name, kind, where, middle(times), "" if where == "XNNPACK" else "left out by the partitioner at export"
        )
        for (name, kind, where), times in samples.items()
    ]
