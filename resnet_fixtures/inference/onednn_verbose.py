"""Read what oneDNN says about the kernels that it runs (ONEDNN_VERBOSE=1)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from resnet_fixtures.hardware.isa import Isa

# What stands between the marker and `exec` depends on the version: `v1,primitive`, `primitive`, a timestamp, nothing.
# So does what stands before a tensor's type: `src:f32` since 3.7, `src_f32` before.
_EXECUTION = re.compile(
    r"^onednn_verbose,(?:.*,)?exec,[^,]+,(?P<kind>convolution|inner_product|matmul),"
    r"(?P<implementation>[^,]*),[^,]*,src[:_](?P<type>\w+):",
    re.MULTILINE,
)
_PRECISIONS = {"f32": Precision.FP32, "bf16": Precision.BF16, "u8": Precision.INT8, "s8": Precision.INT8}

# The x86 instruction sets of an implementation's name, and which precisions these multiply without a detour.
_VNNI, _ALL = frozenset({Precision.INT8}), frozenset({Precision.INT8, Precision.BF16})
_NATIVE: dict[str, frozenset[Precision]] = {
    "sse41": frozenset(),
    "avx": frozenset(),
    "avx2": frozenset(),
    "avx2_vnni": _VNNI,
    "avx2_vnni_2": _VNNI,
    "avx512_core": frozenset(),
    "avx512_core_vnni": _VNNI,
    "avx512_core_bf16": _ALL,
    "avx512_core_fp16": _ALL,
    "avx10_1_512": _ALL,
    "avx512_core_amx": _ALL,
    "avx512_core_amx_fp16": _ALL,
    "avx10_1_512_amx": _ALL,
    "avx10_1_512_amx_fp16": _ALL,
    "any": frozenset(),  # as in `ref:any`, plain C++
}


class Kernel(NamedTuple):
    """One way to multiply: the primitive's kind, oneDNN's name for its implementation, and the type of its source."""

    kind: str
    implementation: str
    source_type: str

    @property
    def precision(self) -> Precision | None:
        """Return what the kernel multiplies in; None for a type that the suite does not know (f16)."""
        if self.source_type == "f32" and "amx" in self.implementation:
            return Precision.BF16  # AMX has no fp32: oneDNN rounds to bf16, with leave from ONEDNN_DEFAULT_FPMATH_MODE
        return _PRECISIONS.get(self.source_type)

    def is_native(self, isa: Isa) -> bool:
        """Tell whether its instructions multiply in its precision; a name that is silent leaves that to the CPU."""
        if self.precision is None:
            return False
        instructions = self.implementation.rpartition(":")[2]
        if self.precision is Precision.FP32 or instructions not in _NATIVE:
            return isa.is_native(self.precision)
        return self.precision in _NATIVE[instructions]


def count_kernels(output: str) -> Counter[Kernel]:
    """Count the executed convolutions and matrix products in what a process printed; all other lines are skipped."""
    return Counter(Kernel(line["kind"], line["implementation"], line["type"]) for line in _EXECUTION.finditer(output))
