"""Stand-ins for what vLLM's CMake would fetch from GitHub, so that it can be configured, and built in part, without it.

CMake needs the fetched projects to exist when it writes its build files; only the targets that use them need what is in them. The
names are read from vLLM's own CMake files, so a new dependency needs no new line here.
"""

import hashlib
import os
import re
from pathlib import Path

_DECLARED = re.compile(r"FetchContent_(?:Declare|Populate)\(\s*([\w-]+)")
_SOURCE_VARIABLE = re.compile(r"DEFINED ENV\{(\w+_SRC_DIR)\}")
_NAMED_FILE = re.compile(r"\$\{([\w-]+)_SOURCE_DIR\}/([\w./-]+\.(?:cu|cpp|py))")
_GENERATOR = re.compile(r"set\((\w+_GEN_SCRIPT)\s+\$\{CMAKE_CURRENT_SOURCE_DIR\}/([\w./]+)\)")


def stand_ins(tree: Path, folder: Path) -> str:
    """Make the stand-ins in `folder` and return the CMake text that puts them in place.

    A project whose *_SRC_DIR variable the environment sets is taken from there. Without CUTLASS, code generators are skipped, too.
    """
    text = "\n".join(path.read_text() for path in [tree / "CMakeLists.txt", *sorted(tree.glob("cmake/**/*.cmake"))])
    projects = sorted(set(_DECLARED.findall(text)) - {"name"} - _brought(text))
    for project in projects:
        (folder / project.lower()).mkdir(parents=True, exist_ok=True)
    for project, name in _NAMED_FILE.findall(text):
        if (home := folder / project.lower()).is_dir():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).touch()
    places = [f'set(FETCHCONTENT_SOURCE_DIR_{name.upper()} "{folder / name.lower()}" CACHE PATH "")' for name in projects]
    places += [f'set(ENV{{FETCHCONTENT_SOURCE_DIR_{name.upper()}}} "{folder / name.lower()}")' for name in projects if name == "oneDNN"]
    skipped = _skipped_generators(text, tree) if "cutlass" in projects else []
    return "\n".join([*places, *_variables(text, projects, folder), *skipped, *_cutlass_of_a_wheel()])


def _brought(text: str) -> set[str]:
    """The projects that the environment names a folder for, such as VLLM_CUTLASS_SRC_DIR for cutlass."""
    projects = {_short(name): name for name in _DECLARED.findall(text)}
    return {
        projects[name]
        for variable in _SOURCE_VARIABLE.findall(text)
        if variable in os.environ and (name := _project_of(variable)) in projects
    }


def _short(name: str) -> str:
    return re.sub(r"\W|_", "", name).upper()


def _project_of(variable: str) -> str:
    """FLASH_MLA_SRC_DIR and VLLM_CUTLASS_SRC_DIR belong to the projects that `_short` calls FLASHMLA and CUTLASS."""
    return _short(variable.removesuffix("_SRC_DIR").removeprefix("VLLM_"))


def _variables(text: str, projects: list[str], folder: Path) -> list[str]:
    """Two projects are looked for through an environment variable alone: QUTLASS_SRC_DIR belongs to the project qutlass, and so on."""
    by_name = {_short(name): name for name in projects}
    matched = {variable: by_name.get(_project_of(variable)) for variable in sorted(set(_SOURCE_VARIABLE.findall(text)))}
    needed = {variable: name for variable, name in matched.items() if name and re.search(rf"FetchContent_Populate\(\s*{name}\s*\n", text)}
    return [f'set(ENV{{{variable}}} "{folder / name.lower()}")' for variable, name in needed.items()]


def _cutlass_of_a_wheel() -> list[str]:
    """What CUTLASS's own CMakeLists.txt would set, for a tree that has none: the wheel of flashinfer-python brings one.

    So the whole target _C_stable_libtorch was configured, Machete generated, and built and linked (bench/RESULTS.md).
    """
    brought = os.environ.get("VLLM_CUTLASS_SRC_DIR", "")
    if not Path(brought).is_absolute() or (Path(brought) / "CMakeLists.txt").is_file():  # vLLM takes a relative one from its tree
        return []
    folders = {"CUTLASS_DIR": ".", "CUTLASS_INCLUDE_DIR": "include", "CUTLASS_TOOLS_UTIL_INCLUDE_DIR": "tools/util/include"}
    return [f'set({name} "{Path(brought) / folder}" CACHE PATH "")' for name, folder in folders.items()]


def _skipped_generators(text: str, tree: Path) -> list[str]:
    """CMake skips a generator whose hash it has seen; md5 because CMake compares `file(MD5)`."""
    return [
        f'set({variable}_HASH {hashlib.md5((tree / script).read_bytes(), usedforsecurity=False).hexdigest()} CACHE STRING "")'
        for variable, script in _GENERATOR.findall(text)
        if (tree / script).is_file()
    ]
