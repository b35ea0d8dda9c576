"""What bubblewrap puts around a learner's function: new namespaces, an empty read-only root, a plain Python, and 4 MiB of /tmp."""

import functools
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

TMP_BYTES = 4 * 1024 * 1024
_PACKAGES = ("site-packages", "dist-packages")


@functools.cache
def walls() -> tuple[str, ...]:
    """Return bwrap's options. Every mount costs about 0.15 ms of CPU, and is something more to see: only what Python needs."""
    options = ["--unshare-all", "--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    options += ["--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv", "--setenv", "PYTHONHASHSEED", "0"]
    options += [option for folder in _LIBRARIES for option in _library(folder)]
    for path in ("/etc/ld.so.cache", *_loaders(), *python_files()):
        options += ["--ro-bind-try", path, path]
    for folder in hidden():
        options += ["--size", "4096", "--tmpfs", folder, "--remount-ro", folder]
    options += ["--dev-bind", "/dev/null", "/dev/null"]  # not --dev: its /dev and /dev/shm are writable without a bound
    options += ["--size", str(TMP_BYTES), "--tmpfs", "/tmp"]  # noqa: S108 - the sandbox's own
    return (*options, "--chdir", "/tmp", "--remount-ro", "/")  # noqa: S108


@functools.cache
def python() -> tuple[str, ...]:
    """A plain interpreter: no site-packages, no working directory on its path, and of the environment only the seed of its hashes.

    The seed is fixed because a verdict is a pure function of the submission: the order of a set of strings must not change it.
    """
    return (str(_interpreter()), "-s", "-P", "-S", "-c")


@functools.cache
def top_level() -> frozenset[str]:
    """The names that the root of the sandbox may show; anything else means that we are not in it."""
    places = (*_LIBRARIES, "/etc", "/dev", "/tmp", *python_files())  # noqa: S108
    return frozenset(Path(place).parts[1] for place in places)


@functools.cache
def python_files() -> tuple[str, ...]:
    """Return the interpreter, its standard library, and the shared library that it is linked with, where there is one."""
    shared = Path(sys.base_prefix, "lib", str(sysconfig.get_config_var("INSTSONAME")))
    files = (_interpreter(), _standard_library(), *([shared] if ".so" in shared.name and shared.exists() else []))
    return tuple(str(path) for path in files if not _in_libraries(path))


@functools.cache
def hidden() -> tuple[str, ...]:
    """Return the folders of installed packages that would show: they could be our own, and are no part of a plain Python."""
    places = (_standard_library(), Path("/usr/lib/python3")) if _in_libraries(Path("/usr/lib/python3")) else (_standard_library(),)
    return tuple(str(place / name) for place in places for name in _PACKAGES if (place / name).is_dir())


def _interpreter() -> Path:
    return Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")


def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))


def _system_libraries() -> Iterable[str]:
    """Debian keeps what programs are linked with in a folder of its own; elsewhere it is all of /usr/lib."""
    multiarch = Path("/usr/lib", str(sysconfig.get_config_var("MULTIARCH")))
    return [str(multiarch)] if (multiarch / "libc.so.6").exists() else ["/usr/lib"]


_LIBRARIES = (*_system_libraries(), "/usr/lib64", "/lib", "/lib64")


def _loaders() -> list[str]:
    """The dynamic loader of some processors lies above the folder of libraries (aarch64: /lib/ld-linux-aarch64.so.1)."""
    return [] if "/usr/lib" in _LIBRARIES else [str(path) for path in Path("/usr/lib").glob("ld-*.so.*")]


def _in_libraries(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _LIBRARIES)


def _library(folder: str) -> list[str]:
    """A link stays a link (/lib is usr/lib almost everywhere); a folder is bound, read-only."""
    path = Path(folder)
    return ["--symlink", str(path.readlink()), folder] if path.is_symlink() else ["--ro-bind-try", folder, folder]
