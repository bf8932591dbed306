"""Record TFLite graphs: LiteRT's built-in kernels keep every tensor; XNNPACK would keep none inside its partitions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.runtime.bisect import Array, Op
from viewfinder.runtime.engines._quiet import quietly
from viewfinder.runtime.engines._tensors import by_name_or_order, damaged

WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL", "CONV_3D"}
CARRIERS = {"QUANTIZE", "DEQUANTIZE", "CAST"}
"""They change how a number is written, not what it is for the next operator."""


def open(path: Path, graph: GraphFile) -> Recorded:  # noqa: A001 as engines do
    """Open a ``.tflite`` file; see `viewfinder.runtime.bisect.open`."""
    return Recorded(path, graph)


class Recorded:
    """A graph whose every tensor is kept."""

    def __init__(self, path: Path, graph: GraphFile) -> None:
        """Load the file, once for its operators and once to run it."""
        from ai_edge_litert import schema_py_generated as schema

        try:
            data = path.read_bytes()
            self._flow = _Flow(schema, schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0)))
            with quietly():
                self._interpreter = _interpreter(path)
        except Exception as error:  # the flatbuffer reader raises whatever foreign bytes lead to
            raise damaged(path, error) from error
        self._details = {one["index"]: one for one in self._interpreter.get_tensor_details()}
        self._inputs = self._match(graph)
        self.ops = tuple(self._flow.op(place) for place in self._flow.computing)

    def _match(self, graph: GraphFile) -> dict[str, int]:
        """Map the manifest's inputs to tensor indices."""
        signatures = self._interpreter.get_signature_list()
        if signatures:
            runner = self._interpreter.get_signature_runner(next(iter(signatures)))
            details = {name: one["index"] for name, one in runner.get_input_details().items()}
        else:
            details = {one["name"]: one["index"] for one in self._interpreter.get_input_details()}
        ordered = sorted(details, key=lambda name: (len(name), name))
        order = by_name_or_order(graph.inputs, ordered)
        return {spec.name: details[ordered[place]] for spec, place in zip(graph.inputs, order, strict=True)}

    def record(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
        """Run, and read every tensor back as the numbers that it stands for."""
        for name, index in self._inputs.items():
            self._interpreter.set_tensor(index, _as_wanted(feeds[name], self._details[index]))
        self._interpreter.invoke()
        found = {}
        for place in self._flow.computing:
            index = self._flow.made(place)
            seen = self._flow.seen(index)
            values = _numbers(self._interpreter.get_tensor(seen), self._details[seen])
            if values is not None:
                found[self._flow.name(index)] = values
        return found


def _interpreter(path: Path) -> Any:
    """Load a file without delegates."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that keeping tensors is meant for debugging, which this is
        interpreter = Interpreter(
            str(path),
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
    interpreter.allocate_tensors()
    return interpreter


def _as_wanted(values: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[Any]:
    """Bring an input into the type that the file wants; an integer input is quantized as its own scale says."""
    wanted = np.dtype(detail["dtype"])
    if wanted.kind == "f" or not len(detail["quantization_parameters"]["scales"]):
        return np.ascontiguousarray(values, wanted)
    scale, zero = detail["quantization"]
    limits = np.iinfo(wanted)
    codes = np.rint(values / np.float32(scale) + zero).clip(limits.min, limits.max)
    return np.asarray(codes, wanted)


def _numbers(values: NDArray[Any], detail: Mapping[str, Any]) -> Array | None:
    """Return a tensor as the numbers that it stands for; None for shapes and indices."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    quantization = detail["quantization_parameters"]
    scales, zeros = quantization["scales"], quantization["zero_points"]
    if not len(scales):
        return None
    shape = [1] * values.ndim
    if len(scales) > 1:
        shape[quantization["quantized_dimension"]] = len(scales)
    scale, zero = scales.astype(np.float32).reshape(shape), zeros.astype(np.float32).reshape(shape)
    return np.asarray((values.astype(np.float32) - zero) * scale, np.float32)


class _Flow:
    """The operators of the first subgraph, and who makes a tensor."""

    def __init__(self, schema: Any, model: Any) -> None:
        """Index the operators."""
        self._graph = model.subgraphs[0]
        names = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        codes = [names.get(max(one.builtinCode, one.deprecatedBuiltinCode), "CUSTOM") for one in model.operatorCodes]
        self._kinds = [codes[one.opcodeIndex] for one in self._graph.operators]
        self._maker = {int(i): place for place, one in enumerate(self._graph.operators) for i in one.outputs}
        self._given = {int(index) for index in self._graph.inputs}
        self.computing = [
            place for place, kind in enumerate(self._kinds) if kind not in CARRIERS and self._reads(place)
        ]

    def _reads(self, place: int) -> list[int]:
        """Return the tensors that an operator reads, behind carriers and without constants."""
        sources = (self._source(int(index)) for index in self._graph.operators[place].inputs if index >= 0)
        return [index for index in sources if index in self._maker or index in self._given]

    def _source(self, index: int) -> int:
        """Return the tensor behind carriers."""
        while index in self._maker and self._kinds[self._maker[index]] in CARRIERS:
            index = int(self._graph.operators[self._maker[index]].inputs[0])
        return index

    def made(self, place: int) -> int:
        """Return the tensor that an operator makes."""
        return int(self._graph.operators[place].outputs[0])

    def seen(self, index: int) -> int:
        """Return the tensor in which a value can be read after its rounding, if an operator behind it rounds it."""
        for place, kind in enumerate(self._kinds):
            if kind == "QUANTIZE" and int(self._graph.operators[place].inputs[0]) == index:
                return self.made(place)
        return index

    def name(self, index: int) -> str:
        """Name a tensor as the file does."""
        name = self._graph.tensors[index].name
        text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name or "")
        return text or f"tensor {index}"

    def op(self, place: int) -> Op:
        """Describe an operator."""
        made, kind = self.made(place), self._kinds[place]
        shape = self._graph.tensors[made].shape
        sizes = tuple(int(size) for size in shape) if shape is not None else ()
        inputs = tuple(self.name(index) for index in self._reads(place))
        return Op(f"{kind} #{place}", kind, self.name(made), inputs, sizes, self._weight(place))

    def _weight(self, place: int) -> tuple[int, ...]:
        """Return the shape of an operator's weights."""
        if self._kinds[place] not in WEIGHTED:
            return ()
        for index in self._graph.operators[place].inputs:
            source = self._source(int(index))
            if source >= 0 and source not in self._maker and source not in self._given:
                shape = self._graph.tensors[source].shape
                if shape is not None and len(shape) > 1:
                    return tuple(int(size) for size in shape)
        return ()
