"""What LiteRT's GPU accelerator prints is understood: driver, operators that it does not take, shaders that failed."""

from __future__ import annotations

from viewfinder.runtime.gpu import log

# Version 2.3.0, HDRNet's strip in cell form; then its coefficients in w8a8.
REFUSED = """\
I0000 00:00:1795404158.238368   12153 environment.cc:532] Selected adapter: llvmpipe (LLVM 15.0.6, 256 bits), \
arch=software, vendor=mesa, backend=Vulkan, adapterType=CPU / Software
INFO: [delegate_webgpu.cc:363] Created a WebGPU environment.
ERROR: Following operations are not supported by GPU delegate:
BATCH_MATMUL: Not supported batched mat mul case: non-constant tensor
22 operations will run on the GPU, and the remaining 13 operations will run on the CPU.
I0000 00:00:1795404158.321804   12153 delegate_kernel.cc:984] Initializing WebGPU-based API from graph.
"""
WRONG = """\
E0000 00:00:1795404956.079986   18803 environment.cc:105] Validation error: Error while parsing WGSL: :31:22 error: \
cannot assign 'vec4<f32>' to 'vec4<i32>'
  interm_value_link3 = src + second_value;}
                     ^
 - While calling [Device].CreateShaderModule([ShaderModuleDescriptor]).
E0000 00:00:1795404956.315495   18803 environment.cc:105] Validation error: [Invalid CommandBuffer] is invalid.
E0000 00:00:1795404956.315525   18803 environment.cc:105] Validation error: [Invalid CommandBuffer] is invalid.
"""


def test_operators_that_are_not_taken_are_named_with_the_reason():
    """The accelerator names one kind and leaves 13 operators, because they lie behind it."""
    found = log.read(REFUSED)
    assert found.driver == "llvmpipe (LLVM 15.0.6, 256 bits)"
    assert found.on_cpu == 13
    assert [(one.operator, one.reason) for one in found.fallen] == [
        ("BATCH_MATMUL", "Not supported batched mat mul case: non-constant tensor")
    ]
    assert not found.errors


def test_shaders_that_the_driver_refuses_are_found_once():
    """LiteRT goes on after them and calls the graph fully accelerated."""
    found = log.read(WRONG)
    assert found.on_cpu == 0
    assert not found.fallen
    assert len(found.errors) == 2
    assert "cannot assign 'vec4<f32>' to 'vec4<i32>'" in found.errors[0]


def test_a_silent_log_says_nothing():
    """Neither driver nor complaints."""
    assert log.read("") == log.Said("", (), 0, ())
