"""How the pages become a site: ``tox -e docs``. Nothing is fetched, neither while it is built nor by who reads it."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from typing import Any

import peewee as pw
from pygments.lexers.special import TextLexer

project = "datapkg"
author = copyright = "datapkg contributors"
version = release = version_of("datapkg")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_generate"]
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

html_theme = "furo"
html_title = "datapkg"
html_copy_source = False
# The prompt is not part of what is copied, nor is what a command prints.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

add_module_names = False
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 120

# Other projects' names are not looked up, so that no network is needed: only those of datapkg have to be found.
# Nor are variables of types, and what begins with an underscore.
nitpick_ignore_regex = [(r"py:.*", r"(?!datapkg\b).*|.*\.(_\w+|[A-Z])|datapkg\.kit\.jsontext\.Encoded")]


def without_signature(app: object, what: str, name: str, value: object, *_: object) -> tuple[str, None] | None:
    """A table takes its columns by name, whatever Peewee's constructor says."""
    return ("", None) if isinstance(value, type) and issubclass(value, pw.Model) else None


def find_where_it_is_public(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """A name that is documented where people import it from is found also where it is defined."""
    target = node.get("reftarget", "")
    module, _, name = target.rpartition(".")
    if node.get("refdomain") != "py" or not name:
        return None
    domain = env.get_domain("py")
    known = [each for each in domain.objects if each.rpartition(".")[2] == name]
    same = [each for each in known if not module or each.split(".")[:2] == target.split(".")[:2]] or known
    if len(same) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", same[0], node, contnode)


def hand_out_what_is_elsewhere(app: object, name: str, source: list[str]) -> None:
    """A link out of this folder works on GitHub; here the file is handed out."""
    source[0] = re.sub(r"\[([^]\n]+)\]\((\.\./(?:benchmarks|examples)/[^)\s]+)\)", r"{download}`\1 <\2>`", source[0])


def setup(app: Any) -> None:
    """Sphinx's hook."""
    app.add_lexer("prisma", TextLexer)
    app.connect("source-read", hand_out_what_is_elsewhere)
    app.connect("autodoc-process-signature", without_signature)
    app.connect("missing-reference", find_where_it_is_public)
