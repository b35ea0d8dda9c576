"""The one look of our HTML pages: templates that escape everything, and one stylesheet inside each page.

A page needs no other file and no script; its security policy forbids scripts, should one ever get in.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grading.report import words

TEMPLATES = Path(__file__).with_name("templates")
_FILTERS = {"line": words.line, "number": words.number, "percent": words.percent, "duration": words.duration}


def render(template: str, more: Path | None = None, **values: Any) -> str:
    """Return a page. `more` is a folder of templates of the caller's own, which may extend `base.html`."""
    return _environment(more).get_template(template).render(style=_style(), **values) + "\n"


@cache
def _environment(more: Path | None) -> Environment:
    folders = [FileSystemLoader(folder) for folder in (TEMPLATES, more) if folder]
    made = Environment(
        loader=ChoiceLoader(folders), autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= _FILTERS
    return made


def _shown(value: object) -> object:
    """What every value of a template passes through before it is escaped: no control character gets past it."""
    return words.visible(value) if type(value) is str else value  # Markup is HTML that a template has made already


@cache
def _style() -> Markup:
    return Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - a file of ours
