"""Prompt templates: Jinja2 expressions over a row's columns, without anything that can run long.

Templates come from callers, so only a part of Jinja2 is taken: text, `{{ column }}`, filters that
do not grow their input, conditions. No loops, no calls, no arithmetic, no assignments: the time
and the length of a rendering are bounded by those of the template and of the cells, and both of
those are bounded too.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import lru_cache, wraps
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from catalogue.checks import LONGEST_PROMPT
from catalogue.names import canonical, suggestion
from catalogue.prompts.markup import plain_text
from catalogue.prompts.mentions import mentions

LONGEST_TEMPLATE = 10_000
"""Characters."""
LONGEST_TEXT = 100_000
"""Characters that a rendering may have before white space is folded, and that one expression may
put together."""
LONGEST_SEEN = 20_000
"""Characters of a cell that a template sees: several times what a prompt may have."""
MOST_WORK = 2_000_000
"""Characters that the filters and tests of one rendering may look at, all together."""
MOST_PARTS = 1000
"""Texts, names, filters and conditions of one template."""
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
_JOIN = "join"
ROW = "row"
"""What templates call all of a row."""
_OWN_NAMES = ("self", "super")
"""Names that Jinja2 keeps for itself."""


class TemplateProblemError(Exception):
    """A template cannot be used, or not with this row; the message says why."""


class UnknownColumnError(TemplateProblemError):
    """A template uses a column that the row does not have."""

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        super().__init__()
        self.name = name
        self._columns = columns

    def __str__(self) -> str:
        # Only when somebody reads it: comparing names of columns takes longer than a rendering.
        return (
            f"The template uses {self.name!r}, which is no column; there are "
            f"{', '.join(map(repr, self._columns))}.{suggestion(self.name, self._columns)}"
        )


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
    _WORK.take(*texts)
    if sum(map(len, texts)) + len(texts) * len(separator) > LONGEST_TEXT:
        raise TemplateProblemError(
            f"`join` and `~` would make more than {LONGEST_TEXT:,} characters."
        )
    return separator.join(texts)


def _strip_tags(value: Any) -> str:
    return plain_text(str(value))


def _mentions(text: Any, words: Any) -> bool:
    return mentions(str(text), str(words))


class _Work(threading.local):
    """What is left of the work of this thread's rendering."""

    left = MOST_WORK

    def begin(self) -> None:
        self.left = MOST_WORK

    def take(self, *values: Any) -> None:
        self.left -= 1 + sum(len(value) for value in values if isinstance(value, str))
        if self.left < 0:
            raise TemplateProblemError(
                f"The template's filters and tests look at more than {MOST_WORK:,} characters of "
                "this row. Use fewer of them, or shorter cells."
            )


_WORK = _Work()


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Count the characters that a filter or test looks at before it does."""

    # With the attributes by which Jinja2 knows what to hand it.
    @wraps(function)
    def count(*given: Any, **named: Any) -> Any:
        _WORK.take(*given, *named.values())
        return function(*given, **named)

    return count


def _make_environment() -> _Environment:
    environment = _Environment(undefined=StrictUndefined, autoescape=False, cache_size=0)
    environment.globals.clear()
    kept: dict[str, Any] = {name: environment.filters[name] for name in _FILTERS}
    environment.filters.clear()
    filters = kept | {"replace": _replace, "join": _join, "striptags": _strip_tags}
    environment.filters.update({name: _counted(one) for name, one in filters.items()})
    tests: dict[str, Any] = {name: environment.tests[name] for name in _TESTS}
    environment.tests.clear()
    tests |= {"mentioning": _mentions}
    environment.tests.update({name: _counted(one) for name, one in tests.items()})
    return environment


_ENVIRONMENT = _make_environment()


class _BoundedConcat(NodeTransformer):
    """Has `a ~ b` count its characters before it puts them together, as `join` does."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        place = {"lineno": node.lineno, "environment": node.environment}
        self.generic_visit(node)
        parts = nodes.List(node.nodes, **place)
        return nodes.Filter(parts, _JOIN, [], [], None, None, **place)


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
            parts = sum(1 for _ in _look_at(tree))
            if parts > MOST_PARTS:
                raise TemplateProblemError(
                    f"The template has {parts:,} parts; {MOST_PARTS:,} is the most. Shorten it."
                )
            self._names = find_undeclared_variables(tree)
            _WORK.begin()
            self._template = _ENVIRONMENT.from_string(_BoundedConcat().visit(tree))
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
            text = self._write(variables(cells, self._names))
        except UndefinedError as error:
            raise _unknown(error, list(cells)) from error
        except TemplateProblemError:
            raise
        # Filters fail in any way on what they are not made for, even by assertions.
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise TemplateProblemError(f"The template fails on this row: {reason}.") from error
        text = " ".join(text.split())
        if len(text) > LONGEST_PROMPT:
            raise TemplateProblemError(
                f"The template makes a prompt of {len(text):,} characters; {LONGEST_PROMPT:,} is "
                "the most."
            )
        return text

    def _write(self, values: Mapping[str, Any]) -> str:
        """Render piece by piece, and stop when there is too much."""
        pieces, length = [], 0
        _WORK.begin()
        for piece in self._template.generate(values):
            length += len(piece)
            if length > LONGEST_TEXT:
                raise TemplateProblemError(
                    f"The template makes more than {LONGEST_TEXT:,} characters of this row; a "
                    f"prompt has at most {LONGEST_PROMPT:,}."
                )
            pieces.append(piece)
        return "".join(pieces)


def variables(cells: Mapping[str, Any], names: Set[str]) -> dict[str, Any]:
    """Return what a template names: columns as they are or folded, and `row`, which has them all.

    Nothing else of a row is looked at, which may have a thousand columns.
    """
    found = {name: _seen(cells[name]) for name in names if name in cells}
    if ROW in names:
        found[ROW] = {name: _seen(value) for name, value in cells.items()}
    if others := names - found.keys():
        written = _by_folded_name(tuple(cells))
        found |= {name: _seen(cells[written[name]]) for name in others if name in written}
    return found


@lru_cache(maxsize=64)
def _by_folded_name(columns: tuple[str, ...]) -> Mapping[str, str]:
    # The rows of a sheet have the same columns, or nearly.
    return {canonical(name): name for name in columns}


def _seen(value: Any) -> Any:
    if value is None:
        return ""
    return value[:LONGEST_SEEN] if isinstance(value, str) else value


def _look_at(node: nodes.Node, depth: int = 0) -> Iterator[nodes.Node]:
    """Yield a node and all in it, each found harmless."""
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
    if isinstance(node, nodes.Name) and node.name in _OWN_NAMES:
        raise TemplateProblemError(
            f"{node.name!r} is a name of Jinja2's own. A column that is called so is "
            f"{{{{ row['{node.name}'] }}}}."
        )
    yield node
    for child in node.iter_child_nodes():
        yield from _look_at(child, depth + 1)


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
    return UnknownColumnError(name, columns)
