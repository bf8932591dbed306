"""Makes a Python of Linux look like a Mac's, for the tests of Macs behind ssh.

Of coremltools everything is real but what only macOS can do: a prediction is our evaluator's, a compiled model is the
package itself, and the plan has the classes of coremltools 9.0 with compute units chosen here. No time is a latency.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

sys.modules.update(
    dict.fromkeys(("torch", "tensorflow", "sklearn", "xgboost"))
)  # converters, which take long to import
platform.system = lambda: os.environ.get("PRETEND", "Darwin")
platform.mac_ver = lambda *_: ("15.1", ("", "", ""), "arm64")


def pretend(module):
    """Replace in `coremltools.models.model` what needs macOS."""

    def load(self, model, *_args, **_options):
        """Keep the package's path and its description, which the tests' own packages do not have."""
        from coremltools.models.utils import load_spec

        from viewfinder.runtime.coreml import Evaluator

        if not Path(model).is_dir():
            raise RuntimeError("it is no package")
        self.path, self.description = model, load_spec(str(next(Path(model).rglob("*.mlmodel"))))
        program, sides = Evaluator(Path(model)), self.description.description
        shapes = [(sides.input, item.name, item.shape) for item in program.inputs]
        shapes += [(sides.output, name, program.inputs[0].shape) for name in program.output_names]
        for side, name, shape in shapes:
            item = side.add()
            item.name = name
            item.type.multiArrayType.shape.extend(shape)

    def predict(self, data, state=None):
        """Evaluate the program."""
        from viewfinder.runtime.coreml import Evaluator

        return Evaluator(Path(self.path))(data)

    module.MLModel.__init__ = load
    module.MLModel.get_spec = lambda self: self.description
    module.MLModel.get_compiled_model_path = lambda self: self.path
    module.MLModel.predict = predict


def plan(module):
    """Replace in `coremltools.models.compute_plan` what needs macOS."""
    devices = sys.modules["coremltools.models.compute_device"]
    units = [devices.MLNeuralEngineComputeDevice, devices.MLCPUComputeDevice]
    operation = module.MLModelStructureProgramOperation({}, "ios15.mul", [], [], None)
    operations = [operation, replace(operation, operator_name="const"), replace(operation, operator_name="ios15.relu")]
    block = module.MLModelStructureProgramBlock([], operations, ["blended"])
    program = module.MLModelStructureProgram({"main": module.MLModelStructureProgramFunction([], block)})

    class Plan:
        """Has the methods of MLComputePlan; its constructor takes Apple's object only."""

        model_structure = module.MLModelStructure(None, program, None)

        def get_compute_device_usage_for_mlprogram_operation(self, operation):
            """Place all but constants."""
            if operation.operator_name == "const":
                return None
            chosen = units["relu" in operation.operator_name]
            return module.MLComputePlanDeviceUsage(chosen.__new__(chosen), [])

        def get_estimated_cost_for_mlprogram_operation(self, operation):
            """Share the cost."""
            return module.MLComputePlanCost(0.75 if "mul" in operation.operator_name else 0.25)

    module.MLComputePlan.load_from_path = classmethod(lambda _cls, _path, compute_units=None: Plan())


CHANGES = {"coremltools.models.model": pretend, "coremltools.models.compute_plan": plan}


class Finder(importlib.abc.MetaPathFinder):
    """Changes a module when it is imported."""

    def find_spec(self, name, path, target=None):
        """Find it as ever, and change it behind its own code."""
        if name not in CHANGES:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        execute = found.loader.exec_module

        def changed(module):
            """Run the module, then ours."""
            execute(module)
            CHANGES[name](module)

        found.loader.exec_module = changed
        return found


sys.meta_path.insert(0, Finder())
