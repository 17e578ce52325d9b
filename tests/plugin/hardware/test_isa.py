from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.isa import Isa, read_isa
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    FakeRoot = Callable[[Mapping[str, str]], Path]

AVX512 = "sse4_1 avx avx2 avx512f avx512dq avx512bw avx512vl"
ZEN4 = f"fpu vme {AVX512} avx512_bf16 avx512_vnni rdpid"
SAPPHIRE_RAPIDS = (
    f"fpu {AVX512} avx512_vnni avx512_bf16 avx512_fp16 avx_vnni amx_tile amx_int8 amx_bf16 hypervisor arch_lbr"
)
ALDER_LAKE = "fpu sse4_1 avx avx2 avx_vnni"
HASWELL = "fpu sse4_1 avx avx2 fma"
GRAVITON3 = """\
processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp asimddp sve i8mm bf16 svei8mm svebf16 rng
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
CPU revision\t: 1
"""
NOTHING: dict[str, str] = {}


def x86(flags: str) -> dict[str, str]:
    processor = (
        f"vendor_id\t: GenuineIntel\nmodel name\t: Some Xeon @ 2.00GHz\nflags\t\t: {flags}\nbugs\t\t: spectre_v1\n"
    )
    return {"proc/cpuinfo": f"processor\t: 0\n{processor}\nprocessor\t: 1\n{processor}"}


@pytest.mark.parametrize(
    ("flags", "name", "int8", "bf16"),
    [
        (SAPPHIRE_RAPIDS, "amx_int8_bf16", True, True),
        (ZEN4, "avx512_vnni_bf16", True, True),
        (f"{AVX512} avx512_vnni", "avx512_vnni", True, False),
        (AVX512, "avx512", False, False),
        (ALDER_LAKE, "avx2_vnni", True, False),
        (HASWELL, "avx2", False, False),
        ("sse4_1 avx", "avx", False, False),
        ("fpu sse4_1", "sse41", False, False),
        ("fpu vme", "generic", False, False),
    ],
)
def test_x86(fake_root: FakeRoot, flags: str, name: str, int8: bool, bf16: bool) -> None:
    isa = read_isa(fake_root(x86(flags)), NOTHING)
    assert (isa.name, isa.model) == (name, "Some Xeon @ 2.00GHz")
    assert isa.is_native(Precision.INT8) is int8
    assert isa.is_native(Precision.BF16) is bf16
    assert isa.is_native(Precision.FP32)


def test_only_relevant_flags_are_kept(fake_root: FakeRoot) -> None:
    assert read_isa(fake_root(x86(HASWELL)), NOTHING).flags == {"sse4_1", "avx", "avx2"}


def test_arm_has_no_model_name(fake_root: FakeRoot) -> None:
    isa = read_isa(fake_root({"proc/cpuinfo": GRAVITON3}), NOTHING)
    assert (isa.name, isa.model) == ("sve_asimddp_i8mm_bf16", "implementer 0x41 part 0xd40")
    assert isa.is_native(Precision.INT8)
    assert isa.is_native(Precision.BF16)


def test_older_arm(fake_root: FakeRoot) -> None:
    isa = read_isa(fake_root({"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd aes\nCPU part\t: 0xd08"}), NOTHING)
    assert isa.name == "neon"
    assert not isa.is_native(Precision.INT8)
    assert not isa.is_native(Precision.BF16)


@pytest.mark.parametrize(
    ("cap", "name", "int8", "bf16"),
    [
        ("AVX512_CORE_AMX", "amx_int8_bf16", True, True),
        ("avx10_1_512", "avx512_vnni_bf16_fp16", True, True),
        ("AVX512_CORE_BF16", "avx512_vnni_bf16", True, True),
        ("avx512_core_vnni", "avx512_vnni", True, False),
        ("AVX512_CORE", "avx512", False, False),
        ("AVX2_VNNI", "avx2_vnni", True, False),
        ("AVX2", "avx2", False, False),
        ("AVX", "avx", False, False),
        ("SSE41", "sse41", False, False),
        ("DEFAULT", "amx_int8_bf16", True, True),
        ("ALL", "amx_int8_bf16", True, True),
        ("AVX9000", "amx_int8_bf16", True, True),
        ("", "amx_int8_bf16", True, True),
    ],
)
@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_cap(fake_root: FakeRoot, variable: str, cap: str, name: str, int8: bool, bf16: bool) -> None:
    isa = read_isa(fake_root(x86(SAPPHIRE_RAPIDS)), {variable: cap})
    assert isa.name == name
    assert isa.is_native(Precision.INT8) is int8
    assert isa.is_native(Precision.BF16) is bf16


def test_cap_adds_nothing(fake_root: FakeRoot) -> None:
    assert read_isa(fake_root(x86(HASWELL)), {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}).name == "avx2"


def test_onednn_cap_goes_before_dnnl_cap(fake_root: FakeRoot) -> None:
    caps = {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX512_CORE"}
    assert read_isa(fake_root(x86(ZEN4)), caps).name == "avx2"


def test_x86_cap_is_unknown_on_arm(fake_root: FakeRoot) -> None:
    isa = read_isa(fake_root({"proc/cpuinfo": GRAVITON3}), {"ONEDNN_MAX_CPU_ISA": "AVX2"})
    assert isa.name == "sve_asimddp_i8mm_bf16"


def test_missing_cpuinfo(tmp_path: Path) -> None:
    isa = read_isa(tmp_path, NOTHING)
    assert isa == Isa(name="generic", flags=frozenset(), model="unknown")
    assert isa.is_native(Precision.FP32)
    assert not isa.is_native(Precision.INT8)
