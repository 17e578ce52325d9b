# ruff: noqa: E501 - the samples are as oneDNN printed them
from __future__ import annotations

import pytest

from resnet_fixtures.hardware.isa import Isa
from resnet_fixtures.inference.onednn_verbose import Kernel, count_kernels
from resnet_fixtures.precision import Precision

VNNI_BF16 = Isa("avx512_vnni_bf16", frozenset({"avx512f", "avx512_vnni", "avx512_bf16"}), "AMD EPYC")
AVX2 = Isa("avx2", frozenset({"avx2"}), "AMD EPYC")
ARM = Isa("sve_asimddp_bf16", frozenset({"sve", "asimddp", "bf16"}), "implementer 0x41 part 0xd40")

HEADER = """\
onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)
onednn_verbose,v1,info,cpu,runtime:threadpool,nthr:2
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with Intel DL Boost and bfloat16 support
onednn_verbose,v1,info,graph,backend,0:dnnl_backend
onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation,prop_kind,memory_descriptors,attributes,auxiliary,problem_desc,exec_time
onednn_verbose,v1,graph,info,template:operation,engine,partition_id,partition_kind,op_names,data_formats,logical_tensors,fpmath_mode,implementation,backend,exec_time
"""
INT8 = """\
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::blocked:acdb::f0 dst:s8::blocked:acdb::f0,attr-scales:src0:0:f32,,1x224x224x3,0.652832
onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core_vnni,forward_training,src:s8::blocked:acdb::f0 wei:s8:ap:blocked:AcdB64a4b::f1:s8m1 bia:f32:a:blocked:a::f0 dst:u8::blocked:acdb::f0,attr-scratchpad:user attr-scales:src0:0:f32+dst:0:f32+wei:1:f32 attr-post-ops:eltwise_relu,alg:convolution_direct,mb1_ic3oc64_ih224oh112kh7sh2dh0ph3_iw224ow112kw7sw2dw0pw3,1.198
onednn_verbose,v1,primitive,exec,cpu,pooling,jit_int:avx512_core,forward_inference,src:u8::blocked:acdb::f0 dst:u8::blocked:acdb::f0,,alg:pooling_max,mb1ic64_ih114oh56kh3sh2dh0ph0_iw114ow56kw3sw2dw0pw0,1.02197
onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core_vnni,forward_training,src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB64a4b::f0 bia:f32:a:blocked:a::f0 dst:s8::blocked:acdb::f0,attr-scratchpad:user attr-scales:src0:0:f32+dst:0:f32+wei:1:f32,alg:convolution_direct,mb1_ic64oc256_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,0.433105
onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core_vnni,forward_training,src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB64a4b::f0 bia:f32:a:blocked:a::f0 dst:u8::blocked:acdb::f0,attr-scratchpad:user attr-scales:src0:0:f32+dst:0:f32+wei:1:f32 attr-post-ops:eltwise_relu,alg:convolution_direct,mb1_ic64oc64_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,0.291016
onednn_verbose,v1,primitive,exec,cpu,binary,jit:uni,undef,src:f32::blocked:ab::f0 src:f32::blocked:ab::f0 dst:u8::blocked:ab::f0,attr-scales:src0:0:f32+src1:0:f32,alg:binary_add,1x2048:1x1,0.169922
onednn_verbose,v1,primitive,exec,cpu,inner_product,brgemm:avx512_core_vnni,forward_training,src:u8:a:blocked:ab::f0 wei:s8:ap:blocked:AB4b64a4b::f0 bia:f32:a:blocked:a::f0 dst:f32:a:blocked:ab::f0,attr-scratchpad:user attr-scales:src0:0:f32+dst:0:f32+wei:0:f32,,mb1ic2048oc1001,0.354004
onednn_verbose,v1,primitive,exec,cpu,softmax,jit:avx512_core_bf16,forward_inference,src:f32::blocked:ab::f0 dst:f32::blocked:ab::f0,,alg:softmax_accurate axis:1,1x1001,0.00415039
"""
BF16 = """\
onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core_bf16,forward_training,src:bf16::blocked:acdb::f0 wei:bf16:ap:blocked:AcdB64a2b::f0 bia:bf16:a:blocked:a::f0 dst:bf16::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb1_ic3oc64_ih224oh112kh7sh2dh0ph3_iw224ow112kw7sw2dw0pw3,0.9
onednn_verbose,v1,primitive,exec,cpu,inner_product,brgemm:avx512_core,forward_inference,src:f32::blocked:ab::f0 wei:f32:ap:blocked:AB16b64a::f0 bia:f32:a:blocked:a::f0 dst:f32::blocked:ab::f0,attr-scratchpad:user,,mb1ic2048oc1001,0.577881
"""
GEMM = """\
onednn_verbose,v1,primitive,exec,cpu,gemm_api,,undef,src_f32::blocked:ab:f0 wei_f32::blocked:ab:f0 dst_f32::blocked:ab:f0,,,8x2048:2048x1001,55.781
"""
CONVOLUTION = "exec,cpu,convolution,brgconv:avx2,forward_training,src:f32::blocked:acdb::f0 wei:f32::blocked:Acdb64a::f0,,alg,mb1,0.1"


def test_int8_step_has_its_convolutions_and_its_matrix_product() -> None:
    assert count_kernels(HEADER + INT8) == {
        Kernel("convolution", "brg_conv_fwd:avx512_core_vnni", "s8"): 1,
        Kernel("convolution", "brgconv_1x1:avx512_core_vnni", "u8"): 2,
        Kernel("inner_product", "brgemm:avx512_core_vnni", "u8"): 1,
    }


def test_older_versions_write_types_otherwise() -> None:
    """As 3.5 does, of TensorFlow 2.18."""
    older = (HEADER + INT8).replace(",v1,", ",").replace("src:", "src_").replace("dst:", "dst_").replace("wei:", "wei_")
    assert "convolution,brgconv_1x1:avx512_core_vnni,forward_training,src_u8::blocked:acdb::f0 wei_s8:" in older
    assert count_kernels(older) == count_kernels(HEADER + INT8)


def test_bf16_step_keeps_its_dense_layer_in_fp32() -> None:
    assert count_kernels(HEADER + BF16) == {
        Kernel("convolution", "brg_conv_fwd:avx512_core_bf16", "bf16"): 1,
        Kernel("inner_product", "brgemm:avx512_core", "f32"): 1,
    }


@pytest.mark.parametrize(
    "output", ["", HEADER, GEMM, "graph_convolutions=53\n", INT8.replace("onednn_verbose", "I said")]
)
def test_output_without_primitives_has_no_kernels(output: str) -> None:
    assert count_kernels(output) == {}


@pytest.mark.parametrize(
    "marker",
    [
        "onednn_verbose,",
        "onednn_verbose,primitive,",
        "onednn_verbose,v1,primitive,",
        "onednn_verbose,v1,1693533460193.346924,primitive,",
    ],
)
def test_marker_of_every_version_is_understood(marker: str) -> None:
    assert count_kernels(marker + CONVOLUTION) == {Kernel("convolution", "brgconv:avx2", "f32"): 1}


@pytest.mark.parametrize(
    "other",
    [
        "onednn_verbose,v1,graph,exec,cpu,100002,convolution_post_ops,conv,,,",
        "onednn_verbose,v1,primitive,create:cache_hit,cpu,convolution,brgconv:avx2,forward_training,src:f32::",
    ],
)
def test_other_events_are_no_execution(other: str) -> None:
    assert count_kernels(other) == {}


@pytest.mark.parametrize(
    ("source_type", "precision"),
    [("u8", Precision.INT8), ("s8", Precision.INT8), ("bf16", Precision.BF16), ("f32", Precision.FP32), ("f16", None)],
)
def test_precision_comes_from_the_source(source_type: str, precision: Precision | None) -> None:
    assert Kernel("convolution", "brgconv:avx512_core", source_type).precision is precision


def test_amx_has_no_fp32() -> None:
    assert Kernel("convolution", "brgconv:avx10_1_512_amx", "f32").precision is Precision.BF16


@pytest.mark.parametrize(
    ("implementation", "source_type", "isa", "is_native"),
    [
        ("brgconv_1x1:avx512_core_vnni", "u8", VNNI_BF16, True),
        ("brgconv_1x1:avx512_core", "u8", VNNI_BF16, False),  # the cap, not the CPU, decided
        ("jit_uni_int8_1x1:avx2", "u8", AVX2, False),
        ("brgconv:avx2_vnni", "s8", AVX2, True),
        ("ref_int8:any", "u8", VNNI_BF16, False),
        ("brg_conv_fwd:avx512_core_bf16", "bf16", VNNI_BF16, True),
        ("jit_bf16_1x1:avx512_core", "bf16", VNNI_BF16, False),
        ("brgconv:avx2_vnni_2", "bf16", AVX2, False),
        ("brgconv_1x1:avx10_1_512_amx", "bf16", AVX2, True),
        ("brgconv_1x1:avx10_1_512_amx", "u8", AVX2, True),
        ("brgconv_1x1:avx2", "f32", AVX2, True),
        ("x64:gemm_s8u8s32:jit", "u8", AVX2, False),
        ("x64:gemm_s8u8s32:jit", "u8", VNNI_BF16, True),
        ("indirect_gemm:acl", "bf16", ARM, True),
        ("brgconv:avx512_core_fp16", "f16", VNNI_BF16, False),
    ],
)
def test_native_by_the_name_and_by_the_cpu_where_it_is_silent(
    implementation: str, source_type: str, isa: Isa, *, is_native: bool
) -> None:
    assert Kernel("convolution", implementation, source_type).is_native(isa) is is_native
