"""The instruction sets that matter to convolutions, as far as oneDNN is allowed to use them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.hardware.kernel_file import read_text
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

# The best family first: (name, flag that stands for it, flags that refine it), as /proc/cpuinfo spells them.
_FAMILIES = (
    ("amx", "amx_tile", ("amx_int8", "amx_bf16", "amx_fp16")),
    ("avx512", "avx512f", ("avx512_vnni", "avx512_bf16", "avx512_fp16")),
    ("avx2", "avx2", ("avx_vnni",)),
    ("avx", "avx", ()),
    ("sse41", "sse4_1", ()),
    ("sve", "sve", ("asimddp", "i8mm", "bf16")),
    ("neon", "asimd", ("asimddp", "i8mm", "bf16")),
)
_RELEVANT = frozenset(flag for _, stem, extras in _FAMILIES for flag in (stem, *extras))

_NATIVE = {
    Precision.INT8: frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}),
    Precision.BF16: frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
}

# What oneDNN still uses under each value of ONEDNN_MAX_CPU_ISA, a partial order: AVX-512 up to bf16 lacks avx_vnni.
_AVX2 = frozenset({"sse4_1", "avx", "avx2"})
_AVX512_CORE = _AVX2 | {"avx512f"}
_AVX512_VNNI = _AVX512_CORE | {"avx512_vnni"}
_AVX512_BF16 = _AVX512_VNNI | {"avx512_bf16"}
_AVX10_1 = _AVX512_BF16 | {"avx512_fp16", "avx_vnni"}
_AMX = _AVX10_1 | {"amx_tile", "amx_int8", "amx_bf16"}
_X86 = _AMX | {"amx_fp16"}
_CAPS = {
    "sse41": frozenset({"sse4_1"}),
    "avx": frozenset({"sse4_1", "avx"}),
    "avx2": _AVX2,
    "avx2_vnni": _AVX2 | {"avx_vnni"},
    "avx2_vnni_2": _AVX2 | {"avx_vnni"},
    "avx512_core": _AVX512_CORE,
    "avx512_core_vnni": _AVX512_VNNI,
    "avx512_core_bf16": _AVX512_BF16,
    "avx512_core_fp16": _AVX10_1,
    "avx10_1_512": _AVX10_1,
    "avx512_core_amx": _AMX,
    "avx10_1_512_amx": _AMX,
}


@dataclass(frozen=True)
class Isa:
    """Name the CPU (`model`), its usable flags that matter here, and the best of them in one word (`name`)."""

    name: str
    flags: frozenset[str]
    model: str

    def is_native(self, precision: Precision) -> bool:
        """Tell whether the CPU multiplies in this precision, rather than emulating it; fp32 is always native."""
        return precision not in _NATIVE or not self.flags.isdisjoint(_NATIVE[precision])


def read_isa(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Isa:
    """Read the first CPU of /proc/cpuinfo, without what ONEDNN_MAX_CPU_ISA (or DNNL_MAX_CPU_ISA) forbids to oneDNN."""
    fields = _read_first_processor(root)
    flags = _RELEVANT.intersection((fields.get("flags") or fields.get("Features", "")).split())
    flags = _apply_cap(flags, environ)
    return Isa(name=_name_isa(flags), flags=flags, model=_name_model(fields))


def _read_first_processor(root: Path) -> dict[str, str]:
    first, _, _ = read_text(root / "proc/cpuinfo").partition("\n\n")
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _apply_cap(flags: frozenset[str], environ: Mapping[str, str]) -> frozenset[str]:
    """Apply the cap as oneDNN does on x86: ONEDNN_ goes before DNNL_, any case will do, an unknown value is no cap."""
    cap = environ.get("ONEDNN_MAX_CPU_ISA") or environ.get("DNNL_MAX_CPU_ISA", "")
    return flags - (_X86 - _CAPS.get(cap.lower(), _X86))


def _name_isa(flags: frozenset[str]) -> str:
    for name, stem, extras in _FAMILIES:
        if stem in flags:
            return "_".join([name, *(extra.rpartition("_")[2] for extra in extras if extra in flags)])
    return "generic"


def _name_model(fields: Mapping[str, str]) -> str:
    """Take the model name, which Arm's kernel leaves out; there the implementer's and the part's number tell it."""
    if "model name" in fields:
        return fields["model name"]
    if "CPU part" in fields:
        return f"implementer {fields.get('CPU implementer')} part {fields['CPU part']}"
    return "unknown"
