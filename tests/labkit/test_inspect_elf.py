"""Libraries of the learner's own: figures, exported and hidden functions, places in the source, GPU code."""

import struct
import subprocess
from pathlib import Path

import pytest

from labkit.elf.image import Image, Unreadable
from labkit.elf.names import unqualified
from labkit.inspect_elf import device_code, exported, inspect, local_symbols, where
from labkit.messages import LearnerMessage

SOURCE = """\
namespace ns {
long rotary_embedding(long* v, long n) { long s = 0; for (long i = 0; i < n; ++i) s += v[i]; return s; }
}

long batched_rotary_embedding(long* v, long n) { return ns::rotary_embedding(v, n); }
template <typename T> T twice(T a) { return a + a; }
template int twice<int>(int);
static long kept_inside(long a) { return a * 3; }
__attribute__((visibility("hidden"))) long hidden_one(long a) { return kept_inside(a) + 1; }
extern "C" long plain_c(long a) { return hidden_one(a); }
"""
ROTARY = "_ZN2ns16rotary_embeddingEPll"


def build(folder: Path, name: str, *flags: str, source: str = SOURCE) -> Path:
    (folder / "probe.cpp").write_text(source)
    subprocess.run(["g++", "-shared", "-fPIC", *flags, "probe.cpp", "-o", name], cwd=folder, check=True)
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("libraries")


@pytest.fixture(scope="module")
def debug(folder):
    return build(folder, "debug.so", "-O0", "-g", "-Wl,--build-id")


@pytest.fixture(scope="module")
def without(folder):
    return build(folder, "without.so", "-O2")


def test_a_library_in_figures(debug):
    found = inspect(debug)
    assert (found.name, found.size_bytes) == ("debug.so", debug.stat().st_size)
    assert found.symtab > 10
    assert found.exported_functions == 4  # rotary, batched, twice, plain_c
    assert found.debug_info_bytes > 100
    assert found.debug_line_bytes > 50
    assert len(found.build_id) == 40
    assert found.producer.startswith("GNU C++")
    assert (found.optimisation, found.comp_dir) == ("-O0", str(debug.parent))


def test_symbols_are_not_debug_information(without, folder):
    found = inspect(without)
    assert found.symtab > 10
    assert (found.debug_info_bytes, found.debug_line_bytes, found.producer, found.optimisation, found.comp_dir) == (0, 0, "", "", "")
    stripped = folder / "stripped.so"
    subprocess.run(["strip", without, "-o", stripped], check=True)
    assert inspect(stripped).symtab == 0
    assert inspect(stripped).exported_functions == 4


def test_compressed_sections_count_unpacked(debug, folder):
    packed = build(folder, "packed.so", "-O0", "-g", "-gz=zlib")
    assert inspect(packed).debug_info_bytes == pytest.approx(inspect(debug).debug_info_bytes, rel=0.01)
    assert where(packed, ROTARY) == (f"{folder}/probe.cpp", 2)


def test_one_function_is_not_another_that_ends_alike(debug):
    assert exported(debug, "rotary_embedding") == [ROTARY]
    assert exported(debug, "batched_rotary_embedding") == ["_Z24batched_rotary_embeddingPll"]
    assert exported(debug, "embedding") == []
    assert exported(debug, "plain_c") == ["plain_c"]
    assert exported(debug, "twice") == ["_Z5twiceIiET_S0_"]


def test_what_is_there_but_cannot_be_replaced_is_said(debug):
    assert exported(debug, "hidden_one") == exported(debug, "kept_inside") == []
    assert local_symbols(debug, "hidden_one") == ["_Z10hidden_onel"]
    assert local_symbols(debug, "kept_inside") == ["_ZL11kept_insidel"]
    assert local_symbols(debug, "rotary_embedding") == []


@pytest.mark.parametrize("flags", [("-O0",), ("-O2",), ("-O2", "-gdwarf-4"), ("-O0", "-gdwarf-4", "-ffunction-sections")], ids=str)
def test_where_a_function_starts(folder, flags):
    library = build(folder, "where.so", "-g", *flags)
    assert [where(library, name)[1] for name in (ROTARY, "_Z24batched_rotary_embeddingPll", "_Z10hidden_onel", "plain_c")] == [2, 5, 9, 10]
    assert Path(where(library, ROTARY)[0]).name == "probe.cpp"


def test_where_without_debug_information_or_function(without, debug):
    assert where(without, ROTARY) is None
    assert where(debug, "_Z7no_suchv") is None
    assert where(debug, "_init") is None  # the C library's own


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF" + b"\xff" * 500])
def test_what_is_no_library_is_a_message(tmp_path, content):
    (tmp_path / "x.so").write_bytes(content)
    with pytest.raises(LearnerMessage, match=r"x\.so cannot be read as a library"):
        inspect(tmp_path / "x.so")


def test_what_is_not_there_is_a_message(tmp_path):
    with pytest.raises(LearnerMessage, match="No such file"):
        exported(tmp_path / "x.so", "f")


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("_Z16rotary_embeddingRN2at6TensorES1_St8optionalIS0_ElS1_blb", "rotary_embedding"),
        ("_ZN4vllm23rotary_embedding_kernelIfLb1EEEvPKlPT_S3_", "rotary_embedding_kernel"),
        ("_ZN4vllm30reshape_and_cache_flash_kernelIffLNS_18Fp8KVCacheDataTypeE2EEEvPKT_", "reshape_and_cache_flash_kernel"),
        ("_ZNK3c1010TensorImpl15decref_pyobjectEv", "decref_pyobject"),
        ("_ZN4dnnl4impl7arg2strB5cxx11Ei", "arg2str"),
        ("_ZSt7forwardIKiEOT_RNSt16remove_referenceIS1_E4typeE", "forward"),
        ("_ZL11kept_insidel", "kept_inside"),
        ("_ZN12_GLOBAL__N_11fEv", "f"),
        ("plain_c", "plain_c"),
        ("_ZN1aC2Ev", ""),  # a constructor
        ("_ZlsRSo1a", ""),  # an operator
        ("_Z4manyi.cold", ""),
        ("_ZZ4manyiE1n", ""),  # a local variable
        ("_Z999f", ""),
        ("_ZN", ""),
        ("_Z", ""),
    ],
)
def test_the_name_in_a_mangled_name(mangled, name):
    assert unqualified(mangled) == name


def fatbin(body: bytes, flags: int, name: bytes = b"k.cu\0\0\0\0", kind: int = 2) -> bytes:
    """A fat binary with one entry, laid out as nvcc 13.0 does."""
    entry = struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, 64 + len(name), len(body), 0, 0, 8, 1, 90, 64, len(name), flags, 0, 0) + name + body
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(entry)) + entry


def with_gpu_code(folder: Path, name: str, content: bytes) -> Path:
    (folder / "gpu.bin").write_bytes(content)
    source = 'asm(".section .nv_fatbin,\\"a\\"\\n.align 8\\n.incbin \\"gpu.bin\\"\\n.text");\nint f() { return 1; }\n'
    return build(folder, name, source=source)


@pytest.fixture(scope="module")
def cubin(folder):
    """An ELF file in a cubin's place: what matters here are its sections."""
    return build(folder, "cubin.so", "-O0", "-g").read_bytes()


def test_gpu_code_is_read_where_it_is_not_compressed(folder, cubin):
    debug, optimised = fatbin(cubin, 0x13), fatbin(b"\x28\xb5\x2f\xfd" * 30, 0x8011)
    found = device_code(with_gpu_code(folder, "gpu.so", debug + optimised + fatbin(b"// PTX", 0x11, kind=1)))
    assert [(code.kind, code.arch, code.debug, code.compressed, code.source) for code in found] == [
        ("cubin", "sm_90", True, False, "k.cu"), ("cubin", "sm_90", False, True, "k.cu"), ("ptx", "compute_90", False, False, "k.cu"),
    ]  # fmt: skip
    assert ".debug_info" in found[0].sections
    assert found[1].sections == found[2].sections == ()


def test_no_device_code(debug):
    assert device_code(debug) == ()


@pytest.mark.parametrize("cut", [10, 30, 100, 200])
def test_gpu_code_that_is_cut_off_is_said(folder, cubin, cut):
    with pytest.raises(LearnerMessage, match="GPU code is cut off"):
        device_code(with_gpu_code(folder, "cut.so", fatbin(cubin, 0x13)[:cut]))


def test_a_note_says_the_owner_before_the_id(debug):
    assert Image(debug.read_bytes()).build_id() == inspect(debug).build_id
    with pytest.raises(Unreadable, match="not a 64-bit ELF"):
        Image(b"\x7fELF\x01\x01" + b"\0" * 100)
