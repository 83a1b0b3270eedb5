"""Prompt templates: Jinja2 expressions over a row's columns, without anything that can run long.

Templates come from callers, so only a part of Jinja2 is taken: text, `{{ column }}`, filters that
do not grow their input, conditions. No loops, no calls, no arithmetic, no assignments: the time
and the length of a rendering are bounded by those of the template and of the cells.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from catalogue.checks import LONGEST_PROMPT
from catalogue.names import canonical, suggestion

LONGEST_TEMPLATE = 10_000
"""Characters."""
LONGEST_TEXT = 100_000
"""Characters that `replace` and `join` may make."""
DEEPEST = 30
"""Levels of expressions inside each other."""

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Filter,
    nodes.Test, nodes.Concat, nodes.Getattr, nodes.Getitem, nodes.Tuple, nodes.List,
    nodes.Keyword,
)  # fmt: skip

_FILTERS = ("capitalize", "default", "d", "lower", "upper", "title", "trim", "truncate", "first",
            "last", "length")  # fmt: skip
_TESTS = ("defined", "undefined", "none", "string", "number", "true", "false", "in", "eq", "ne",
          "lower", "upper")  # fmt: skip
_TOO_DEEP = "The template is nested too deeply."
_TAG = re.compile(r"<[^<>]*>")


class TemplateProblemError(Exception):
    """A template cannot be used, or not with this row; the message says why."""


class UnknownColumnError(TemplateProblemError):
    """A template uses a column that the row does not have."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class _Environment(ImmutableSandboxedEnvironment):
    """Looks things up in mappings and lists only: no attribute of an object is within reach."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)


def _replace(value: Any, old: str, new: str) -> str:
    text, old, new = str(value), str(old), str(new)
    if len(text) + text.count(old) * len(new) > LONGEST_TEXT:
        raise TemplateProblemError(f"`replace` would make more than {LONGEST_TEXT:,} characters.")
    return text.replace(old, new)


def _join(values: Any, separator: str = "") -> str:
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(texts) * len(separator) > LONGEST_TEXT:
        raise TemplateProblemError(f"`join` would make more than {LONGEST_TEXT:,} characters.")
    return separator.join(texts)


def _strip_tags(value: Any) -> str:
    """Drop HTML tags, in linear time: markupsafe's own takes quadratic time."""
    return " ".join(_TAG.sub(" ", str(value)).split())


def _make_environment() -> _Environment:
    environment = _Environment(undefined=StrictUndefined, autoescape=False, cache_size=0)
    environment.globals.clear()
    kept = {name: environment.filters[name] for name in _FILTERS}
    environment.filters.clear()
    environment.filters.update(kept, replace=_replace, join=_join, striptags=_strip_tags)
    tests = {name: environment.tests[name] for name in _TESTS}
    environment.tests.clear()
    environment.tests.update(tests)
    return environment


_ENVIRONMENT = _make_environment()


class PromptTemplate:
    """One template, ready to be rendered for many rows."""

    def __init__(self, source: str) -> None:
        """Compile it.

        Raises:
            TemplateProblemError: It is too long, no Jinja2, or uses more than is allowed.
        """
        if len(source) > LONGEST_TEMPLATE:
            raise TemplateProblemError(
                f"The template has {len(source):,} characters; {LONGEST_TEMPLATE:,} is the most."
            )
        try:
            # Looked at before it is compiled: the compiler already evaluates constants.
            tree = _ENVIRONMENT.parse(source)
            _look_at(tree)
            self._template = _ENVIRONMENT.from_string(tree)
        except TemplateSyntaxError as error:
            raise TemplateProblemError(
                f"The template cannot be read: {error.message} (its line {error.lineno})."
            ) from error
        except RecursionError as error:
            raise TemplateProblemError(_TOO_DEEP) from error
        except ValueError as error:
            raise TemplateProblemError(f"The template cannot be read: {error}.") from error

    def render(self, cells: Mapping[str, Any]) -> str:
        """Write the prompt of one row.

        Every column can be named as it is (`{{ color }}`), folded (`Main Color` is
        `{{ main_color }}`) or quoted (`{{ row['Main Color'] }}`). White space runs become one
        blank.

        Raises:
            UnknownColumnError: The row has no such column.
            TemplateProblemError: It cannot be rendered with these cells, or becomes too long.
        """
        try:
            text = self._template.render(variables(cells))
        except UndefinedError as error:
            raise _unknown(error, list(cells)) from error
        except TemplateProblemError:
            raise
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise TemplateProblemError(f"The template fails on this row: {error}.") from error
        text = " ".join(text.split())
        if len(text) > LONGEST_PROMPT:
            raise TemplateProblemError(
                f"The template makes a prompt of {len(text):,} characters; {LONGEST_PROMPT:,} is "
                "the most."
            )
        return text


def variables(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a template can name: each column folded and as it is, and `row`."""
    shown = {name: "" if value is None else value for name, value in cells.items()}
    return {canonical(name): value for name, value in shown.items()} | shown | {"row": shown}


def _look_at(node: nodes.Node, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise TemplateProblemError(_TOO_DEEP)
    if not isinstance(node, _ALLOWED):
        raise TemplateProblemError(
            f"The template uses {_described(node)}, which prompts do not need. Text, "
            "{{ columns }}, filters and {% if %} are there."
        )
    if isinstance(node, nodes.Filter) and node.name not in _ENVIRONMENT.filters:
        known = ", ".join(sorted(_ENVIRONMENT.filters))
        raise TemplateProblemError(f"There is no filter {node.name!r}; there are {known}.")
    if isinstance(node, nodes.Test) and node.name not in _ENVIRONMENT.tests:
        known = ", ".join(sorted(_ENVIRONMENT.tests))
        raise TemplateProblemError(f"There is no test {node.name!r}; there are {known}.")
    for child in node.iter_child_nodes():
        _look_at(child, depth + 1)


def _described(node: nodes.Node) -> str:
    known = {
        nodes.For: "a loop",
        nodes.Call: "a call (write {{ color|lower }} instead of {{ color.lower() }})",
        nodes.Assign: "an assignment",
        nodes.BinExpr: "arithmetic (write `a ~ b` to put texts together)",
    }
    found = (words for kind, words in known.items() if isinstance(node, kind))
    return next(found, f"`{type(node).__name__.lower()}`")


def _unknown(error: UndefinedError, columns: Sequence[str]) -> TemplateProblemError:

    found = re.search(r"'([^']*)' is undefined|has no attribute '([^']*)'", str(error))
    name = (found[1] or found[2]) if found else ""
    if not name:
        return TemplateProblemError(f"The template fails on this row: {error}.")
    return UnknownColumnError(
        f"The template uses {name!r}, which is no column; there are "
        f"{', '.join(map(repr, columns))}.{suggestion(name, columns)}",
        name,
    )
