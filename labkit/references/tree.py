"""A vLLM source tree: an unpacked sdist, a checkout, or the folder that the installed package lies in."""

import re
from functools import cached_property
from pathlib import Path

from packaging.version import InvalidVersion, Version

UNKNOWN = Version("9999")  # a checkout without PKG-INFO: taken for newer than everything that has been released


class Tree:
    """Files of one version of vLLM, by their path in the repository. `root` is the folder that holds `vllm/`."""

    def __init__(self, root: Path, version: str = "") -> None:
        self.root = root
        self._version = version
        self._texts: dict[str, str] = {}

    @cached_property
    def version(self) -> Version:
        """The version: as given, else PKG-INFO's, else the one in the folder's name, else UNKNOWN."""
        info = self.root / "PKG-INFO"
        noted = re.search(r"^Version: (\S+)", info.read_text(encoding="utf-8"), re.MULTILINE) if info.is_file() else None
        try:
            return Version(self._version or (noted[1] if noted else self.root.name.removeprefix("vllm-")))
        except InvalidVersion:
            return UNKNOWN

    def has(self, path: str) -> bool:
        """Whether there is a file or folder of this path."""
        return (self.root / path).exists()

    def text(self, path: str) -> str:
        """The text of a file, "" for a folder and for a file that is not there."""
        if path not in self._texts:
            file = self.root / path
            self._texts[path] = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        return self._texts[path]

    def files(self, *suffixes: str) -> list[str]:
        """The paths of all files with these suffixes that vLLM is made of: not its tests, examples and documentation."""
        found = [self._listed[suffix] for suffix in suffixes if suffix in self._listed]
        return sorted(path for paths in found for path in paths)

    @cached_property
    def _listed(self) -> dict[str, list[str]]:
        listed: dict[str, list[str]] = {}
        folders = [self.root / name for name in ("vllm", "csrc", "cmake", "tools", "benchmarks") if self.has(name)]
        single = [path for path in (self.root / name for name in ("setup.py", "CMakeLists.txt", "use_existing_torch.py")) if path.is_file()]
        for path in [*single, *(path for folder in folders for path in folder.rglob("*.*"))]:
            listed.setdefault(path.suffix, []).append(path.relative_to(self.root).as_posix())
        return listed
