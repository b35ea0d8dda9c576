"""Show a learner's Markdown without letting it run: nbgrader's pages (feedback, formgrader) render it as it is, in the instructor's browser.

`HTMLExporter.sanitize_html` reaches nbconvert's own templates only, not nbgrader's. nbgrader_config.py puts `markdown` in the place of
the filter that both kinds of template use.
"""

import bleach  # type: ignore[import-untyped]
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters import markdown2html
from nbgrader import utils

_TAGS = {
    "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "b", "i", "del", "sub", "sup", "code", "pre", "kbd", "ul", "ol", "li",
    "blockquote", "a", "table", "thead", "tbody", "tr", "th", "td", "div", "span",
}  # fmt: skip  # no picture: loading one tells its server who reads, and when
_PROTOCOLS = {"http", "https", "mailto"}
_NO_MATH = '<div class="tex2jax_ignore mathjax_ignore">{}</div>'  # MathJax would make a link of \href{javascript:...}


@pass_context
def markdown(context: Context, source: str) -> str:
    """Return the HTML of a cell's Markdown, or of the comment on it; of a cell that the learner writes, text and structure only."""
    shown: str = markdown2html(source)
    cell = context.get("cell")
    if cell is not None and not (utils.is_solution(cell) or utils.is_task(cell)):
        return shown  # ours
    return _NO_MATH.format(bleach.clean(shown, tags=_TAGS, attributes={"a": ["href", "title"]}, protocols=_PROTOCOLS))
