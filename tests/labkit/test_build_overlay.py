"""From a name to an overlay under a running program: what is found, what is refused and why, what is written, and who says that it works."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit import pins
from labkit.build import find, linker, locate, overlay, tree, witness
from labkit.build.find import Definition
from labkit.build.locate import Site
from labkit.build.overlay import SITE, Options, Overlay
from labkit.build.stand_ins import stand_ins
from labkit.checks.build import provider
from labkit.inspect_elf import inspect
from labkit.lane import Lane
from labkit.messages import LearnerMessage
from labkit.paths import cache

CPU, CUDA = Lane("cpu", ("a test",), "float32"), Lane("cuda", ("a test",), "float16", "a GPU")
VLLM = cache() / "src" / f"vllm-{pins.VLLM}"
with_vllm = pytest.mark.skipif(
    not (VLLM / ".complete").is_file(), reason="vLLM's source is not in the course's cache: `labkit prepare` fetches it"
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def compile_library(target: Path, source: str, *flags: str) -> Path:
    code = write(target.with_suffix(".cpp"), source)
    subprocess.run(["g++", "-shared", "-fPIC", "-Wl,--build-id", str(code), *flags, "-o", str(target)], check=True, timeout=60)
    return target


# A small tree in vLLM's style

CPU_BINDINGS = """
TORCH_LIBRARY(_C, ops) {
  ops.def("slots(Tensor a) -> ()", &slots_impl);
  ops.def(
      "attend(Tensor! out,"
      " int n) -> ()");
  ops.impl("attend", torch::kCPU, &cpu::deep::attend_with_cache);
}
"""
CPU_CODE = """
void slots_impl(int a);
void caller() { slots_impl(1); object.slots_impl(2); other::slots_impl(3); }
void slots_impl(
    int a, int (*b)(int)) {
  if (slots_impl (a)) { return; }
}
template <typename T>
void helper(T a) { }
void worker(int a) { }
static int hidden(int a) { return a; }
void left_out(int a) { }
"""
CUDA_BINDINGS = """
#include "ops.h"
#include <core/registration.h>
STABLE_TORCH_LIBRARY_FRAGMENT(_C_cache, ops) { ops.def("not_this(Tensor a) -> ()"); }
STABLE_TORCH_LIBRARY_IMPL(_C_cache, CUDA, ops) {
  ops.impl("write_cache", TORCH_BOX(&write_cache));
  ops.impl("swap", TORCH_BOX(&vllm::swap_blocks));
}
STABLE_TORCH_LIBRARY_IMPL(_C_cache, CPU, ops) {
  ops.impl("on_cpu", TORCH_BOX(&on_cpu));
}
"""
CUDA_CODE = """
__global__ void write_cache_kernel(int* out) { out[0] = 1; }
void swap_blocks(int a) { }
void write_cache(int* out) {
  write_cache_kernel<<<1, 1>>>(out);
}
"""


@pytest.fixture
def small(tmp_path):
    """A source tree with one file per lane, its bindings, and a version."""
    root = tmp_path / "vllm-9.9.9"
    write(root / "PKG-INFO", "Metadata-Version: 2.1\nName: vllm\nVersion: 9.9.9\n")
    write(root / "csrc/cpu/torch_bindings.cpp", CPU_BINDINGS)
    write(root / "csrc/cpu/code.cpp", CPU_CODE)
    write(root / "csrc/torch_bindings.cpp", CUDA_BINDINGS)
    write(root / "csrc/cache_kernels.cu", CUDA_CODE)
    write(
        root / "csrc/moe/torch_bindings.cpp",
        'STABLE_TORCH_LIBRARY_IMPL(_moe, CUDA, m) {\n  m.impl("topk", TORCH_BOX(&topk));\n}\n',
    )
    write(root / "csrc/moe/topk.cu", "void topk(int a)\n{\n}\n")
    write(root / "csrc/rocm/torch_bindings.cpp", 'STABLE_TORCH_LIBRARY_IMPL(_rocm, CUDA, m) {\n  m.impl("paged", TORCH_BOX(&paged));\n}\n')
    write(root / "csrc/rocm/paged.cu", "void write_cache(int a) { }\n")
    write(root / "CMakeLists.txt", "project(vllm_extensions)\n")
    return root


def test_only_a_definition_counts(small):
    (found,) = find.definitions(small, "slots_impl", [small / "csrc/cpu/code.cpp"])
    assert found == Definition("csrc/cpu/code.cpp", 4, is_kernel=False, is_template=False)


def test_the_body_begins_behind_its_brace():
    text = "int f(int (*g)(int), int n) noexcept {\n  return n;\n}"
    (position,) = find.names_at(text, "f")
    start = find.body_of(text, position)
    assert start is not None and text[start:] == "\n  return n;\n}"
    assert find.body_of("f(1);", 2) is None
    assert find.body_of("f(1", 2) is None  # a text that ends inside


def test_templates_and_kernels_are_told(small):
    assert find.definitions(small, "helper", [small / "csrc/cpu/code.cpp"])[0].is_template
    assert not find.definitions(small, "worker", [small / "csrc/cpu/code.cpp"])[0].is_template
    assert find.definitions(small, "write_cache_kernel", [small / "csrc/cache_kernels.cu"])[0].is_kernel


def test_operators_come_from_cuda_registrations_alone(small):
    assert {(op.namespace, op.name, op.function, op.target) for op in find.operators(small)} == {
        ("_C_cache", "write_cache", "write_cache", "_C_stable_libtorch"),
        ("_C_cache", "swap", "vllm::swap_blocks", "_C_stable_libtorch"),
        ("_moe", "topk", "topk", "_moe_C_stable_libtorch"),
    }


@pytest.mark.parametrize("name", ["swap", "vllm::swap_blocks", "_C_cache::swap"])
def test_an_operator_has_three_names(small, name):
    assert find.operator(small, name).name == "swap"


def test_a_kernel_is_refused_with_the_operators_of_its_file(small):
    with pytest.raises(LearnerMessage, match=r"(?s)write_cache_kernel \(csrc/cache_kernels\.cu:2\) is not registered.*→.*: write_cache\."):
        find.operator(small, "write_cache_kernel")


@pytest.mark.parametrize(("name", "near"), [("write_cash", "Did you mean write_cache"), ("quaternion", "Look for it: `grep -rn`")])
def test_an_unknown_name_gets_the_nearest_or_a_way_to_look(small, name, near):
    with pytest.raises(LearnerMessage, match=f"(?s)no function '{name}'.*→ {near}"):
        find.operator(small, name)


@pytest.mark.parametrize(
    ("name", "function"), [("slots", "slots_impl"), ("attend", "attend_with_cache"), ("worker", "worker"), ("slot", "slot")]
)
def test_a_cpu_operator_leads_to_its_function_and_all_else_to_itself(small, name, function):
    assert find.cpu_function(small, name) == function


# vLLM's own tree


@with_vllm
@pytest.mark.parametrize(
    ("name", "function", "source"),
    [
        ("compute_slot_mapping_kernel_impl", "compute_slot_mapping_kernel_impl", "csrc/cpu/utils.cpp"),
        ("cpu_attention_with_kv_cache", "cpu_attention_with_kv_cache", "csrc/cpu/cpu_attn.cpp"),
        ("rotary_embedding", "rotary_embedding", "csrc/cpu/pos_encoding.cpp"),
    ],
)
def test_functions_of_vllms_cpu_code(name, function, source):
    assert find.cpu_function(VLLM, name) == function
    found = find.definitions(VLLM, function, sorted((VLLM / "csrc/cpu").rglob("*.cpp")))
    assert [(d.source, d.is_template) for d in found] == [(source, False)]
    assert function in (VLLM / source).read_text().splitlines()[found[0].line - 1]


@with_vllm
@pytest.mark.parametrize(
    ("name", "space", "source", "target"),
    [
        ("reshape_and_cache_flash", "_C_cache_ops", "csrc/cache_kernels.cu", "_C_stable_libtorch"),
        ("rms_norm", "_C", "csrc/layernorm_kernels.cu", "_C_stable_libtorch"),
        ("rotary_embedding", "_C", "csrc/pos_encoding_kernels.cu", "_C_stable_libtorch"),
        ("topk_softmax", "_moe_C", "csrc/moe/topk_softmax_kernels.cu", "_moe_C_stable_libtorch"),
    ],
)
def test_operators_of_vllms_cuda_code(monkeypatch, name, space, source, target):
    monkeypatch.setattr(locate, "wheel_folder", lambda _: Path("/wheel"))
    site = locate.locate(name, VLLM, CUDA)
    assert (site.source, site.target, site.wheel_library) == (source, target, Path(f"/wheel/{target}.abi3.so"))
    assert site.operator is not None and (site.operator.namespace, site.operator.name) == (space, name)
    assert name in (VLLM / source).read_text().splitlines()[site.line - 1]


@with_vllm
def test_a_kernel_of_vllms_names_the_operators_beside_it():
    with pytest.raises(LearnerMessage, match="(?s)cache_kernels.cu:.*→.*reshape_and_cache_flash"):
        find.operator(VLLM, "reshape_and_cache_flash_kernel")


def not_found(names):
    """Those of vLLM's CUDA operators whose function is defined nowhere in its CUDA sources, as far as `find` sees."""
    sources = [path.read_text(errors="replace") for path in find.cuda_sources(VLLM)]
    return {
        name
        for name in names
        if not any(find.body_of(text, position) for text in sources if name in text for position in find.names_at(text, name))
    }


@with_vllm
def test_most_of_vllms_operators_have_a_definition_that_is_found():
    every = {op.function.rpartition("::")[2] for op in find.operators(VLLM)}
    assert len(every) > 90
    missing = not_found(every)
    assert len(missing) < len(every) / 8, missing


@with_vllm
def test_a_comment_between_parameters_and_body_hides_no_definition():
    assert not_found({"silu_and_mul", "gelu_new", "static_scaled_fp8_quant"}) == set()


@with_vllm
def test_a_template_of_vllms_is_refused_as_one(monkeypatch, tmp_path):
    empty = compile_library(tmp_path / "_C.abi3.so", "int nothing;")
    monkeypatch.setattr(locate, "loaded_library", lambda _: empty)
    with pytest.raises(LearnerMessage, match="(?s)rotary_embedding_impl.*is a template.*→ Overlay the exported function"):
        locate.locate("rotary_embedding_impl", VLLM, CPU)
    with pytest.raises(LearnerMessage, match="(?s)no function 'rotary_embeding'.*→ Did you mean .*rotary_embedding"):
        locate.locate("rotary_embeding", VLLM, CPU)


# Which library has it

WHEEL = """
void slots_impl(int, int (*)(int)) { }
static int hidden(int a) { return a; }
int (*keep)(int) = hidden;
template <typename T> __attribute__((visibility("hidden"))) void helper(T) { }
void use() { helper(1); }
"""


@pytest.fixture(scope="module")
def wheel_library(tmp_path_factory):
    """What stands for the installed `_C.abi3.so`."""
    return compile_library(tmp_path_factory.mktemp("wheel") / "_C.abi3.so", WHEEL)


@pytest.fixture
def installed(monkeypatch, wheel_library):
    """The wheel of version 9.9.9, with that library."""
    monkeypatch.setattr(locate, "loaded_library", lambda _: wheel_library)
    monkeypatch.setattr(locate, "wheel_folder", lambda _: wheel_library.parent)
    monkeypatch.setattr(overlay, "check_versions", lambda *_: None)
    return wheel_library


@pytest.mark.parametrize("name", ["slots", "slots_impl"])
def test_an_exported_function_has_its_name_to_the_linker(small, installed, name):
    assert locate.locate(name, small, CPU) == Site("slots_impl", "csrc/cpu/code.cpp", 4, "_C", installed, ("_Z10slots_impliPFiiE",))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("helper", "(?s)helper .code.cpp:9.* is a template.*→ Overlay the exported function that calls it"),
        ("hidden", "(?s)hidden.*is not exported by _C.abi3.so.*→ Overlay an exported function of the same file"),
        ("left_out", "(?s)left_out.*is not in _C.abi3.so.*→ It was inlined"),
        ("left_in", "(?s)no function 'left_in'.*→ Did you mean left_out"),
    ],
)
def test_what_cannot_be_overlaid_is_refused_with_the_reason(small, installed, name, why):
    with pytest.raises(LearnerMessage, match=why.replace("code.cpp:9.", r"csrc/cpu/code\.cpp:9\)")):
        locate.locate(name, small, CPU)


def test_a_file_that_needs_onednn_is_refused(small, installed):
    write(small / "csrc/cpu/dnnl_helper.cpp", "void slots_impl(int a, int (*b)(int)) { }\n")
    (small / "csrc/cpu/code.cpp").unlink()
    with pytest.raises(LearnerMessage, match="(?s)oneDNN's own headers.*→ Overlay another function"):
        locate.locate("slots", small, CPU)


def test_two_versions_of_a_function_need_numa(small, installed, monkeypatch):
    write(small / "csrc/cpu/code.cpp", "#ifdef VLLM_NUMA_DISABLED\n" + CPU_CODE + "#else\nvoid slots_impl(int a) { }\n#endif\n")
    monkeypatch.setattr(locate, "has_header", lambda _: False)
    with pytest.raises(LearnerMessage, match=r"(?s)two versions of slots_impl.*→ Install libnuma-dev"):
        locate.locate("slots", small, CPU)
    monkeypatch.setattr(locate, "has_header", lambda _: True)
    assert locate.locate("slots", small, CPU).line == 5


def test_an_operator_whose_definition_is_not_found_is_refused(small, installed):
    write(small / "csrc/moe/topk.cu", "void topk(int a);\n")
    with pytest.raises(LearnerMessage, match="(?s)definition of topk was not found.*→"):
        locate.locate("topk", small, CUDA)


# What a plan writes


@pytest.fixture
def planned(small, installed, tmp_path, monkeypatch):
    """Plan an overlay of the small tree: `planned("slots", CPU)`."""
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "9.0")

    def make(name, lane, **more):
        return overlay.plan(name, tree=small, folder=tmp_path / "overlays", lane=lane, soname="probe_1", **more)

    return make


def files_of(made: Overlay) -> dict[str, str]:
    return {path.name: path.read_text() for path in (made.build / "labkit").iterdir() if path.is_file()}


def test_a_cpu_overlay_exports_one_name_and_asks_the_wheel_for_the_rest(planned, installed, small, tmp_path):
    made = planned("slots", CPU)
    files = files_of(made)
    assert set(files) == {"hook.cmake", "exports.map", "overlays.cmake"}
    assert files["exports.map"] == "{ global: _Z10slots_impliPFiiE; local: *; };\n"
    line = files["overlays.cmake"]
    for part in ("vllm_overlay(overlay_slots_impl TARGET _C ", "SOURCE csrc/cpu/code.cpp", "SONAME probe_1", f'LIBRARY "{installed}"'):
        assert part in line
    assert "REGISTRATION" not in line and "PRECOMPILED_HEADERS" not in line
    assert f'cmake_language(DEFER CALL include "{made.build}/labkit/overlays.cmake")' in files["hook.cmake"]
    assert "/overlay.cmake" in files["hook.cmake"].splitlines()[0]
    assert made.build == tmp_path / "overlays" / "slots_impl"
    assert made.source == small / "csrc/cpu/code.cpp"
    assert made.library == made.build / "liboverlay_slots_impl.so"
    assert made.compile == ["ninja", "-C", str(made.build), "overlay_slots_impl"]
    assert f"-DCMAKE_PROJECT_vllm_extensions_INCLUDE={made.build}/labkit/hook.cmake" in made.configure
    assert "-DCMAKE_BUILD_TYPE=Debug" in made.configure


def test_a_cuda_overlay_registers_its_operator_once_more(planned):
    files = files_of(planned("swap", CUDA, options=Options(cuda=("-lineinfo", "-v"), precompiled=True)))
    assert set(files) == {"hook.cmake", "registration.cpp", "overlays.cmake"}
    registration = files["registration.cpp"].splitlines()
    assert registration[1:3] == ['#include "ops.h"', "#include <core/registration.h>"]
    assert 'STABLE_TORCH_LIBRARY_IMPL(_C_cache, CUDA, ops) { ops.impl("swap", TORCH_BOX(&vllm::swap_blocks)); }' in registration
    for part in ("overlay_swap TARGET _C_stable_libtorch", "CUDA_OPTIONS -lineinfo -v", "PRECOMPILED_HEADERS", "registration.cpp"):
        assert part in files["overlays.cmake"]
    assert "EXPORTS" not in files["overlays.cmake"] and "LIBRARY " not in files["overlays.cmake"]


def test_without_the_header_of_libnuma_the_cpu_code_is_told_so(planned, monkeypatch):
    from labkit.build import hook

    for there in (True, False):
        monkeypatch.setattr(hook, "has_header", lambda _, there=there: there)
        assert ("-DVLLM_NUMA_DISABLED" in files_of(planned("slots", CPU))["hook.cmake"]) is not there


@pytest.mark.parametrize(("name", "lane"), [("slots", CPU), ("swap", CUDA)])
def test_planning_twice_leaves_all_files_as_they_are(planned, name, lane):
    made = planned(name, lane)
    paths = [path for path in made.build.rglob("*") if path.is_file()]
    for path in paths:
        os.utime(path, (1000, 1000))
    assert planned(name, lane) == made
    assert {path.stat().st_mtime for path in paths} == {1000}


def test_another_option_rewrites_what_it_changes_and_nothing_else(planned):
    made = planned("swap", CUDA)
    folder = made.build / "labkit"
    for path in folder.iterdir():
        os.utime(path, (1000, 1000))
    planned("swap", CUDA, options=Options(cuda=("-lineinfo",)))
    assert {path.name for path in folder.iterdir() if path.is_file() and path.stat().st_mtime != 1000} == {"overlays.cmake"}


@pytest.mark.parametrize("build_type", ["debug", "RELEASE", "", "None"])
def test_a_build_type_that_cmake_would_swallow_is_refused(planned, build_type):
    with pytest.raises(LearnerMessage, match="(?s)no build type of vLLM's.*→ Use one of Debug, RelWithDebInfo, Release"):
        planned("slots", CPU, build_type=build_type)


@pytest.mark.parametrize("text", ["Version: 0.31.0\n", "", None])
def test_a_tree_of_another_version_is_refused(small, monkeypatch, text):
    monkeypatch.setattr(tree, "wheel_folder", lambda _: Path("/wheel"))
    monkeypatch.setattr(tree, "distribution", lambda _: type("Installed", (), {"version": "9.9.9+cpu"}))
    tree.check_versions(small, CPU)  # 9.9.9 fits 9.9.9+cpu
    (small / "PKG-INFO").unlink() if text is None else write(small / "PKG-INFO", text)
    with pytest.raises(LearnerMessage, match=r"(?s)is vLLM (0\.31\.0|unknown), the installed library 9\.9\.9.*→ Remove work/"):
        tree.check_versions(small, CPU)


def test_a_vllm_that_is_not_installed_is_named_with_a_next_step(monkeypatch, small):
    monkeypatch.setattr(tree, "DISTRIBUTION", {"cpu": "no-such-vllm"})
    with pytest.raises(LearnerMessage, match="(?s)no-such-vllm is not installed here.*→ Run `make setup`"):
        tree.check_versions(small, CPU)


@pytest.fixture(autouse=True)
def no_compiler_of_choice(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)


def fake_compiler(folder: Path, version: str, exit_code: int = 0) -> str:
    script = write(folder / "c++", f"#!/bin/sh\necho {version}\nexit {exit_code}\n")
    script.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("version", ["10.2.0", "11.2.0", "9"])
def test_an_old_compiler_is_refused_before_it_wastes_time(planned, tmp_path, monkeypatch, version):
    monkeypatch.setenv("PATH", fake_compiler(tmp_path / "bin", version))
    with pytest.raises(LearnerMessage, match=rf"(?s)c\+\+ is {version}.*need 11\.3 or newer.*→ Install a newer one"):
        planned("slots", CPU)
    assert not (tmp_path / "overlays").exists()


@pytest.mark.parametrize("version", ["11.3.0", "12.2.0", "15"])
def test_a_newer_one_is_taken(tmp_path, monkeypatch, version):
    monkeypatch.setenv("PATH", fake_compiler(tmp_path / "bin", version))
    assert tree.check_compiler() == version


def test_the_compiler_that_the_environment_names_is_the_one_that_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", f"{fake_compiler(tmp_path / 'old', '10.2.0')}/c++ -pipe")
    with pytest.raises(LearnerMessage, match="is 10.2.0"):
        tree.check_compiler()


def test_no_compiler_and_a_broken_one_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LearnerMessage, match=r"(?s)no c\+\+.*→ Install it"):
        tree.check_compiler()
    monkeypatch.setenv("PATH", fake_compiler(tmp_path / "bin", "12.2.0", exit_code=1))
    with pytest.raises(LearnerMessage, match=r"does not run"):
        tree.check_compiler()


def test_a_build_folder_that_cannot_be_made_is_a_message(planned, tmp_path):
    write(tmp_path / "overlays", "a file in the way")
    with pytest.raises(LearnerMessage, match="(?s)in the way while preparing the overlay's build folder.*→"):
        planned("slots", CPU)


# Under a running program


@pytest.fixture
def made(planned):
    return planned("slots", CPU)


def test_an_overlay_that_is_not_built_says_so_and_changes_nothing(made):
    before = dict(os.environ)
    with pytest.raises(LearnerMessage, match="(?s)liboverlay_slots_impl.so is not built yet.*→ Run the cells"):
        made.environment()
    with pytest.raises(LearnerMessage, match="not built yet"), made.active():
        pytest.fail("the block must not be entered")
    assert dict(os.environ) == before


@pytest.mark.parametrize("path", ["/mine", "", None])
def test_an_active_overlay_is_in_the_environment_and_leaves_it_as_it_was(made, monkeypatch, path):
    monkeypatch.delenv("PYTHONPATH", raising=False) if path is None else monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.delenv("VLLM_OVERLAY", raising=False)
    before = dict(os.environ)
    made.library.touch()
    with contextlib.suppress(ZeroDivisionError), made.active():
        assert os.environ["VLLM_OVERLAY"] == f"vllm._C={made.library}"
        assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(SITE), *(["/mine"] if path == "/mine" else [])]
        raise ZeroDivisionError
    assert dict(os.environ) == before


# Settings, and stand-ins for GitHub


def test_settings_are_those_of_setup_py(monkeypatch):
    monkeypatch.setenv("CMAKE_ARGS", "-DX=1  -DY=two")
    settings = tree.cmake_settings("RelWithDebInfo", CPU)
    assert settings[:3] == ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DVLLM_TARGET_DEVICE=cpu", f"-DVLLM_PYTHON_EXECUTABLE={sys.executable}"]
    assert settings[-2:] == ["-DX=1", "-DY=two"]
    monkeypatch.delenv("CMAKE_ARGS")
    assert len(tree.cmake_settings("Debug", CPU)) == 3


def test_on_cuda_the_toolkit_of_cuda_home_compiles(monkeypatch, tmp_path):
    write(tmp_path / "bin/nvcc", "#!/bin/sh\n").chmod(0o755)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert f"-DCMAKE_CUDA_COMPILER={tmp_path}/bin/nvcc" in tree.cmake_settings("Debug", CUDA)
    assert not any("nvcc" in setting for setting in tree.cmake_settings("Debug", CPU))


CMAKE = """
FetchContent_Declare(
  newproject
  GIT_REPOSITORY https://github.com/x/new-project.git)
FetchContent_Declare(cutlass GIT_REPOSITORY https://github.com/nvidia/cutlass.git)
if(DEFINED ENV{VLLM_CUTLASS_SRC_DIR})
endif()
if(DEFINED ENV{TRI_KERNELS_SRC_DIR})
endif()
set(LIST "${newproject_SOURCE_DIR}/csrc/deep/a.cu" ${newproject_SOURCE_DIR}/b.cpp ${PROJECT_SOURCE_DIR}/not/this.cu)
set(MARLIN_GEN_SCRIPT
  ${CMAKE_CURRENT_SOURCE_DIR}/csrc/generate.py)
"""
MORE_CMAKE = """
FetchContent_Populate(
  tri-kernels
  SOURCE_DIR x)
FetchContent_Declare(oneDNN GIT_REPOSITORY x)
"""


@pytest.fixture
def fetching(tmp_path, monkeypatch):
    """A tree whose CMake fetches four projects, one of which nobody has heard of."""
    for name in ("VLLM_CUTLASS_SRC_DIR", "TRI_KERNELS_SRC_DIR"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "fetching"
    write(root / "CMakeLists.txt", CMAKE)
    write(root / "cmake/deep/more.cmake", MORE_CMAKE)
    write(root / "csrc/generate.py", "print()\n")
    return root


def test_every_fetched_project_has_a_stand_in_with_the_files_that_cmake_names(fetching, tmp_path):
    said = stand_ins(fetching, tmp_path / "stand-in")
    assert {path.name for path in (tmp_path / "stand-in").iterdir()} == {"newproject", "cutlass", "tri-kernels", "onednn"}
    assert (tmp_path / "stand-in/newproject/csrc/deep/a.cu").is_file() and (tmp_path / "stand-in/newproject/b.cpp").is_file()
    assert not list((tmp_path / "stand-in").rglob("this.cu"))
    assert f'set(FETCHCONTENT_SOURCE_DIR_NEWPROJECT "{tmp_path}/stand-in/newproject" CACHE PATH "")' in said.splitlines()
    assert f'set(ENV{{FETCHCONTENT_SOURCE_DIR_ONEDNN}} "{tmp_path}/stand-in/onednn")' in said.splitlines()
    assert f'set(ENV{{TRI_KERNELS_SRC_DIR}} "{tmp_path}/stand-in/tri-kernels")' in said.splitlines()
    assert "VLLM_CUTLASS_SRC_DIR" not in said  # declared, so FETCHCONTENT_SOURCE_DIR_CUTLASS is enough
    assert "set(MARLIN_GEN_SCRIPT_HASH " in said and len(said.split("MARLIN_GEN_SCRIPT_HASH ")[1].split()[0]) == 32


def test_a_cutlass_that_one_brings_is_used_and_code_is_generated(fetching, tmp_path, monkeypatch):
    brought = tmp_path / "brought"
    brought.mkdir()
    (brought / "CMakeLists.txt").touch()
    monkeypatch.setenv("VLLM_CUTLASS_SRC_DIR", str(brought))
    said = stand_ins(fetching, tmp_path / "stand-in")
    assert "CUTLASS" not in said and not (tmp_path / "stand-in/cutlass").exists()
    assert "_HASH" not in said
    assert "NEWPROJECT" in said

    (brought / "CMakeLists.txt").unlink()  # as the wheel of flashinfer-python has it: what that file would set is missing
    said = stand_ins(fetching, tmp_path / "stand-in").splitlines()
    for name, folder in {
        "CUTLASS_DIR": "",
        "CUTLASS_INCLUDE_DIR": "/include",
        "CUTLASS_TOOLS_UTIL_INCLUDE_DIR": "/tools/util/include",
    }.items():
        assert f'set({name} "{brought}{folder}" CACHE PATH "")' in said


@with_vllm
def test_vllms_own_projects_have_stand_ins(tmp_path, monkeypatch):
    monkeypatch.delenv("VLLM_CUTLASS_SRC_DIR", raising=False)
    said = stand_ins(VLLM, tmp_path)
    for name in ("CUTLASS", "ONEDNN", "FLASHMLA", "QUTLASS"):
        assert f"FETCHCONTENT_SOURCE_DIR_{name} " in said, name


# The linker's word

PROGRAM = "import ctypes, os; ctypes.CDLL(os.environ['FIRST'], mode=ctypes.RTLD_GLOBAL); print(ctypes.CDLL(os.environ['SECOND']).ask())"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two libraries that define the same function; the second calls it."""
    folder = tmp_path_factory.mktemp("pair")
    first = compile_library(folder / "liboverlay_x.so", 'extern "C" int answer() { return 42; }')
    asks = 'extern "C" int answer() { return 1; }\nextern "C" int ask() { return answer(); }'
    return first, compile_library(folder / "_C.abi3.so", asks)


def ask(first, second):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "FIRST": str(first), "SECOND": str(second)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="LD_DEBUG is glibc's")
def test_the_linker_says_whom_it_binds_a_function_to(pair, tmp_path, monkeypatch):
    first, second = pair
    monkeypatch.delenv("LD_DEBUG", raising=False)
    with linker.listening(["answer"], tmp_path) as without:
        assert ask(second, second) == "1"
    with linker.listening(["answer"], tmp_path) as with_it:
        assert ask(first, second) == "42"
    assert without.said == ["binding file _C.abi3.so to _C.abi3.so: normal symbol `answer'"]
    assert with_it.said == ["binding file _C.abi3.so to liboverlay_x.so: normal symbol `answer'"]
    assert provider({"said": with_it.said}, "cpu") == "liboverlay_x.so"
    assert "LD_DEBUG" not in os.environ and "LD_DEBUG_OUTPUT" not in os.environ
    assert list(tmp_path.iterdir()) == []


def test_folders_with_spaces_in_their_names_do_not_confuse_it(pair, tmp_path):
    folder = tmp_path / "my course"
    folder.mkdir()
    second = Path(shutil.copy(pair[1], folder / "_C.abi3.so"))
    with linker.listening(["answer"], tmp_path) as heard:
        ask(second, second)
    assert heard.said == ["binding file _C.abi3.so to _C.abi3.so: normal symbol `answer'"]


def test_a_command_that_fails_leaves_no_notes_and_no_variables(tmp_path):
    with pytest.raises(ZeroDivisionError), linker.listening(["answer"], tmp_path):
        raise ZeroDivisionError
    assert "LD_DEBUG" not in os.environ and list(tmp_path.iterdir()) == []


DISPATCHER = [
    "name: _C::f",
    "CUDA: registered at /build/registration.cpp:3 :: (Tensor a) -> () [ boxed ]",
    "CUDA (inactive): registered at /tmp/vllm/csrc/torch_bindings.cpp:51 :: (Tensor a) -> () [ boxed ]",
    "CPU: fallthrough registered at /pytorch/aten/src/x.cpp:5 [backend fallback]",
]


def test_the_dispatchers_word_is_kept_without_folders():
    said = witness.said({"dispatcher": DISPATCHER})
    assert [line.partition(" ::")[0] for line in said] == [
        "CUDA: registered at registration.cpp:3",
        "CUDA (inactive): registered at torch_bindings.cpp:51",
    ]
    assert provider({"said": said}, "cuda") == "registration.cpp"
    assert provider({"said": said}, "cpu") is None


@pytest.mark.parametrize(
    "said", [None, [], "binding", [None], ["binding file a to b: normal symbol"], ["CUDA (inactive): registered at x.cpp:1 "]]
)
@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_a_witness_that_says_nothing_names_nobody(said, lane):
    assert provider({"said": said}, lane) is None


def test_a_run_is_kept_with_libraries_by_name_and_build_id(pair, capsys):
    first, _ = pair
    run = {
        "prompt": "p",
        "text": "t",
        "token_ids": [1],
        "mapped": [str(first)],
        "dispatcher": DISPATCHER,
        "linker": ["binding file a to b: normal symbol `f'"],
    }
    facts = witness.facts(run)
    assert facts["mapped"] == [["liboverlay_x.so", inspect(first).build_id]]
    assert facts["said"][0].startswith("binding") and len(facts["said"]) == 3
    witness.show_runs({"with": run}, "cuda")
    shown = capsys.readouterr().out
    assert "torch's dispatcher (your witness)" in shown and "ld.so (for comparison)" in shown


# sitecustomize, in a real Python

COUNTS = 'extern "C" int answer() {{ return {}; }}\n'
WHEEL_MODULE = "import ctypes, os, sys\nlibrary = ctypes.CDLL(os.environ['FAKE_WHEEL'])\nprint('module sees', library.ask(), flush=True)\n"
FAKE_TORCH = """
import ctypes
class ops:
    @staticmethod
    def load_library(path):
        ctypes.CDLL(path)
        print('torch loaded', path.rpartition('/')[2], flush=True)
"""


@pytest.fixture
def child(tmp_path, pair):
    """Run a child Python that imports modules of a fake vLLM: `child("vllm._C", overlay)`."""
    fake = tmp_path / "fake"
    write(fake / "vllm/__init__.py", "")
    write(fake / "vllm/_C.py", WHEEL_MODULE)
    write(fake / "vllm/_C_stable_libtorch.py", WHEEL_MODULE)
    write(fake / "torch/__init__.py", FAKE_TORCH)

    def run(module, library, imports):
        environment = {name: value for name, value in os.environ.items() if name not in ("VLLM_OVERLAY", "PYTHONPATH")}
        environment |= {"PYTHONPATH": f"{SITE}{os.pathsep}{fake}", "FAKE_WHEEL": str(pair[1])}
        environment |= {"VLLM_OVERLAY": f"{module}={library}"} if library else {}
        code = f"import {imports}; print('the program went on', flush=True)"
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_on_a_cpu_the_overlay_is_there_before_the_module_and_comes_first(child, pair):
    done = child("vllm._C", pair[0], "vllm._C")
    assert done.stdout.splitlines() == ["module sees 42", "the program went on"]
    assert done.stderr.startswith("overlay liboverlay_x.so is loaded in process ")
    assert done.stderr.count("\n") == 1


def test_on_cuda_torch_loads_the_overlay_after_the_module(child, pair):
    done = child("vllm._C_stable_libtorch", pair[0], "vllm._C_stable_libtorch, vllm._C_stable_libtorch as again")
    assert done.stdout.splitlines() == ["module sees 1", "torch loaded liboverlay_x.so", "the program went on"]
    assert done.stderr.count("is loaded in process") == 1


@pytest.mark.parametrize(("module", "library"), [("vllm._C", None), ("vllm._C_AVX2", "there"), ("vllm._C", "not imported")])
def test_nothing_happens_without_an_overlay_or_before_its_module(child, pair, module, library):
    done = child(module, pair[0] if library else None, "vllm" if library == "not imported" else "vllm._C")
    assert done.returncode == 0 and done.stderr == ""
    assert "the program went on" in done.stdout and "42" not in done.stdout


@pytest.mark.parametrize("module", ["vllm._C", "vllm._C_stable_libtorch"])
@pytest.mark.parametrize("content", [b"no library", None], ids=["damaged", "gone"])
def test_a_library_that_cannot_be_loaded_ends_the_process_in_one_sentence(child, tmp_path, module, content):
    broken = tmp_path / "liboverlay_broken.so"
    if content:
        broken.write_bytes(content)
    done = child(module, broken, module)
    assert done.returncode == 1
    assert done.stderr.startswith("overlay liboverlay_broken.so cannot be loaded: ") and "Build it again" in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert "the program went on" not in done.stdout


def test_the_loaded_library_is_asked_for_once_and_a_failure_is_a_message(monkeypatch, tmp_path):
    locate.loaded_library.cache_clear()
    monkeypatch.setattr(locate, "wheel_folder", lambda _: tmp_path)
    monkeypatch.setattr(locate.sys, "executable", shutil.which("false") or "/bin/false")
    with pytest.raises(LearnerMessage, match="(?s)does not load its compiled library.*→ Run `labkit doctor`"):
        locate.loaded_library(CPU)
    monkeypatch.setattr(locate.sys, "executable", fake_python(tmp_path, "INFO 11-22 some log line", "/site/vllm/_C_AVX2.abi3.so"))
    assert locate.loaded_library(CPU) == Path("/site/vllm/_C_AVX2.abi3.so")
    locate.loaded_library.cache_clear()


def fake_python(folder: Path, *lines: str) -> str:
    script = write(folder / "python", "#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    script.chmod(0o755)
    return str(script)
