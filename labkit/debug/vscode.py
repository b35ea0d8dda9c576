"""`.vscode/` for this machine: debug configurations, tasks and recommended extensions. Plain files; VS Code does the rest.

What their keys mean and where that is published: labkit.checks.launch_json. VS Code replaces `${workspaceFolder}` by the folder it has open.
"""

import itertools
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit import show
from labkit.checks.launch_json import MULTIPROCESSING, problems
from labkit.debug.sources import compiled_from
from labkit.messages import explain_os_error
from labkit.recorder import write_atomically

REBUILD = "rebuild the overlay"
PORT = 5678  # debugpy's own habit
FROM_HERE = (  # variables of this process that the configurations take over: no others, and none of them is a secret
    "VLLM_CACHE_ROOT", "VLLM_CONFIG_ROOT", "VLLM_NO_USAGE_STATS", "VLLM_CPU_KVCACHE_SPACE", "TORCHINDUCTOR_CACHE_DIR", "HF_HUB_OFFLINE",
)  # fmt: skip
EXTENSIONS = ("ms-python.python", "ms-python.debugpy", "ms-vscode.cpptools")
EXTENSION_FOR_CUDA = "NVIDIA.nsight-vscode-edition"

Configuration = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """What the configurations are about.

    `lane` is "cpu" or "cuda". `python` is the interpreter that has vLLM: a virtual environment's as it is, not where its link leads. `tree` is
    the learner's source tree, `package` the installed vLLM, `init` the course's gdb init file. `script` is a path inside the folder that VS Code opens.
    `word` is the learner's own, `rebuild` the command that builds the overlay, `environment` what its runs need. `cuda_gdb` may be left out
    where cuda-gdb is on PATH.
    """

    lane: str
    python: str
    tree: Path
    package: Path
    init: Path
    script: str
    word: str
    rebuild: Sequence[str]
    arguments: Sequence[object] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    cuda_gdb: str | None = None

    @property
    def program(self) -> str:
        """The script, as VS Code finds it."""
        return f"${{workspaceFolder}}/{self.script}"

    @property
    def cwd(self) -> str:
        """The script's folder, as VS Code finds it."""
        return self.program.rpartition("/")[0]


def write_configuration(folder: Path, setup: Setup) -> list[Path]:
    """Write `.vscode/` into `folder` and return the paths of its three files.

    A file that says something else is kept beside the new one as `<name>.yours`. Raises LearnerMessage when the folder cannot be written.
    """
    contents = {"launch.json": launch(setup), "tasks.json": tasks(setup), "extensions.json": extensions(setup)}
    try:
        return [_write(folder / ".vscode" / name, json.dumps(content, indent=2) + "\n") for name, content in contents.items()]
    except OSError as error:
        raise explain_os_error(error, "writing .vscode") from None


def show_problems(text: object) -> None:
    """Show what is wrong with a launch.json."""
    rows = [(found.configuration or "the file", found.what, found.next_step) for found in problems(text)]
    if rows:
        show.table(f"launch.json: {len(rows)} wrong", ("configuration", "what", "next step"), rows)
    else:
        show.text("launch.json: nothing is wrong with it.")


def launch(setup: Setup) -> dict[str, Any]:
    """Return launch.json: Python in one process, with its children, and attached; C++ from the start, and attached; kernels on CUDA."""
    cuda = [_cuda(setup)] if setup.lane == "cuda" else []
    return {"version": "0.2.0", "configurations": [*_python(setup), *_cpp(setup), *cuda]}


def tasks(setup: Setup) -> dict[str, Any]:
    """Return tasks.json. Both are processes, not lines for a shell."""
    tool, *rest = setup.rebuild
    return {
        "version": "2.0.0",
        "tasks": [
            {"label": REBUILD, "type": "process", "command": shutil.which(tool) or tool, "args": rest, "group": "build", "problemMatcher": "$gcc"},
            {"label": "labkit doctor", "type": "process", "command": setup.python, "args": ["-m", "labkit.cli", "doctor"], "problemMatcher": []},
        ],
    }  # fmt: skip


def extensions(setup: Setup) -> dict[str, Any]:
    """Return extensions.json: what VS Code offers to install."""
    return {"recommendations": [*EXTENSIONS, *([EXTENSION_FOR_CUDA] if setup.lane == "cuda" else [])]}


def _python(setup: Setup) -> list[Configuration]:
    """For Python. Breakpoints set in the learner's tree stop in the installed package: pathMappings says that they are the same."""
    every = {
        "type": "debugpy",
        "justMyCode": False,
        "pathMappings": [{"localRoot": str(setup.tree / "vllm"), "remoteRoot": str(setup.package)}],
    }
    run = every | {
        "request": "launch", "program": setup.program, "args": [*map(str, setup.arguments)], "cwd": setup.cwd,
        "python": setup.python, "console": "integratedTerminal",
    }  # fmt: skip
    return [
        {"name": f"Python: {setup.word}, one process", **run, "env": _variables({MULTIPROCESSING: "0"})},
        {"name": f"Python: {setup.word}, engine in a child", **run, "subProcess": True, "env": _variables({MULTIPROCESSING: "1"})},
        {"name": f"Python: attach to port {PORT}", **every, "request": "attach", "connect": {"host": "127.0.0.1", "port": PORT}},
    ]


def _cpp(setup: Setup) -> list[Configuration]:
    """For C++, under gdb, set up as in a terminal. The extension wants to know for itself where the sources are."""
    setup_commands = [
        {"description": "the course's gdb set-up", "text": f"-interpreter-exec console {_quoted(f'source {setup.init}')}"},
        {"description": "containers as their contents", "text": "-enable-pretty-printing", "ignoreFailures": True},
    ]
    sources = {there: str(here) for there, here in compiled_from(setup.tree).items()}
    every = {"type": "cppdbg", "program": setup.python, "MIMode": "gdb", "sourceFileMap": sources, "setupCommands": setup_commands}
    attach = {"request": "attach", "processId": "${command:pickProcess}"}
    return [
        {"name": "C++: launch under gdb", **every, **_native(setup)},
        {"name": "C++: attach (pick VLLM::EngineCore)", **every, **attach},
    ]


def _cuda(setup: Setup) -> Configuration:
    """For kernels, under cuda-gdb."""
    found = {"debuggerPath": setup.cuda_gdb} if setup.cuda_gdb else {}
    stops = {"initCommands": [f"source {setup.init}"], "onAPIError": "stop", "breakOnLaunch": False}
    return {"name": "CUDA: launch under cuda-gdb", "type": "cuda-gdb", "program": setup.python, **_native(setup), **stops, **found}


def _native(setup: Setup) -> Configuration:
    """What gdb and cuda-gdb start: the interpreter with the script as an argument, one process, the overlay rebuilt before it."""
    variables = _variables({MULTIPROCESSING: "0"} | dict(setup.environment))
    return {
        "request": "launch", "args": [setup.program, *map(str, setup.arguments)], "cwd": setup.cwd, "stopAtEntry": False,
        "environment": [{"name": name, "value": value} for name, value in variables.items()], "preLaunchTask": REBUILD,
    }  # fmt: skip


def _quoted(command: str) -> str:
    return json.dumps(command, ensure_ascii=False)  # gdb's machine interface does not know \u


def _variables(more: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ[name] for name in FROM_HERE if name in os.environ} | dict(more)


def _write(path: Path, text: str) -> Path:
    """Write a file; what it said before, if that was something else, is kept as `<name>.yours`, or with a number when that is taken."""
    before = path.read_bytes() if path.exists() else text.encode()
    if before != text.encode():
        kept = (path.with_name(f"{path.name}.yours{number or ''}") for number in itertools.count())
        place = next(place for place in kept if not place.exists() or place.read_bytes() == before)
        place.write_bytes(before)
        show.text(f"Your {path.name} is kept as {place.name}.")
    write_atomically(path, text)
    return path
