"""Overlay libraries that a stranger hands in: what they say of themselves, what gives optimised code away, and what hostile bytes do."""

import platform
import random
import struct
import subprocess
import time
import zlib
from pathlib import Path

import pytest

from labkit import elf
from labkit.elf import lines
from labkit.elf.image import SECTION_HEADER, Image, Unreadable
from labkit.elf.prologue import stores_arguments
from labkit.elf.unpacking import Content
from labkit.evidence import MAX_FILE_BYTES, BadEvidence, read_bounded
from labkit.overlay_elf import has_device_debug, looks_unoptimised, prologue, read_overlay, starts_at, traces_of_optimisation
from tests.labkit.test_inspect_elf import fatbin

SOURCE = """\
#include <cstdio>
#include <vector>
static int sum(const std::vector<int>& v, int by) { int s = 0; for (int x : v) s += x * by; return s; }

long probe(const std::vector<int>& v, long n) { for (int i = 0; i < n; ++i) std::printf("%d", sum(v, i)); return n; }
"""
PROBE = "_Z5probeRKSt6vectorIiSaIiEEl"
VERSIONS = "{ global: _Z5probe*; local: *; };"
X86 = platform.machine() == "x86_64"
on_x86 = pytest.mark.skipif(not X86, reason="machine code is read on x86-64")
SLOW = 5.0  # seconds; a check may use ten


def build(folder: Path, *flags: str, name: str = "probe.so", source: str = SOURCE, file: str = "probe.cpp") -> bytes:
    (folder / file).write_text(source)
    (folder / "probe.map").write_text(VERSIONS)
    script = "-Wl,--version-script=probe.map"
    subprocess.run(["g++", "-shared", "-fPIC", script, "-Wl,--build-id", *flags, file, "-o", name], cwd=folder, check=True)
    return (folder / name).read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("overlays")


@pytest.fixture(scope="module")
def unoptimised(folder):
    return build(folder, "-O0", "-g", "-Wl,-soname,libprobe.so")


@pytest.fixture(scope="module")
def optimised(folder):
    return build(folder, "-O2", "-g", name="optimised.so")


def test_what_an_overlay_says_of_itself(unoptimised, folder):
    facts = read_overlay(unoptimised, "probe.so")
    assert facts.exports == (PROBE,)
    assert (facts.soname, facts.device, facts.has_location_lists) == ("libprobe.so", (), False)
    assert "libc.so.6" in facts.needed
    assert len(facts.build_id) == 40
    (unit,) = facts.units
    assert Path(unit.source).name == "probe.cpp"
    assert (unit.optimisation, unit.traces) == ("-O0", ())
    assert PROBE in unit.functions
    assert facts.unit_of(PROBE) is unit
    assert facts.unit_of("_init") is None
    assert {Path(path).name for path in facts.line_files} >= {"probe.cpp", "stl_vector.h"}
    assert starts_at(unoptimised, PROBE, "probe.so")[1] == 5


@pytest.mark.parametrize("extra", [("-gz=zlib",), ("-gdwarf-4",), ("-fcf-protection", "-fstack-protector-all"), ("-mavx2",)], ids=str)
def test_an_unoptimised_build_leaves_no_trace(folder, extra):
    data = build(folder, "-O0", "-g", *(extra if X86 or extra[0].startswith("-g") else ()))
    assert traces_of_optimisation(read_overlay(data, "x.so"), data, PROBE) == ()


@pytest.mark.parametrize("option", ["-Og", "-O1", "-O2", "-O3", "-Os"])
@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5"])
def test_optimised_builds_have_location_lists(folder, option, dwarf):
    facts = read_overlay(build(folder, option, "-g", dwarf), "x.so")
    assert facts.has_location_lists
    assert facts.units[0].traces == ("location lists", "call sites")
    assert facts.units[0].optimisation == option


def test_an_option_that_lost_does_not_count(folder):
    facts = read_overlay(build(folder, "-g", "-O0", "-O2", "-DO0=-O0"), "x.so")
    assert "-O0" not in facts.units[0].producer.split() or facts.units[0].producer.split().index("-O0") < facts.units[
        0
    ].producer.split().index("-O2")
    assert facts.units[0].optimisation == "-O2"


def forge(data: bytes) -> bytes:
    """Let the compiler's note say -O0."""
    assert b" -O2" in data
    return data.replace(b" -O2", b" -O0")


def test_a_patched_note_is_given_away(optimised):
    forged = forge(optimised)
    facts = read_overlay(forged, "x.so")
    assert facts.units[0].optimisation == "-O0"
    assert traces_of_optimisation(facts, forged, PROBE)[:2] == ("location lists", "call sites")


def test_so_is_one_whose_location_lists_were_removed_too(folder, optimised):
    (folder / "forged.so").write_bytes(forge(optimised))
    subprocess.run(["objcopy", "--remove-section=.debug_loclists", "forged.so", "less.so"], cwd=folder, check=True)
    data = (folder / "less.so").read_bytes()
    facts = read_overlay(data, "x.so")
    assert not facts.has_location_lists
    assert {"location lists", "call sites"} <= set(traces_of_optimisation(facts, data, PROBE))


@on_x86
@pytest.mark.parametrize("frames", ["-fomit-frame-pointer", "-fno-omit-frame-pointer"])
def test_so_is_one_that_never_had_them(folder, frames):
    data = forge(build(folder, "-O2", "-g", "-fno-var-tracking", frames))
    facts = read_overlay(data, "x.so")
    assert (facts.has_location_lists, facts.units[0].traces, facts.units[0].optimisation) == (False, (), "-O0")
    assert "its arguments stay in registers" in traces_of_optimisation(facts, data, PROBE)


@on_x86
def test_the_start_of_a_function(unoptimised, optimised):
    facts = read_overlay(unoptimised, "x.so")
    start = prologue(unoptimised, PROBE, "x.so")
    assert start.startswith((b"\x55\x48\x89\xe5", b"\xf3\x0f\x1e\xfa\x55"))
    assert looks_unoptimised(facts, start) is True
    assert looks_unoptimised(facts, prologue(optimised, PROBE, "x.so")) is False
    assert facts.units[0].framed_share == 1.0
    assert read_overlay(optimised, "x.so").units[0].framed_share < 0.5


@on_x86
@pytest.mark.parametrize(
    "arguments", ["int a", "long a, long b", "bool a", "char a, bool b", "short a", "float a", "double a, int b", "const float& a"]
)
@pytest.mark.parametrize("option", ["-O0", "-O2"])
def test_arguments_of_all_kinds(folder, arguments, option):
    data = build(folder, option, "-g", source=f"float probe({arguments}) {{ return a + 1; }}\n")
    (mangled,) = read_overlay(data, "x.so").exports
    assert stores_arguments(prologue(data, mangled, "x.so")) is (option == "-O0")


@on_x86
def test_a_function_with_vectors_of_32_bytes(folder):
    source = "#include <immintrin.h>\nfloat probe(const float* p) { __m256 a = _mm256_loadu_ps(p); alignas(32) float o[8]; _mm256_store_ps(o, a); return o[3]; }\n"
    data = build(folder, "-O0", "-g", "-mavx2", source=source)
    facts = read_overlay(data, "x.so")
    assert traces_of_optimisation(facts, data, facts.exports[0]) == ()


def test_code_of_another_processor_is_left_alone(unoptimised, optimised):
    arm = bytearray(optimised)
    arm[18:20] = (183).to_bytes(2, "little")
    facts = read_overlay(bytes(arm), "x.so")
    assert facts.machine == "aarch64"
    assert looks_unoptimised(facts, prologue(bytes(arm), PROBE, "x.so")) is None
    assert not any("frame" in trace or "registers" in trace for trace in traces_of_optimisation(facts, bytes(arm), PROBE))


def test_a_function_of_that_name_from_another_source_is_told_apart(folder):
    data = build(
        folder, "-O0", "-g", source="#include <vector>\nlong probe(const std::vector<int>& v, long n) { return n; }\n", file="own.cpp"
    )
    facts = read_overlay(data, "x.so")
    assert facts.exports == (PROBE,)
    assert Path(facts.unit_of(PROBE).source).name == "own.cpp"
    assert not any(path.endswith("probe.cpp") for path in facts.line_files)


def test_without_debug_information(folder, unoptimised):
    (folder / "full.so").write_bytes(unoptimised)
    subprocess.run(["strip", "full.so", "-o", "stripped.so"], cwd=folder, check=True)
    data = (folder / "stripped.so").read_bytes()
    facts = read_overlay(data, "x.so")
    assert (facts.units, facts.line_files, facts.exports) == ((), (), (PROBE,))
    assert traces_of_optimisation(facts, data, PROBE) == ("no debug information of it",)
    assert starts_at(data, PROBE, "x.so") is None


def test_a_function_that_is_not_there_is_a_message(unoptimised):
    with pytest.raises(BadEvidence, match=r"^x\.so: it does not define _Z1fv\. Expected .*\? *$"):
        prologue(unoptimised, "_Z1fv", "x.so")


def test_gpu_code_with_and_without_debug_information(folder, unoptimised, optimised):
    (folder / "gpu.bin").write_bytes(fatbin(unoptimised, 0x13) + fatbin(unoptimised, 0x11) + fatbin(b"\x28\xb5\x2f\xfd" * 9, 0x8013))
    data = build(
        folder,
        "-g",
        source='asm(".section .nv_fatbin,\\"a\\"\\n.align 8\\n.incbin \\"gpu.bin\\"\\n.text");\nint probe(int a) { return a; }\n',
    )
    device = read_overlay(data, "x.so").device
    assert [has_device_debug(code) for code in device] == [True, False, True]
    assert [code.compressed for code in device] == [False, False, True]


BROKEN = {
    "an empty file": b"",
    "text": b"int main() { return 0; }\n" * 100,
    "a head alone": b"\x7fELF\x02\x01",
    "a head and noise": b"\x7fELF\x02\x01" + b"\xff" * 5000,
    "32 bits": b"\x7fELF\x01\x01" + b"\0" * 500,
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_library_is_refused(what):
    with pytest.raises(BadEvidence, match=r"^x\.so: .*\. Expected .*\. Build the overlay again"):
        read_overlay(BROKEN[what], "x.so")


def test_a_program_or_an_object_file_is_no_library(folder):
    (folder / "probe.cpp").write_text(SOURCE)
    subprocess.run(["g++", "-g", "-c", "probe.cpp", "-o", "probe.o"], cwd=folder, check=True)
    with pytest.raises(BadEvidence, match="no shared library"):
        read_overlay((folder / "probe.o").read_bytes(), "x.so")


def survives(data: bytes) -> None:
    """Read hostile bytes: facts or a refusal, and soon."""
    began = time.process_time()
    try:
        facts = read_overlay(data, "x.so")
        for mangled in facts.exports[:2]:
            traces_of_optimisation(facts, data, mangled)
            starts_at(data, mangled, "x.so")
    except BadEvidence as refusal:
        assert str(refusal).startswith("x.so: ")
    assert time.process_time() - began < SLOW


def test_libraries_that_are_cut_off(unoptimised):
    for length in range(0, len(unoptimised), len(unoptimised) // 60):
        survives(unoptimised[:length])


@pytest.mark.parametrize("seed", range(4))
def test_libraries_with_noise_in_them(unoptimised, optimised, seed):
    draw = random.Random(seed)
    for _ in range(40):
        data = bytearray(draw.choice((unoptimised, optimised)))
        for _ in range(draw.choice((1, 10, 200))):
            data[draw.randrange(len(data))] = draw.choice((0, 1, 127, 128, 255, draw.randrange(256)))
        survives(bytes(data))


def header_of(data: bytes, name: str) -> int:
    """Where the section header of `name` lies."""
    table, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    names = Image(data).sections
    order = [table + i * SECTION_HEADER.size for i in range(count)]
    return next(
        at for at in order if (SECTION_HEADER.unpack_from(data, at)[4] == names[name].offset and SECTION_HEADER.unpack_from(data, at)[5])
    )


def replaced(data: bytes, name: str, content: bytes, flags: int = 0, kind: int = 1) -> bytes:
    """Let a section be these bytes, put at the end of the file."""
    at, changed = header_of(data, name), bytearray(data + content)
    fields = list(SECTION_HEADER.unpack_from(data, at))
    fields[1], fields[2], fields[4], fields[5] = kind, flags, len(data), len(content)
    changed[at : at + SECTION_HEADER.size] = SECTION_HEADER.pack(*fields)
    return bytes(changed)


def packed(content: bytes, claimed: int | None = None) -> bytes:
    return struct.pack("<IIQQ", 1, 0, len(content) if claimed is None else claimed, 1) + zlib.compress(content)


def line_program(version: int, tables: bytes, opcodes: bytes = b"") -> bytes:
    after = b"\x01\x01\x01\xfb\x0e\x0d" + b"\x00\x01\x01\x01\x01\x00\x00\x00\x01\x00\x00\x01" + tables
    before = struct.pack("<H", version) + (b"\x08\0" if version == 5 else b"") + struct.pack("<I", len(after))
    return struct.pack("<I", len(before) + len(after) + len(opcodes)) + before + after + opcodes


def attacks(data: bytes) -> dict[str, bytes]:
    abbrev = b"\x01\x11\x01" + b"\x25\x0a" * 40_000 + b"\0\0\0"
    symbols = b"".join(struct.pack("<IBBHQQ", 1, 0x12, 0, 7, i * 16, 1) for i in range(80_000))
    return {
        "a bomb": replaced(data, ".debug_info", packed(bytes(100 * 1024 * 1024)), 0x800),
        "a bomb that claims to be small": replaced(data, ".debug_info", packed(bytes(100 * 1024 * 1024), 1000), 0x800),
        "a small one that claims to be a bomb": replaced(data, ".debug_info", packed(b"", 1 << 62), 0x800),
        "no zlib in it": replaced(data, ".debug_info", struct.pack("<IIQQ", 1, 0, 9, 1) + b"noise", 0x800),
        "another compression": replaced(data, ".debug_info", struct.pack("<IIQQ", 2, 0, 9, 1) + b"noise", 0x800),
        "a text of 20 MB": replaced(data, ".debug_str", packed(b"x" * 20 * 1024 * 1024), 0x800),
        "units of no length": replaced(data, ".debug_info", bytes(2_000_000)),
        "units without end": replaced(data, ".debug_info", (b"\x08\0\0\0\x04\0\0\0\0\0\x08\x01" * 20_000)),
        "a head of 40,000 attributes": replaced(data, ".debug_abbrev", abbrev),
        "1 MB of declarations": replaced(data, ".debug_abbrev", b"\x01\x11\x00\x00\x00" * 200_000),
        "declarations without end": replaced(data, ".debug_abbrev", b"\xff" * 30_000),
        "ranges of no length": replaced(data, ".debug_aranges", bytes(1_000_000)),
        "20 MB of ranges": replaced(data, ".debug_aranges", packed(b"\x01" * 20 * 1024 * 1024), 0x800),
        "4 MB of line opcodes": replaced(data, ".debug_line", line_program(4, b"\0a.cpp\0\0\0\0\0", b"\x03\x80\x7f" * 1_390_000)),
        "80,000 symbols": replaced(data, ".dynsym", symbols, 2, 11),
        "one name of 3 MB for all": replaced(replaced(data, ".dynsym", symbols, 2, 11), ".dynstr", b"x" * 3_000_000, 2, 3),
        "a hash table of 2^32 buckets": replaced(data, ".gnu.hash", struct.pack("<IIII", 0xFFFFFFFF, 1, 0xFFFFFFFF, 0), 2, 0x6FFFFFF6),
        "65,535 sections": data[:60] + b"\xff\xff" + data[62:] + bytes(65_535 * 64),
        "40,000 sections of code for 80,000 functions": with_code_sections(replaced(data, ".dynsym", symbols, 2, 11), 40_000),
        "10^6 sections": data[:60] + b"\0\0" + data[62:],
        "GPU code that contains itself": replaced(data, ".comment", fatbin(b"\x50\xed\x55\xba" * 200_000, 0x13)),
    }


def with_code_sections(data: bytes, count: int) -> bytes:
    """Put `count` small sections of code behind the real ones."""
    table, real = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    code = b"".join(SECTION_HEADER.pack(0, 1, 6, i * 16, 64, 1, 0, 0, 1, 0) for i in range(count))
    headers = data[table : table + real * SECTION_HEADER.size] + code
    return data[:40] + struct.pack("<Q", len(data)) + data[48:60] + struct.pack("<H", real + count) + data[62:] + headers


@pytest.fixture(scope="module")
def hostile(unoptimised):
    return attacks(unoptimised)


def data_of(data: bytes, name: str) -> bytes:
    return Image(data).content(name)


@pytest.mark.timeout(120)
def test_hostile_libraries_are_read_or_refused_in_bounded_time(hostile):
    for data in hostile.values():
        survives(data)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("a bomb", "unpack to"), ("a text of 20 MB", "without an end"), ("units of no length", "it cannot be read|compile unit"),
        ("1 MB of declarations", "of .debug_abbrev, more than"), ("another compression", "not with zlib"), ("no zlib in it", "does not unpack"),
        ("20 MB of ranges", "of .debug_aranges"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_seen(hostile, what, words):
    with pytest.raises(BadEvidence, match=rf"^x\.so: .*({words}).*Expected a library as the linker wrote it\."):
        read_overlay(hostile[what], "x.so")


def test_a_file_of_a_gigabyte_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "x.so").open("wb") as stream:
        stream.truncate(1024**3)
    with pytest.raises(BadEvidence, match="1,073,741,824 bytes"):
        read_bounded(tmp_path, "x.so", MAX_FILE_BYTES)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (b"\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "names"),  # 2^63 folders of no bytes each
        (b"\x01\x01\x19\xff\xff\xff\xff\x0f", "names"),
        (b"\x01\x01\x19\x05", "form that the course does not read"),
        (b"\x01\x01\x08\x05abc", "cut off"),
        (b"\x01\x01\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", "without an end"),
    ],
)
def test_hostile_line_tables_are_refused(tables, words):
    with pytest.raises(Unreadable, match=words):
        lines.line_table(line_program(5, tables), 0, lines.Texts(b"", Content(".debug_str", b"")))


def test_line_tables_of_version_4_are_read():
    table = lines.line_table(line_program(4, b"src\0\0a.cpp\0\x01\0\0b.h\0\0\0\0\0"), 0, lines.Texts(b"", Content(".debug_str", b"")))
    assert table.files == ("", "src/a.cpp", "b.h")


def test_lesson_01_reads_hostile_bytes_in_bounded_time_too(folder):
    data = build(folder, "-g", source='extern "C" long probe(long a) { return a; }\n')
    (unit,) = elf.units(data, "x.so")
    assert (unit.functions, unit.optimisation) == (("probe",), "-O0")
    assert elf.code(data, "x.so") == data_of(data, ".text")
    for hostile_bytes in attacks(data).values():
        began = time.process_time()
        for read in (elf.units, elf.code):
            try:
                read(hostile_bytes, "x.so")
            except BadEvidence as refusal:
                assert str(refusal).startswith("x.so: ")
        assert time.process_time() - began < SLOW
