"""Overlays: one of vLLM's own source files, compiled anew for a debugger, in the place of what the installed library has.

vLLM's own CMake compiles it, with the flags of the extension target that the file belongs to; see overlay.cmake for what is added,
and site/sitecustomize.py for how it gets under a running engine.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.build.hook import write, write_hook
from labkit.build.locate import Site, locate
from labkit.build.tree import check_compiler, check_versions, cmake_settings
from labkit.lane import Lane
from labkit.messages import LearnerMessage, explain_os_error

SITE = Path(__file__).parent / "site"
BUILD_TYPES = ("Debug", "RelWithDebInfo", "Release")
REGISTRATION = """// Registers the operator once more, with vLLM's own headers and macros: the last registration is the one that is called.
{includes}
STABLE_TORCH_LIBRARY_IMPL({namespace}, CUDA, ops) {{ ops.impl("{name}", TORCH_BOX(&{function})); }}
"""


@dataclass(frozen=True)
class Options:
    """How to compile an overlay, beyond the build type.

    `cuda` goes to nvcc for device code: -G to step through it, -lineinfo to keep it fast and have lines only. `precompiled` headers
    pay from the fourth compilation on: 50 s and 0.8 GB once, then a third of the time (CPU lane).
    """

    cuda: tuple[str, ...] = ("-G",)
    precompiled: bool = False


DEFAULTS = Options()


@dataclass(frozen=True)
class Overlay:
    """One function to be replaced: where it is, the source tree and the build folder."""

    site: Site
    tree: Path
    build: Path
    settings: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the CMake target and, with `lib` and `.so` around it, of the file."""
        return f"overlay_{self.site.function}"

    @property
    def source(self) -> Path:
        """The source file, in the learner's own tree."""
        return self.tree / self.site.source

    @property
    def library(self) -> Path:
        """The overlay's file, once it is built."""
        return self.build / f"lib{self.name}.so"

    @property
    def configure(self) -> list[str]:
        """The command that configures vLLM's own CMake, with the overlay as one target more."""
        return ["cmake", "-G", "Ninja", "-S", str(self.tree), "-B", str(self.build), *self.settings]

    @property
    def compile(self) -> list[str]:
        """The command that compiles and links the overlay: the first time, and after each edit of its source."""
        return ["ninja", "-C", str(self.build), self.name]

    def environment(self) -> dict[str, str]:
        """The environment variables that put the overlay under every vLLM that a command starts. Raises LearnerMessage before it is built."""
        return environment(self.site.target, self.library)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Put the overlay under every vLLM that is started inside this block. Raises LearnerMessage before it is built."""
        values = self.environment()
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def environment(target: str, library: Path) -> dict[str, str]:
    """Return the environment variables that put a library under every vLLM that is started with them, in place of functions of
    the extension `target`. Raises LearnerMessage before it is built."""
    if not library.is_file():
        raise LearnerMessage(f"{library.name} is not built yet.", "Run the cells that configure and compile it.")
    folders = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"VLLM_OVERLAY": f"vllm.{target}={library}", "PYTHONPATH": os.pathsep.join(folders)}


def built(folder: Path) -> dict[str, str]:
    """Return the environment variables of an overlay from its build folder alone. Raises LearnerMessage when none was built there."""
    planned = folder / "labkit" / "overlays.cmake"
    target = re.search(r"TARGET (\w+)", planned.read_text()) if planned.is_file() else None
    if target is None:
        raise LearnerMessage(f"There is no overlay of {folder.name} here.", "Build it in lesson 02, step 1.")
    return environment(target[1], folder / f"liboverlay_{folder.name}.so")


def plan(
    name: str, *, tree: Path, folder: Path, lane: Lane, soname: str, build_type: str = "Debug", options: Options = DEFAULTS
) -> Overlay:
    """Find the function or operator `name` in vLLM's source and prepare a build folder for its overlay inside `folder`.

    `soname` marks whose overlay it is. Raises LearnerMessage when the function cannot be overlaid, with the reason, and when the
    tools or versions do not fit.
    """
    if build_type not in BUILD_TYPES:
        raise LearnerMessage(
            f"{build_type!r} is no build type of vLLM's.",
            f"Use one of {', '.join(BUILD_TYPES)}: vLLM's setup.py takes these spellings only.",
        )
    check_versions(tree, lane)
    check_compiler()
    site = locate(name, tree, lane)
    build = folder / site.function
    hook = build / "labkit" / "hook.cmake"
    overlay = Overlay(site, tree, build, (*cmake_settings(build_type, lane), f"-DCMAKE_PROJECT_vllm_extensions_INCLUDE={hook}"))
    try:
        hook.parent.mkdir(parents=True, exist_ok=True)
        target = write(
            hook.with_name("overlays.cmake"), f"vllm_overlay({overlay.name} {' '.join(_arguments(overlay, hook, soname, options))})\n"
        )
        write_hook(hook, tree, lane, f'cmake_language(DEFER CALL include "{target}")')  # vLLM's targets exist only at the end
    except OSError as error:
        raise explain_os_error(error, "preparing the overlay's build folder") from None
    return overlay


def _arguments(overlay: Overlay, hook: Path, soname: str, options: Options) -> list[str]:
    """The arguments of vllm_overlay() in overlay.cmake, and the files that they name."""
    site, op = overlay.site, overlay.site.operator
    common = [
        f"TARGET {site.target}",
        f"SOURCE {site.source}",
        f"SONAME {soname}",
        *(["PRECOMPILED_HEADERS"] if options.precompiled else []),
    ]
    if op is None:
        exports = write(hook.with_name("exports.map"), f"{{ global: {' '.join(f'{symbol};' for symbol in site.symbols)} local: *; }};\n")
        return [*common, f'EXPORTS "{exports}"', f'LIBRARY "{site.wheel_library}"']
    includes = "\n".join(line for line in (overlay.tree / op.bindings).read_text().splitlines() if line.startswith("#include"))
    text = REGISTRATION.format(includes=includes, namespace=op.namespace, name=op.name, function=op.function)
    registration = write(hook.with_name("registration.cpp"), text)
    return [*common, f'REGISTRATION "{registration}"', f"CUDA_OPTIONS {' '.join(options.cuda)}"]
