"""What lesson 02's workshop does to a learner's file, and what it says that it asks."""

from types import SimpleNamespace

import pytest

from labkit.build import workshop
from labkit.build.find import body_of, names_at, with_statements
from labkit.build.locate import Site
from labkit.build.workshop import Workshop
from labkit.lane import Lane


@pytest.mark.parametrize(
    ("head", "made"),
    [
        ("void f(int a) {\n  a();\n}\n", "void f(int a) {\nmine;\n  a();\n}\n"),
        ("void f(int a) {  // of a\n  a();\n}\n", "void f(int a) {  // of a\nmine;\n  a();\n}\n"),
        ("void f(int a) { /* of a */ \n}\n", "void f(int a) { /* of a */ \nmine;\n}\n"),
        ("void f(int a) { a(); }\n", "void f(int a) {\nmine;\n a(); }\n"),
        ("void f(int a) { /* of\n a */ a();\n}\n", "void f(int a) {\nmine;\n /* of\n a */ a();\n}\n"),
        ("void f(int a) {  // goes \\\n on\n}\n", "void f(int a) {\nmine;\n  // goes \\\n on\n}\n"),
    ],
    ids=["a line's end", "a comment", "a C comment", "code", "a comment of two lines", "a comment that goes on"],
)
def test_statements_leave_a_comment_behind_the_brace_where_it_is(head, made):
    start = body_of(head, names_at(head, "f")[0])
    assert start is not None
    assert with_statements(head, start, "\nmine;\n") == made


@pytest.mark.parametrize(("lane", "asks"), [("cpu", True), ("cuda", False)])
def test_only_a_lane_that_asks_vllm_says_so(lane, asks, tmp_path, monkeypatch, capsys):
    site = Site("f", "csrc/f.cu", 7, "_C", tmp_path / "_C.abi3.so")
    monkeypatch.setattr(workshop, "wheel_folder", lambda _: tmp_path)
    monkeypatch.setattr(workshop, "locate", lambda *_: site)
    made = Workshop.__new__(Workshop)
    made.tree = tmp_path
    made.lab = SimpleNamespace(lane=Lane(lane, (), "float16"), record=lambda *_, **__: None)

    made.libraries("f")

    assert ("ten seconds" in capsys.readouterr().out) == asks
