"""What VS Code's debuggers take in a launch.json, as data, and a reader that says what is wrong with one. Its text may be a stranger's.

Where the facts come from, repository and commit:
`debugpy`: package.json of microsoft/vscode-python-debugger, 600537e; and debugpy 1.8.22 itself: adapter/clients.py (exactly one program, one
  way to attach), launcher/handlers.py (`env` holds text; `subProcess` is on unless false, although package.json says off).
`python`: forwarded to `debugpy` by microsoft/vscode-python#22502; still so in microsoft/vscode-python-debugger#44 (2024-12).
`cppdbg`: CppdbgLaunchOptions and CppdbgAttachOptions in Extension/tools/OptionsSchema.json of microsoft/vscode-cpptools, 02174c1.
`cuda-gdb`: package.json of NVIDIA/nsight-vscode-edition, f5af449 (2024.1.0); `setupCommands` from its later src/debugger/cudaGdbSession.ts.
Keys of all types: code.visualstudio.com/docs/debugtest/debugging-configuration.
"""

import difflib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.evidence import BadEvidence, parse_json

MAX_CHARACTERS, MAX_CONFIGURATIONS, MAX_PROBLEMS = 64 * 1024, 20, 30
MULTIPROCESSING = "VLLM_ENABLE_V1_MULTIPROCESSING"
INTERPRETER = "${command:python.interpreterPath}"
NAMES = {bool: "true or false", str: "text", list: "a list", dict: "an object", int: "a number", float: "a number", type(None): "null"}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a launch.json. `configuration` is its name, "" where the file as a whole is meant."""

    configuration: str
    what: str
    next_step: str


class BadLaunch(Exception):
    """The text holds no configurations. It carries the problem."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what)
        self.problem = Problem("", what, next_step)


@dataclass(frozen=True)
class Kind:
    """What a configuration of one type and request must have, of which keys it has exactly one, and all that it may have."""

    required: tuple[str, ...]
    one_of: tuple[str, ...]
    keys: dict[str, tuple[type, ...]]


def _keys(flags: str = "", texts: str = "", lists: str = "", objects: str = "", **others: tuple[type, ...]) -> dict[str, tuple[type, ...]]:
    named: dict[type, str] = {bool: flags, str: texts, list: lists, dict: objects}
    return {key: (kind,) for kind, keys in named.items() for key in keys.split()} | others


_PYTHON = _keys("django justMyCode logToFile redirectOutput showReturnValue subProcess", "consoleName debugAdapterPath", "pathMappings",
                jinja=(bool, type(None)), clientOS=(str, type(None)))  # fmt: skip
_GDB = _keys("showDisplayString useExtendedRemote filterStdout filterStderr",
             "program targetArchitecture additionalSOLibSearchPath MIMode miDebuggerPath miDebuggerArgs miDebuggerServerAddress",
             "setupCommands deploySteps", "sourceFileMap debuginfod logging pipeTransport symbolLoadInfo variables", visualizerFile=(str, list))  # fmt: skip
_CUDA = _keys("verboseLogging breakOnLaunch", "program debuggerPath miDebuggerPath logFile onAPIError sysroot additionalSOLibSearchPath",
              "initCommands setupCommands environment", args=(str, list), miDebuggerArgs=(str, list))  # fmt: skip
ALL_TYPES = _keys(texts="name type request internalConsoleOptions", objects="presentation serverReadyAction windows linux osx",
                  preLaunchTask=(str, dict), postDebugTask=(str, dict), debugServer=(int,))  # fmt: skip
KINDS = {
    ("debugpy", "launch"): Kind((), ("program", "module"), _PYTHON | _keys(
        "autoStartBrowser gevent pyramid stopOnEntry sudo", "console cwd envFile guiEventLoop module program python", "purpose pythonArgs",
        "autoReload env", args=(str, list))),
    ("debugpy", "attach"): Kind((), ("connect", "listen", "processId"), _PYTHON | _keys(objects="connect listen", processId=(str, int))),
    ("cppdbg", "launch"): Kind(("program",), (), _GDB | _keys(
        "stopAtEntry externalConsole avoidWindowsConsoleRedirection stopAtConnect",
        "cwd envFile launchCompleteCommand svdPath debugServerPath debugServerArgs serverStarted coreDumpPath unknownBreakpointHandling",
        "args environment postRemoteConnectCommands customLaunchSetupCommands", "hardwareBreakpoints", serverLaunchTimeout=(int,))),
    ("cppdbg", "attach"): Kind(("program",), (), _GDB | _keys(processId=(str, int))),
    ("cuda-gdb", "launch"): Kind(("program",), (), _CUDA | _keys("stopAtEntry testMode", "cwd envFile")),
    ("cuda-gdb", "attach"): Kind((), (), _CUDA | _keys(port=(int,), processId=(str, int))),
}  # fmt: skip
TYPES = sorted({of_type for of_type, _ in KINDS})
ALLOWED = {
    "console": ("internalConsole", "integratedTerminal", "externalTerminal"), "unknownBreakpointHandling": ("throw", "stop"),
    "MIMode": ("gdb", "lldb"), "launchCompleteCommand": ("exec-run", "exec-continue", "None"), "onAPIError": ("hide", "ignore", "stop"),
}  # fmt: skip
ELSEWHERE = {"env": "environment", "environment": "env", "stopOnEntry": "stopAtEntry", "stopAtEntry": "stopOnEntry"}  # another type's word
NOT_OURS = {  # a path that cannot be the course's interpreter, and why
    re.compile(r"/shims/[^/]*$"): "A shim is a shell script, and gdb says of it: not in executable format.",
    re.compile(r"^/usr/bin/python[\d.]*$"): "That is the system's Python, where there is one, and it has no vLLM.",
}
_COMMENTS = re.compile(r'("(?>(?:[^"\\\n]|\\.)*)"?)|//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)')
_LAST_COMMAS = re.compile(r'("(?>(?:[^"\\\n]|\\.)*)"?)|,(?=[ \t\r\n]*[\]}])')


def problems(text: object) -> list[Problem]:
    """Return what is wrong with a launch.json, file first, then configuration by configuration; at most 30 problems. It never raises."""
    try:
        found = configurations(text)
    except BadLaunch as bad:
        return [bad.problem]
    told = (Problem(name_of(one, at), *fault) for at, one in enumerate(found, 1) for fault in _faults(one))
    return list(itertools.islice(told, MAX_PROBLEMS))


def configurations(text: object) -> list[dict[str, Any]]:
    """Return the configurations of a launch.json: JSON with // and /* */ comments and commas before a closing bracket. Raises BadLaunch."""
    if not isinstance(text, str):
        raise BadLaunch("a Python object, not text", 'Keep the quotes: LAUNCH = r"""{…}""".')
    if len(text) > MAX_CHARACTERS:
        raise BadLaunch(f"{len(text):,} characters", f"A launch.json has at most {MAX_CHARACTERS:,} here.")
    try:
        value = parse_json(as_json(text).encode(errors="replace"), "launch.json")
    except BadEvidence as bad:
        raise BadLaunch(str(bad).partition(". Expected ")[0], "Look at that line: a comma, a quote or a bracket?") from None
    found = value.get("configurations") if isinstance(value, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise BadLaunch('no list "configurations" of objects', 'Its form is {"version": "0.2.0", "configurations": [{…}, {…}]}.')
    if len(found) > MAX_CONFIGURATIONS:
        raise BadLaunch(f"{len(found)} configurations", f"Keep it to {MAX_CONFIGURATIONS}: nobody finds theirs among more.")
    return found


def as_json(text: str) -> str:
    """Return JSON with comments as plain JSON: everything keeps its line and column, and what is inside a string stays."""
    without = _COMMENTS.sub(lambda match: match[1] or re.sub(r"[^\n]", " ", match[0]), text)
    return _LAST_COMMAS.sub(lambda match: match[1] or " ", without)


def name_of(configuration: Mapping[str, Any], number: int) -> str:
    """Return a configuration's name, "configuration 2" for one that has none that can be shown."""
    name = configuration.get("name")
    return name if isinstance(name, str) and name.isprintable() and 0 < len(name) <= 80 else f"configuration {number}"


def environment(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that a configuration sets, however its type writes them; what is malformed is left out."""
    table, pairs = configuration.get("env"), configuration.get("environment")
    listed = [pair for pair in pairs if isinstance(pair, dict) and isinstance(pair.get("name"), str)] if isinstance(pairs, list) else []
    return (dict(table) if isinstance(table, dict) else {}) | {pair["name"]: pair.get("value") for pair in listed}


def reaches_engine(configuration: Mapping[str, Any]) -> bool:
    """Whether a breakpoint in vLLM's engine stops: it is in this process, or the debugger follows children, or was attached to it."""
    follows = configuration.get("type") in ("debugpy", "python") and configuration.get("subProcess") is not False
    return configuration.get("request") == "attach" or follows or environment(configuration).get(MULTIPROCESSING) == "0"


def shown(value: object) -> str:
    """Return a value from the file as JSON that a message can show."""
    return json.dumps(value, ensure_ascii=False)[:60].encode(errors="replace").decode()


def _faults(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with a configuration, and what to do about it."""
    of_type, request = one.get("type"), one.get("request")
    if of_type == "python":
        yield 'the type "python" is deprecated, and forwarded to debugpy', "Write debugpy: nobody says for how long it is forwarded."
    elif not isinstance(of_type, str) or of_type not in TYPES:
        yield _said(one, "type"), f"Its extensions know {', '.join(TYPES)}."
    elif request not in ("launch", "attach"):
        yield _said(one, "request"), 'Is the program started ("launch"), or does it run already ("attach")?'
    else:
        yield from _against(KINDS[of_type, str(request)], one)
        yield from _in_practice(one)


def _said(one: Mapping[str, Any], key: str) -> str:
    return f"{key}: {shown(one[key])}" if key in one else f"{key} is missing"


def _against(kind: Kind, one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Compare with what the extension publishes."""
    yield from ((_said(one, key), "It is required: the extension's schema says so.") for key in ("name", *kind.required) if key not in one)
    there = [key for key in kind.one_of if key in one]
    if kind.one_of and len(there) != 1:
        yield f"{' and '.join(there) or 'none'} of {', '.join(kind.one_of)}", "It takes exactly one of them."
    known = ALL_TYPES | kind.keys
    for key, value in one.items():
        if key not in known:
            near = [ELSEWHERE[key]] if ELSEWHERE.get(key) in known else difflib.get_close_matches(key[:40], known, 1)
            yield f"no key {shown(key)}", f"Did you mean {near[0]}?" if near else "This type has no such key: take it out."
        elif type(value) not in known[key]:
            yield _said(one, key), f"It is {' or '.join(NAMES[kind] for kind in known[key])}."
        elif key in ALLOWED and value not in ALLOWED[key]:
            yield _said(one, key), f"It is one of {', '.join(ALLOWED[key])}."


def _in_practice(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What no schema knows: vLLM's processes, and interpreters that are none."""
    for name, value in environment(one).items():
        if not isinstance(value, str | None):  # null takes a variable away
            yield f"{shown(name)} is set to {shown(value)}", 'Variables are text: "0", with quotes.'
    for key, (pattern, why) in itertools.product(("program", "python"), NOT_OURS.items()):
        if isinstance(one.get(key), str) and pattern.search(one[key]):
            yield _said(one, key), f"{why} VS Code knows the right one as {INTERPRETER}."
    if not reaches_engine(one):
        how = 'Write "subProcess": true, or' if one.get("type") == "debugpy" else "Write"
        yield "nothing takes the debugger to vLLM's engine, which is a child process", f"{how} {MULTIPROCESSING}=0 as a variable."
    elif "subProcess" not in one and not reaches_engine({**one, "subProcess": False}):
        yield "not a word on subProcess", 'debugpy is on, its documentation says off. Write it down: "subProcess": true.'
