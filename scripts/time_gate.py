"""Time what a CI job pays: export, quantize (w8a8) and gate HDRNet in three formats, with an empty cache.

Exits 1 where it takes longer than the three minutes that a gate may take on two cores. If others use the machine, the
seconds of CPU say more: nothing here runs on more than one core at a time.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

FORMATS = ("tflite", "onnx", "coreml")
LIMIT_S = 180.0
POLICY = f"""version: 1
limits:
  against_truth: {{drop_db: 0.3, worst_drop_db: 0.3}}
  probes: required
  calibration: {{min_coverage: 1}}
gates:
  - {{model: hdrnet, targets: [{", ".join(FORMATS)}], precisions: [w8a8]}}
"""


def main() -> int:
    """Gate in a folder of its own; print what happens when, and what it took."""
    start = time.perf_counter()

    def say(line: str) -> None:
        """Print a step with the time at which it begins."""
        sys.stdout.write(f"{time.perf_counter() - start:6.1f} s  {line}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="viewfinder-time-") as folder:
        os.environ["VIEWFINDER_CACHE"] = f"{folder}/cache"
        from viewfinder.verbs.gate import GateRequest, gate

        policy = Path(folder) / "gate.yaml"
        policy.write_text(POLICY, encoding="utf-8")
        result = gate(GateRequest(policy, output=Path(folder) / "out", use_cache=False), say)
    took = time.perf_counter() - start
    used = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    verdict = result.outcome.exit_code.name.lower()
    say(f"gate: {verdict}; {took:.0f} s, {used:.0f} s of CPU; limit {LIMIT_S:.0f} s")
    return int(bool(result.exit_code) or took > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
