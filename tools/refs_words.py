"""Which words of a lesson look as if they were vLLM's: paths, symbols, variables, flags, arguments. Each with its line."""

import ast
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

SUFFIX = r"\.(?:py|cpp|cuh?|hpp|h|cmake|txt|toml|md|json)"
FOLDERS = r"(?:vllm|csrc|cmake|docs|tools|requirements|benchmarks|examples|rust)/"
ANYWHERE = (  # these are vLLM's wherever they stand: in the text, in code, in a program's output
    re.compile(r"\bVLLM_[A-Z0-9_]*[A-Z0-9]\b"),
    re.compile(rf"(?<![\w./-]){FOLDERS}[\w./-]*{SUFFIX}(?::[A-Za-z_][\w.]*\w|:\d+)?"),
    re.compile(r"(?<![\w./-])(?:setup\.py|CMakeLists\.txt|pyproject\.toml):[A-Za-z_][\w.]*"),
    re.compile(r"(?<![\w./-])\w+\.(?:cu|cpp|cuh):\d+"),
    re.compile(r"\btorch\.ops\._\w+(?:\.\w+)?"),
    re.compile(r"(?<![\w./@-])vllm(?:\.[A-Za-z_]\w*)+"),
)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)|<code>(.*?)</code>")
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*(?:\.\w+)*")
COMMAND = re.compile(r"(?<!from )\bvllm (?:bench [a-z]+|[a-z]+)")
NAME = re.compile(r"(?<![\w./-])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?![\w/-])")
DISTINCTIVE = re.compile(r".*(?:_|\.|[a-z][A-Z]|[A-Z]{2}[a-z]).*|[A-Z]+(?:_[A-Z]+)+")
TARGET = re.compile(r"_(?:[a-z]+_)?C(?:_\w+)?")  # how vLLM names its extensions
STOP = re.compile(r"^\s*(?:t?break|rbreak|advance|until|list)\s+([A-Za-z_][\w:]*)$", re.MULTILINE)  # gdb's commands that take a function
TAKES = {"LLM": "EngineArgs", "SamplingParams": "SamplingParams"}  # a call's keywords are fields of this class


@dataclass(frozen=True)
class Word:
    """A word and the line of the file that it stands on. An `own` word is not vLLM's where the lesson's own code defines it; of one with dots it
    may define the object only (`llm.generate`)."""

    text: str
    line: int
    own: bool = False


def words(text: str) -> list[Word]:
    """Return what looks like vLLM's in a lesson's text, without what its own code defines. What is left of `own` words are attributes of its objects."""
    cells = list(_cells(text))
    defined = {name for _, code in cells for name in _defined(code)}
    in_code = [word for begin, code in cells for word in (*_in_code(code, begin), *_in_strings(code, begin), *_in_gdb(code, begin))]
    found = {_settled(word, defined) for word in (*_anywhere(text), *in_code, *_in_spans(text), *_in_fences(text))}
    return sorted({word for word in found if word}, key=lambda word: (word.line, word.text))


def _settled(word: Word, defined: set[str]) -> Word | None:
    """A word as it is to be looked up; None where the lesson's own code defines it."""
    if not word.own:
        return word
    if word.text in defined:
        return None
    return word if word.text.partition(".")[0] in defined else Word(word.text, word.line)


def _anywhere(text: str) -> Iterator[Word]:
    for number, line in enumerate(text.splitlines(), 1):
        yield from (Word(found[0], number) for pattern in ANYWHERE for found in pattern.finditer(line))


def _in_spans(text: str) -> Iterator[Word]:
    """Words inside backticks and <code>, outside of code cells."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.startswith("```")
        for found in () if fenced else SPAN.finditer(line):
            span = html.unescape(found[1] or found[2])
            yield from (Word(flag[0], number) for flag in FLAG.finditer(span))
            yield from (Word(command[0], number) for command in COMMAND.finditer(span))
            yield from (Word(name, number, own=True) for name in names_in(span))


def _in_fences(text: str) -> Iterator[Word]:
    """Flags in blocks for a shell."""
    shell = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            shell = bool(re.match(r"```(?:bash|sh|console)$", line))
        elif shell:
            yield from (Word(flag[0], number) for flag in FLAG.finditer(line))


def names_in(span: str) -> list[str]:
    """Names that are no ordinary words: with `_`, a dot or a capital inside, or called with `()`."""
    plain = re.sub(r'"[^"]*"', '""', span)
    called = {found[1] for found in re.finditer(r"([A-Za-z_][\w.]*)\(", plain)}
    return [name[0] for name in NAME.finditer(plain) if DISTINCTIVE.fullmatch(name[0]) or name[0] in called]


def _cells(text: str) -> Iterator[tuple[int, str]]:
    """Each block of Python with the number of its first line; magics and cell options are blank lines."""
    code: list[str] | None = None
    begin = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if code is not None:
                yield begin, "\n".join(code)
            begin, code = number + 1, [] if code is None and re.match(r"```(?:\{code-cell\}|python)", line) else None
        elif code is not None:
            code.append("" if re.match(r"%%|:\w|%\w", line) else line)


def _in_code(code: str, begin: int) -> Iterator[Word]:
    """What code imports from vLLM, the keywords that it gives to LLM and SamplingParams, and what it shows with `lab.where`."""
    for node in ast.walk(_parsed(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "vllm":
            yield from (Word(f"{node.module}.{alias.name}", begin + node.lineno - 1) for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TAKES:
            taken = TAKES[node.func.id]
            yield from (Word(f"{taken}.{keyword.arg}", begin + keyword.lineno - 1) for keyword in node.keywords if keyword.arg)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "lab.where":
            yield from (Word(text.value, begin + text.lineno - 1) for text in _texts(node.args) if isinstance(text.value, str))


def _in_strings(code: str, begin: int) -> Iterator[Word]:
    """What stands in quotes, or is asked of an object: flags, targets of vLLM's CMake, attributes."""
    for node in ast.walk(_parsed(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            line = begin + node.lineno - 1
            yield from (Word(flag[0], line) for flag in FLAG.finditer(node.value) if node.value.startswith("--"))
            if TARGET.fullmatch(node.value):
                yield Word(node.value, line)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield Word(f"{node.value.id}.{node.attr}", begin + node.lineno - 1, own=True)


def _in_gdb(code: str, begin: int) -> Iterator[Word]:
    """Functions that a cell for gdb stops in."""
    if not _parsed(code).body:
        yield from (Word(found[1], begin + code[: found.start(1)].count("\n"), own=True) for found in STOP.finditer(code))


def _texts(arguments: list[ast.expr]) -> Iterator[ast.Constant]:
    """The constants in a call's arguments, without the keys of a dictionary (which lane is meant)."""
    for argument in arguments:
        parts = list(ast.walk(argument))
        keys = {id(key) for part in parts if isinstance(part, ast.Dict) for key in part.keys}
        yield from (part for part in parts if isinstance(part, ast.Constant) and id(part) not in keys)


def _defined(code: str) -> Iterator[str]:
    """Names that code defines: assigned, imported from elsewhere, parameters, keys and words in quotes."""
    for node in ast.walk(_parsed(code)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not str(node.module).startswith("vllm")):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value


def _parsed(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except SyntaxError:  # a cell for gdb or pdb
        return ast.Module(body=[], type_ignores=[])
