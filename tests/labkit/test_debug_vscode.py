"""VS Code's files: what is written, what is found wrong with a launch.json, and the debugpy configurations driven over DAP as VS Code does it."""

import ast
import contextlib
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.checks.debuggers_vscode import vscode as hidden_vscode
from grading.submission import Submission
from labkit import pins
from labkit.checks.debuggers_vscode import vscode as visible_vscode
from labkit.checks.launch_json import ALLOWED, KINDS, MAX_CHARACTERS, MAX_PROBLEMS, as_json, configurations, problems, reaches_engine
from labkit.debug import vscode
from labkit.debug.course_gdb import write_course_gdb
from labkit.debug.sources import compiled_from
from labkit.debug.vscode import Setup, write_configuration
from labkit.evidence import Evidence
from labkit.learner import token_of, word
from labkit.messages import LearnerMessage
from labkit.paths import cache
from labkit.rows import evaluate
from labkit.runner import end_group

TREE = cache() / "src" / f"vllm-{pins.VLLM}"
SETUP = Setup(
    lane="cpu", python=sys.executable, tree=TREE, package=Path("/venv/vllm"), init=Path("/lesson/course.gdb"), script="a b/ten.py", word="heron", arguments=[Path("model")],
    rebuild=["ninja", "-C", "build", "overlay"], environment={"VLLM_OVERLAY": "vllm._C=/overlay.so", "PYTHONPATH": "/site"},
)  # fmt: skip
ON_CUDA = replace(SETUP, lane="cuda", cuda_gdb="/opt/cuda/bin/cuda-gdb")
SEED = r"""
{
    "version": "0.2.0",
    "configurations": [
        {
            "name": "Python: Current File",
            "type": "python",
            "request": "launch",
            "program": "${file}",
            "console": "integratedTerminal",
            "justMyCode": false,  // ← Debug into vLLM code
            "env": {
                "CUDA_LAUNCH_BLOCKING": "1"  // ← Synchronous CUDA for debugging
            }
        },
        {
            "name": "C++: Attach to Python",
            "type": "cppdbg",
            "request": "attach",
            "processId": "${command:pickProcess}",
            "MIMode": "gdb"
        },
        {
            "name": "CUDA: Debug Kernels",
            "type": "cuda-gdb",
            "request": "launch",
            "program": "/usr/bin/python",
            "args": ["${file}"],
            "cwd": "${workspaceFolder}",
            "environment": [
                {"name": "CUDA_LAUNCH_BLOCKING", "value": "1"}
            ]
        }
    ]
}
"""
MENDS = [
    ('"Python: Current File"', f'"Python: {word(token_of("ada"), "configuration")}"'),
    ('"type": "python"', '"type": "debugpy", "subProcess": true'),
    ('"MIMode": "gdb"', '"MIMode": "gdb", "program": "${command:python.interpreterPath}"'),
    ('"/usr/bin/python"', '"${command:python.interpreterPath}"'),
    ('"value": "1"}', '"value": "1"}, {"name": "VLLM_ENABLE_V1_MULTIPROCESSING", "value": "0"}'),
]


def mended(*, leave=None, **changes):
    """The seed's file, mended but for one thing."""
    text = SEED
    for wrong, right in MENDS:
        text = text if wrong == leave else text.replace(wrong, right)
    for wrong, right in changes.items():
        text = text.replace(wrong, right)
    return text


# What is written


@pytest.mark.parametrize("setup", [SETUP, ON_CUDA], ids=["cpu", "cuda"])
def test_the_generated_files_have_nothing_wrong_with_them(tmp_path, setup):
    launch, tasks, extensions = write_configuration(tmp_path, setup)
    assert [path.relative_to(tmp_path).as_posix() for path in (launch, tasks, extensions)] == [
        ".vscode/launch.json", ".vscode/tasks.json", ".vscode/extensions.json",
    ]  # fmt: skip
    assert problems(launch.read_text()) == []
    wanted = Counter({("debugpy", "launch"): 2, ("debugpy", "attach"): 1, ("cppdbg", "launch"): 1, ("cppdbg", "attach"): 1})
    wanted += Counter({("cuda-gdb", "launch"): 1} if setup.lane == "cuda" else {})
    assert Counter((one["type"], one["request"]) for one in configurations(launch.read_text())) == wanted
    labels = {task["label"] for task in json.loads(tasks.read_text())["tasks"]}
    assert {one["preLaunchTask"] for one in configurations(launch.read_text()) if "preLaunchTask" in one} <= labels
    nsight = "NVIDIA.nsight-vscode-edition" in json.loads(extensions.read_text())["recommendations"]
    assert nsight == (setup.lane == "cuda")


def test_the_configurations_say_what_this_machine_needs():
    one, child, attach, gdb, attach_gdb = vscode.launch(SETUP)["configurations"]
    assert (one["env"]["VLLM_ENABLE_V1_MULTIPROCESSING"], "subProcess" in one) == ("0", False)
    assert (child["env"]["VLLM_ENABLE_V1_MULTIPROCESSING"], child["subProcess"]) == ("1", True)
    assert all(python["justMyCode"] is False for python in (one, child, attach))
    assert "heron" in one["name"]
    assert one["pathMappings"] == [{"localRoot": str(TREE / "vllm"), "remoteRoot": "/venv/vllm"}]
    assert attach["connect"] == {"host": "127.0.0.1", "port": 5678}
    assert gdb["program"] == sys.executable == attach_gdb["program"]
    assert gdb["args"] == ["${workspaceFolder}/a b/ten.py", "model"]
    assert gdb["cwd"] == one["cwd"] == "${workspaceFolder}/a b"
    assert gdb["sourceFileMap"] == {f"/vllm-{pins.VLLM}": str(TREE), "/tmp/vllm": str(TREE)}
    variables = {pair["name"]: pair["value"] for pair in gdb["environment"]}
    assert variables.items() >= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", **SETUP.environment}.items()
    assert attach_gdb["processId"] == "${command:pickProcess}"
    kernels = vscode.launch(ON_CUDA)["configurations"][-1]
    assert kernels["debuggerPath"] == "/opt/cuda/bin/cuda-gdb"
    assert kernels["initCommands"] == ["source /lesson/course.gdb"]


def test_no_secret_and_no_shell_gets_into_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_averysecretthing")
    monkeypatch.setenv("VLLM_API_KEY", "sk-another")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "3")
    text = "".join(path.read_text() for path in write_configuration(tmp_path, ON_CUDA))
    assert "averysecret" not in text and "sk-another" not in text
    assert '"VLLM_CPU_KVCACHE_SPACE": "3"' in text
    assert {task["type"] for task in vscode.tasks(SETUP)["tasks"]} == {"process"}


def test_a_changed_file_is_kept_and_an_unchanged_one_is_not(tmp_path, capsys):
    launch, *_ = write_configuration(tmp_path, SETUP)
    write_configuration(tmp_path, SETUP)
    assert sorted(path.name for path in launch.parent.iterdir()) == ["extensions.json", "launch.json", "tasks.json"]
    for mine in (b'{"mine": 1}', b'{"mine": 1}', b"\xff\xfe of another kind"):
        launch.write_bytes(mine)
        write_configuration(tmp_path, SETUP)
    assert problems(launch.read_text()) == []
    assert launch.with_name("launch.json.yours").read_bytes() == b'{"mine": 1}'
    assert launch.with_name("launch.json.yours1").read_bytes() == b"\xff\xfe of another kind"
    assert "Your launch.json is kept as launch.json.yours." in capsys.readouterr().out


def test_problems_are_shown_as_a_table_and_their_absence_in_words(capsys):
    vscode.show_problems(SEED)
    vscode.show_problems("{")
    vscode.show_problems(mended())
    vscode.show_problems({"configurations": []})
    said = capsys.readouterr().out
    assert "4 wrong" in said and "C++: Attach to Python" in said and "the file" in said and "nothing is wrong with it" in said
    assert "a Python object, not text" in said and "Keep the quotes" in said


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / ".vscode").write_text("in the way")
    with pytest.raises(LearnerMessage, match="in the way while writing .vscode"):
        write_configuration(tmp_path, SETUP)


@pytest.mark.skipif(shutil.which("gdb") is None, reason="no gdb here")
def test_gdb_takes_each_command_that_is_written_for_it(tmp_path):
    (folder := tmp_path / "a bü").mkdir()
    setup = replace(ON_CUDA, init=folder / "course.gdb")
    write_course_gdb(setup.init, compiled_from(TREE))
    *_, gdb, _, cuda = vscode.launch(setup)["configurations"]
    commands = [*(command["text"] for command in gdb["setupCommands"]), f"-file-exec-and-symbols {gdb['program']}"]
    for asked in (commands, cuda["initCommands"]):  # the order in which the extensions send them
        said = in_gdb(*asked, "show substitute-path", "show breakpoint pending", "info skip")
        assert said.count("^done") == len(asked) + 3 and "^error" not in said, said
        assert f"`/vllm-{pins.VLLM}' -> `{TREE}'" in said and "pending breakpoints is on" in said and "/usr/include/c++" in said


def in_gdb(*commands):
    """What gdb answers to a front end such as VS Code's."""
    return subprocess.run(
        ["gdb", "-nx", "--interpreter=mi3"], input="\n".join([*commands, "-gdb-exit"]), capture_output=True, text=True, timeout=60
    ).stdout


# What is wrong with a launch.json


@pytest.mark.parametrize(
    "text, value",
    [
        ('{"a": 1} // the end', {"a": 1}),
        ('{"a": "http://x/*y*/", /* b\n */ "c": [1, 2,],}', {"a": "http://x/*y*/", "c": [1, 2]}),
        (r'{"a": "\"//", "b": "\\"} // "', {"a": '"//', "b": "\\"}),
        ('{"a": ",]", "b": [",}" , // last\n /* one */ ]}', {"a": ",]", "b": [",}"]}),
        ("[1,\n2,\n\n]", [1, 2]),
    ],
)
def test_json_with_comments_is_read_as_vs_code_reads_it(text, value):
    assert json.loads(as_json(text)) == value
    assert len(as_json(text)) == len(text) and as_json(text).count("\n") == text.count("\n")


def test_the_seeds_file_is_wrong_in_each_configuration_and_mended_it_is_not():
    assert [(found.configuration, found.what) for found in problems(SEED)] == [
        ("Python: Current File", 'the type "python" is deprecated, and forwarded to debugpy'),
        ("C++: Attach to Python", "program is missing"),
        ("CUDA: Debug Kernels", 'program: "/usr/bin/python"'),
        ("CUDA: Debug Kernels", "nothing takes the debugger to vLLM's engine, which is a child process"),
    ]
    assert problems(mended()) == []


def test_one_of_the_seeds_configurations_stops_in_the_engine():
    """The lesson's prediction: the first is forwarded, gdb has no program, and cuda-gdb starts a Python without vLLM."""
    found = configurations(SEED)
    assert [one["name"] for one in found if reaches_engine(one) and ("program" in one)] == ["Python: Current File"]
    assert not reaches_engine(found[0] | {"subProcess": False})


def test_debugpy_follows_children_and_is_asked_for_the_word_all_the_same():
    unsaid = {key: value for key, value in GOOD.items() if key != "subProcess"}
    assert reaches_engine(unsaid)
    (found,) = problems(json.dumps({"configurations": [unsaid]}))
    assert found.what == "not a word on subProcess" and 'Write it down: "subProcess": true' in found.next_step


GOOD = {"name": "x", "type": "debugpy", "request": "launch", "program": "${file}", "subProcess": True}
GDB = {"name": "x", "type": "cppdbg", "request": "attach", "program": "python3"}
WRONG = {  # what is wrong: a configuration, words of the problem, words of the next step
    "no type": ({"name": "x"}, "type is missing", "cppdbg, cuda-gdb, debugpy"),
    "an unknown type": (GOOD | {"type": "lldb"}, '"lldb"', "cppdbg, cuda-gdb, debugpy"),
    "a type that is a list": (GOOD | {"type": []}, "type: []", "extensions know"),
    "no request": ({k: v for k, v in GOOD.items() if k != "request"}, "request is missing", "attach"),
    "an unknown request": (GOOD | {"request": "run"}, 'request: "run"', "attach"),
    "no name": ({k: v for k, v in GOOD.items() if k != "name"}, "name is missing", "schema"),
    "nothing to run": ({k: v for k, v in GOOD.items() if k != "program"}, "none of program, module", "exactly one"),
    "two things to run": (GOOD | {"module": "vllm"}, "program and module of program, module", "exactly one"),
    "nobody to attach to": ({"name": "x", "type": "debugpy", "request": "attach"}, "none of connect, listen, processId", "exactly one"),
    "gdb's word for the environment": (GOOD | {"environment": []}, 'no key "environment"', "Did you mean env?"),
    "debugpy's word for the environment": (GDB | {"request": "launch", "env": {}}, 'no key "env"', "Did you mean environment?"),
    "debugpy's word for the entry": (GDB | {"request": "launch", "stopOnEntry": True}, 'no key "stopOnEntry"', "stopAtEntry"),
    "a key that nobody has": (GOOD | {"§": 1}, 'no key "§"', "take it out"),
    "justMyCode as text": (GOOD | {"justMyCode": "false"}, 'justMyCode: "false"', "true or false"),
    "a flag as a number": (GOOD | {"subProcess": 1}, "subProcess: 1", "true or false"),
    "an unknown console": (GOOD | {"console": "terminal"}, 'console: "terminal"', "integratedTerminal"),
    "an unknown debugger": (GDB | {"MIMode": "cuda-gdb"}, 'MIMode: "cuda-gdb"', "gdb, lldb"),
    "an unknown answer to API errors": (GDB | {"type": "cuda-gdb", "onAPIError": "all"}, 'onAPIError: "all"', "hide, ignore, stop"),
    "a number as a variable": (GOOD | {"env": {"VLLM_ENABLE_V1_MULTIPROCESSING": 0}}, "is set to 0", "with quotes"),
    "a variable without a value": (GDB | {"request": "launch", "environment": [{"name": "A"}]}, "nothing takes the debugger", "=0 as a variable"),
    "a shim": (GDB | {"program": "/home/ada/.pyenv/shims/python3"}, "shims/python3", "shell script"),
    "the system's Python": (GDB | {"program": "/usr/bin/python3.11"}, "/usr/bin/python3.11", "interpreterPath"),
    "the system's Python for debugpy": (GOOD | {"python": "/usr/bin/python"}, "/usr/bin/python", "interpreterPath"),
    "an engine that nobody follows": (GOOD | {"subProcess": False}, "nothing takes the debugger", '"subProcess": true, or'),
    "gdb does not follow children": (GDB | {"request": "launch", "subProcess": True}, 'no key "subProcess"', "take it out"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_named_with_the_next_step(mistake):
    configuration, what, next_step = WRONG[mistake]
    found = problems(json.dumps({"configurations": [configuration]}))
    assert any(what in one.what and next_step in one.next_step for one in found), found


@pytest.mark.parametrize("right", [
    GOOD, GDB, GDB | {"processId": 4711, "sourceFileMap": {"/a": "/b"}},
    GOOD | {"env": {"CUDA_LAUNCH_BLOCKING": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "HF_TOKEN": None}},
    GOOD | {"preLaunchTask": "build", "presentation": {"order": 1}, "linux": {}},
    {"name": "x", "type": "debugpy", "request": "attach", "processId": "${command:pickProcess}"},
    {"name": "x", "type": "cuda-gdb", "request": "attach"},
])  # fmt: skip
def test_what_is_right_is_left_alone(right):
    assert problems(json.dumps({"configurations": [right]})) == []


@pytest.mark.parametrize(
    "text, what",
    [
        ("", "not valid JSON"), ("[]", "no list"), ("null", "no list"), ('{"configurations": []}', "no list"), ('{"configurations": [1]}', "no list"),
        ('{"configurations": {"a": 1}}', "no list"), ('{\n  "a": 1\n  "b": 2\n}', "line 3 column 3"), ('{"a": 1, "a": 2}', "appears twice"),
        ('{"a": NaN}', "not a number"), ("[" * 5000, "not valid JSON"), (json.dumps({"configurations": [GOOD] * 21}), "21 configurations"),
        (" " * (MAX_CHARACTERS + 1), "65,537 characters"), ("\ud800", "not valid JSON"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_problem(text, what):
    (found,) = problems(text)
    assert what in found.what and found.configuration == ""


def test_hostile_texts_take_no_time_and_no_space():
    many = {f"key{number}": number for number in range(3500)}
    texts = [
        part * (MAX_CHARACTERS // len(part)) for part in ("/*", "*/", "//", '"', '"\\', "\\", ",", ", ", "[", "{", "/*\n", '",', "[,]")
    ]
    began = time.process_time()
    for text in [*texts, json.dumps({"configurations": [GOOD | many]}), json.dumps({"configurations": [{"type": "x" * 60_000}]})]:
        assert len(text) <= MAX_CHARACTERS
        found = problems(text)
        assert len(found) <= MAX_PROBLEMS
        assert all(len(one.what) < 300 for one in found)
    assert time.process_time() - began < 5


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6
)
WORDS = sorted({key for kind in KINDS.values() for key in kind.keys} | {"name", "type", "request", "env", "environment"})
KNOWN = st.sampled_from(
    ["debugpy", "cppdbg", "cuda-gdb", "launch", "attach", "python", *(value for values in ALLOWED.values() for value in values)]
)
CONFIGURATIONS = st.lists(st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), KNOWN | VALUES, max_size=8), max_size=4)


@given(st.text() | st.text('{}[],:"/*\\\n cf1'))
@settings(deadline=None)
def test_no_text_whatever_breaks_the_reader(text):
    assert all(one.what and one.next_step for one in problems(text))


@given(CONFIGURATIONS)
@settings(deadline=None)
def test_no_configuration_whatever_breaks_the_reader(found):
    told = problems(json.dumps({"configurations": found}))
    assert len(told) <= MAX_PROBLEMS
    "".join(one.configuration + one.what + one.next_step for one in told).encode()  # can be shown


# The exercise


@pytest.fixture
def answered(recorder, tmp_path):
    """Record an answer of ada's; return the rows that are not ok and the hidden verdict."""

    def judge(answer, learner="ada"):
        recorder.write("debuggers-vscode-answer", facts={"answer": answer})
        rows = evaluate(visible_vscode, Evidence(tmp_path / "evidence", learner))
        verdict = hidden_vscode(Submission(tmp_path, "ada"), 2)
        return [row for row in rows if not row.ok], verdict

    return judge


def test_the_mended_file_earns_its_points(answered):
    wrong, verdict = answered(mended())
    assert (wrong, verdict.state, verdict.points) == ([], "passed", 2)


def test_the_seeds_file_earns_nothing_and_every_row_says_why(answered):
    wrong, verdict = answered(SEED)
    assert [row.what for row in wrong] == [
        "Python: Current File", "C++: Attach to Python", "CUDA: Debug Kernels", "your word in the first name", "what there is",
    ]  # fmt: skip
    assert "(and 1 more)" in wrong[2].seen and all(row.next_step for row in wrong)
    assert (verdict.state, verdict.points) == ("failed", 0)


@pytest.mark.parametrize("leave", [wrong for wrong, _ in MENDS])
def test_each_mend_is_needed(answered, leave):
    wrong, verdict = answered(mended(leave=leave))
    assert wrong and (verdict.state, verdict.points) == ("failed", 0)


def test_another_learners_text_fails(answered):
    wrong, verdict = answered(mended().replace(word(token_of("ada"), "configuration"), "another"))
    assert [row.what for row in wrong] == ["your word in the first name"] and verdict.points == 0


@pytest.mark.parametrize("answer", [None, 5, [], "", "{", {"configurations": []}, '{"configurations": [{}]}'])
def test_an_answer_that_is_no_launch_json_is_a_row(answered, answer):
    wrong, verdict = answered(answer)
    assert wrong and verdict.points == 0
    assert ("Keep the quotes" in wrong[0].next_step) == (not isinstance(answer, str))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({'"justMyCode": false,': '"justMyCode": true,'}, "Is vLLM your code?"),
        ({'"justMyCode": false,': ""}, "Is vLLM your code?"),
        ({'"program": "${command:python.interpreterPath}"\n        },\n        {': '"program": "${file}"},{'}, "which program runs the script?"),
        ({'"program": "${command:python.interpreterPath}",\n            "args"': '"program": "/opt/vllm/ten_tokens.py", "args"'}, "which program runs"),
    ],
)  # fmt: skip
def test_what_the_table_does_not_ask_is_asked_by_the_grader(answered, changes, words):
    assert mended(**changes) != mended()
    wrong, verdict = answered(mended(**changes))
    assert (wrong, verdict.state) == ([], "failed")
    assert words in verdict.next_step


def test_a_real_interpreter_is_as_good_as_vs_codes_variable(answered):
    _, verdict = answered(mended(**{"${command:python.interpreterPath}": "/opt/venv/bin/python3.11"}))
    assert verdict.state == "passed"


# Driven over DAP, as VS Code does it


class Session:
    """One DAP session: messages out, and messages in to a queue that all sessions share."""

    def __init__(self, name, reads, writes, inbox):
        self.name, self.reads, self.writes, self.inbox, self.count = name, reads, writes, inbox, 0
        threading.Thread(target=self._pump, daemon=True).start()

    def send(self, **message):
        self.count += 1
        body = json.dumps({"seq": self.count, "type": "request", **message}).encode()
        self.writes.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.writes.flush()

    def _pump(self):
        while header := self.reads.readline():
            self.reads.readline()
            self.inbox.put((self, json.loads(self.reads.read(int(header.partition(b":")[2])))))


@dataclass
class Driven:
    """Run a configuration, stop once at each place in each process, evaluate an expression there, and go on to the end."""

    stops: dict
    expression: str
    log: Path
    values: list = field(default_factory=list)  # (session, line, value)
    followed: list = field(default_factory=list)  # names of child sessions
    exit_codes: list = field(default_factory=list)  # of the programs, as the adapter tells them
    _processes: list = field(default_factory=list)
    _programs: list = field(default_factory=list)
    _children: list = field(default_factory=list)

    def drive(self, configuration, timeout):
        inbox, ends = queue.Queue(), time.monotonic() + timeout
        try:
            root = self._open(configuration, inbox)
            while True:
                session, message = inbox.get(timeout=max(0.1, ends - time.monotonic()))
                getattr(self, f"_{message['type']}")(session, message)
                if message.get("event") == "terminated" and session is root:
                    break
            for program in self._programs:
                program.wait(timeout=30)
            _, left = psutil.wait_procs(self._children, timeout=30)
            assert not left, f"the program ended, and {left} go on"
        except queue.Empty:
            pytest.fail(f"no end within {timeout} s; {self}\n{self.log.read_text()[-3000:]}")
        finally:
            for process in self._processes:  # VS Code ends its adapter, too
                end_group(process)
            for child in self._children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        return self

    def _open(self, configuration, inbox):
        """Begin a session: with an adapter of its own, or at an address where one listens."""
        if "connect" in configuration:
            stream = socket.create_connection((configuration["connect"]["host"], configuration["connect"]["port"]), timeout=None).makefile(
                "rwb"
            )
            session = Session(configuration["name"], stream, stream, inbox)
        else:
            adapter = self._start([sys.executable, "-m", "debugpy.adapter"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            session = Session(configuration["name"], adapter.stdout, adapter.stdin, inbox)
        can = {"adapterID": "debugpy", "supportsRunInTerminalRequest": True, "supportsStartDebuggingRequest": True}
        session.send(command="initialize", arguments=can)
        session.send(command=configuration["request"], arguments=configuration)
        return session

    def _start(self, command, **options):
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, start_new_session=True, **{"stdout": log, "stderr": log} | options)
        self._processes.append(process)
        return process

    def _request(self, session, message):
        """What the adapter asks of VS Code: a terminal for the program, and a session for each child."""
        asked = message["arguments"]
        session.send(type="response", request_seq=message["seq"], command=message["command"], success=True, body={})
        if message["command"] == "runInTerminal":
            environment = {**os.environ, **asked.get("env", {})}
            self._programs.append(self._start(asked["args"], cwd=asked.get("cwd"), env=environment, stdin=subprocess.DEVNULL))
        else:
            assert message["command"] == "startDebugging"
            self.followed.append(asked["configuration"]["name"])
            with contextlib.suppress(psutil.NoSuchProcess):
                self._children.append(psutil.Process(asked["configuration"]["subProcessId"]))
            self._open({**asked["configuration"], "request": asked["request"]}, session.inbox)

    def _event(self, session, message):
        if message["event"] == "initialized":
            for path, lines in self.stops.items():
                self._break(session, path, lines)
            session.send(command="configurationDone")
        elif message["event"] == "stopped":
            session.thread = message["body"]["threadId"]
            session.send(command="stackTrace", arguments={"threadId": session.thread, "levels": 1})
        elif message["event"] == "exited":
            self.exit_codes.append(message["body"]["exitCode"])
        elif message["event"] == "terminated":
            session.send(command="disconnect", arguments={})

    def _response(self, session, message):
        assert message["success"], message
        if message["command"] == "stackTrace":
            frame = message["body"]["stackFrames"][0]
            session.at = (frame["source"]["path"], frame["line"])
            session.send(command="evaluate", arguments={"expression": self.expression, "frameId": frame["id"], "context": "watch"})
        elif message["command"] == "evaluate":
            path, line = session.at
            self.values.append((session.name, path, line, message["body"]["result"]))
            self._break(session, path, [])
            session.send(command="continue", arguments={"threadId": session.thread})

    def _break(self, session, path, lines):
        session.send(command="setBreakpoints", arguments={"source": {"path": str(path)}, "breakpoints": [{"line": line} for line in lines]})


def substituted(configuration, folder, **changes):
    """A generated configuration, as VS Code hands it to the adapter."""
    return json.loads(json.dumps(configuration | changes).replace("${workspaceFolder}", str(folder)))


TEN_TOKENS = """
import sys
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    inside = "vllm.v1.executor.uniproc_executor.UniProcExecutor"  # the worker inside the engine core, as with one GPU: a process less
    llm = LLM(model=sys.argv[1], dtype="float32", max_model_len=256, enforce_eager=True, distributed_executor_backend=inside)
    llm.generate(["The heron"], SamplingParams(temperature=0.0, max_tokens=10, ignore_eos=True))
"""
PARENT = """
import subprocess, sys
answer = 41
sys.exit(subprocess.call([sys.executable, "child.py"]))
"""


@pytest.mark.real
@pytest.mark.skipif(not (TREE / ".complete").is_file(), reason="vLLM's source is not in the course's cache: `labkit prepare` fetches it")
def test_a_breakpoint_in_the_learners_tree_stops_in_the_engines_process(tmp_path, monkeypatch):
    from importlib.util import find_spec

    from labkit.model import resolve
    from labkit.settings import settle_environment

    settle_environment()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "ten_tokens.py").write_text(TEN_TOKENS)
    model, package = str(resolve().location), Path(find_spec("vllm").origin).parent
    setup = replace(SETUP, script="ten_tokens.py", arguments=[model], package=package)
    scheduler = TREE / "vllm/v1/core/sched/scheduler.py"
    line = first_line(scheduler, "Scheduler", "schedule")
    _, child, *_ = vscode.launch(setup)["configurations"]
    where = "(len(self.running), len(self.waiting), __import__('multiprocessing').current_process().name)"
    driven = Driven({scheduler: [line]}, where, tmp_path / "log").drive(substituted(child, tmp_path), timeout=240)
    ((session, *stop),) = driven.values
    assert session in driven.followed
    assert stop == [str(scheduler), line, "(0, 1, 'EngineCore')"]  # the request waits to be scheduled for the first time
    assert driven.exit_codes == [0]


def first_line(path, class_name, function):
    """The first line of a method's body that is no docstring."""
    found = next(node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef) and node.name == class_name)
    body = next(node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == function).body
    return next(node.lineno for node in body if not isinstance(node, ast.Expr))


@pytest.mark.real
@pytest.mark.parametrize("sub_process, followed", [(None, 1), (True, 1), (False, 0)])
def test_debugpy_follows_children_unless_told_not_to(tmp_path, sub_process, followed):
    """The extension's schema says that it does not unless told to: the rules ask for one word on it."""
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "child.py").write_text("answer = 42\nprint(answer)\n")
    _, child, *_ = vscode.launch(replace(SETUP, script="parent.py"))["configurations"]
    configuration = substituted(child, tmp_path, subProcess=sub_process)
    if sub_process is None:
        del configuration["subProcess"]
    driven = Driven({tmp_path / "child.py": [2]}, "answer", tmp_path / "log").drive(configuration, timeout=60)
    assert [value for *_, value in driven.values] == ["42"] * followed
    assert (len(driven.followed), driven.exit_codes) == (followed, [0])


@pytest.mark.real
def test_the_attach_configuration_stops_in_a_program_that_waits_for_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = tmp_path / "waits.py"
    script.write_text(
        f"import debugpy\ndebugpy.listen(('127.0.0.1', {port}))\nprint('up', flush=True)\ndebugpy.wait_for_client()\nanswer = 42\nprint(answer)\n"
    )
    *_, attach, _, _ = vscode.launch(SETUP)["configurations"]
    program = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert program.stdout.readline() == "up\n"
        driven = Driven({script: [6]}, "answer", tmp_path / "log")
        driven.drive(substituted(attach, tmp_path, connect={"host": "127.0.0.1", "port": port}), timeout=60)
        assert [value for *_, value in driven.values] == ["42"]
        assert program.wait(timeout=30) == 0
    finally:
        end_group(program)
