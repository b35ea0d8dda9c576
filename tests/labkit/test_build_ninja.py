"""What ninja leaves is read as it is: rebuilt targets, several runs, damaged lines, graphs with nameless nodes."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.build import ninja, timeline
from labkit.build.ninja import Edge, Progress
from labkit.messages import LearnerMessage
from labkit.system import System

AT = 1_795_379_000  # a Unix time: when the first run of LOG began
LOG = f"""# ninja log v7
3\t10199\t{AT}003000000\tCMakeFiles/_C.dir/csrc/cpu/utils.cpp.o\t5c1f208b52794534
10200\t11334\t{AT}010200000\tlib_C.so\t51809a34886efcb1
broken line
5\t4\t{AT}000000000\tends-before-it-starts.o\tabc
0\t99999999999\t{AT}000000000\tlasts-for-years.o\tabc
7\t\t{AT}000000000\tno-end.o\tabc
2\t500\t{AT + 100}002000000\tCMakeFiles/_C.dir/csrc/cpu/utils.cpp.o\t5c1f208b52794534
1\t300\t{AT + 100}001000000\tgenerated.h\tbeef
1\t300\t{AT + 100}001000000\tgenerated.cpp\tbeef
"""
GRAPH = """digraph ninja {
"0x1" [label="lib_C.so"]
"0x9" [label="LINKER", shape=ellipse]
"0x9" -> "0x1"
"0x2" -> "0x9" [arrowhead=none]
"0x3" -> "0x9" [arrowhead=none]
"0x2" [label="a.o"]
"0x4" -> "0x2" [label=" CXX"]
"0x3" [label="b.o"]
"0x8" [label="CXX", shape=ellipse]
"0x8" -> "0x3"
"0x5" -> "0x8" [arrowhead=none]
"0x6" -> "0x8" [arrowhead=none style=dotted]
"0x4" [label="a.cpp"]
"0x5" [label="b.cpp"]
"0x6" [label="order"]
"0x7" -> "0x6" [label=" phony"]
"0x7" [label="made.h"]
}
"""


def test_the_last_entry_of_an_output_counts_and_damaged_lines_are_skipped():
    assert [(e.output, e.seconds) for e in ninja.parse_log(LOG)] == [
        ("generated.h", pytest.approx(0.299)),
        ("CMakeFiles/_C.dir/csrc/cpu/utils.cpp.o", pytest.approx(0.498)),
        ("lib_C.so", pytest.approx(1.134)),
    ]


def test_only_the_newest_run_can_be_asked_for():
    assert [e.output for e in ninja.parse_log(LOG, since=AT + 100)] == ["generated.h", "CMakeFiles/_C.dir/csrc/cpu/utils.cpp.o"]


def test_an_older_version_of_the_log_without_hashes_gives_nothing():
    assert ninja.parse_log("# ninja log v3\n1\t2\t3\tout\n") == []


CELLS = st.one_of(st.integers(-5, 10**22).map(str), st.text(max_size=4), st.sampled_from(["a.o", "²", "0x1", ""]))


@given(st.one_of(st.text(), st.lists(st.lists(CELLS, max_size=6).map("\t".join), max_size=8).map("\n".join)), st.none() | st.floats())
def test_hostile_logs_give_only_sane_edges(text, since):
    edges = ninja.parse_log(text, since)
    assert all(0 <= e.start_s <= e.end_s <= ninja.MAX_MS / 1000 and e.output for e in edges)
    assert len({e.output for e in edges}) == len(edges)
    assert all(jobs >= 0 for _, jobs in ninja.running(edges))


def test_a_folder_without_a_log_is_said_to_have_none(tmp_path):
    with pytest.raises(LearnerMessage, match="(?s)built nothing.*→ Run the build"):
        ninja.read_log(tmp_path)


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("CMakeFiles/_C.dir/csrc/cpu/sgl-kernels/fla.cpp.o", "fla.cpp (_C)"),
        ("/build/csrc/flash/CMakeFiles/_vllm_fa2_C.dir/a.cu.o", "a.cu (_vllm_fa2_C)"),
        ("_C.abi3.so", "_C.abi3.so"),
        ("some/where/header.h", "header.h"),
    ],
)
def test_outputs_have_short_names(output, name):
    assert ninja.short_name(output) == name


def test_an_object_file_names_its_target_and_source():
    assert ninja.split_object("CMakeFiles/_C.dir/csrc/cpu/utils.cpp.o") == ("_C", "csrc/cpu/utils.cpp")
    assert ninja.split_object("lib.dir/x.o") is None


def test_jobs_over_time_and_the_slowest():
    edges = [Edge("a", 0, 4), Edge("b", 1, 2), Edge("c", 2, 9)]
    assert ninja.running(edges) == [(0, 1), (1, 2), (2, 2), (4, 1), (9, 0)]
    assert [e.output for e in ninja.slowest(edges, 2)] == ["c", "a"]
    assert ninja.wall_seconds(edges) == 9


def test_the_critical_path_goes_through_rules_and_order_only_nodes():
    needs = ninja.parse_graph(GRAPH)
    edges = [Edge("a.o", 0, 5), Edge("made.h", 0, 3), Edge("b.o", 3, 6.5), Edge("lib_C.so", 6.5, 7.5)]
    path = ninja.critical_path(edges, needs)
    assert [e.output for e in path] == ["made.h", "b.o", "lib_C.so"]
    assert sum(e.seconds for e in path) == 7.5  # longer than a.o with the link, which is 6


def test_a_critical_path_of_nothing_is_empty_and_a_cycle_is_a_message():
    assert ninja.critical_path([], {}) == []
    with pytest.raises(LearnerMessage, match="cycle"):
        ninja.critical_path([], {"a": ["b"], "b": ["a"]})


@given(st.text(alphabet='"0x1f ->[label=]a,shpelins\n'))
def test_hostile_graphs_are_read_as_far_as_they_go(dot):
    assert all(isinstance(needed, list) for needed in ninja.parse_graph(dot).values())


@pytest.mark.skipif(not System().which("ninja"), reason="needs ninja")
def test_the_graph_comes_from_ninja_itself(tmp_path: Path):
    rules = "rule cc\n command = touch $out\nbuild a.o: cc a.c || gen.h\nbuild gen.h: cc\nbuild lib.so: cc a.o b.c\n"
    (tmp_path / "build.ninja").write_text(rules)
    needs = ninja.dependencies(tmp_path, "lib.so")
    edges = [Edge("gen.h", 0, 1), Edge("a.o", 1, 3), Edge("lib.so", 3, 4)]
    assert [e.output for e in ninja.critical_path(edges, needs)] == ["gen.h", "a.o", "lib.so"]
    with pytest.raises(LearnerMessage, match="nosuch"):
        ninja.dependencies(tmp_path, "nosuch")


def test_progress_is_the_last_status_line():
    said = "[0/1] Re-running CMake...\n-- Configuring done\n[1/39] Building CXX object a.o\nnote: [7/2] x\n[12/39] Linking\n[5/3] odd\n"
    assert ninja.progress(said) == Progress(12, 39)
    assert ninja.progress("-- Build type: Debug\n[12/39]x") is None


@given(st.text())
def test_progress_of_any_text_makes_sense(text):
    found = ninja.progress("[3/9] a\n" + text)
    assert found is not None and 0 <= found.finished <= found.total > 0


def test_a_forecast_decides_at_first_and_what_was_measured_later():
    assert ninja.remaining_seconds(Progress(0, 40), 10, jobs=2) is None
    assert ninja.remaining_seconds(Progress(0, 40), 10, jobs=2, expected_s=400) == 390
    early = ninja.remaining_seconds(Progress(1, 40), 40, jobs=2, expected_s=400)
    late = ninja.remaining_seconds(Progress(38, 40), 800, jobs=2, expected_s=400)
    assert early is not None and 360 < early < 480  # the first unit alone would say 760
    assert late is not None and 0 <= late < 40
    assert ninja.remaining_seconds(Progress(40, 40), 800, jobs=2) == 0


def test_running_edges_count_so_that_many_jobs_do_not_look_slow():
    remaining = ninja.remaining_seconds(Progress(1, 64), 30, jobs=16)
    assert remaining is not None and remaining < 240  # 30 s for one of 64 would make 1,890


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), min_size=1, max_size=40))
def test_commands_of_a_lane_never_overlap_and_there_are_as_many_lanes_as_jobs(pairs):
    edges = [Edge(f"{i}.o", start, start + length) for i, (start, length) in enumerate(pairs)]
    slots = timeline.lanes(edges)
    for slot in set(slots):
        mine = sorted((e.start_s, e.end_s) for e, s in zip(edges, slots, strict=True) if s == slot)
        assert all(before[1] <= after[0] for before, after in pairwise(mine))
    if all(length for _, length in pairs):
        assert max(slots) + 1 == max(jobs for _, jobs in ninja.running(edges))


def test_a_timeline_says_in_words_and_in_a_table_what_it_draws(capsys):
    timeline.plot_timeline([Edge("CMakeFiles/_C.dir/a.cpp.o", 0, 6), Edge("CMakeFiles/_C.dir/b.cpp.o", 0, 2), Edge("_C.so", 6, 8)])
    said = capsys.readouterr().out
    assert "3 commands in 8.0 s on up to 2 job slots" in said
    assert "longest command is a.cpp (_C) with 6.0 s" in said
    assert "75%" in said


def test_a_timeline_has_a_bar_for_each_command_and_hatches_what_is_no_compilation():
    axes = timeline.timeline([Edge("CMakeFiles/_C.dir/a.cpp.o", 2, 6), Edge("_C.so", 6, 8)]).axes[0]
    bars = [(bar.get_x(), bar.get_width(), bool(bar.get_hatch())) for bar in axes.patches]
    assert bars == [(0, 4, False), (4, 2, True)]


def test_an_empty_build_has_no_timeline(capsys):
    timeline.plot_timeline([])
    assert "Nothing was built" in capsys.readouterr().out
