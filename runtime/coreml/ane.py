"""Hints about Apple's Neural Engine (ANE): which operations of a program static rules allow there or block.

"Eligible" is not "runs there": what computes a program is decided on the phone, and programs whose every operation was
eligible have been seen to run elsewhere. Only a Mac's plan (``profile --target coreml@mac``) tells. The rules are those
of the catalogue and of the measured limits of aneforge 0.4.0 (copyright 2026 Spencer H. Bryngelson, MIT licence), which
rest on one author's research into private interfaces: single entries may be wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder.runtime.coreml import program
from viewfinder.runtime.coreml.package import Package
from viewfinder.runtime.coreml.program import Constant, Function, Operation, Tensor

GENERATIONS = ("M1", "M2 and later")
SOURCE = "static rules after aneforge 0.4.0 (MIT); eligible is not placed"


def _words(text: str) -> frozenset[str]:
    """Read names with spaces between them."""
    return frozenset(text.split())


_NEVER = _words(
    """
    logical_and logical_or logical_xor list_gather list_length list_read list_scatter list_write make_list
    random_bernoulli random_categorical random_normal mod constexpr_cast gru lstm rnn reduce_prod acos acosh
    asin asinh atanh cosh sinh tan band_part non_zero one_hot reverse_sequence scatter scatter_along_axis
    scatter_nd shape sliding_windows cond while_loop range_1d
    """
)
"""Operations that no generation has, or that end a program and begin another."""
_LATER = _words(
    """
    argsort topk affine crop_resize resample resize resize_bilinear resize_nearest_neighbor upsample_bilinear
    upsample_nearest_neighbor gather_nd
    """
)
"""Operations that the M1's generation does not have."""
_NATIVE = _words(
    """
    abs add atan avg_pool batch_norm cast ceil clamped_relu clip concat conv conv_transpose cumsum
    depth_to_space einsum elu equal erf exp exp2 expand_dims fill fill_like flatten2d floor floor_div gather
    gather_along_axis gelu greater greater_equal identity instance_norm inverse l2_norm l2_pool layer_norm
    leaky_relu less less_equal linear linear_activation local_response_norm log logical_not matmul max_pool
    maximum minimum mul not_equal pad pixel_shuffle pixel_unshuffle pow prelu quantize dequantize real_div
    reduce_argmax reduce_l1_norm reduce_l2_norm reduce_log_sum reduce_log_sum_exp reduce_max reduce_mean
    reduce_min reduce_sum reduce_sum_square relu relu6 reshape reverse round rsqrt scaled_tanh select sigmoid
    sigmoid_hard sign silu slice_by_size softmax softplus softplus_parametric softsign space_to_depth split sqrt
    square squeeze stack sub tanh thresholded_relu threshold tile transpose constexpr_affine_dequantize
    constexpr_lut_to_dense constexpr_blockwise_shift_scale scaled_dot_product_attention slice_update
    space_to_batch batch_to_space crop reshape_like read_state write_state non_maximum_suppression
    """
)
_MOST_AXES = 5
_MOST_SIDE = 16384
"""From A16 on it is 65536."""
_MOST_CHANNELS = 65536
_MOST_KERNEL = 13
_FLOATS = frozenset({"float16", "fp16"})


@dataclass(frozen=True)
class Hint:
    """What the rules say about a program.

    Attributes:
        operations: that compute something; constants are none.
        blocked: by generation: reason with the operations that it stands against, by type.
    """

    operations: int
    blocked: Mapping[str, Mapping[str, Mapping[str, int]]]

    def count(self, generation: str) -> int:
        """Return how many operations are blocked."""
        return sum(sum(kinds.values()) for kinds in self.blocked[generation].values())

    def to_dict(self) -> dict[str, Any]:
        """Return the hint as JSON data."""
        return {
            "source": SOURCE,
            "operations": self.operations,
            "generations": {
                name: {
                    "eligible": self.operations - self.count(name),
                    "blocked": {reason: dict(kinds) for reason, kinds in self.blocked[name].items()},
                }
                for name in GENERATIONS
            },
        }


def read(path: Path) -> Hint:
    """Apply the rules to an ``.mlpackage``.

    Raises:
        BadArtifactError: it is damaged.
        NotVerifiedError: it is no ML program.
    """
    return of(program.load(Package(path)))


def of(function: Function) -> Hint:
    """Apply the rules to a function."""
    constants = {op.outputs[0].name: op.outputs[0].shape for op in function.operations if op.type == "const"}
    computing = [op for op in function.operations if op.type != "const"]
    blocked: dict[str, dict[str, Counter[str]]] = {name: {} for name in GENERATIONS}
    for operation in computing:
        for generation in GENERATIONS:
            reason = next(_reasons(operation, generation, constants), None)
            if reason is not None:
                blocked[generation].setdefault(reason, Counter())[operation.type] += 1
    return Hint(len(computing), blocked)


Shapes = Mapping[str, tuple[int, ...]]


def _reasons(operation: Operation, generation: str, constants: Shapes) -> Iterator[str]:
    """Say what blocks an operation, the plainest reason first."""
    kind = operation.type.rpartition(".")[2]
    if kind in _NEVER:
        yield "the Neural Engine has no such operation"
    elif kind in _LATER and generation == GENERATIONS[0]:
        yield "this generation has no such operation"
    elif kind == "slice_by_index":
        if not _is_static(operation, constants):
            yield "a slice whose place is computed"
    elif kind not in _LATER | _NATIVE:
        yield "the rules do not know the operation"
    for tensor in operation.outputs:
        yield from _of_tensor(tensor, kind)
    if kind == "conv" and (width := _kernel(operation, constants)) > _MOST_KERNEL:
        yield f"a kernel {width} wide, the most is {_MOST_KERNEL}"


def _of_tensor(tensor: Tensor, kind: str) -> Iterator[str]:
    """Say what is wrong with a result: its type, its axes, their lengths."""
    if tensor.dtype not in _FLOATS:
        yield f"{tensor.dtype}; the Neural Engine computes fp16"
    axes = len(tensor.shape)
    if axes > _MOST_AXES or (axes == _MOST_AXES and kind in {"matmul", "transpose"}):
        yield f"{axes} axes"
    for axis, side in enumerate(tensor.shape):
        most = _MOST_CHANNELS if axis == 1 and axes == 4 else _MOST_SIDE
        if side > most:
            yield f"an axis of {side}, the most is {most}"


def _is_static(operation: Operation, constants: Shapes) -> bool:
    """Tell whether begin and end stand in the program."""
    bound = [one for name in ("begin", "end") for one in operation.inputs.get(name, ())]
    return all(isinstance(one, Constant) or one in constants for one in bound)


def _kernel(operation: Operation, constants: Shapes) -> int:
    """Return the width of a convolution's kernel; 0 where it is computed."""
    bound = operation.inputs.get("weight", ("",))[0]
    shape = constants.get(bound, ()) if isinstance(bound, str) else tuple(getattr(bound.value, "shape", ()))
    return int(shape[-1]) if shape else 0
