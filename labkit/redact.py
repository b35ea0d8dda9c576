"""Take out of evidence what is nobody's business: home and course paths, the user's name in them, tokens and keys."""

import os
import re
from pathlib import Path

from pydantic import JsonValue

from labkit.paths import cache, course_root

_SECRETS = re.compile(
    r"""(?x)
    \b(hf_[A-Za-z0-9]{10,} | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_\w{20,} | glpat-[\w-]{10,} | sk-[\w-]{16,} | xox[abprs]-[\w-]{10,}
      | AKIA[0-9A-Z]{16} | nvapi-[\w-]{20,} | eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,})
    | (?i:(?<=token=)|(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=api_key=)|(?<=apikey=))[^\s&'"]+
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)
    """
)
_SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|CREDENTIAL", re.IGNORECASE)


def redact(text: str) -> str:
    """Return the text with paths shortened (`<course>`, `<cache>`, `~`) and anything that looks like a credential removed.

    Values of environment variables whose name says that they are secret are removed wherever they appear.
    """
    for folder, name in _folders():
        text = re.sub(re.escape(folder) + r"(?![\w.-])", name, text)
    for value in _secret_values():
        text = text.replace(value, "<removed>")
    return _SECRETS.sub("<removed>", text)


def redact_bytes(data: bytes) -> bytes:
    """Return a binary file with folders of this machine replaced by `~` and slashes, as many bytes as before, so that all offsets hold.

    A path means the same with several slashes in a row. What a compiler has compressed cannot be reached.
    """
    for folder, _ in _folders():
        name = folder.encode()
        data = re.sub(re.escape(name) + rb"(?![\w.-])", b"~" + b"/" * (len(name) - 1), data)
    return data


def redact_json(value: JsonValue) -> JsonValue:
    """Redact every string inside a JSON value, keys included."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redact_json(item) for item in value]
    if isinstance(value, dict):
        return {redact(key): redact_json(item) for key, item in value.items()}
    return value


def _folders() -> list[tuple[str, str]]:
    """The folders to hide, longest first, so that a folder inside another is named by the inner one."""
    named = {str(Path.cwd()): "<work>", str(Path.home()): "~", str(course_root()): "<course>", str(cache()): "<cache>"}
    real = {os.path.realpath(folder): name for folder, name in named.items()}
    return sorted((pair for pair in {**real, **named}.items() if pair[0] != "/"), key=lambda pair: -len(pair[0]))


def _secret_values() -> list[str]:
    return [value for name, value in os.environ.items() if _SECRET_NAMES.search(name) and len(value) >= 8]
