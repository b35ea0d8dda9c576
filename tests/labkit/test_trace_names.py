"""Kernel names as a profiler writes them, and what a reader gets to see."""

import time

import pytest

from labkit.trace.names import LONGEST, label, role, short

FLASH = (
    "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<flash::CollectiveMainloopFwdSm90<(int)2, "
    "cute::tuple<cute::C<(int)1>>>>>>(T1::Params)"
)
FILL = (
    "void at::native::vectorized_elementwise_kernel<(int)4, at::native::FillFunctor<{}>, std::array<char *, (unsigned long)1>>(int, T2, T3)"
)
CACHE = "void vllm::reshape_and_cache_flash_kernel<unsigned short, unsigned short, (vllm::Fp8KVCacheDataType)0>(const T1 *, int)"
COPY = (
    "void at::native::elementwise_kernel<(int)128, (int)4, void at::native::gpu_kernel_impl_nocast<at::native::direct_copy_kernel_cuda("
    "at::TensorIteratorBase &)::[lambda() (instance 3)]::operator ()() const::[lambda(c10::Half) (instance 1)]>(at::TensorIteratorBase &, "
    "const T1 &)::[lambda(int) (instance 1)]>(int, T3)"
)
INDEX = (
    "void at::native::index_elementwise_kernel<(int)128, (int)4, void at::native::gpu_index_kernel<void at::native::index_kernel_impl<"
    "at::native::OpaqueType<(int)4>>(at::TensorIteratorBase &, c10::ArrayRef<long>)::[lambda(char *, long) (instance 1)]>(long, T3)"
)
SCATTER = (
    "void at::native::_scatter_gather_elementwise_kernel<(int)128, (int)8, void at::native::_cuda_scatter_gather_internal_kernel<(bool)0, "
    "long>::operator ()<at::native::TensorAssign>(at::TensorIterator &, long)::[lambda(int) (instance 1)]>(int, T3)"
)
PRODUCT = (
    "void at::native::vectorized_elementwise_kernel<4, at::native::BinaryFunctor<float, float, float, "
    "at::native::binary_internal::MulFunctor<float> >, std::array<char*, 3ul> >(int)"
)


@pytest.mark.parametrize(
    ("name", "expected", "part"),
    [
        (FLASH, "flash::FlashAttnFwdSm90", "attention"),
        (FILL.format("signed char"), "vectorized_elementwise FillFunctor", "copy/fill"),
        (CACHE, "vllm::reshape_and_cache_flash_kernel", "KV cache write"),
        (COPY, "elementwise direct_copy", "copy/fill"),
        (INDEX, "index_elementwise index", "indexing"),
        (SCATTER, "_scatter_gather_elementwise scatter_gather", "indexing"),
        (PRODUCT, "vectorized_elementwise MulFunctor", "elementwise"),
        (
            "void at::native::<unnamed>::vectorized_layer_norm_kernel<c10::Half, float>(int)",
            "vectorized_layer_norm_kernel",
            "normalisation",
        ),
        ("void cublasLt::splitKreduce_kernel<(int)32, (int)16>(int)", "cublasLt::splitKreduce_kernel", "sum of a split GEMM"),
        ("nvjet_sm90_hsh_64x8_64x16_4x1_v_bz_splitK_bias_TNT",) * 2 + ("GEMM (cuBLAS)",),
        ("void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<int>>(T)", "cutlass::…::GemmUniversal", "GEMM"),
        (
            "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>>>(T3)",
            "reduce ArgMaxOps",
            "sampling",
        ),
        ("void vllm::rotary_embedding_kernel<c10::Half, true>(long const*)", "vllm::rotary_embedding_kernel", "rotary embedding"),
        ("void vllm::act_and_mul_kernel<c10::Half>(c10::Half*)", "vllm::act_and_mul_kernel", "activation"),
        ("_gumbel_sample_kernel", "_gumbel_sample_kernel", "sampling"),
        ("triton_poi_fused_add_mul_silu_1", "triton_poi_fused_add_mul_silu_1", "fused by torch.compile"),
        ("somebody_elses_kernel", "somebody_elses_kernel", "other"),
    ],
)
def test_a_kernel_gets_a_readable_name_and_a_role(name: str, expected: str, part: str) -> None:
    assert (short(name), role(name)) == (expected, part)


def test_one_matrix_product_counts_once() -> None:
    """An operator that calls another one for it, and the sum that follows a split one, have other roles."""
    products = ["_C::onednn_mm", "aten::mm", "aten::addmm", "aten::bmm", "ampere_fp16_s16816gemm_fp16_64x64_tn", "nvjet_sm90_x"]
    others = ["aten::matmul", "aten::linear", "cublasLt::splitKreduce_kernel", "aten::mul", "aten::mean", "vllm::silu_and_mul"]
    assert [role(name).startswith("GEMM") for name in products + others] == [True] * 6 + [False] * 6


def test_different_kernels_of_one_short_name_stay_apart() -> None:
    names = [FILL.format("int"), "copy", FILL.format("bool"), FILL.format("int"), "vectorized_elementwise FillFunctor #2"]
    labels = label(names)
    assert list(labels) == [names[0], "copy", names[2], names[4]]
    assert labels[names[0]] == "vectorized_elementwise FillFunctor"
    assert labels[names[2]] == "vectorized_elementwise FillFunctor #2"
    assert len(set(labels.values())) == 4


@pytest.mark.parametrize("unit", ["<", "(", ")", ">", "::", "::[lambda", "operator ()", "_GLOBAL__N_", "FunctorOps", "a ", "\x00", "🙂"])
@pytest.mark.parametrize("before", ["", "void at::native::elementwise_kernel<", "void cutlass::device_kernel<"])
def test_a_megabyte_of_nonsense_costs_milliseconds(unit: str, before: str) -> None:
    name = before + unit * (1_000_000 // len(unit))
    began = time.process_time()
    found = short(name)
    role(name)
    assert time.process_time() - began < 0.3
    assert 0 < len(found) <= LONGEST + 20
    assert found.isprintable()


@pytest.mark.parametrize("name", ["", " ", "_ZN2at6nativeE", "operator<(int)", "<unnamed>::f(int)"])
def test_there_is_always_a_name(name: str) -> None:
    assert short(name)
